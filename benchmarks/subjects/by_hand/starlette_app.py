"""Starlette: a generator, and a queue where the model's client blocks."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from benchmarks.subjects.by_hand.bridges import in_thread_async
from benchmarks.subjects.by_hand.frames import FRAMES, MEDIA_TYPES
from benchmarks.subjects.work import Order, parse, speak, speak_async


async def body(order: Order) -> AsyncIterator[bytes]:
    """Yield the frames of a response."""
    frame = FRAMES[order.wire]
    async for text in speak_async(order) if order.way == "coroutine" else in_thread_async(speak(order)):
        yield frame(text)


async def answer(request: Request) -> StreamingResponse:
    """Answer what the path asks for."""
    order = parse(request.url.path)
    return StreamingResponse(body(order), media_type=MEDIA_TYPES[order.wire])


app = Starlette(routes=[Route("/{path:path}", answer)])
