"""Readers as real clients are: slow, or gone before the end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Generator, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from assistant_stream_ce.cancellation import Signal
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.concurrency.channel import in_event_loop
from assistant_stream_ce.create_run import AssistantStream, AsyncReader, SyncReader
from assistant_stream_ce.errors import RunCancelled, StreamUsageError
from assistant_stream_ce.run.hooks import RunReason
from assistant_stream_ce.run.run import Run
from assistant_stream_ce.serialization import EncodedStream
from assistant_stream_ce.testing.watching import Source, Watch, doing, kept, run_of, seconds_of, stream_of, wait_for

__all__ = ("Departure", "SlowReader", "read_and_leave")

#: How a reader leaves.
Way: TypeAlias = Literal["close", "cancel", "break"]


class SlowReader(Iterator[AssistantStreamChunk], AsyncIterator[AssistantStreamChunk]):
    """Reads a chunk when the test asks for one, and not before: `next(reader)`, or `await anext(reader)`.

    Use it in a `with` or `async with` block, which leaves the run at its end.

    Args:
        source: a callback, a stream that nobody reads yet, or any iterable of chunks.
        state: where the state starts, for a callback.
        timeout: how many seconds each wait may take; then it raises a `TimeoutError` with the callback's stack.
        options: for `create_run`, with a callback; `max_pending` above all.
    """

    def __init__(self, source: Source, *, state: object = None, timeout: float = 10.0, **options: Any) -> None:
        self._stream = stream_of(source, state, options)
        self._run = run_of(self._stream)
        self._timeout = timeout
        self._sync_reader: SyncReader | None = None
        self._async_reader: AsyncReader | None = None
        self._taken: deque[AssistantStreamChunk] = deque()
        #: The most chunks that were seen waiting.
        self.most_waiting = 0

    @property
    def waiting(self) -> int:
        """How many chunks wait for this reader."""
        # Fewer only when this reader reads, so a look at each read and at each question misses no maximum.
        waiting = self._run.link.channel.waiting + len(self._taken)
        self.most_waiting = max(self.most_waiting, waiting)
        return waiting

    @property
    def reason(self) -> RunReason | None:
        """How the run ended; None while it has not."""
        return self._stream.reason

    def wait_until_held(self) -> Awaitable[None]:
        """Wait until the callback waits for this reader: in a thread it blocks, in a coroutine `await` the result.

        A blocking callback waits in any call of the controller, a coroutine in `await controller.drain()`.

        Raises:
            AssertionError: the callback has ended without waiting.
            StreamUsageError: nothing was read yet, so the callback does not run.
            TimeoutError: it neither waits nor ends.
        """
        if self._sync_reader is None and self._async_reader is None:
            raise StreamUsageError("read a chunk first: nothing runs before")
        happened = Signal()
        self._run.link.channel.watch(_Bell(happened))
        waited = wait_for(happened, self._timeout, self._report)
        if in_event_loop():
            return self._check_held_after(waited)
        self._check_held()
        return waited

    async def _check_held_after(self, waited: Awaitable[None]) -> None:
        await waited
        self._check_held()

    def _check_held(self) -> None:
        waiting = self.waiting
        if self._run.link.channel.has_ended:
            raise AssertionError(f"the callback ended without waiting for its reader: {waiting:,} chunks wait")

    def _report(self) -> str:
        return (
            f"the callback did not wait for its reader in {seconds_of(self._timeout)}: {self.waiting:,} chunks wait, "
            f"and {doing(self._run)}"
        )

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> AssistantStreamChunk:
        if self._sync_reader is None:
            self._sync_reader = iter(self._stream)
        if not self.waiting or not self._taken:
            with Watch(self._run, self._timeout):
                self._take(self._sync_reader.read(), StopIteration)
        return self._taken.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AssistantStreamChunk:
        if self._async_reader is None:
            self._async_reader = aiter(self._stream)
        if not self.waiting or not self._taken:
            with Watch(self._run, self._timeout):
                self._take(await self._async_reader.read(), StopAsyncIteration)
        return self._taken.popleft()

    def _take(self, batch: list[AssistantStreamChunk] | None, end: type[Exception]) -> None:
        if batch is None:
            raise end
        self._taken.extend(batch)

    def close(self) -> None:
        """Leave the run; see `AssistantStream.close`."""
        self._stream.close()

    async def aclose(self) -> None:
        """Leave the run; see `AssistantStream.aclose`."""
        await self._stream.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


class _Bell:
    """An alarm that sets a signal."""

    def __init__(self, signal: Signal) -> None:
        self._signal = signal

    def ring(self) -> bool:
        self._signal.set()
        return True


class Departure:
    """What a reader got before it left, and what became of the run. Made by `read_and_leave`."""

    def __init__(self, held: list[AssistantStream] | list[EncodedStream], after: int, way: Way, timeout: float) -> None:
        # The list is the only one that refers to the stream, unless the test does: to break is to let go of it.
        self._held = held
        self._run: Run = run_of(_stream_in(held[0]))
        self._after = after
        self._way = way
        self._timeout = timeout
        self._left_at = 0.0
        self._told_at: float | None = None
        #: What was read: chunks, or pieces of bytes.
        self.items: list[Any] = []
        #: What the callback raised while it was read.
        self.error: BaseException | None = None
        #: So many seconds after its reader had left the callback had ended; None if it still ran.
        self.ended_after: float | None = None
        # A coroutine that nobody awaits makes Python warn.
        self._reading = self._read_async() if in_event_loop() else None
        if self._reading is None:
            self._read()

    def __await__(self) -> Generator[Any, None, Departure]:
        if self._reading is not None:
            reading, self._reading = self._reading, None
            yield from reading.__await__()
        return self

    @property
    def reason(self) -> RunReason | None:
        """How the run ended; "completed" or "failed" if it had before its reader left, None while it has not."""
        return self._run.reason

    @property
    def told_after(self) -> float | None:
        """So many seconds after its reader had left the callback's `on_cancel` was called; None if it was not."""
        return None if self._told_at is None else max(0.0, self._told_at - self._left_at)

    def __repr__(self) -> str:
        return (
            f"<Departure after {len(self.items)}: told {_after(self.told_after)}, ended {_after(self.ended_after)}, "
            f"{self.reason}>"
        )

    # --- in a thread ---

    def _read(self) -> None:
        told = self._listen()
        with Watch(self._run, self._timeout):
            reader = iter(self._held[0])
            try:
                self.items.extend(islice(reader, self._after))
            except (Exception, RunCancelled) as error:
                self.error = kept(error)
        self._left_at = time.monotonic()
        if self._way == "close":
            self._held[0].close()
        elif self._way == "cancel":
            self._run.cancel()
        del reader
        self._held.clear()
        self._run.ended.wait_sync(self._timeout)
        self._conclude()
        if self._run.link.cancellation.signal.is_set():
            told.wait_sync(self._timeout)

    # --- in a coroutine ---

    async def _read_async(self) -> None:
        told = self._listen()
        with Watch(self._run, self._timeout):
            reader = aiter(self._held[0])
            try:
                await self._read_some(reader)
            except (Exception, RunCancelled) as error:
                self.error = kept(error)
        if self._way == "close":
            self._left_at = time.monotonic()
            await self._held[0].aclose()
        del reader
        self._held.clear()
        await self._wait(self._run.ended)
        self._conclude()
        if self._run.link.cancellation.signal.is_set():
            await self._wait(told)

    async def _wait(self, signal: Signal) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                await signal.wait()

    async def _read_some(self, reader: AsyncIterator[Any]) -> None:
        try:
            async with asyncio.timeout(None) as scope:
                while len(self.items) < self._after:
                    self.items.append(await anext(reader))
                self._left_at = time.monotonic()
                if self._way == "cancel":
                    # At the next wait, as it comes to a task that is cancelled.
                    scope.reschedule(asyncio.get_running_loop().time())
                    async for _ in reader:
                        pass
        except StopAsyncIteration:
            self._left_at = time.monotonic()
        except TimeoutError:
            if not scope.expired():
                raise

    # --- both ---

    def _listen(self) -> Signal:
        """Register for what a callback is told when its reader leaves; return a signal of it."""
        told = Signal()

        def note() -> None:
            self._told_at = time.monotonic()
            told.set()

        self._run.link.cancellation.add(note)
        return told

    def _conclude(self) -> None:
        if self._run.ended.is_set():
            self.ended_after = time.monotonic() - self._left_at
        else:
            # A thread that nothing has stopped: its run is reported as one.
            self._run.abandon()


