"""Threads of an engine: those of its writer and its reader, and one for each command that a coroutine waits for."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.concurrency.waiters import OneShotEvent
from assistant_stream_ce.run.logger import logger
from assistant_stream_ce.run.loops import start_thread

if TYPE_CHECKING:
    from assistant_stream_ce.resumable.engine import Engine

T = TypeVar("T")

# Seconds before the first and each further attempt after the store was away.
_FIRST_RETRY = 0.05
_LAST_RETRY = 1.0

# The most seconds to wait for a thread whose call of the store does not return.
_STOP_SECONDS = 5.0


class EngineThread:
    """A thread of one engine, which runs only while there is work. Its public methods are thread-safe.

    Args:
        engine: the engine.
        name: the name of the thread.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        # Guards the next three, and fields of subclasses.
        self._lock = new_lock()
        self._is_running = False
        self._is_stopped = False
        self._ended = OneShotEvent()
        # Used by the thread alone: the seconds before the next attempt, and the time of the last failure.
        self._retry_seconds = 0.0
        self._failed_at = float("-inf")

    def ensure_thread(self) -> None:
        """Start the thread unless it runs."""
        with self._lock:
            if self._is_running or self._is_stopped:
                return
            self._is_running = True
            self._ended = OneShotEvent()
        start_thread(self._run, self._name)

    def stop(self) -> None:
        """End the thread, and wait until it has ended."""
        with self._lock:
            self._is_stopped = True
            is_running = self._is_running
        if is_running:
            self.poke()
            self._ended.wait_sync(_STOP_SECONDS)

    def poke(self) -> None:
        """Wake the thread, which looks for work then."""
        raise NotImplementedError

    def _work(self) -> None:
        """Work until there is nothing to do."""
        raise NotImplementedError

    def _run(self) -> None:
        ended = self._ended
        try:
            self._work()
        finally:
            ended.set()

    def _count_failure(self, error: Exception) -> None:
        """Log the first of several failures of the store, and choose the seconds before the next attempt."""
        if not self._retry_seconds:
            logger.warning("the store of resumable streams is away, and is tried again: %s", error)
        self._engine.counters.failures += 1
        self._failed_at = time.monotonic()
        self._retry_seconds = min(2 * self._retry_seconds or _FIRST_RETRY, _LAST_RETRY)


async def in_thread(work: Callable[[], T]) -> T:
    """Call a blocking function in a thread of its own, and wait for it in a coroutine."""
    done, results, errors = OneShotEvent(), [], []
    context = contextvars.copy_context()

    def call() -> None:
        try:
            results.append(context.run(work))
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    start_thread(call, "assistant-stream-command")
    await done.wait()
    try:
        if errors:
            raise errors[0]
        return results[0]
    finally:
        # Its traceback refers to this frame: avoid a cycle.
        errors.clear()
