"""Threads and the shared event loop of a process, and the hook at its exit.

Nothing is created before the first run. After `fork` a child process starts anew: it has the memory of its parent, but
not its threads.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import importlib
import os
import sys
import threading
from _queue import SimpleQueue
from collections.abc import Callable
from typing import Any

from assistant_stream_ce.concurrency.gevent import NativeExecutor, is_gevent, new_blocking_lock
from assistant_stream_ce.concurrency.waiters import OneShotEvent, running_loop
from assistant_stream_ce.run.logger import logger

# Seconds that a thread waits for the next call before it ends. With fewer than fifty runs a second the start of
# threads, half of a short run, does not matter; with more of them a thread is idle no longer than this.
_IDLE_SECONDS = 0.02

# The maximum of asyncio's default executor.
_NATIVE_THREADS = 32

#: Seconds that the interpreter waits at exit for cancelled runs to end, again for the `on_finish` of runs that are
#: abandoned then, and again for the shared loop to stop.
EXIT_SECONDS = 0.5

#: Functions to call at the exit of the process, before the shared loop is stopped.
EXIT_CALLS: list[Callable[[], object]] = []

# Python 3.12.0 and 3.12.1 cannot start a thread in an exit hook, so these are started in advance.
_EXIT_THREADS = 4 if sys.version_info[:3] in ((3, 12, 0), (3, 12, 1)) else 0


class _Process:
    """The shared loop of one process, and the work for threads at its exit."""

    def __init__(self) -> None:
        # Guards the creation of the fields below, and is held while threads start.
        self.lock = new_blocking_lock()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.loop_stopped = OneShotEvent()
        #: The gevent hub of the thread that started the loop; None without gevent.
        self.hub: Any = None
        self.exit_work: SimpleQueue[Callable[[], object]] | None = None
        #: Threads that wait for a call. Each operation on it is atomic.
        self.idle: list[_WorkerThread] = []


# By process id, because uWSGI forks without the hooks of `os.register_at_fork`.
_processes: dict[int, _Process] = {}

# A child process inherits it together with the hook.
_has_exit_hook = False


def _this_process() -> _Process:
    number = os.getpid()
    return _processes.get(number) or _processes.setdefault(number, _Process())


class _WorkerThread(threading.Thread):
    """A daemon thread for one call at a time; it ends when no other one comes soon."""

    def __init__(self, target: Callable[[], object], name: str, idle: list[_WorkerThread]) -> None:
        super().__init__(name=name, daemon=True)
        self._call: Callable[[], object] | None = target
        self._idle = idle
        # Released to start the next call.
        self._has_call = threading.Lock()
        self._has_call.acquire()

    def run(self) -> None:
        """Make calls until none comes."""
        while self._call is not None:
            self._call()
            self._call = None
            # A parked greenlet would keep gevent's hub from noticing that nothing is left to do.
            if not is_gevent():
                self._wait()

    def _wait(self) -> None:
        self._idle.append(self)
        if not self._has_call.acquire(timeout=_IDLE_SECONDS):
            try:
                self._idle.remove(self)
            except ValueError:
                # Another thread has just taken this one, and is about to start its call.
                self._has_call.acquire()

    def call(self, target: Callable[[], object], name: str) -> None:
        """Start the next call, of a thread that was taken from the idle ones."""
        self.name = name
        self._call = target
        self._has_call.release()


def start_thread(target: Callable[[], object], name: str) -> None:
    """Call a function in a daemon thread of its own, which does not delay the exit of the process.

    The thread may be one that has made another call before; it never makes two at once.

    Raises:
        RuntimeError: the interpreter is ending and starts no threads any more.
    """
    process = _this_process()
    if process.hub is not None and running_loop() is process.loop:
        # A greenlet of this thread would never run, because its loop blocks the OS thread.
        process.hub.loop.run_callback_threadsafe(importlib.import_module("gevent").spawn, target)
        return
    try:
        process.idle.pop().call(target, name)
        return
    except IndexError:
        pass
    try:
        _WorkerThread(target, name, process.idle).start()
    except RuntimeError:
        work = process.exit_work
        if work is None:
            raise
        work.put(target)


def start_thread_or_call(target: Callable[[], object], name: str) -> None:
    """Call a function in a daemon thread, or here where the interpreter is ending and starts no threads any more."""
    try:
        start_thread(target, name)
    except RuntimeError:
        target()


def shared_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop on which coroutine callbacks run when they are read with `for`.

    One for the process, so that callbacks may share pooled async clients. It ends with the process.

    Raises:
        RuntimeError: the interpreter is ending and starts no threads any more.
    """
    process = _this_process()
    if process.loop is not None and not process.loop_stopped.is_set():
        return process.loop
    add_exit_hook()
    with process.lock:
        if process.loop is None or process.loop_stopped.is_set():
            # The loop was stopped by the exit hook if code that runs later, in `atexit`, starts a run.
            process.loop_stopped = OneShotEvent()
            loop = _new_loop()
            if is_gevent():
                process.hub = importlib.import_module("gevent").get_hub()
            try:
                _start_loop_thread(functools.partial(_run_loop, loop, process.loop_stopped))
            except RuntimeError:
                loop.close()
                raise
            process.loop = loop
        return process.loop


