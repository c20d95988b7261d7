"""Starlette."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from assistant_stream import create_run
from assistant_stream.serialization import AssistantTransportResponse, DataStreamResponse, OpenAIStreamResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.subjects.work import Order, parse, speak, speak_async

RESPONSES = {
    "data-stream": DataStreamResponse,
    "assistant-transport": AssistantTransportResponse,
    "openai": OpenAIStreamResponse,
}


async def answer(request: Request) -> Response:
    """Answer what the path asks for."""
    order = parse(request.url.path)
    response: Response = RESPONSES[order.wire](create_run(callback(order)), heartbeat=True)
    return response


def callback(order: Order) -> Any:
    """Return the callback that a request asks for. A blocking one is brought into a thread by hand."""

    async def run(controller: Any) -> None:
        async for text in speak_async(order):
            controller.append_text(text)

    async def run_in_thread(controller: Any) -> None:
        def work() -> None:
            for text in speak(order):
                controller.append_text(text)

        await asyncio.to_thread(work)

    return run if order.way == "coroutine" else run_in_thread


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Give asyncio's pool enough threads: its own few would have most clients wait for their turn."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1000))
    yield


app = Starlette(routes=[Route("/{path:path}", answer)], lifespan=lifespan)
