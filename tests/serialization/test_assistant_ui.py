"""The JSON objects that the two formats of assistant-ui share: round trips."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce import chunks
from assistant_stream_ce.serialization import assistant_ui
from assistant_stream_ce.serialization.framing import FrameError


@pytest.mark.parametrize(
    "chunk",
    [
        chunks.SourceChunk("s", "https://example.org"),
        chunks.SourceChunk("s", "https://example.org", title="Title", parent_id="p"),
    ],
)
def test_a_source_with_a_url(chunk: chunks.SourceChunk) -> None:
    assert assistant_ui.source_of(assistant_ui.source(chunk)) == chunk


@pytest.mark.parametrize(
    "chunk",
    [
        chunks.SourceDocumentChunk("s", "text/plain", "Title"),
        chunks.SourceDocumentChunk("s", "text/plain", "Title", "a.txt", "p"),
    ],
)
def test_a_source_that_is_a_document(chunk: chunks.SourceDocumentChunk) -> None:
    assert assistant_ui.source_of(assistant_ui.source_document(chunk)) == chunk


@pytest.mark.parametrize("chunk", [chunks.FileChunk("eA==", "a/b"), chunks.FileChunk("eA==", "a/b", "p", "f.txt")])
def test_a_file(chunk: chunks.FileChunk) -> None:
    assert assistant_ui.chunk_of(chunks.FileChunk, assistant_ui.file(chunk)) == chunk


@pytest.mark.parametrize("chunk", [chunks.ReasoningPartChunk(), chunks.ReasoningPartChunk("In short", "p")])
def test_a_part_of_the_reasoning(chunk: chunks.ReasoningPartChunk) -> None:
    assert assistant_ui.reasoning_part_of(assistant_ui.reasoning_part(chunk)) == chunk


def test_the_end_of_a_step_and_of_a_message() -> None:
    step = chunks.StepFinishChunk("stop", 1, 2, True)
    assert assistant_ui.finish_of(chunks.StepFinishChunk, assistant_ui.step_finish(step)) == step
    message = chunks.MessageFinishChunk("length", 3, 4)
    assert assistant_ui.finish_of(chunks.MessageFinishChunk, assistant_ui.message_finish(message)) == message


def test_ai_sdk_4_s_names_of_the_usage_are_read() -> None:
    usage = {"promptTokens": 1, "completionTokens": 2}
    finish = assistant_ui.finish_of(chunks.MessageFinishChunk, {"finishReason": "stop", "usage": usage})
    assert finish == chunks.MessageFinishChunk("stop", 1, 2)


def test_absent_fields_are_left_out_and_never_null() -> None:
    assert assistant_ui.without_none({"a": None, "b": 0}) == {"b": 0}
    assert assistant_ui.result(chunks.ToolResultChunk("c", None)) == {"result": None}
    assert assistant_ui.data_part(chunks.DataPartChunk("n", None)) == {"name": "n", "data": None}


@pytest.mark.parametrize("value", [None, [], {}, {"data": 5, "mimeType": "a/b"}])
def test_an_object_with_a_wrong_field_is_refused(value: Any) -> None:
    with pytest.raises(FrameError):
        assistant_ui.chunk_of(chunks.FileChunk, value)
