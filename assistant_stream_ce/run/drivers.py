"""A task on an event loop that may be another thread's: started there, and cancelled there after a grace."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

from assistant_stream_ce.concurrency.waiters import running_loop

__all__ = ("LoopTask",)


class LoopTask:
    """A task, and the loop that it belongs to. Every method may be called from any thread; none blocks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        # Made on the loop.
        self._task: asyncio.Task[None] | None = None
        self._is_cancelled = False

    @property
    def is_current(self) -> bool:
        """Whether the caller is in this very task, or in what it calls."""
        return self._task is not None and running_loop() is self.loop and asyncio.current_task() is self._task

    def start(
        self,
        make: Callable[[], Coroutine[Any, Any, None]],
        name: str,
        context: contextvars.Context,
        on_done: Callable[[asyncio.Task[None]], object],
    ) -> None:
        """Start the task.

        Args:
            make: returns its coroutine; called on the loop.
            name: its name.
            context: its context variables.
            on_done: called on the loop at its end.

        Raises:
            RuntimeError: the loop is closed.
        """

        def create() -> None:
            self._task = self.loop.create_task(make(), name=name, context=context)
            self._task.add_done_callback(on_done)

        if running_loop() is self.loop:
            create()
        else:
            self.loop.call_soon_threadsafe(create)

    def cancel_after(self, seconds: float, is_over: Callable[[], bool]) -> None:
        """Cancel the task, once, unless it is over after so long."""
        # A closed loop has ended its tasks already.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(lambda: self.loop.call_later(seconds, self._cancel, is_over))

    def _cancel(self, is_over: Callable[[], bool]) -> None:
        if self._task is not None and not self._is_cancelled and not is_over():
            self._is_cancelled = True
            self._task.cancel()
