"""The bridges of the web responses: no item is lost, and either side can end the other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from assistant_stream_ce.responses.bridges import iterate_in_thread, iterate_on_shared_loop, race


async def test_race_cancels_the_slower_coroutine() -> None:
    course: list[str] = []

    async def step(name: str, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            course.append(name)
        except asyncio.CancelledError:
            course.append(f"{name} cancelled")
            raise

    await race(step("work", 0), step("signal", 30))
    await race(step("work", 30), step("signal", 0))
    assert course == ["work", "signal cancelled", "signal", "work cancelled"]


async def test_race_raises_what_the_work_raised() -> None:
    async def fail() -> None:
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        await race(fail(), asyncio.sleep(30))


async def test_iterate_in_thread_yields_everything_then_the_error() -> None:
    def source() -> object:
        yield from range(100)
        raise ValueError("boom")

    items = []
    with pytest.raises(ValueError, match="boom"):
        async for item in iterate_in_thread(source()):  # type: ignore[arg-type]
            items.append(item)
    assert items == list(range(100))


def test_iterate_on_shared_loop_yields_everything_then_the_error() -> None:
    async def source() -> AsyncIterator[int]:
        for number in range(100):
            yield number
        raise ValueError("boom")

    items = []
    with pytest.raises(ValueError, match="boom"):
        for item in iterate_on_shared_loop(source()):
            items.append(item)
    assert items == list(range(100))


async def test_a_thread_that_is_not_read_any_more_ends() -> None:
    ended = threading.Event()

    def source() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            ended.set()

    items = iterate_in_thread(source())
    assert await anext(items) == 0
    await items.aclose()  # type: ignore[attr-defined]
    assert await asyncio.to_thread(ended.wait, 5)


def test_a_coroutine_that_is_not_read_any_more_ends() -> None:
    ended = threading.Event()

    async def source() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(30)
        finally:
            ended.set()

    items = iterate_on_shared_loop(source())
    assert next(items) == 1
    items.close()  # type: ignore[attr-defined]
    assert ended.wait(5)
