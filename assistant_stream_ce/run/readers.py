"""Sync and async readers of a run. Closing, cancelling or dropping one (a disconnect) cancels the run."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator

from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.concurrency.waiters import in_event_loop, require_loop
from assistant_stream_ce.errors import READER_HAS_LEFT, RunCancelled, StreamUsageError
from assistant_stream_ce.run.drivers import TaskDriver, current_run
from assistant_stream_ce.run.run import Run


class StreamSource:
    """The source shared by the handle and the readers of a stream. Cancels the run when all of them were dropped."""

    __slots__ = ("__weakref__", "_parent", "batch", "has_ended", "run", "turn")

    def __init__(self, run: Run) -> None:
        self.run: Run = run
        #: Chunks that were taken from the channel, but not read.
        self.batch: Iterator[AssistantStreamChunk] = iter(())
        self.has_ended: bool = False
        #: Has one item unless a reader waits for a batch.
        self.turn: list[None] = [None]
        # The run in whose callback the stream was last read, which cancels this one.
        self._parent: Callable[[], Run | None] | None = None

    def check_readable(self) -> None:
        """Check that the stream can be read.

        Raises:
            StreamUsageError: the stream was read to its end.
        """
        if self.has_ended:
            raise StreamUsageError("the stream was read already, to its end: call create_run again for a new one")

    def begin(self, reader: SyncReader | AsyncReader) -> None:
        """Begin a read, which only one thread or task may do at a time.

        Args:
            reader: the reader, whose `is_read_elsewhere` is set if it comes second.

        Raises:
            StreamUsageError: another thread or task is reading.
        """
        try:
            # One atomic operation for each read, which is cheaper than a lock.
            self.turn.pop()
        except IndexError:
            reader.is_read_elsewhere = True
            raise StreamUsageError(
                "the stream is being read elsewhere: read it from one task or thread at a time"
            ) from None
        # Threads of a pool in the callback do not have its context variables.
        parent = current_run.get() or self.run.creator
        if parent is not self._parent:
            self._parent = parent
            run = None if parent is None else parent()
            if run is not None and run is not self.run:
                run.adopt(self.run)

    def peek(self, batch: list[AssistantStreamChunk] | None) -> AssistantStreamChunk | None:
        """Keep the chunks of a read for the next read; return the first one, or raise the exception that it reports."""
        self.batch = iter(batch or ())
        if not batch:
            # The end is still to be read.
            self.has_ended = False
            return None
        error = self.run.report.error
        try:
            if error is not None and batch[0] is self.run.report.error_chunk:
                raise error
        finally:
            # Its traceback holds this frame: no cycle.
            del error
        return batch[0]

    # --- disconnect ---

    def close(self) -> None:
        """Cancel the run, and wait for its end: of a thread for the grace period, of a coroutine for its clean-up."""
        if not self._begin_close() or in_event_loop():
            self.run.abandon_later()
            return
        seconds = self.run.close_seconds
        deadline = time.monotonic() + seconds
        callbacks_done = self.run.hooks.cancel_callbacks_done
        if self.run.ended.wait_sync(seconds) and callbacks_done is not None:
            callbacks_done.wait_sync(deadline - time.monotonic())
        self._stop_waiting()

    async def aclose(self) -> None:
        """Cancel the run, and wait as `close` does, without blocking the loop."""
        if self._begin_close():
            await self.wait_for_end()
            self._stop_waiting()
        else:
            self.run.abandon_later()

    def _begin_close(self) -> bool:
        """Cancel the run; return whether to wait for its end, which its own callback must not."""
        if self.run.lost_reader_policy == "continue":
            self.run.on_reader_lost()
            return False
        self.run.begin_cancel(self.run.run_context.channel.close)
        self.run.report.error = None
        find_run = current_run.get()
        return find_run is None or find_run() is not self.run

    async def wait_for_end(self) -> None:
        """Wait after the cancellation, at most as long as `aclose` or `shutdown` would."""
        run = self.run
        # The usual case after a web response that was read to its end: the timer below would cost 3 us.
        if run.ended.is_set() and not run.is_cancelled:
            return
        require_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(self.run.close_seconds, run.deadline - time.monotonic())):
                await run.ended.wait()
                if run.hooks.cancel_callbacks_done is not None:
                    await run.hooks.cancel_callbacks_done.wait()

    def release(self) -> None:
        """Cancel the run; outside a loop, wait for a run that is shut down, at most as long as `shutdown` would."""
        self.run.on_reader_lost()
        if self.run.deadline and not in_event_loop():
            self.run.ended.wait_sync(self.run.deadline - time.monotonic())

    def _stop_waiting(self) -> None:
        if isinstance(self.run.driver, TaskDriver):
            self.run.abandon_later()
        else:
            self.run.abandon()

    def __del__(self) -> None:
        if self.run.needs_reader:
            # The garbage collector may call this while this very thread holds any lock. Starting a bare thread takes
            # none.
            with contextlib.suppress(RuntimeError):
                _thread.start_new_thread(self.run.on_reader_lost, ())


class SyncReader(Iterator[AssistantStreamChunk]):
    """Reads a run in a thread. An interrupt (Ctrl-C) while it waits cancels the run."""

    __slots__ = ("_get", "_has_started", "_source", "is_read_elsewhere")

    def __init__(self, source: StreamSource) -> None:
        self._source = source
        #: Whether another reader has the stream, which is then not this one's to close.
        self.is_read_elsewhere: bool = False
        self._has_started = False
        self._get = source.run.run_context.channel.get_sync

    def __next__(self) -> AssistantStreamChunk:
        source = self._source
        while True:
            for chunk in source.batch:
                return chunk
            batch = self.read()
            if batch is None:
                raise StopIteration
            source.batch = iter(batch)

    def read(self, timeout: float | None = None) -> list[AssistantStreamChunk] | None:
        """Wait for a chunk, and return all that are available; `[]` after `timeout` seconds, None at the end.

        Args:
            timeout: in seconds; None to wait without limit.

        Raises:
            StreamUsageError: another thread is reading this stream.
            RunCancelled: the run in whose callback this is called was cancelled.
            BaseException: what the callback raised, once everything before it was read.
        """
        source = self._source
        for chunk in source.batch:
            return [chunk, *source.batch]
        source.begin(self)
        try:
            if not self._has_started:
                self._has_started = True
                source.run.start(None)
            batch = self._get(timeout)
        except BaseException:
            source.run.on_reader_lost()
            raise
        finally:
            source.turn.append(None)
        if batch is None:
            if source.run.was_cancelled_by_parent:
                raise RunCancelled(READER_HAS_LEFT)
            source.has_ended = True
            source.run.report.raise_error()
        return batch


class AsyncReader(AsyncIterator[AssistantStreamChunk]):
    """Reads a run in a coroutine. Cancelling it while it waits cancels the run."""

    def __init__(self, source: StreamSource) -> None:
        self._source = source
        #: As in `SyncReader`.
        self.is_read_elsewhere: bool = False
        self._get = source.run.run_context.channel.get
        self._timer: asyncio.TimerHandle | None = None
        self._has_started = False
        self._last_read = 0.0

    async def __anext__(self) -> AssistantStreamChunk:
        source = self._source
        while True:
            for chunk in source.batch:
                return chunk
            batch = await self.read()
            if batch is None:
                raise StopAsyncIteration
            source.batch = iter(batch)

    async def aclose(self) -> None:
        """Close the stream; see `AssistantStream.aclose`."""
        self.stop_timer()
        await self._source.aclose()

    async def read(self, timeout: float | None = None) -> list[AssistantStreamChunk] | None:
        """Wait for a chunk, and return all that are available; `[]` after `timeout` seconds, None at the end.

        The first call sets `timeout` for all calls.

        Args:
            timeout: in seconds; None to wait without limit.

        Raises:
            StreamUsageError: another task is reading this stream.
            CancelledError: the run in whose callback this is called was cancelled.
            BaseException: what the callback raised, once everything before it was read.
        """
        source = self._source
        for chunk in source.batch:
            return [chunk, *source.batch]
        source.begin(self)
        try:
            if not self._has_started:
                self._start(timeout)
            if self._timer is not None:
                self._last_read = time.monotonic()
            batch = await self._get()
        except BaseException:
            self.stop_timer()
            source.run.on_reader_lost()
            raise
        finally:
            source.turn.append(None)
        if batch is None:
            self.stop_timer()
            if source.run.was_cancelled_by_parent:
                raise asyncio.CancelledError
            source.has_ended = True
            source.run.report.raise_error()
        return batch

    def _start(self, timeout: float | None) -> None:
        self._has_started = True
        loop = require_loop()
        self._source.run.start(loop)
        if timeout is not None:
            # One timer for the whole stream, which checks how long it was quiet: a timer for each read would cost more
            # than the read.
            self._timer = loop.call_later(timeout, _tick, weakref.ref(self), loop, timeout)

    def tick(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        """Wake the reader if the stream has been quiet for `timeout` seconds, and set the next timer."""
        channel = self._source.run.run_context.channel
        if channel.has_ended:
            return
        quiet = time.monotonic() - self._last_read
        if quiet >= timeout:
            channel.wake_reader()
            quiet = 0.0
        self._timer = loop.call_later(timeout - quiet, _tick, weakref.ref(self), loop, timeout)

    def stop_timer(self) -> None:
        """Stop the heartbeat timer, at the end of the reads. Called on its loop."""
        if self._timer is not None:
            self._timer.cancel()


def _tick(find_reader: weakref.ref[AsyncReader], loop: asyncio.AbstractEventLoop, timeout: float) -> None:
    reader = find_reader()
    if reader is not None:
        reader.tick(loop, timeout)
