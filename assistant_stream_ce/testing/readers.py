"""Readers that behave like real clients: slow ones, and ones that disconnect before the end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any, Literal, TypeAlias

from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.concurrency.closing import ClosesBothWays
from assistant_stream_ce.concurrency.waiters import OneShotEvent
from assistant_stream_ce.create_run import AssistantStream, AsyncReader, SyncReader
from assistant_stream_ce.errors import StreamUsageError, shorten
from assistant_stream_ce.run.hooks import RunReason
from assistant_stream_ce.serialization import EncodedStream
from assistant_stream_ce.testing.timeouts import (
    RunSource,
    Timeout,
    await_event,
    describe_stack,
    keep_error,
    refuse_event_loop,
    run_of,
    stream_of,
    wait_for_event,
)

#: How a reader disconnects.
DisconnectKind: TypeAlias = Literal["close", "cancel", "break"]


class SlowReader(ClosesBothWays, Iterator[AssistantStreamChunk], AsyncIterator[AssistantStreamChunk]):
    """Reader that takes a chunk only when the test asks for one: `next(reader)`, or `await anext(reader)`.

    Use it as a context manager, sync or async; it cancels the run at the end of the block.

    Args:
        source: a callback, an unread stream, or any iterable of chunks.
        state: the initial state, for a callback.
        timeout: limit of each wait in seconds. Then a `TimeoutError` with the callback's stack is raised.
        options: options of `create_run`, for a callback; above all `max_pending`.

    Attributes:
        most_waiting: the largest number of chunks that were seen waiting.

    Raises:
        TypeError: `source` has a wrong type, or an argument does not apply to it.
    """

    def __init__(self, source: RunSource, *, state: object = None, timeout: float = 10.0, **options: Any) -> None:
        self._stream = stream_of(source, state, options)
        self._run = run_of(self._stream)
        self._timeout = timeout
        self._sync_reader: SyncReader | None = None
        self._async_reader: AsyncReader | None = None
        self._taken: deque[AssistantStreamChunk] = deque()
        self.most_waiting: int = 0

    @property
    def waiting(self) -> int:
        """Number of chunks that wait for this reader."""
        return self._measure()

    def _measure(self) -> int:
        """Return how many chunks wait, and record the largest number."""
        # It falls only when this reader reads, so measuring at each read and each access misses no maximum.
        waiting = self._run.run_context.channel.waiting + len(self._taken)
        self.most_waiting = max(self.most_waiting, waiting)
        return waiting

    @property
    def reason(self) -> RunReason | None:
        """How the run ended; None while it runs."""
        return self._stream.reason

    def wait_until_held(self) -> None:
        """Wait in a thread until backpressure holds the callback; in a coroutine use `await_until_held`.

        A blocking callback is held in any call of the controller, a coroutine in `await controller.drain()`.

        Raises:
            AssertionError: the callback ended without waiting for its reader.
            StreamUsageError: nothing was read yet, so the callback has not started; or an event loop is running in
                this thread.
            TimeoutError: the callback neither waits nor ends.
        """
        refuse_event_loop("wait_until_held()", "reader.await_until_held()")
        wait_for_event(self._watch_channel(), self._timeout, self._not_held)
        self._check_held()

    async def await_until_held(self) -> None:
        """Wait in a coroutine until backpressure holds the callback; see `wait_until_held`."""
        await await_event(self._watch_channel(), self._timeout, self._not_held)
        self._check_held()

    def _watch_channel(self) -> OneShotEvent:
        """Return an event that is set once a producer waits for capacity, or the channel has ended."""
        if self._sync_reader is None and self._async_reader is None:
            raise StreamUsageError("read a chunk first: the callback starts with the first read")
        happened = _WokenEvent()
        self._run.run_context.channel.watch(happened)
        return happened

    def _check_held(self) -> None:
        waiting = self.waiting
        if self._run.run_context.channel.has_ended:
            raise AssertionError(f"the callback ended without waiting for its reader: {waiting:,} chunks wait")

    def _not_held(self) -> str:
        waiting = f"the callback did not wait for its reader in {self._timeout:g} s: {self.waiting:,} chunks wait"
        return f"{waiting}, and {describe_stack(self._run)}"

    def __next__(self) -> AssistantStreamChunk:
        if self._sync_reader is None:
            self._sync_reader = iter(self._stream)
        self._measure()
        if not self._taken:
            with Timeout(self._run, self._timeout):
                self._take(self._sync_reader.read(), StopIteration)
        return self._taken.popleft()

    async def __anext__(self) -> AssistantStreamChunk:
        if self._async_reader is None:
            self._async_reader = aiter(self._stream)
        self._measure()
        if not self._taken:
            with Timeout(self._run, self._timeout):
                self._take(await self._async_reader.read(), StopAsyncIteration)
        return self._taken.popleft()

    def _take(self, batch: list[AssistantStreamChunk] | None, end: type[Exception]) -> None:
        if batch is None:
            raise end
        self._taken.extend(batch)

    def close(self) -> None:
        """Cancel the run; see `AssistantStream.close`."""
        self._stream.close()

    async def aclose(self) -> None:
        """Cancel the run; see `AssistantStream.aclose`."""
        await self._stream.aclose()


class _WokenEvent(OneShotEvent):
    """An event that a channel sets, as it wakes a waiter."""

    wake = OneShotEvent.set


class Disconnect:
    """The items of a reader before its disconnect, and how the run ended. Returned by `read_and_leave`.

    Attributes:
        items: the chunks, or pieces of bytes, that were read.
        error: the exception that the callback raised while it was read.
        ended_after: seconds from the disconnect to the end of the callback; None if it still ran.
    """

    def __init__(self, held: list[AssistantStream] | list[EncodedStream], timeout: float) -> None:
        # The list has the only reference to the stream, unless the test has one too: "break" drops it.
        self._held = held
        stream = held[0] if isinstance(held[0], AssistantStream) else held[0]._stream
        self._run = run_of(stream)
        self._timeout = timeout
        self._left_at = 0.0
        self._cancelled_at: float | None = None
        self._was_cancelled = OneShotEvent()
        self._run.run_context.cancellation.add(self._on_cancel)
        self.items: list[Any] = []
        self.error: BaseException | None = None
        self.ended_after: float | None = None

    @property
    def reason(self) -> RunReason | None:
        """How the run ended; "completed" or "failed" if it ended before the disconnect, None if it still runs."""
        return self._run.reason

    @property
    def cancelled_after(self) -> float | None:
        """Seconds from the disconnect to the call of the callback's `on_cancel`; None if it was not called."""
        return None if self._cancelled_at is None else max(0.0, self._cancelled_at - self._left_at)

    def __repr__(self) -> str:
        cancelled, ended = _after(self.cancelled_after), _after(self.ended_after)
        return f"<Disconnect after {len(self.items)}: cancelled {cancelled}, ended {ended}, {self.reason}>"

    # --- in a thread ---

    def _read(self, after: int, by: DisconnectKind) -> Disconnect:
        with Timeout(self._run, self._timeout):
            reader = iter(self._held[0])
            with keep_error(self):
                self.items.extend(islice(reader, after))
        self._left_at = time.monotonic()
        if by == "close":
            self._held[0].close()
        elif by == "cancel":
            self._run.cancel()
        del reader
        self._held.clear()
        self._run.ended.wait_sync(self._timeout)
        if self._conclude():
            self._was_cancelled.wait_sync(self._timeout)
        return self

    # --- in a coroutine ---

    async def _read_async(self, after: int, by: DisconnectKind) -> Disconnect:
        with Timeout(self._run, self._timeout):
            reader = aiter(self._held[0])
            with keep_error(self):
                await self._read_some(reader, after, by)
        if by == "close":
            self._left_at = time.monotonic()
            await self._held[0].aclose()
        del reader
        self._held.clear()
        await self._wait(self._run.ended)
        if self._conclude():
            await self._wait(self._was_cancelled)
        return self

    async def _wait(self, event: OneShotEvent) -> None:
        with contextlib.suppress(TimeoutError):
            await await_event(event, self._timeout, str)

    async def _read_some(self, reader: AsyncIterator[Any], after: int, by: DisconnectKind) -> None:
        try:
            async with asyncio.timeout(None) as scope:
                while len(self.items) < after:
                    self.items.append(await anext(reader))
                self._left_at = time.monotonic()
                if by == "cancel":
                    # At the next wait, which is where a cancelled task is interrupted.
                    scope.reschedule(asyncio.get_running_loop().time())
                    async for _ in reader:
                        pass
        except StopAsyncIteration:
            self._left_at = time.monotonic()
        except TimeoutError:
            if not scope.expired():
                raise

    # --- both ---

    def _on_cancel(self) -> None:
        self._cancelled_at = time.monotonic()
        self._was_cancelled.set()

    def _conclude(self) -> bool:
        """Measure the end of the callback, or abandon a thread that did not stop; return whether it was cancelled."""
        if self._run.ended.is_set() and self._run.reason != "abandoned":
            self.ended_after = time.monotonic() - self._left_at
        else:
            self._run.abandon()
        return self._run.run_context.cancellation.signal.is_set()


