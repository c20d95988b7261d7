"""From a thread to the one who reads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from queue import SimpleQueue


def in_thread(texts: Iterable[str]) -> Iterator[str]:
    """Iterate in a thread of its own, and read in this one."""
    queue: SimpleQueue[str | None] = SimpleQueue()
    _start(texts, queue.put)
    while (text := queue.get()) is not None:
        yield text


async def in_thread_async(texts: Iterable[str]) -> AsyncIterator[str]:
    """Iterate in a thread of its own, and read in a coroutine."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    _start(texts, lambda text: loop.call_soon_threadsafe(queue.put_nowait, text))
    while (text := await queue.get()) is not None:
        yield text


def _start(texts: Iterable[str], put: Callable[[str | None], object]) -> None:
    def work() -> None:
        for text in texts:
            put(text)
        put(None)

    threading.Thread(target=work, daemon=True).start()
