"""Bodies whose bytes are ready."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator

from benchmarks.subjects.by_hand.frames import FRAMES
from benchmarks.subjects.work import Order, speak, speak_async, text_of


def ready(order: Order, number: int) -> bytes:
    """Return bytes to send; they are the same each time, unless the time of sending is asked for."""
    return FRAMES[order.wire](text_of(order.kind, number))


def body(order: Order) -> Iterator[bytes]:
    """Yield bytes in a thread of the server."""
    if order.kind == "ticks":
        yield from map(FRAMES[order.wire], speak(order))
        return
    frame = ready(order, 0)
    for number in range(order.count):
        yield ready(order, number) if order.kind == "stamps" else frame
        if order.kind == "quiet":
            threading.Event().wait()
        time.sleep(order.seconds)


async def body_async(order: Order) -> AsyncIterator[bytes]:
    """Yield bytes in a coroutine."""
    if order.kind == "ticks":
        async for text in speak_async(order):
            yield FRAMES[order.wire](text)
        return
    frame = ready(order, 0)
    for number in range(order.count):
        yield ready(order, number) if order.kind == "stamps" else frame
        if order.kind == "quiet":
            await asyncio.Event().wait()
        await asyncio.sleep(order.seconds)
