"""The lock of this version of Python."""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from assistant_stream_ce.concurrency.locks import Lock
from tests.support.interrupts import Interrupt


def test_an_exception_at_the_start_of_a_block_leaves_no_lock_locked() -> None:
    """A plain lock is left locked by about one of thirty exceptions, on CPython 3.14."""
    lock = Lock()
    over: list[bool] = []
    me = ctypes.c_ulong(threading.get_ident())

    def disturb() -> None:
        for _ in range(200):
            time.sleep(0.0005)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(me, ctypes.py_object(Interrupt))
        time.sleep(0.01)
        over.append(True)

    def is_free() -> bool:
        return lock.acquire(blocking=False)

    with ThreadPoolExecutor(1) as disturber:
        disturbed = disturber.submit(disturb)
        while not over:
            with contextlib.suppress(Interrupt):
                while not over:
                    with lock:
                        pass
        disturbed.result()
    with ThreadPoolExecutor(1) as other:
        assert other.submit(is_free).result()
