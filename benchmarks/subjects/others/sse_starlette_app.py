"""sse-starlette, whose response has a heartbeat; the frames are written by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from benchmarks.subjects.work import Order, parse, speak_async


async def events(order: Order) -> AsyncIterator[dict[str, str]]:
    """Yield the events of a response."""
    async for text in speak_async(order):
        yield {"data": json.dumps({"type": "text-delta", "textDelta": text, "path": [0]})}


async def answer(request: Request) -> EventSourceResponse:
    """Answer what the path asks for."""
    return EventSourceResponse(events(parse(request.url.path)))


app = Starlette(routes=[Route("/{path:path}", answer)])
