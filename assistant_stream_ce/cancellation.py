"""The cancellation event of a run, which threads and coroutines can wait for, and the `on_cancel` callbacks.

Nothing here starts a thread or calls user code: `Cancellation.cancel` returns the callbacks, and the run calls them.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import TypeAlias

from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.concurrency.waiters import OneShotEvent

__all__ = ("Callback", "Cancellation", "CancelledEvent", "Signal")

#: A registered callback, bound to the context variables of its registration.
Callback: TypeAlias = Callable[[], object]

#: The former name of `OneShotEvent`.
Signal = OneShotEvent


class CancelledEvent:
    """Read-only view of the cancellation event, for callbacks: check it or wait for it. Thread-safe."""

    def __init__(self, event: OneShotEvent) -> None:
        self._event = event

    def is_set(self) -> bool:
        """Return whether the run was cancelled. Never blocks."""
        return self._event.is_set()

    async def wait(self) -> bool:
        """Wait in a coroutine until the run is cancelled; return True."""
        return await self._event.wait()

    def wait_sync(self, timeout: float | None = None) -> bool:
        """Block a worker thread until the run is cancelled.

        Args:
            timeout: the most seconds to wait; None for no limit, zero or less to return at once.

        Returns:
            Whether the run was cancelled.
        """
        return self._event.wait_sync(timeout)


class Cancellation:
    """The cancellation event of one run, and the callbacks to call when it is set. Thread-safe."""

    def __init__(self) -> None:
        self.signal: OneShotEvent = OneShotEvent()
        # Guards `_callbacks`: each is either returned by `cancel`, or is due immediately when it is added.
        self._lock = new_lock()
        self._callbacks: list[Callback] = []
        self._closed = False

    def add(self, callback: Callback) -> Callback | None:
        """Register a callback.

        Args:
            callback: a function without parameters.

        Returns:
            Its registration for `remove`, or None if the run is cancelled already and the callback is due at once.
        """
        context = contextvars.copy_context()

        def registration() -> object:
            return context.run(callback)

        with self._lock:
            if not self._closed:
                self._callbacks.append(registration)
            return None if self._closed and self.signal.is_set() else registration

    def remove(self, registration: Callback) -> None:
        """Unregister a callback that `cancel` has not returned yet."""
        with self._lock:
            if registration in self._callbacks:
                self._callbacks.remove(registration)

    def cancel(self) -> list[Callback]:
        """Set the event; return the callbacks to call. Each is returned once."""
        with self._lock:
            # Set under the lock, so that `add` never sees a closed list and an unset event.
            self.signal.set()
            return self._close()

    def end(self) -> None:
        """Forget the callbacks: the run has ended and can no longer be cancelled."""
        with self._lock:
            self._close()

    def _close(self) -> list[Callback]:
        self._closed = True
        callbacks, self._callbacks = self._callbacks, []
        return callbacks
