"""Readers of a run: in a thread and in a coroutine, with what both share."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import time
import weakref
from collections.abc import AsyncIterator, Iterator

from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.concurrency.waiters import require_loop, running_loop
from assistant_stream_ce.errors import RunCancelled, StreamUsageError
from assistant_stream_ce.run.drivers import TaskDriver, current_run
from assistant_stream_ce.run.run import Run


class StreamSource:
    """What the handle and the readers of a stream share; when all are gone, nobody can read it any more."""

    __slots__ = ("__weakref__", "_turn", "batch", "has_ended", "parent", "run")

    def __init__(self, run: Run) -> None:
        self.run = run
        #: The chunks that have been taken from the channel, but not read.
        self.batch: Iterator[AssistantStreamChunk] = iter(())
        self.has_ended = False
        #: The run in whose callback the stream was read last.
        self.parent: object = None
        # Holds one item while nobody waits for a batch.
        self._turn = [None]

    def check_readable(self) -> None:
        """Check that there is something to read.

        Raises:
            StreamUsageError: the stream was read to its end.
        """
        if self.has_ended:
            raise StreamUsageError("the stream was read already, to its end: call create_run again for a new one")

    def begin(self) -> None:
        """Begin to wait for a batch.

        Raises:
            StreamUsageError: another thread or task waits for one.
        """
        try:
            # One atomic step instead of a lock, for each read.
            self._turn.pop()
        except IndexError:
            raise StreamUsageError(
                "the stream is being read elsewhere: read it from one task or thread at a time"
            ) from None
        parent = current_run.get()
        if parent is not None and parent is not self.parent:
            self.parent = parent
            run = parent()
            if run is not None and run is not self.run:
                run.adopt(self.run)

    def end(self) -> None:
        """End the wait."""
        self._turn.append(None)

    def end_of_stream(self) -> None:
        """Note the end, and raise what the callback raised."""
        self.has_ended = True
        self.run.report.raise_error()

    def is_empty(self) -> bool:
        """Return whether no chunk waits here."""
        rest = list(self.batch)
        self.keep(rest)
        return not rest

    def keep(self, batch: list[AssistantStreamChunk] | None) -> None:
        """Keep chunks for the next read."""
        self.batch = iter(batch or ())

    def first(self) -> AssistantStreamChunk | None:
        """Return the first chunk that is kept, or raise the callback's exception if it is about that."""
        rest = list(self.batch)
        self.keep(rest)
        if not rest:
            return None
        error = self.run.report.error
        try:
            if error is not None and rest[0] is self.run.report.error_chunk:
                raise error
        finally:
            # Its traceback holds this frame: no cycle.
            del error
        return rest[0]

    # --- leaving ---

    def close(self) -> None:
        """Leave, and wait for the end: of a thread at most for the grace, of a coroutine for its clean-up."""
        if not self._begin_close() or running_loop() is not None:
            self.run.abandon_later()
            return
        seconds = self.run.close_seconds
        deadline = time.monotonic() + seconds
        if self.run.ended.wait_sync(seconds) and self.run.is_cancelled:
            self.run.hooks.cancel_callbacks_done.wait_sync(max(0.0, deadline - time.monotonic()))
        self._stop_waiting()

    async def aclose(self) -> None:
        """Leave, and wait as `close` does, without blocking the loop."""
        if self._begin_close():
            await self.wait_for_end()
            self._stop_waiting()
        else:
            self.run.abandon_later()

    def _begin_close(self) -> bool:
        """Leave; return whether to wait for the end, which the callback itself must not."""
        if self.run.lost_reader_policy == "continue":
            self.run.on_reader_lost()
            return False
        self.run.begin_cancel(self.run.link.channel.close)
        self.run.report.error = None
        find_run = current_run.get()
        return find_run is None or find_run() is not self.run

    async def wait_for_end(self) -> None:
        """Wait, after leaving, as long as `aclose` does, or as long as `shutdown` does."""
        run = self.run
        # As mostly after a web response that was read to its end: the timer below would cost 3 us of each.
        if run.ended.is_set() and not run.is_cancelled:
            return
        require_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(self.run.close_seconds, run.deadline - time.monotonic())):
                await run.ended.wait()
                if run.is_cancelled:
                    await run.hooks.cancel_callbacks_done.wait()

    def release(self) -> None:
        """Leave; wait outside a loop for a run that is shut down, as long as `shutdown` does."""
        self.run.on_reader_lost()
        if self.run.deadline and running_loop() is None:
            self.run.ended.wait_sync(max(0.0, self.run.deadline - time.monotonic()))

    def _stop_waiting(self) -> None:
        if isinstance(self.run.driver, TaskDriver):
            self.run.abandon_later()
        else:
            self.run.abandon()

    def __del__(self) -> None:
        if self.run.needs_reader:
            # This may be the garbage collector's doing, in the middle of anything, with any lock held by this very
            # thread: the only safe thing is to start a bare thread, which takes none.
            with contextlib.suppress(RuntimeError):
                _thread.start_new_thread(self.run.on_reader_lost, ())


