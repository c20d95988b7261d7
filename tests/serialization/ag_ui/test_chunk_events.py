"""Expansion of `*_CHUNK` events into START, CONTENT and END."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.serialization.ag_ui.chunk_events import ChunkEventExpander
from assistant_stream_ce.serialization.framing import FrameError

TEXT: dict[str, Any] = {"type": "TEXT_MESSAGE_CHUNK", "messageId": "m", "delta": "a"}
MORE: dict[str, Any] = {"type": "TEXT_MESSAGE_CHUNK", "delta": "b"}
CALL: dict[str, Any] = {"type": "TOOL_CALL_CHUNK", "toolCallId": "c", "toolCallName": "add", "delta": "{"}
FINISHED: dict[str, Any] = {"type": "RUN_FINISHED"}


def expanded(*events: dict[str, Any]) -> list[str]:
    expander = ChunkEventExpander()
    return [kind for event in events for kind, _ in expander.expand(event["type"], event)]


def test_a_chunk_starts_a_message_and_the_next_continues_it() -> None:
    assert expanded(TEXT, MORE) == ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CONTENT"]
    expander = ChunkEventExpander()
    (start, content) = expander.expand(TEXT["type"], TEXT)
    assert start[1] == {"messageId": "m", "role": "assistant"}
    assert content[1] == {"messageId": "m", "delta": "a"}


def test_an_event_of_another_kind_ends_it() -> None:
    assert expanded(TEXT, CALL)[2:] == ["TEXT_MESSAGE_END", "TOOL_CALL_START", "TOOL_CALL_ARGS"]
    assert expanded(TEXT, FINISHED)[2:] == ["TEXT_MESSAGE_END", "RUN_FINISHED"]
    assert expanded(TEXT, {**TEXT, "messageId": "n"})[2] == "TEXT_MESSAGE_END"


def test_a_raw_event_ends_nothing() -> None:
    assert expanded(TEXT, {"type": "RAW"}, MORE)[2:] == ["RAW", "TEXT_MESSAGE_CONTENT"]


def test_subagents_have_their_own_open_items() -> None:
    by_subagent = {**TEXT, "messageId": "n", "subagentRunId": "s"}
    kinds = expanded(TEXT, by_subagent, {**MORE, "subagentRunId": "s"}, MORE)
    assert "TEXT_MESSAGE_END" not in kinds
    assert kinds.count("TEXT_MESSAGE_START") == 2


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([MORE], "must have a messageId"),
        ([{**CALL, "toolCallName": None}], "must have a toolCallName"),
        ([TEXT, {**TEXT, "role": "user"}], "its role differs"),
        ([TEXT, {**TEXT, "subagentRunId": "s"}], "its subagent 's' differs"),
    ],
)
def test_a_continuation_without_an_open_item_is_rejected(events: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(FrameError, match=message):
        expanded(*events)
