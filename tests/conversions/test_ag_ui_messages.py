"""Histories of AG-UI."""

from __future__ import annotations

from assistant_stream_ce.conversions import from_ag_ui_messages, to_ag_ui_messages
from tests.conversions.histories import HISTORIES


def test_an_answer_becomes_several_messages() -> None:
    shown = to_ag_ui_messages(HISTORIES["a tool"])
    assert [message["role"] for message in shown] == ["user", "assistant", "tool", "assistant", "user"]
    assert shown[1]["id"] == "message-1"


def test_they_are_joined_again() -> None:
    read, dropped = from_ag_ui_messages(to_ag_ui_messages(HISTORIES["a tool"]))
    assert [part.type for part in read[1].parts] == ["text", "tool-call", "text"]
    assert dropped == []


def test_a_tool_message_with_an_error() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    native = [
        {"id": "a", "role": "assistant", "toolCalls": [call]},
        {"id": "t", "role": "tool", "toolCallId": "c", "content": "", "error": "no such city"},
    ]
    [message], _ = from_ag_ui_messages(native)
    assert (message.tool_calls[0].is_error, message.tool_calls[0].result) == (True, "no such city")
