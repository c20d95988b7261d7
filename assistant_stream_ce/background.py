"""What a process keeps for its runs: dedicated threads, one shared event loop, and the list of live runs.

Nothing exists before the first run. A child process after `fork` starts with nothing again: it has the
memory of its parent, but not its threads.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Protocol

from assistant_stream_ce.cancellation import Signal
from assistant_stream_ce.channel import in_event_loop

__all__ = ("LiveRun", "add_live_run", "discard_live_run", "shared_loop", "shutdown", "start_thread")

# How long the interpreter waits at its exit for runs to notice that they are cancelled.
_EXIT_SECONDS = 1.0


class LiveRun(Protocol):
    """What this module needs of a run."""

    @property
    def ended(self) -> Signal:
        """Set when the run is over."""

    def shut_down(self) -> None:
        """End the stream with an error chunk and cancel the callback; never blocks."""


class _Process:
    """Everything that belongs to this process."""

    def __init__(self) -> None:
        # Guards both fields.
        self.lock = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.runs: set[LiveRun] = set()
        self.has_hooks = False


_process = _Process()


def _after_fork() -> None:
    global _process
    _process = _Process()
    # The hooks themselves are inherited.
    _process.has_hooks = True


def start_thread(target: Callable[[], object], name: str) -> None:
    """Start a daemon thread: it never holds the process at its exit."""
    threading.Thread(target=target, name=name, daemon=True).start()


def shared_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop on which coroutine callbacks run when they are read with `for`.

    One for the process, so that callbacks may share pooled async clients. It ends with the process.
    """
    process = _process
    with process.lock:
        if process.loop is None:
            process.loop = asyncio.new_event_loop()
            _start_loop_thread(process.loop.run_forever)
        return process.loop


def _start_loop_thread(run_forever: Callable[[], object]) -> None:
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        # A patched Thread is a greenlet, and the running loop is a property of the OS thread: all other
        # greenlets would find themselves inside it. gevent's pool makes real threads.
        importlib.import_module("gevent.threadpool").ThreadPool(1).spawn(run_forever)
    else:
        start_thread(run_forever, "assistant-stream-loop")


def add_live_run(run: LiveRun) -> None:
    """List a run that has started; the first one registers the hooks for the process's exit and for fork."""
    process = _process
    with process.lock:
        process.runs.add(run)
        first, process.has_hooks = not process.has_hooks, True
    if first:
        atexit.register(shutdown, _EXIT_SECONDS)
        os.register_at_fork(after_in_child=_after_fork)


def discard_live_run(run: LiveRun) -> None:
    """Strike a run that has ended."""
    process = _process
    with process.lock:
        process.runs.discard(run)


class _Stopped:
    """What `shutdown` returns: awaitable in a coroutine, where the call itself does not wait."""

    def __init__(self, runs: list[LiveRun], seconds: float) -> None:
        self._runs = runs
        self._seconds = seconds

    def __await__(self) -> Generator[Any, None, None]:
        return self._wait().__await__()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                for run in self._runs:
                    await run.ended.wait()
        except TimeoutError:
            return

    def wait_sync(self) -> None:
        """Block until all runs have ended or the time is over."""
        deadline = time.monotonic() + self._seconds
        for run in self._runs:
            run.ended.wait_sync(max(0.0, deadline - time.monotonic()))


def shutdown(timeout: float) -> Awaitable[None]:
    """End all live runs of this process, each with an error chunk and a proper end of its wire.

    For a server's shutdown hook: clients are told, callbacks learn that they are cancelled. Streams that are
    created later work as ever. In a thread it waits for the callbacks to end, at most `timeout` seconds.
    In a coroutine it does not block; `await` what it returns to wait that long.
    """
    process = _process
    with process.lock:
        runs = list(process.runs)
    for run in runs:
        run.shut_down()
    stopped = _Stopped(runs, timeout)
    if not in_event_loop():
        stopped.wait_sync()
    return stopped
