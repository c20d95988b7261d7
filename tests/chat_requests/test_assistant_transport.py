"""Requests of `useAssistantTransportRuntime`."""

from __future__ import annotations

from assistant_stream_ce.chat_requests import (
    parse_assistant_transport,
)
from assistant_stream_ce.message import FilePart, TextPart, UserMessage
from tests.chat_requests.captured import body


def test_transport_commands() -> None:
    image = parse_assistant_transport(body("aui-transport-image"))
    assert image.messages == [UserMessage([TextPart("what?"), FilePart("iVBORw0KGgo=", "image/png")], "tgCJMcz")]
    assert (image.parent_id, image.is_edit, image.thread_id) == ("a1", False, None)
    assert image.state["messages"][0]["id"] == "u1"
    assert image.extra == {"tenant": 7}
    edit = parse_assistant_transport(body("aui-transport-edit"))
    assert (edit.is_edit, edit.text, edit.parent_id) == (True, "edited", None)
    result = parse_assistant_transport(body("aui-transport-tool-result"))
    [found] = result.tool_results
    assert (found.tool_call_id, found.tool_name, found.result, found.is_error) == ("k1", "confirm", {"ok": True}, False)
    assert [command["type"] for command in result.commands] == ["add-tool-result"]


def test_transport_without_commands_follows_a_running_answer() -> None:
    request = parse_assistant_transport({"commands": [], "threadId": "t-1"})
    assert (request.is_resume, request.thread_id, request.messages) == (True, "t-1", [])
