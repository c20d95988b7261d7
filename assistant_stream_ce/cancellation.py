"""One signal, waitable from both worlds, and who is told when a run is cancelled.

Nothing here starts a thread or calls foreign code: `Cancellation.cancel` hands the registered
callbacks to the run, which calls them.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import TypeAlias

from assistant_stream_ce.concurrency.channel import Alarm, TaskAlarm, ThreadAlarm
from assistant_stream_ce.concurrency.gevent import guard

__all__ = ("Callback", "Cancellation", "CancelledEvent", "Signal")

#: A registered callback, bound to the context variables of the place that registered it.
Callback: TypeAlias = Callable[[], object]


class Signal:
    """Set once, from any thread; waited for by threads and by coroutines on any loop."""

    def __init__(self) -> None:
        # Guards both fields: a waiter is either in the list before the signal is set, or sees it set.
        self._lock = guard()
        self._is_set = False
        self._alarms: list[Alarm] = []

    def set(self) -> bool:
        """Set the signal and wake every waiter; return whether this call was the first."""
        with self._lock:
            first = not self._is_set
            self._is_set = True
            alarms, self._alarms = self._alarms, []
        for alarm in alarms:
            alarm.ring()
        return first

    def is_set(self) -> bool:
        """Return whether the signal is set."""
        return self._is_set

    async def wait(self) -> bool:
        """Wait in a coroutine until the signal is set; return true."""
        alarm = TaskAlarm()
        if self._add(alarm):
            try:
                await alarm.wait()
            finally:
                self._remove(alarm)
        return True

    def wait_sync(self, timeout: float | None = None) -> bool:
        """Wait in a thread, at most `timeout` seconds; return whether the signal is set."""
        alarm = ThreadAlarm()
        if self._add(alarm):
            try:
                alarm.wait(timeout)
            finally:
                self._remove(alarm)
        return self._is_set

    def _add(self, alarm: Alarm) -> bool:
        with self._lock:
            if not self._is_set:
                self._alarms.append(alarm)
            return not self._is_set

    def _remove(self, alarm: Alarm) -> None:
        with self._lock:
            if alarm in self._alarms:
                self._alarms.remove(alarm)


class CancelledEvent:
    """The cancel signal as a callback sees it: it may look and wait, but not set."""

    def __init__(self, signal: Signal) -> None:
        self._signal = signal

    def is_set(self) -> bool:
        """Return whether the reader has left. From any thread or coroutine; never blocks."""
        return self._signal.is_set()

    async def wait(self) -> bool:
        """Wait in a coroutine until the reader leaves; return true."""
        return await self._signal.wait()

    def wait_sync(self, timeout: float | None = None) -> bool:
        """Wait in a worker thread until the reader leaves, at most `timeout` seconds; return whether it has."""
        return self._signal.wait_sync(timeout)


class Cancellation:
    """The cancel signal of one run, and the callbacks that want to know of it."""

    def __init__(self) -> None:
        self.signal = Signal()
        # Guards `_callbacks`: each is either handed out by `cancel` or runs at once when it is added.
        self._lock = guard()
        self._callbacks: list[Callback] = []
        self._closed = False

    def add(self, callback: Callback) -> Callback | None:
        """Register a callback; return its registration, or None when the run is cancelled and it is due at once."""
        context = contextvars.copy_context()

        def registration() -> None:
            context.run(callback)

        with self._lock:
            if not self._closed:
                self._callbacks.append(registration)
            return None if self._closed and self.signal.is_set() else registration

    def remove(self, registration: Callback) -> None:
        """Take a registration back, if it was not handed out yet."""
        with self._lock:
            if registration in self._callbacks:
                self._callbacks.remove(registration)

    def cancel(self) -> list[Callback]:
        """Set the signal; return the callbacks to call, which later calls will not get again."""
        with self._lock:
            # Set under the lock, so that `add` cannot see a closed list and an unset signal.
            self.signal.set()
            return self._close()

    def end(self) -> None:
        """Forget the callbacks: the run has ended and cannot be cancelled any more."""
        with self._lock:
            self._close()

    def _close(self) -> list[Callback]:
        self._closed = True
        callbacks, self._callbacks = self._callbacks, []
        return callbacks
