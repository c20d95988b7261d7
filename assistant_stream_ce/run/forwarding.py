"""Forwarding of another stream's chunks to a controller, in the way that suits the place of the call."""

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
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
)
from assistant_stream_ce.concurrency.waiters import in_event_loop
from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.errors import RunCancelled
from assistant_stream_ce.run.loops import shared_loop


class Forwarding:
    """A source that is being read: by a task in a coroutine, or completely read already. Awaiting it is optional."""

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
        """Wait for the end; raise what the source raised unless the callback got it by awaiting."""
        # A task of another loop than the run's has ended with that loop.
        if self._task is not None and self._task.get_loop() is asyncio.get_running_loop():
            await asyncio.wait((self._task,))
            if not self._was_awaited:
                self._task.result()


def forward(source: ChunkSource, controller: RunController) -> Forwarding:
    """Send what a source yields: alongside in a coroutine if it is async, else before this returns.

    Raises:
        TypeError: the source is not iterable, or yields something other than chunks.
        RunCancelled: in a worker thread, when the reader left meanwhile.
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
    """Send what an iterable yields; it is closed in any case."""
    try:
        for chunk in source:
            send(chunk)
    finally:
        # Another run's stream without waiting for its end, for which this run's grace is not meant.
        close = getattr(source, "cancel", None) or getattr(source, "close", None)
        if close is not None:
            close()


async def send_all_async(
    source: AsyncIterable[AssistantStreamChunk],
    send: Callable[[AssistantStreamChunk], None],
    drain: Callable[[], Awaitable[None]],
) -> None:
    """Send what an async iterable yields, at the reader's pace; it is closed in any case."""
    try:
        async for chunk in source:
            send(chunk)
            await drain()
    finally:
        aclose = getattr(source, "aclose", None)
        if aclose is not None:
            await aclose()


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
    # It must not block for this run's reader: other runs use it too.
    controller.link.channel.add_producer_loops(loop)
    future = asyncio.run_coroutine_threadsafe(_forward_async(source, controller), loop)
    cancellation = controller.link.cancellation
    registration = cancellation.add(future.cancel)
    if registration is None:
        future.cancel()
    try:
        future.result()
    except concurrent.futures.CancelledError:
        raise RunCancelled("the reader has left") from None
    finally:
        if registration is not None:
            cancellation.remove(registration)


class _CallIds:
    """Replaces ids of a source's tool calls that the run has already: some providers repeat theirs in each response."""

    def __init__(self, controller: RunController) -> None:
        self._calls = controller.link.calls
        self._ids: dict[str, str] = {}

    def replaced(self, chunk: AssistantStreamChunk) -> AssistantStreamChunk:
        """Return a chunk with the id that its call has in the run."""
        if not isinstance(chunk, _CALL_CHUNKS):
            return chunk
        call_id = chunk.tool_call_id
        if not isinstance(chunk, (ToolCallDeltaChunk, ToolResultChunk)) and call_id not in self._ids:
            self._ids[call_id] = f"call_{uuid.uuid4().hex}" if self._calls.has(call_id) else call_id
        own = self._ids.get(call_id, call_id)
        return chunk if own == call_id else msgspec.structs.replace(chunk, tool_call_id=own)


_CALL_CHUNKS = (ToolCallBeginChunk, ToolCallChunk, ToolCallDeltaChunk, ToolResultChunk)


def _hold_back_last_error(controller: RunController) -> Callable[[AssistantStreamChunk | None], None]:
    """Return a function that sends chunks, but an error chunk only when the next one, or None at the end, comes.

    A stream that fails ends with an error chunk and then raises. The exception is reported by the code that lets it
    pass; sending the chunk too would report it twice, and even when it was caught.
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
