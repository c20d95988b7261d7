"""What a process keeps for its runs: dedicated threads, one shared event loop, and the list of live runs.

Nothing exists before the first run. A child process after `fork` starts with nothing again: it has the
memory of its parent, but not its threads.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import importlib
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Protocol

from assistant_stream_ce.cancellation import Signal
from assistant_stream_ce.concurrency.gevent import NativeExecutor, is_gevent, new_lock
from assistant_stream_ce.concurrency.waiters import in_event_loop

__all__ = (
    "LiveRun",
    "add_live_run",
    "discard_live_run",
    "shared_loop",
    "shutdown",
    "start_thread",
)

logger = logging.getLogger("assistant_stream_ce")

# As many as asyncio's own executor has at most.
_NATIVE_THREADS = 32

# At its exit the interpreter waits so long for runs to notice that they are cancelled, so long again for the
# `on_finish` of those that it gives up then, and at most so long for the shared loop to stop.
_EXIT_SECONDS = 0.5


class LiveRun(Protocol):
    """What this module needs of a run."""

    @property
    def ended(self) -> Signal:
        """Set when the run is over."""

    def shut_down(self) -> None:
        """End the stream with an error chunk and cancel the callback; never blocks."""

    def give_up(self) -> None:
        """Report the end of a run that was shut down and cannot end by itself any more; may block."""


class _Process:
    """Everything that belongs to one process."""

    def __init__(self) -> None:
        # Guards `runs`.
        self.lock = new_lock()
        # Held while what all runs share is set up, which may take longer.
        self.setup_lock = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.loop_stopped = Signal()
        self.runs: set[LiveRun] = set()


# By process id: a child has the memory of its parent, and uWSGI forks without the hooks of `os.register_at_fork`.
_processes: dict[int, _Process] = {}

# Inherited by a child, as the hook itself is.
_has_exit_hook = False


def _this_process() -> _Process:
    number = os.getpid()
    return _processes.get(number) or _processes.setdefault(number, _Process())


def start_thread(target: Callable[[], object], name: str) -> None:
    """Start a daemon thread: it never holds the process at its exit."""
    threading.Thread(target=target, name=name, daemon=True).start()


def shared_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop on which coroutine callbacks run when they are read with `for`.

    One for the process, so that callbacks may share pooled async clients. It ends with the process.

    Raises:
        RuntimeError: the interpreter is ending and starts no threads any more.
    """
    process = _this_process()
    if process.loop is not None:
        return process.loop
    with process.setup_lock:
        _add_exit_hook()
        if process.loop is None:
            loop = _new_loop()
            try:
                _start_loop_thread(functools.partial(_run_loop, loop, process.loop_stopped))
            except RuntimeError:
                loop.close()
                raise
            process.loop = loop
        return process.loop


def _run_loop(loop: asyncio.AbstractEventLoop, stopped: Signal) -> None:
    try:
        while not _run_until_stopped(loop):
            pass
        if not asyncio.all_tasks(loop):
            loop.close()
    finally:
        stopped.set()


def _run_until_stopped(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        loop.run_forever()
    except (SystemExit, KeyboardInterrupt):
        # Of one task, which has it as its result; asyncio lets it break the loop too. This loop is not its own.
        logger.exception("a task on the shared loop wants to end the program; the loop goes on for the other runs")
        return False
    return True


def _new_loop() -> asyncio.AbstractEventLoop:
    if not is_gevent():
        return asyncio.new_event_loop()
    # The loop will have an OS thread of its own, so it must wait as an OS thread does: gevent's selector
    # gives up when no greenlet of that thread can wake it.
    selector = importlib.import_module("gevent.monkey").get_original("selectors", "DefaultSelector")
    loop = asyncio.SelectorEventLoop(selector())
    loop.set_default_executor(NativeExecutor(_NATIVE_THREADS))
    return loop


def _start_loop_thread(run_loop: Callable[[], object]) -> None:
    if is_gevent():
        # A patched Thread is a greenlet, and the running loop is a property of the OS thread: all other
        # greenlets would find themselves inside it. gevent's pool makes real threads.
        importlib.import_module("gevent.threadpool").ThreadPool(1).spawn(run_loop)
    else:
        start_thread(run_loop, "assistant-stream-loop")


def add_live_run(run: LiveRun) -> None:
    """List a run that has started."""
    process = _this_process()
    if not _has_exit_hook:
        with process.setup_lock:
            _add_exit_hook()
    with process.lock:
        process.runs.add(run)


def _add_exit_hook() -> None:
    """Register the hook for the process's exit, once, with the lock for that held."""
    global _has_exit_hook
    if _has_exit_hook:
        return
    _has_exit_hook = True
    # `atexit` is too late: threads of executors are joined before it, and one may wait for a reader who has left.
    # Executors use this hook themselves, in the reverse order of registration, so theirs has to be there first.
    importlib.import_module("concurrent.futures.thread")
    register: Callable[[Callable[[], None]], object] = getattr(threading, "_register_atexit", atexit.register)
    try:
        register(_at_exit)
    except RuntimeError:
        # The interpreter is ending already.
        atexit.register(_at_exit)


def discard_live_run(run: LiveRun) -> None:
    """Strike a run that has ended."""
    process = _this_process()
    with process.lock:
        process.runs.discard(run)


class _Stopped:
    """What `shutdown` returns: awaitable in a coroutine, where the call itself does not wait."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._runs: list[LiveRun] = []
        self._told = Signal()

    def shut_down(self) -> None:
        """Tell all live runs."""
        process = _this_process()
        with process.lock:
            self._runs = list(process.runs)
        for run in self._runs:
            run.shut_down()
        self._told.set()

    def give_up(self) -> None:
        """Give up the runs that have not ended, each in a thread of its own: one may block."""
        for run in self._runs:
            if not run.ended.is_set():
                start_thread(run.give_up, "assistant-stream-give-up")

    def __await__(self) -> Generator[Any, None, None]:
        return self._wait().__await__()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._told.wait()
                for run in self._runs:
                    await run.ended.wait()
        except TimeoutError:
            return

    def wait_sync(self) -> None:
        """Block until all runs have ended or the time is over."""
        deadline = time.monotonic() + self._seconds
        self._told.wait_sync(self._seconds)
        for run in self._runs:
            run.ended.wait_sync(max(0.0, deadline - time.monotonic()))


def shutdown(timeout: float) -> Awaitable[None]:
    """End all live runs of this process, each with an error chunk and a proper end of its wire.

    For a server's shutdown hook, a signal handler included: clients are told, callbacks learn that they are
    cancelled. Streams that are created later work as ever. In a thread it waits for the callbacks to end, at
    most `timeout` seconds. In a coroutine it does not block; `await` what it returns to wait that long.
    """
    stopped = _Stopped(timeout)
    # In a thread of its own: a signal handler may have interrupted this one with a lock of a run in its hands.
    start_thread(stopped.shut_down, "assistant-stream-shutdown")
    if not in_event_loop():
        stopped.wait_sync()
    return stopped


def _at_exit() -> None:
    stopped = _Stopped(_EXIT_SECONDS)
    stopped.shut_down()
    stopped.wait_sync()
    # Where no thread can be started any more it is left out: an `on_finish` that blocks would hold the exit.
    with contextlib.suppress(RuntimeError):
        stopped.give_up()
        stopped.wait_sync()
    process = _this_process()
    if process.loop is not None:
        process.loop.call_soon_threadsafe(process.loop.stop)
        process.loop_stopped.wait_sync(_EXIT_SECONDS)
