"""`ChatRequest` and `RequestError`."""

from __future__ import annotations

from assistant_stream_ce.chat_requests import ChatRequest, RequestError
from assistant_stream_ce.message import AssistantMessage, TextPart, UserMessage


def test_the_last_message_of_the_user() -> None:
    messages = [UserMessage([TextPart("a")]), UserMessage([TextPart("b"), TextPart("c")]), AssistantMessage()]
    request = ChatRequest(messages=messages)
    assert request.user is messages[1]
    assert request.text == "b\nc"


def test_a_request_without_a_message_of_the_user() -> None:
    request = ChatRequest()
    assert request.user is None
    assert request.text == ""


def test_the_status_of_an_error_is_a_bad_request_unless_given() -> None:
    assert RequestError("no").status == 400
    assert RequestError("too much", 413).status == 413
