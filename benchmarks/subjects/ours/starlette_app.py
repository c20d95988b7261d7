"""Starlette."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assistant_stream_ce.responses.starlette import (
    AGUIResponse,
    AssistantTransportResponse,
    DataStreamResponse,
    OpenAIStreamResponse,
    UIMessageStreamResponse,
)
from benchmarks.subjects.ours.callbacks import stream
from benchmarks.subjects.work import parse

RESPONSES = {
    "data-stream": DataStreamResponse,
    "assistant-transport": AssistantTransportResponse,
    "openai": OpenAIStreamResponse,
    "ui-message-stream": UIMessageStreamResponse,
    "ag-ui": AGUIResponse,
}


async def answer(request: Request) -> Response:
    """Answer what the path asks for."""
    order = parse(request.url.path)
    return RESPONSES[order.wire](stream(order))


app = Starlette(routes=[Route("/{path:path}", answer)])
