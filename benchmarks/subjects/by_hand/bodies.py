"""The body of a WSGI response: what a thread of its own puts into a `SimpleQueue`."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.subjects.by_hand.bridges import in_thread
from benchmarks.subjects.by_hand.frames import FRAMES
from benchmarks.subjects.work import Order, speak


def body(order: Order) -> Iterator[bytes]:
    """Yield the frames of a response."""
    frame = FRAMES[order.wire]
    for text in in_thread(speak(order)):
        yield frame(text)
