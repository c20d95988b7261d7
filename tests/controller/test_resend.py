"""Chunks that were built elsewhere: sent with all fields, and checked as the controller's methods check."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce import RunController, TextDeltaChunk, ToolCallBeginChunk, UpdateStateChunk, create_run
from tests.support.example_chunks import EXAMPLES


def sent(*chunks: Any, state: Any = None) -> list[Any]:
    """Return what arrives of chunks that a callback sends."""

    def callback(controller: RunController) -> None:
        for chunk in chunks:
            controller.add_chunk(chunk)

    return list(create_run(callback, state=state))


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in ("tool-call-delta", "tool-result")])
def test_each_chunk_arrives_as_it_was(name: str) -> None:
    chunk = EXAMPLES[name]
    assert sent(chunk, state={"a": 0})[0] == chunk


@pytest.mark.parametrize("name", ["tool-call-delta", "tool-result"])
def test_what_belongs_to_a_call_arrives_after_its_begin(name: str) -> None:
    begin = ToolCallBeginChunk("id", "name")
    assert sent(begin, EXAMPLES[name])[:2] == [begin, EXAMPLES[name]]


@pytest.mark.parametrize("chunk", ["text", None, 1, {"type": "text-delta"}])
def test_what_is_no_chunk_is_refused(chunk: Any) -> None:
    with pytest.raises(TypeError, match="chunk"):
        sent(chunk)


@pytest.mark.parametrize(
    "chunk", [TextDeltaChunk(5), ToolCallBeginChunk("id", None), UpdateStateChunk([{"type": "new"}])]
)  # type: ignore[arg-type, list-item]
def test_a_field_of_a_wrong_type_is_refused(chunk: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        sent(chunk)
