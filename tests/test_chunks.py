"""Chunks: immutable, compared by value, with a type."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

import assistant_stream_ce
from assistant_stream_ce import chunks
from tests.support.example_chunks import EXAMPLES


def test_the_union_and_the_front_door_name_every_chunk() -> None:
    union = set(get_args(chunks.AssistantStreamChunk))
    assert union == {type(chunk) for chunk in EXAMPLES.values()}
    assert all(getattr(assistant_stream_ce, kind.__name__) is kind for kind in union)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_chunk_has_its_type_and_equals_by_value(name: str) -> None:
    chunk = EXAMPLES[name]
    assert chunk.type == name
    again = msgspec.json.decode(msgspec.json.encode(chunk), type=chunks.AssistantStreamChunk)
    assert again == chunk
    assert again is not chunk


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_chunk_cannot_be_changed(name: str) -> None:
    chunk = EXAMPLES[name]
    field = chunk.__struct_fields__[0]
    with pytest.raises(AttributeError):
        setattr(chunk, field, "other")


def test_optional_fields_have_the_contract_s_defaults() -> None:
    assert chunks.TextDeltaChunk(text_delta="a", parent_id=None) == EXAMPLES["text-delta"]
    assert chunks.SourceChunk("id", "https://example.org", "url", None, None) == EXAMPLES["source"]
    assert chunks.ToolResultChunk("id", {"r": 1}, None, False, None) == EXAMPLES["tool-result"]
    assert chunks.StepFinishChunk("stop", 0, 0, False) == EXAMPLES["step-finish"]
    assert chunks.FileChunk("eA==", "text/plain", None, None) == EXAMPLES["file"]
    assert chunks.SourceDocumentChunk("id", "text/plain", "title", None, None) == EXAMPLES["source-document"]
    assert chunks.DataPartChunk("weather", [1], None, False, None) == EXAMPLES["data-part"]
    assert chunks.ErrorChunk("boom", None, None) == EXAMPLES["error"]


class Spelling(chunks.ChunkHandler[str]):
    def tool_call_begin(self, chunk: chunks.ToolCallBeginChunk) -> str:
        return f"begin {chunk.tool_name}"

    def unhandled(self, chunk: chunks.AssistantStreamChunk) -> str:
        return f"unhandled {chunk.type}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_chunk_goes_to_the_method_of_its_type_or_to_unhandled(name: str) -> None:
    expected = "begin name" if name == "tool-call-begin" else f"unhandled {name}"
    assert Spelling().handle(EXAMPLES[name]) == expected


def test_a_subclass_of_a_handler_inherits_and_replaces_methods() -> None:
    class Other(Spelling):
        def text_delta(self, chunk: chunks.TextDeltaChunk) -> str:
            return chunk.text_delta

    assert Other().handle(EXAMPLES["text-delta"]) == "a"
    assert Other().handle(EXAMPLES["tool-call-begin"]) == "begin name"


def test_a_handler_ignores_chunks_without_a_method_by_default() -> None:
    class Nothing(chunks.ChunkHandler[None]):
        pass

    assert all(Nothing().handle(chunk) is None for chunk in EXAMPLES.values())


def test_a_handler_refuses_what_is_not_a_chunk() -> None:
    with pytest.raises(TypeError, match=r"must yield chunks, not dict: yield TextDeltaChunk"):
        Spelling().handle({"type": "text-delta"})  # type: ignore[arg-type]
