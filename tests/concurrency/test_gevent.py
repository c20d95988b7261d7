"""Under gevent native threads and greenlets contend for the library's locks without a lost wake-up or a deadlock."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from assistant_stream_ce.concurrency.gevent import is_gevent, new_blocking_lock, new_lock
from assistant_stream_ce.concurrency.locks import Lock
from tests.support.require import require

# A thread of gevent's pool puts, as the loop of the coroutine callbacks does, and a greenlet reads beside others.
CONTENDED = """
from gevent import monkey
monkey.patch_all()
import gevent
from gevent.threadpool import ThreadPool
from assistant_stream_ce.concurrency.channel import Channel
from assistant_stream_ce.concurrency.gevent import new_blocking_lock

lock = new_blocking_lock()

def wait_with_lock():
    with lock:
        gevent.sleep(0.001)

gevent.joinall([gevent.spawn(wait_with_lock) for _ in range(2)], raise_error=True)

channel = Channel(64, lambda: None, lambda: None)

def produce():
    for number in range(100_000):
        channel.put(number, may_block=False)
    channel.finish()

def be_busy():
    while True:
        gevent.sleep(0.001)

gevent.spawn(be_busy)
ThreadPool(1).spawn(produce)
expected = 0
while (batch := channel.get_sync(0.05)) is not None:
    for number in batch:
        assert number == expected
        expected += 1
print(expected)
"""


@pytest.mark.timeout(60)
def test_native_threads_and_greenlets_share_locks_under_gevent() -> None:
    require(importlib.util.find_spec("gevent"), "not installed: gevent")
    child = subprocess.run([sys.executable, "-c", CONTENDED], capture_output=True, text=True, timeout=50, check=False)
    assert (child.stdout, child.returncode) == ("100000\n", 0), child.stderr


def test_without_gevent_it_is_an_ordinary_lock() -> None:
    assert not is_gevent()
    assert type(new_lock()) is type(new_blocking_lock()) is type(Lock())
