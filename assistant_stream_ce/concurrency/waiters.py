"""One-shot waiters and events for threads and coroutines. Nothing here runs user code or depends on runs.

A waiter may be woken more than once and from anywhere; the waiting code checks its condition again. So an exception
in between (Ctrl-C) can cause a spurious wake-up, but never a lost one.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Protocol

from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.errors import StreamUsageError


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that is running in the calling thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def require_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop that is running in the calling thread.

    Raises:
        StreamUsageError: there is none, as under trio.
    """
    loop = running_loop()
    if loop is None:
        raise StreamUsageError(
            "no asyncio event loop is running: streams do not support trio. Run the server or test client on asyncio, "
            'for example `hypercorn --worker-class asyncio` or `TestClient(app, backend="asyncio")`'
        )
    return loop


def in_event_loop() -> bool:
    """Return whether the calling thread is running an event loop, and so must not block."""
    return running_loop() is not None


class Waiter(Protocol):
    """Wakes one waiting thread or coroutine."""

    def wake(self) -> bool:
        """Wake it, from any thread. Idempotent. Return False if it can never wake, because its loop is closed."""


class ThreadWaiter:
    """Lets one thread wait."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        # Held until the waiter is woken.
        self._lock = threading.Lock()
        self._lock.acquire()

    def wake(self) -> bool:
        """Wake the thread."""
        try:
            self._lock.release()
        except RuntimeError:
            # Woken already.
            return True
        return True

    def wait(self, timeout: float | None = None) -> bool:
        """Block until woken, at most `timeout` seconds; return whether it was woken."""
        if timeout is None:
            return self._lock.acquire()
        if not 0.0 <= timeout <= threading.TIMEOUT_MAX:
            timeout = min(max(0.0, timeout), threading.TIMEOUT_MAX)
        return self._lock.acquire(True, timeout)


class LoopWaiter:
    """Lets one coroutine wait. Create it inside that coroutine's loop."""

    __slots__ = ("_future", "_loop", "_thread")

    def __init__(self) -> None:
        self._loop = require_loop()
        self._thread = threading.get_ident()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> bool:
        """Wake the coroutine: directly in its loop's thread, through the loop from any other."""
        if self._loop.is_closed():
            return False
        if threading.get_ident() == self._thread:
            resolve(self._future)
            return True
        try:
            self._loop.call_soon_threadsafe(resolve, self._future)
        except RuntimeError:
            # The loop was closed concurrently.
            return False
        return True

    async def wait(self) -> None:
        """Wait until woken."""
        await self._future


def resolve(future: asyncio.Future[None]) -> None:
    """Set the result of a future unless it is done. In its loop's thread."""
    if not future.done():
        future.set_result(None)


class OneShotEvent:
    """An event that is set once, from any thread. Threads and coroutines on any loop can wait for it."""

    def __init__(self) -> None:
        # Guards both fields: a waiter is either in the list before the event is set, or sees it set.
        self._lock = new_lock()
        self._is_set = False
        self._waiters: list[Waiter] = []

    def set(self) -> bool:
        """Set the event and wake every waiter; return whether this call was the first."""
        with self._lock:
            first = not self._is_set
            self._is_set = True
            # A waiter is removed only after it was woken, so that an interrupted call can be repeated.
            while self._waiters:
                self._waiters[-1].wake()
                self._waiters.pop()
        return first

    def is_set(self) -> bool:
        """Return whether the event is set."""
        return self._is_set

    async def wait(self) -> bool:
        """Wait in a coroutine until the event is set; return True."""
        waiter = LoopWaiter()
        try:
            if self.add(waiter):
                await waiter.wait()
        finally:
            self._remove(waiter)
        return True

    def wait_sync(self, timeout: float | None = None) -> bool:
        """Block a thread until the event is set.

        Args:
            timeout: the most seconds to wait; None for no limit, zero or less to return at once.

        Returns:
            Whether the event is set.
        """
        waiter = ThreadWaiter()
        try:
            if self.add(waiter):
                waiter.wait(timeout)
        finally:
            self._remove(waiter)
        return self._is_set

    def add(self, waiter: Waiter) -> bool:
        """Have a waiter woken when the event is set; return False if it is set already.

        Args:
            waiter: woken once, with the lock of the event held.
        """
        with self._lock:
            if not self._is_set:
                self._waiters.append(waiter)
            return not self._is_set

    def _remove(self, waiter: Waiter) -> None:
        # It is in the list only if the wait was cut short. The event is set under the lock.
        if not self._is_set:
            with self._lock:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