def _after(seconds: float | None) -> str:
    return "never" if seconds is None else f"after {seconds:.3f} s"


def read_and_leave(
    source: RunSource | EncodedStream,
    after: int = 1,
    *,
    by: DisconnectKind = "close",
    state: object = None,
    timeout: float = 10.0,
    **options: Any,
) -> Disconnect:
    """Read some chunks of a run in a thread, disconnect, and report how the run ended.

    An exception of the callback is kept as `error`; an `AssertionError`, and what is no `Exception`, is raised.
    In a coroutine use `aread_and_leave`.

    Args:
        source: a callback, an unread stream, or the bytes of one: what `encode_stream` returns, or the body of a
            response.
        after: number of chunks, or pieces of bytes, to read first; with 0 the callback does not start.
        by: how the reader disconnects. "close" is `close()` or `aclose()`, and the end of a `with` block. "cancel" is
            what a server does: `cancel()` in a thread, and in a coroutine the cancellation of the reading task.
            "break" drops the last reference to the stream; it needs a callback.
        state: the initial state, for a callback.
        timeout: limit in seconds, of the reading and then of the end of the run.
        options: options of `create_run`, for a callback.

    Raises:
        StreamUsageError: the stream was read before, or an event loop is running in this thread.
        TimeoutError: fewer than `after` chunks arrive. The message has the stack of the callback.
        TypeError: `source` has a wrong type, or an argument does not apply to it.
        ValueError: `by` is unknown.
    """
    refuse_event_loop("read_and_leave()", "aread_and_leave(...)")
    return _prepare(source, by, state, timeout, options)._read(after, by)


async def aread_and_leave(
    source: RunSource | EncodedStream,
    after: int = 1,
    *,
    by: DisconnectKind = "close",
    state: object = None,
    timeout: float = 10.0,
    **options: Any,
) -> Disconnect:
    """Do the same as `read_and_leave` in a coroutine, with the same arguments and exceptions."""
    return await _prepare(source, by, state, timeout, options)._read_async(after, by)


def _prepare(
    source: RunSource | EncodedStream, by: DisconnectKind, state: object, timeout: float, options: dict[str, Any]
) -> Disconnect:
    if by not in ("close", "cancel", "break"):
        raise ValueError(f"by must be 'close', 'cancel' or 'break', not {shorten(str(by))!r}")
    if by == "break" and (isinstance(source, AssistantStream) or not callable(source)):
        raise TypeError("by='break' needs a callback: the test's own reference keeps a stream alive")
    if isinstance(source, EncodedStream):
        return Disconnect([source], timeout)
    return Disconnect([stream_of(source, state, options)], timeout)