class SyncReader(Iterator[AssistantStreamChunk]):
    """Reads a run in a thread. An interrupt (Ctrl-C) while it waits cancels the run."""

    __slots__ = ("_get", "_source")

    def __init__(self, source: StreamSource) -> None:
        self._source = source
        self._get = source.run.link.channel.get_sync

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
        """Return all chunks that wait, after waiting for one; `[]` after `timeout` seconds, None at the end.

        Args:
            timeout: in seconds; None to wait without limit.

        Raises:
            StreamUsageError: another thread waits for this stream.
            RunCancelled: the run in whose callback this is called was cancelled.
            BaseException: what the callback raised, once everything before it was read.
        """
        batch = list(self._source.batch) or self.wait(timeout)
        if batch is None:
            self._source.end_of_stream()
        return batch

    def wait(self, timeout: float | None = None) -> list[AssistantStreamChunk] | None:
        """Return the next batch of the channel, as `read` does."""
        source = self._source
        source.begin()
        try:
            source.run.start(None)
            batch = self._get(timeout)
        except BaseException:
            source.run.on_reader_lost()
            raise
        finally:
            source.end()
        if batch is None and source.run.was_cancelled_by_parent:
            raise RunCancelled("the reader has left")
        return batch


class AsyncReader(AsyncIterator[AssistantStreamChunk]):
    """Reads a run in a coroutine. Cancelling it while it waits cancels the run."""

    def __init__(self, source: StreamSource) -> None:
        self._source = source
        self._get = source.run.link.channel.get
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
        """Leave the stream; see `AssistantStream.aclose`."""
        self.stop_timer()
        await self._source.aclose()

    async def read(self, timeout: float | None = None) -> list[AssistantStreamChunk] | None:
        """Return all chunks that wait, after waiting for one; `[]` after `timeout` seconds, None at the end.

        The first call sets `timeout` for all.

        Args:
            timeout: in seconds; None to wait without limit.

        Raises:
            StreamUsageError: another task waits for this stream.
            CancelledError: the run in whose callback this is called was cancelled.
            BaseException: what the callback raised, once everything before it was read.
        """
        batch = list(self._source.batch) or await self.wait(timeout)
        if batch is None:
            self._source.end_of_stream()
        return batch

    async def wait(self, timeout: float | None = None) -> list[AssistantStreamChunk] | None:
        """Return the next batch of the channel, as `read` does."""
        source = self._source
        source.begin()
        try:
            if not self._has_started:
                self._start(timeout)
            self._last_read = time.monotonic()
            batch = await self._get()
        except BaseException:
            self.stop_timer()
            source.run.on_reader_lost()
            raise
        finally:
            source.end()
        if batch is None:
            self.stop_timer()
            if source.run.was_cancelled_by_parent:
                raise asyncio.CancelledError
        return batch

    def _start(self, timeout: float | None) -> None:
        self._has_started = True
        loop = require_loop()
        self._source.run.start(loop)
        if timeout is not None:
            # One timer for the whole stream, which looks how long it has been quiet: a timer for each read
            # would cost more than the read.
            self._timer = loop.call_later(timeout, _tick, weakref.ref(self), loop, timeout)

    def tick(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        """Wake the reader if the stream has been quiet for `timeout` seconds, and set the next timer."""
        channel = self._source.run.link.channel
        if channel.has_ended:
            return
        quiet = time.monotonic() - self._last_read
        if quiet >= timeout:
            channel.wake_reader()
            quiet = 0.0
        self._timer = loop.call_later(timeout - quiet, _tick, weakref.ref(self), loop, timeout)

    def stop_timer(self) -> None:
        """Stop the heartbeat of a reader that reads no more. On its loop."""
        if self._timer is not None:
            self._timer.cancel()


def _tick(find_reader: weakref.ref[AsyncReader], loop: asyncio.AbstractEventLoop, timeout: float) -> None:
    reader = find_reader()
    if reader is not None:
        reader.tick(loop, timeout)
