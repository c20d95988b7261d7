"""Histories of assistant-ui."""

from __future__ import annotations

from assistant_stream_ce.conversions import from_assistant_ui_messages, to_assistant_ui_messages
from tests.conversions.histories import HISTORIES


def test_images_and_files_of_the_user() -> None:
    [user] = to_assistant_ui_messages(HISTORIES["files"])
    assert [part["type"] for part in user["content"]] == ["text", "image", "image", *["file"] * 5]


def test_attachments_are_read() -> None:
    attachment = {"id": "a", "content": [{"type": "image", "image": "data:image/png;base64,AA=="}]}
    messages, dropped = from_assistant_ui_messages([{"role": "user", "content": [], "attachments": [attachment]}])
    assert (messages[0].parts[0].data, dropped) == ("AA==", [])


def test_parts_that_cannot_be_read_are_reported() -> None:
    content = [{"type": "text", "text": 5}, {"type": "text", "text": "a"}]
    messages, dropped = from_assistant_ui_messages([{"role": "assistant", "content": content}])
    assert messages[0].text == "a"
    assert [one.path for one in dropped] == ["messages.0.content.0"]


def test_unknown_parts_and_unsafe_files_of_the_assistant_are_reported() -> None:
    files = [{"type": "file", "data": data, "mimeType": "a/b"} for data in ("file:///etc/passwd", "AA==")]
    content = [{"type": "new"}, *files, {"type": "text", "text": "a"}]
    [message], dropped = from_assistant_ui_messages([{"role": "assistant", "content": content}])
    assert [part.type for part in message.parts] == ["file", "text"]
    assert [one.path for one in dropped] == ["messages.0.content.0", "messages.0.content.1"]
