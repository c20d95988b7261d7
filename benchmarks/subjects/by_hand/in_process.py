"""Called directly: a queue between the one who speaks and the one who encodes."""

from __future__ import annotations

import asyncio
import copy
import itertools

from benchmarks.subjects import work
from benchmarks.subjects.by_hand.bridges import in_thread, in_thread_async
from benchmarks.subjects.by_hand.frames import FRAMES


def encode(count: int, wire: str, producer: str, reader: str) -> int:
    """Send so many texts through a queue, and encode them; return the bytes."""
    frame = FRAMES[wire]
    if reader == "for":
        return sum(len(frame(text)) for text in in_thread(itertools.repeat(work.TEXT, count)))

    async def read() -> int:
        if producer == "thread":
            texts = in_thread_async(itertools.repeat(work.TEXT, count))
            return sum([len(frame(text)) async for text in texts])
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        size = 0
        async with asyncio.TaskGroup() as group:
            group.create_task(produce(queue))
            while (text := await queue.get()) is not None:
                size += len(frame(text))
        return size

    async def produce(queue: asyncio.Queue[str | None]) -> None:
        for _ in range(count):
            queue.put_nowait(work.TEXT)
            if producer == "yielding":
                await asyncio.sleep(0)
        queue.put_nowait(None)

    return asyncio.run(read())


def edit_state(count: int, runs: int, edit: str, producer: str) -> int:
    """Edit a plain dict so many times, in so many runs, of which nothing is sent; return 0 bytes."""

    class Controller:
        def __init__(self) -> None:
            self.state = copy.deepcopy(work.STATE)

        def append_state_text(self, path: list[str], text: str) -> None:
            self.state[path[0]] += text

    async def run() -> int:
        await work.edit(edit, producer, count, Controller())
        return 0

    return asyncio.run(work.repeat(run, runs))


def start_and_end(count: int, producer: str) -> int:
    """Start a producer of one word, so many times; return the bytes."""
    frame = FRAMES["data-stream"]

    async def run() -> int:
        if producer == "thread":
            return sum([len(frame(text)) async for text in in_thread_async([work.TEXT])])
        queue: asyncio.Queue[str] = asyncio.Queue()
        task = asyncio.create_task(queue.put(work.TEXT))
        size = len(frame(await queue.get()))
        await task
        return size

    async def runs() -> int:
        return sum([await run() for _ in range(count)])

    return asyncio.run(runs())
