"""The message of a stream that was sent as a web response."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from assistant_stream_ce import AssistantMessage, RunController, create_run
from assistant_stream_ce.message import MessageStatus, TextPart
from assistant_stream_ce.responses.starlette import DataStreamResponse
from assistant_stream_ce.responses.wsgi import DataStreamResponse as WSGIDataStreamResponse
from tests.support.asgi import Client
from tests.support.kinds import CALLBACK_KINDS, as_kind

CANCELLED = MessageStatus("incomplete", "cancelled")


def say(controller: RunController) -> None:
    controller.append_text("a")
    controller.append_text("b")


def respond(kind: str, stream: Any, method: str) -> bytes:
    """Send a stream as a response of a kind of server."""
    if kind == "asgi":
        client = Client(method=method)
        asyncio.run(client.call(DataStreamResponse(stream)))
        return client.body
    response = WSGIDataStreamResponse(stream)
    body = response({"REQUEST_METHOD": method}, lambda *_: print)
    try:
        return b"".join(body)
    finally:
        response.body.close()


@pytest.mark.parametrize("server", ["asgi", "wsgi"])
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_response_that_was_sent_has_a_message(kind: str, server: str) -> None:
    stored: list[AssistantMessage] = []
    stream = create_run(as_kind(kind, say), on_finish=lambda result: stored.append(result.message), message_id="m")
    assert respond(server, stream, "POST") == b'0:"a"\n0:"b"\n'
    assert stored == [stream.message] == [AssistantMessage([TextPart("ab")], id="m")]


@pytest.mark.parametrize("server", ["asgi", "wsgi"])
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_response_to_head_has_an_empty_message(kind: str, server: str) -> None:
    stored: list[AssistantMessage] = []
    stream = create_run(as_kind(kind, say), on_finish=lambda result: stored.append(result.message), message_id="m")
    assert respond(server, stream, "HEAD") == b""
    assert stored == [stream.message] == [AssistantMessage(status=CANCELLED, id="m")]
