"""Run a callback and read its stream in each combination of `def` and `async def`, `for` and `async for`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from assistant_stream_ce import AssistantStream, AssistantStreamChunk, RunController
from assistant_stream_ce.testing import Collected, acollect, collect

#: How a callback is written, and how its stream is read: every behaviour is tested in all four combinations.
CALLBACK_KINDS = ("def", "async def")
READER_KINDS = ("for", "async for")


def as_kind(kind: str, body: Callable[[RunController], object]) -> Callable[[RunController], Any]:
    """Return a callback of a kind that does what a plain function does."""
    if kind == "def":
        return body

    async def run(controller: RunController) -> None:
        body(controller)

    return run


def collect_with(kind: str, source: Any, **options: Any) -> Collected:
    """Collect a run that is read with `for`, or in an event loop with `async for`."""
    return collect(source, **options) if kind == "for" else asyncio.run(acollect(source, **options))


def read(kind: str, stream: AssistantStream) -> list[AssistantStreamChunk]:
    """Read a stream to its end, with `for` or in an event loop with `async for`."""
    chunks: list[AssistantStreamChunk] = []
    read_into(kind, stream, chunks)
    return chunks


def read_into(kind: str, stream: AssistantStream, chunks: list[AssistantStreamChunk]) -> None:
    """Read a stream into a list that keeps what came before an exception."""
    if kind == "for":
        for chunk in stream:
            chunks.append(chunk)
        return

    async def collect() -> None:
        async for chunk in stream:
            chunks.append(chunk)

    asyncio.run(collect())
