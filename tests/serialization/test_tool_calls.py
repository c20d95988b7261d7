"""The progress of one tool call."""

from __future__ import annotations

from assistant_stream_ce.serialization.tool_calls import ToolCallState


def test_a_call_begins_without_arguments_and_result() -> None:
    state = ToolCallState("c1", 3)
    assert (state.call_id, state.number, state.has_args, state.has_result) == ("c1", 3, False, False)