def _after(seconds: float | None) -> str:
    return "never" if seconds is None else f"after {seconds:.3f} s"


def _stream_in(source: AssistantStream | EncodedStream) -> AssistantStream:
    return source if isinstance(source, AssistantStream) else source._stream


def read_and_leave(
    source: Source | EncodedStream,
    after: int = 1,
    *,
    by: Way = "close",
    state: object = None,
    timeout: float = 10.0,
    **options: Any,
) -> Departure:
    """Read so many chunks of a run, leave it, and tell what became of it.

    In a thread it blocks. In a coroutine `await` what it returns. What the callback raises is kept as `error`; an
    `AssertionError`, and what is no `Exception`, is raised.

    Args:
        source: a callback, a stream that nobody reads yet, or the bytes of one: what `encode_stream` returns, or the
            body of a response.
        after: how many chunks, or pieces of bytes, are read before; with 0 the callback does not begin.
        by: how the reader leaves. "close" is `close()` and `aclose()`, and the end of a `with` block. "cancel" is what
            a server does: `cancel()` in a thread, and in a coroutine the cancellation of the reading task. With
            "break" nothing refers to the stream any more; it takes a callback.
        state: where the state starts, for a callback.
        timeout: how many seconds the reading may take, and then the end of the run.
        options: for `create_run`, with a callback.

    Raises:
        StreamUsageError: the stream was read before.
        TimeoutError: so many chunks do not come. The message has the stack of the callback.
        TypeError: `source` is none of the above, or an argument is not for it.
        ValueError: there is no such way to leave.
    """
    if by not in ("close", "cancel", "break"):
        raise ValueError(f"by must be 'close', 'cancel' or 'break', not {by!r}")
    if by == "break" and (isinstance(source, AssistantStream) or not callable(source)):
        raise TypeError("to break, pass the callback: what the test itself refers to is not let go")
    if isinstance(source, EncodedStream):
        return Departure([source], after, by, timeout)
    return Departure([stream_of(source, state, options)], after, by, timeout)
