"""Locks and threads that also work where gevent has made the process's threads greenlets."""

from __future__ import annotations

import functools
import importlib
import sys
import threading
from _queue import SimpleQueue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from assistant_stream_ce.concurrency.locks import Lock

T = TypeVar("T")


def is_gevent() -> bool:
    """Return whether gevent has patched the threads of this process."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def new_lock() -> threading.Lock:
    """Return a lock for short critical sections, safe between native threads and greenlets.

    Under gevent it is one of the operating system: coroutine callbacks run in a native thread there, and gevent's own
    locks lose wake-ups when a native thread and a greenlet contend for one.
    """
    # The check of `sys.modules` is for the ten locks of each run: it saves one of their 31 us.
    if "gevent.monkey" in sys.modules and is_gevent():
        lock: threading.Lock = importlib.import_module("gevent.monkey").get_original("_thread", "allocate_lock")()
        return lock
    return Lock()


def new_blocking_lock() -> threading.Lock:
    """Return a lock that may be held while its thread waits, as for I/O. Under gevent it is gevent's own.

    Greenlets of one thread contend for it there: one that waits natively would block the one that holds it.
    """
    return threading.Lock() if is_gevent() else Lock()


class NativeExecutor(ThreadPoolExecutor):
    """Executor of native threads for the shared loop under gevent. Only for that loop's thread.

    The workers of any other executor would be greenlets of the thread that first submits. The loop's thread
    blocks natively, so they would never run.
    """

    # asyncio requires the base class; none of its methods is used, because gevent has patched their parts.
    def __init__(self, max_threads: int) -> None:
        self._left = max_threads
        self._started = 0
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run a call in one of the threads."""
        future: Future[T] = Future()
        self._calls.put(functools.partial(_settle, future, functools.partial(function, *args, **kwargs)))
        if self._left:
            self._left -= 1
            self._started += 1
            importlib.import_module("gevent.monkey").get_original("_thread", "start_new_thread")(self._work, ())
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end once all calls are done. Never blocks."""
        for _ in range(self._started):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _settle(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
    finally:
        # Break the cycle with the exception, whose traceback holds this frame.
        del future