def _run_loop(loop: asyncio.AbstractEventLoop, stopped: OneShotEvent) -> None:
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
        # One task raised it, and has it as its result; asyncio also stops the loop, which other runs share.
        logger.exception("a task on the shared loop raised an exit; the loop continues for the other runs")
        return False
    return True


def _new_loop() -> asyncio.AbstractEventLoop:
    if not is_gevent():
        return asyncio.new_event_loop()
    # The loop runs in an OS thread, so its selector must block that thread: gevent's raises when no greenlet of the
    # thread can wake it.
    selector = importlib.import_module("gevent.monkey").get_original("selectors", "DefaultSelector")
    loop = asyncio.SelectorEventLoop(selector())
    loop.set_default_executor(NativeExecutor(_NATIVE_THREADS))
    return loop


def _start_loop_thread(run_loop: Callable[[], object]) -> None:
    if is_gevent():
        # A patched Thread is a greenlet, and the running loop is an attribute of the OS thread: all its greenlets
        # would seem to run inside the loop. gevent's thread pool has real threads.
        importlib.import_module("gevent.threadpool").ThreadPool(1).spawn(run_loop)
    else:
        start_thread(run_loop, "assistant-stream-loop")


def add_exit_hook() -> None:
    """Register the hook for the process's exit, once."""
    global _has_exit_hook
    if _has_exit_hook and not _EXIT_THREADS:
        return
    process = _this_process()
    with process.lock:
        # A patched thread is a greenlet: it can start during the exit, and would block the others if it waited before.
        if _EXIT_THREADS and process.exit_work is None and not is_gevent():
            work: SimpleQueue[Callable[[], object]] = SimpleQueue()
            # In the exit itself they cannot start; then the start of the run raises it.
            with contextlib.suppress(RuntimeError):
                for _ in range(_EXIT_THREADS):
                    start_thread(functools.partial(_work_at_exit, work), "assistant-stream-exit")
                process.exit_work = work
        if _has_exit_hook:
            return
        _has_exit_hook = True
        # `atexit` is too late: executors join their threads before it, and one of them may wait for a reader that has
        # left. Executors use the same hooks, which run in reverse order, so theirs must be registered first.
        importlib.import_module("concurrent.futures.thread")
        register: Callable[[Callable[[], None]], object] = getattr(threading, "_register_atexit", atexit.register)
        try:
            register(_at_exit)
        except RuntimeError:
            # The interpreter is already shutting down.
            atexit.register(_at_exit)


def _work_at_exit(work: SimpleQueue[Callable[[], object]]) -> None:
    while True:
        work.get()()


def _at_exit() -> None:
    for call in EXIT_CALLS:
        call()
    process = _this_process()
    if process.loop is not None:
        process.loop.call_soon_threadsafe(process.loop.stop)
        process.loop_stopped.wait_sync(EXIT_SECONDS)
