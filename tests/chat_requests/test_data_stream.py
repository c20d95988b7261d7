"""Requests of `useDataStreamRuntime`."""

from __future__ import annotations

from assistant_stream_ce.chat_requests import (
    parse_data_stream,
)
from assistant_stream_ce.message import AssistantMessage, FilePart
from tests.chat_requests.captured import body


def test_data_stream_of_a_thread_that_exists_only_in_the_page() -> None:
    request = parse_data_stream(body("aui-ds-text"))
    assert request.thread_id is None
    assert request.parent_id == "K5xLW7i"
    assert request.message_id is None
    assert [tool.name for tool in request.tools] == ["clock", "confirm"]
    assert request.extra == {"unstable_assistantMessageId": "CimGfhu", "runConfig": {}, "extra": 1}


def test_data_stream_files() -> None:
    user = parse_data_stream(body("aui-ds-image-file")).user
    assert user is not None
    assert user.files == [
        FilePart("iVBORw0KGgo=", "image/png"),
        FilePart("JVBERi0=", "application/pdf", "a.pdf"),
    ]


def test_data_stream_result_of_a_front_end_tool() -> None:
    request = parse_data_stream(body("aui-ds-tool-result"))
    [result] = request.tool_results
    assert (result.tool_call_id, result.tool_name, result.result) == ("k1", "confirm", {"ok": True})
    assert request.message_id == "u8cnrWA"


def test_data_stream_entries_of_one_message_are_joined() -> None:
    request = parse_data_stream(body("aui-ds-after-backend-tool"))
    answers = [message for message in request.messages if isinstance(message, AssistantMessage)]
    joined = next(message for message in answers if message.id == "u8cnrWA")
    assert [part.type for part in joined.parts] == ["tool-call", "text"]
    assert len(joined.steps) == 2
    error = next(message for message in answers if message.id == "2pkvINk").tool_calls[0]
    assert (error.is_error, error.result) == (True, {"error": "Tool call was not completed"})
    assert request.state == {"n": 1}
    # A file of the assistant comes back as a tool call without any field: a fault of the client.
    assert [one.path for one in request.dropped] == ["messages.22.content.0"]
