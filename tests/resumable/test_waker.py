"""Waking a thread that waits with a selector."""

from __future__ import annotations

import selectors

from assistant_stream_ce.resumable.waker import Waker


def test_it_wakes_once_and_again_also_when_its_buffer_is_full() -> None:
    selector = selectors.DefaultSelector()
    waker = Waker(selector)
    for _ in range(100_000):
        waker.wake()
    assert [key.fd for key, _ in selector.select(10)] == [waker.fileno()]
    while selector.select(0):
        waker.clear()
    waker.clear()
    waker.wake()
    assert selector.select(10)
    selector.close()
    waker.close()
    waker.wake()
