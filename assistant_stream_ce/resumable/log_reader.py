"""`LogReader`: the position of a follower in a log, read by a thread or a task as a `Channel` is."""

from __future__ import annotations

import asyncio
import threading

from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.concurrency.waiters import ThreadWaiter, Waiter, require_loop, resolve, running_loop
from assistant_stream_ce.resumable.log import Log

# The most chunks of one read, so that a long replay does not block an event loop.
_MOST_CHUNKS = 1024


class _TaskWaiter:
    """A `LoopWaiter` that can wait again: for the many waits of one task."""

    __slots__ = ("_future", "_thread", "loop")

    def __init__(self) -> None:
        self.loop = require_loop()
        self._thread = threading.get_ident()
        self._future: asyncio.Future[None] = self.loop.create_future()

    def rearm(self) -> asyncio.Future[None]:
        """Return a future for the next wait, in the task's loop."""
        self._future = future = self.loop.create_future()
        return future

    def wake(self) -> bool:
        """Wake the task; see `Waiter`."""
        try:
            if threading.get_ident() != self._thread:
                self.loop.call_soon_threadsafe(resolve, self._future)
            elif not self._future.done():
                self._future.set_result(None)
        except RuntimeError:
            # The loop is closed.
            return False
        return True


class LogReader:
    """Position in a log, with the reader's end of a `Channel`. For one thread or task at a time."""

    def __init__(self, log: Log, position: int) -> None:
        self._log = log
        self.position: int = position
        self._is_closed = False
        self._is_woken = False
        self._owes_turn = False
        self._waiter: Waiter | None = None
        self._task_waiter: _TaskWaiter | None = None

    @property
    def has_ended(self) -> bool:
        """Return whether there is nothing more to read."""
        return self._is_closed or (self._log.terminal is not None and self.position >= len(self._log.chunks))

    async def get(self) -> list[AssistantStreamChunk] | None:
        """Wait in a coroutine for the next chunks; `[]` after `wake_reader`, None at the end."""
        if self._owes_turn:
            # Yield to the loop, or a fast producer would starve its other tasks.
            self._owes_turn = False
            await asyncio.sleep(0)
        self._owes_turn = True
        while not self._is_closed:
            if self._is_woken:
                self._is_woken = False
                return []
            waiter = self._task_waiter
            if waiter is None or waiter.loop is not running_loop():
                waiter = self._task_waiter = _TaskWaiter()
            self._waiter = waiter
            future = waiter.rearm()
            if self._log.add_waiter(waiter, self.position):
                self._owes_turn = False
                try:
                    if not self._is_closed:
                        await future
                except BaseException:
                    self._log.remove_waiter(waiter)
                    raise
                if self._is_woken:
                    self._log.remove_waiter(waiter)
            batch = self._take()
            if batch is None or batch:
                return batch
        return None

    def get_sync(self, timeout: float | None = None) -> list[AssistantStreamChunk] | None:
        """Wait in a thread for the next chunks; `[]` after `timeout` seconds, None at the end."""
        while not self._is_closed:
            self._waiter = waiter = ThreadWaiter()
            if self._log.add_waiter(waiter, self.position):
                try:
                    if not self._is_closed and not waiter.wait(timeout):
                        return []
                finally:
                    self._log.remove_waiter(waiter)
            batch = self._take()
            if batch is None or batch:
                return batch
        return None

    def wake_reader(self) -> None:
        """Make a waiting `get` return `[]`, for example for a heartbeat."""
        self._is_woken = True
        if self._waiter is not None:
            self._waiter.wake()

    def close(self) -> None:
        """Read no more: a waiting read returns None."""
        self._is_closed = True
        if self._waiter is not None:
            self._waiter.wake()

    def _take(self) -> list[AssistantStreamChunk] | None:
        """Return the next chunks, `[]` when none are there, None at the end."""
        if self._is_closed:
            return None
        log = self._log
        log.refresh()
        # Read before the chunks: the last one is there before it is set.
        terminal = log.terminal
        batch = log.chunks[self.position : self.position + _MOST_CHUNKS]
        self.position += len(batch)
        return None if not batch and terminal is not None else batch
