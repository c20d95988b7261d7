"""Forwarding of another stream's chunks to a controller: `add_stream`, in a thread and in a coroutine."""

from __future__ import annotations

import asyncio
import concurrent.futures
import uuid
from collections.abc import AsyncIterable, Awaitable, Callable, Generator, Iterable
from typing import Any

import msgspec

from assistant_stream_ce.chunks import (
    AssistantStreamChunk,
    ErrorChunk,
    ToolApprovalRequestChunk,
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
)
from assistant_stream_ce.concurrency.closing import aclosing_source, closing_source
from assistant_stream_ce.concurrency.waiters import in_event_loop
from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.errors import READER_HAS_LEFT, RunCancelled
from assistant_stream_ce.run.loops import shared_loop


class Forwarding:
    """Handle of a forwarded source, which a task reads or which was read completely. Awaiting it is optional."""

    def __init__(self, task: asyncio.Task[None] | None = None) -> None:
        self._task = task
        self._was_awaited = False

    def __await__(self) -> Generator[Any, None, None]:
        self._was_awaited = True
        if self._task is not None:
            yield from self._task.__await__()

    @property
    def is_done(self) -> bool:
        """Whether the source was read to its end."""
        return self._task is None or self._task.done()

    def cancel(self) -> None:
        """Stop reading. On the task's loop."""
        if self._task is not None:
            self._task.cancel()

    async def join(self) -> None:
        """Wait for the end; raise the exception of the source unless the callback has awaited it."""
        # A task on another loop than the run's has ended with that loop.
        if self._task is not None and self._task.get_loop() is asyncio.get_running_loop():
            await asyncio.wait((self._task,))
            if not self._was_awaited:
                self._task.result()


def forward(source: ChunkSource, controller: RunController) -> Forwarding:
    """Forward a source: an async one concurrently if called in a coroutine, any other before this returns.

    Raises:
        TypeError: the source is not iterable, or yields something other than chunks.
        RunCancelled: in a worker thread, when the reader has left.
    """
    if isinstance(source, AsyncIterable) and in_event_loop():
        return Forwarding(asyncio.get_running_loop().create_task(_forward_async(source, controller)))
    if isinstance(source, Iterable):
        _forward_inline(source, controller)
    elif isinstance(source, AsyncIterable):
        _forward_on_shared_loop(source, controller)
    else:
        raise TypeError(f"stream must be an iterable of chunks, not {type(source).__name__}")
    return Forwarding()


def send_all(source: Iterable[AssistantStreamChunk], send: Callable[[AssistantStreamChunk], None]) -> None:
    """Send the chunks of an iterable, and close it in any case."""
    # The stream of another run is closed without waiting for that run's end.
    with closing_source(source, "cancel", "close") as found:
        for chunk in found:
            send(chunk)


async def send_all_async(
    source: AsyncIterable[AssistantStreamChunk],
    send: Callable[[AssistantStreamChunk], None],
    drain: Callable[[], Awaitable[None]],
) -> None:
    """Send the chunks of an async iterable with backpressure, and close it in any case."""
    async with aclosing_source(source) as found:
        async for chunk in found:
            send(chunk)
            await drain()


def _forward_inline(source: Iterable[AssistantStreamChunk], controller: RunController) -> None:
    send = _hold_back_last_error(controller)
    send_all(source, send)
    send(None)


async def _forward_async(source: AsyncIterable[AssistantStreamChunk], controller: RunController) -> None:
    send = _hold_back_last_error(controller)
    await send_all_async(source, send, controller.drain)
    send(None)


def _forward_on_shared_loop(source: AsyncIterable[AssistantStreamChunk], controller: RunController) -> None:
    loop = shared_loop()
    # A slow reader must not block it: other runs use the loop too.
    controller.run_context.channel.add_producer_loops(loop)
    future = asyncio.run_coroutine_threadsafe(_forward_async(source, controller), loop)
    cancellation = controller.run_context.cancellation
    registration = cancellation.add(future.cancel)
    if registration is None:
        future.cancel()
    try:
        future.result()
    except concurrent.futures.CancelledError:
        raise RunCancelled(READER_HAS_LEFT) from None
    finally:
        if registration is not None:
            cancellation.remove(registration)


class _CallIds:
    """Replaces tool call ids that the run has already: some providers repeat theirs in each response."""

    def __init__(self, controller: RunController) -> None:
        self._calls = controller.run_context.calls
        self._ids: dict[str, str] = {}

    def replaced(self, chunk: AssistantStreamChunk) -> AssistantStreamChunk:
        """Return a chunk with the id of its call in the run."""
        if not isinstance(chunk, _CALL_CHUNKS):
            return chunk
        call_id = chunk.tool_call_id
        if isinstance(chunk, (ToolCallBeginChunk, ToolCallChunk)) and call_id not in self._ids:
            self._ids[call_id] = f"call_{uuid.uuid4().hex}" if self._calls.has(call_id) else call_id
        own = self._ids.get(call_id, call_id)
        return chunk if own == call_id else msgspec.structs.replace(chunk, tool_call_id=own)


_CALL_CHUNKS = (ToolCallBeginChunk, ToolCallChunk, ToolCallDeltaChunk, ToolResultChunk, ToolApprovalRequestChunk)


def _hold_back_last_error(controller: RunController) -> Callable[[AssistantStreamChunk | None], None]:
    """Return a function that sends chunks, but delays an error chunk until the next chunk, or None for the end.

    A failed stream ends with an error chunk and then raises. If the callback does not catch the exception, the run
    reports it; the chunk would report it twice, or once although it was caught.
    """
    held: AssistantStreamChunk | None = None
    ids = _CallIds(controller)

    def send(chunk: AssistantStreamChunk | None) -> None:
        nonlocal held
        if held is not None:
            controller.add_chunk(held)
            held = None
        if type(chunk) is ErrorChunk:
            held = chunk
        elif chunk is not None:
            controller.add_chunk(ids.replaced(chunk))

    return send
