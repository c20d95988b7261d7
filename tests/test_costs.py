"""The cost of a thousand chunks, counted instead of timed: a change that makes a chunk more expensive fails.

Counted is what is the same in every run on every machine: no thread runs beside another. `python -m tests.test_costs`
prints the numbers as they are now; benchmarks/run.py has the times.
"""

from __future__ import annotations

import _thread
import asyncio
import dataclasses
import functools
import gc
import importlib.util
import sys
import threading
from collections.abc import AsyncIterable, Awaitable, Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.serialization import DataStreamEncoder
from tests.support.asgi import Client
from tests.support.require import require

CHUNKS = 1_000

# So many chunks may wait that no producer ever waits for the reader.
MAX_PENDING = 2 * CHUNKS


@dataclass(frozen=True)
class Costs:
    """What was done for all chunks together."""

    #: Pieces of bytes that leave the library.
    writes: int
    #: Tasks made.
    tasks: int
    #: Calls of `call_soon` and `call_soon_threadsafe`, by which also every turn of a task is scheduled.
    scheduled: int
    #: Calls of `call_at` and `call_later`.
    timers: int
    #: Acquisitions of locks.
    locks: int


# --- Counting -------------------------------------------------------------------------------------


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts what it is asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks = self.scheduled = self.timers = 0

    def create_task(self, *arguments: Any, **options: Any) -> Any:
        self.tasks += 1
        return super().create_task(*arguments, **options)

    def call_soon(self, *arguments: Any, **options: Any) -> Any:
        self.scheduled += 1
        return super().call_soon(*arguments, **options)

    def call_soon_threadsafe(self, *arguments: Any, **options: Any) -> Any:
        self.scheduled += 1
        return super().call_soon_threadsafe(*arguments, **options)

    def call_at(self, *arguments: Any, **options: Any) -> Any:
        self.timers += 1
        return super().call_at(*arguments, **options)


class CountingLock:
    """Replacement for `threading.Lock` that counts acquisitions."""

    acquisitions = 0

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self.release = self._lock.release
        self.locked = self._lock.locked

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        CountingLock.acquisitions += 1
        return self._lock.acquire(blocking, timeout)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()


class OneAfterTheOther(Executor):
    """Runs a callback in a thread to its end before anything else goes on."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        thread = threading.Thread(target=lambda: future.set_result(function(*arguments, **options)))
        thread.start()
        thread.join()
        return future


def count(work: Callable[[], Awaitable[int]]) -> Costs:
    """Return what a coroutine costs that returns the number of its writes. Called twice: the first call sets up."""
    original = threading.Lock
    threading.Lock = CountingLock  # type: ignore[misc, assignment]
    try:
        with asyncio.Runner(loop_factory=CountingLoop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, CountingLoop)
            for _ in range(2):
                before = (loop.tasks, loop.scheduled, loop.timers, CountingLock.acquisitions)
                writes = runner.run(_counted(work))
                after = (loop.tasks, loop.scheduled, loop.timers, CountingLock.acquisitions)
    finally:
        threading.Lock = original  # type: ignore[misc]
    return Costs(writes, *(late - early for early, late in zip(before, after, strict=True)))


async def _counted(work: Callable[[], Awaitable[int]]) -> int:
    return await work()


# --- The work -------------------------------------------------------------------------------------


async def burst(controller: RunController) -> None:
    for _ in range(CHUNKS):
        controller.append_text("hello ")


async def yielding(controller: RunController) -> None:
    for _ in range(CHUNKS):
        controller.append_text("hello ")
        await asyncio.sleep(0)


def in_thread(controller: RunController) -> None:
    for _ in range(CHUNKS):
        controller.append_text("hello ")


CALLBACKS: dict[str, Callable[[RunController], Any]] = {"burst": burst, "yielding": yielding, "thread": in_thread}


def make_stream(name: str) -> Any:
    executor = OneAfterTheOther() if name == "thread" else None
    return create_run(CALLBACKS[name], max_pending=MAX_PENDING, executor=executor)


async def encode(name: str) -> int:
    return await _number_of(DataStreamEncoder().encode_stream(make_stream(name)))


async def _number_of(pieces: AsyncIterable[bytes]) -> int:
    return len([piece async for piece in pieces])


async def respond(name: str) -> int:
    """Answer an ASGI request, with the heartbeat."""
    from assistant_stream_ce.responses.starlette import DataStreamResponse

    client = Client()
    await client.call(DataStreamResponse(make_stream(name)))
    return len(client.pieces)


WAYS: dict[str, Callable[[str], Awaitable[int]]] = {"encoded": encode, "response": respond}

#: As they are; the same with CPython 3.11, 3.12 and 3.13.
RECORDED = {
    ("encoded", "burst"): Costs(writes=4, tasks=2, scheduled=8, timers=0, locks=1023),
    ("encoded", "yielding"): Costs(writes=1000, tasks=2, scheduled=2005, timers=0, locks=3010),
    ("encoded", "thread"): Costs(writes=4, tasks=1, scheduled=6, timers=0, locks=1027),
    ("response", "burst"): Costs(writes=4, tasks=4, scheduled=16, timers=2, locks=1026),
    ("response", "yielding"): Costs(writes=1000, tasks=4, scheduled=2013, timers=2, locks=3013),
    ("response", "thread"): Costs(writes=4, tasks=3, scheduled=14, timers=2, locks=1030),
}

#: What another version of Python or Starlette may need more, all chunks together.
SLACK = 10


@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.parametrize("way", WAYS)
def test_costs_do_not_grow(way: str, name: str) -> None:
    if way == "response":
        require(importlib.util.find_spec("starlette"), "not installed: starlette")
    measured = dataclasses.asdict(count(functools.partial(WAYS[way], name)))
    recorded = dataclasses.asdict(RECORDED[way, name])
    dearer = [kind for kind in recorded if measured[kind] > recorded[kind] + SLACK]
    assert not dearer, f"{measured}, where {recorded} is recorded: `python -m tests.test_costs` prints all numbers"


def waiting_blocks() -> float:
    """Return how many blocks of memory a chunk holds that waits for the reader."""
    counted = []

    async def run(controller: RunController) -> None:
        controller.append_text("the first opens what all need")
        before = sys.getallocatedblocks()
        for _ in range(CHUNKS):
            controller.append_text("hello ")
        counted.append((sys.getallocatedblocks() - before) / CHUNKS)

    async def read() -> None:
        async for _ in create_run(run, max_pending=MAX_PENDING):
            pass

    gc.collect()
    gc.disable()
    try:
        asyncio.run(read())
        asyncio.run(read())
    finally:
        gc.enable()
    return counted[1]


def test_a_waiting_chunk_is_one_block_of_memory() -> None:
    assert waiting_blocks() < 1.1


if __name__ == "__main__":
    for way in WAYS:
        for name in CALLBACKS:
            print(f'    ("{way}", "{name}"): {count(functools.partial(WAYS[way], name))},')
    print("blocks of a waiting chunk:", waiting_blocks())
