"""The lock of this version of Python."""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
import time

import pytest

from assistant_stream_ce.concurrency.locks import Lock
from tests.support.interrupts import Interrupt


def test_an_exception_at_the_start_of_a_block_leaves_no_lock_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain lock is left locked by about one of thirty exceptions, on CPython 3.14."""
    # One may hit a callback of the garbage collector, or the code around the loop.
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    lock = Lock()
    over: list[bool] = []

    def use() -> None:
        while not over:
            with contextlib.suppress(Interrupt):
                while not over:
                    with lock:
                        pass

    user = threading.Thread(target=use, daemon=True)
    user.start()
    assert user.ident is not None
    for _ in range(200):
        time.sleep(0.0005)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(user.ident), ctypes.py_object(Interrupt))
    over.append(True)
    user.join(10)
    assert not user.is_alive()
    assert lock.acquire(blocking=False)
