"""Starlette yielding bytes that are ready."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from benchmarks.subjects.limit.bodies import body_async
from benchmarks.subjects.work import parse


async def answer(request: Request) -> StreamingResponse:
    """Answer what the path asks for."""
    return StreamingResponse(body_async(parse(request.url.path)))


app = Starlette(routes=[Route("/{path:path}", answer)])
