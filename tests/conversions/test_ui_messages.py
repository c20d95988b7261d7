"""Histories of AI SDK."""

from __future__ import annotations

from assistant_stream_ce.conversions import from_ui_messages, to_ui_messages
from assistant_stream_ce.message import Step
from tests.conversions.histories import HISTORIES


def test_every_message_has_an_id() -> None:
    assert [message["id"] for message in to_ui_messages(HISTORIES["a conversation"])] == [
        "message-0",
        "message-1",
        "message-2",
    ]


def test_an_approval_survives() -> None:
    history = HISTORIES["an open approval, then the user"]
    shown = to_ui_messages(history)
    assert shown[1]["parts"][1]["state"] == "approval-requested"
    read, dropped = from_ui_messages(shown)
    assert (read[1].parts, dropped) == (history[1].parts, [])
    assert read[1].steps == [Step("", 0)]


def test_parts_that_cannot_be_read_are_reported() -> None:
    parts = [{"type": "text"}, 5, {"type": "tool-x"}, {"type": "source-url"}, {"type": "steering"}, {}]
    messages, dropped = from_ui_messages(
        [{"id": "a", "role": "assistant", "parts": [*parts, {"type": "text", "text": "a"}]}]
    )
    assert messages[0].text == "a"
    assert [one.path for one in dropped] == [f"messages.0.parts.{number}" for number in (0, 1, 2, 3, 4, 5)]
