"""pydantic-ai's stream for AI SDK clients, in Starlette. It has no heartbeat."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.subjects.others.pydantic_ai_in_process import event_stream, events
from benchmarks.subjects.work import parse, speak_async


async def answer(request: Request) -> Response:
    """Answer what the path asks for."""
    stream = event_stream()
    texts = speak_async(parse(request.url.path))
    response: Response = stream.streaming_response(stream.transform_stream(events(texts)))
    return response


app = Starlette(routes=[Route("/{path:path}", answer)])
