"""The live runs of a process, and their graceful shutdown: `shutdown` with a grace period."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Generator, Iterable
from typing import TYPE_CHECKING, Any

from assistant_stream_ce.concurrency.waiters import OneShotEvent, in_event_loop
from assistant_stream_ce.controller import validation
from assistant_stream_ce.run.loops import EXIT_CALLS, EXIT_SECONDS, add_exit_hook, start_thread_or_call

if TYPE_CHECKING:
    from assistant_stream_ce.run.run import Run

# Seconds that a cancelled run may take to end before `shutdown` abandons it; at most half of its `timeout`.
_PATIENCE_SECONDS = 2.0


class _Registry:
    """The live runs of one process."""

    def __init__(self) -> None:
        #: Each operation on it is atomic: a signal handler, which may call `shutdown`, must not wait for a lock.
        self.runs: set[Run] = set()
        #: The time until which a `shutdown` waits for its runs; the exit of the process waits as long.
        self.deadline = 0.0

    def snapshot(self) -> list[Run]:
        """Return the live runs."""
        return list(self.runs.copy())


# By process id, like the shared loops.
_registries: dict[int, _Registry] = {}


def _registry() -> _Registry:
    number = os.getpid()
    return _registries.get(number) or _registries.setdefault(number, _Registry())


def add_live_run(run: Run) -> None:
    """Register a run that has started. A second call does nothing."""
    add_exit_hook()
    _registry().runs.add(run)


def discard_live_run(run: Run) -> None:
    """Unregister a finished run."""
    _registry().runs.discard(run)


class _Shutdown:
    """One graceful shutdown. Awaitable, because in an event loop the call itself does not wait."""

    def __init__(self, timeout: float, grace: float, patience: float) -> None:
        self._timeout = timeout
        self._grace = grace
        self._patience = patience
        self._registry = _registry()
        self._done = OneShotEvent()
        # Taken before any thread starts: streams that are created after the call are not affected.
        self._runs = self._registry.snapshot()

    def run(self) -> None:
        """Wait for the grace period, cancel the remaining runs, wait again, abandon those that hang. Blocks."""
        grace_ends = time.monotonic() + self._grace
        runs = self._runs
        while runs and _wait_until(grace_ends, runs):
            # Again for runs that were started in the grace period.
            runs = self._registry.snapshot() if time.monotonic() < grace_ends else []
        started = time.monotonic()
        deadline = started + self._timeout
        self._registry.deadline = max(self._registry.deadline, deadline)
        for run in runs:
            run.shut_down(deadline)
        if not _wait_until(started + self._patience, runs):
            for run in runs:
                if not run.ended.is_set():
                    run.give_up()
            _wait_until(deadline, runs)
        self._done.set()

    def wait_sync(self) -> None:
        """Block until all runs have ended or the timeout has passed."""
        self._done.wait_sync(self._grace + self._timeout)

    def __await__(self) -> Generator[Any, None, None]:
        return self._wait().__await__()

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace + self._timeout):
                await self._done.wait()


def _wait_until(deadline: float, runs: Iterable[Run]) -> bool:
    """Wait for the end of runs until a deadline; return whether all have ended."""
    return all(run.ended.wait_sync(deadline - time.monotonic()) for run in runs)


def shutdown(timeout: float, *, grace: float = 0.0) -> Awaitable[None]:
    """End all live runs of this process gracefully. For a server's shutdown hook, a signal handler included.

    For up to `grace` seconds live runs may end by themselves. Then the rest are cancelled: each client gets an error
    chunk and a complete stream, each callback is notified, and the response keeps its request open until `on_finish`
    has returned, at most `timeout` seconds. A run that still hangs after half of them, at most 2 seconds, is abandoned.
    Streams that are created later are not affected.

    In a thread it blocks until all runs have ended, at most `grace + timeout` seconds. In a running event loop it never
    blocks: use `ashutdown` to wait there.

    Args:
        timeout: seconds that cancelled runs may take to end.
        grace: seconds before that in which runs may end by themselves.

    Returns:
        An awaitable of the same wait.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is negative, or not a number of seconds.
    """
    timeout, grace = validation.seconds(timeout, "timeout"), validation.seconds(grace, "grace")
    ending = _Shutdown(timeout, grace, min(_PATIENCE_SECONDS, timeout / 2) if timeout >= 1 else _PATIENCE_SECONDS)
    # In a new thread: a signal handler may interrupt a thread that holds a run's lock.
    start_thread_or_call(ending.run, "assistant-stream-shutdown")
    if not in_event_loop():
        ending.wait_sync()
    return ending


async def ashutdown(timeout: float, *, grace: float = 0.0) -> None:
    """End all live runs of this process gracefully, and wait for them; arguments are those of `shutdown`."""
    await shutdown(timeout, grace=grace)


def _shut_down_at_exit() -> None:
    """Cancel live runs when the interpreter exits; wait longer only if a `shutdown` still waits."""
    left = _registry().deadline - time.monotonic()
    _Shutdown(max(2 * EXIT_SECONDS, left), 0.0, max(EXIT_SECONDS, min(_PATIENCE_SECONDS, left / 2))).run()


EXIT_CALLS.append(_shut_down_at_exit)
