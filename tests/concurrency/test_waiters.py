"""One-shot waiters and events, for threads and for coroutines."""

from __future__ import annotations

import asyncio
import threading

import pytest

from assistant_stream_ce.concurrency.waiters import (
    LoopWaiter,
    OneShotEvent,
    ThreadWaiter,
    in_event_loop,
    running_loop,
)

SECONDS = 10.0


def in_thread(action: object) -> threading.Thread:
    thread = threading.Thread(target=action)  # type: ignore[arg-type]
    thread.start()
    return thread


def test_no_loop_runs_in_a_thread() -> None:
    assert running_loop() is None
    assert not in_event_loop()


async def test_the_running_loop_is_found() -> None:
    assert running_loop() is asyncio.get_running_loop()
    assert in_event_loop()


def test_a_thread_waits_until_it_is_woken() -> None:
    waiter = ThreadWaiter()
    thread = in_thread(waiter.wake)
    assert waiter.wait(SECONDS)
    thread.join()


def test_a_wake_before_the_wait_counts_and_is_idempotent() -> None:
    waiter = ThreadWaiter()
    assert waiter.wake()
    assert waiter.wake()
    assert waiter.wait(0)


@pytest.mark.parametrize("timeout", [0, -1, 0.001])
def test_a_wait_without_a_wake_times_out(timeout: float) -> None:
    assert not ThreadWaiter().wait(timeout)


async def test_a_coroutine_is_woken_from_its_loop_and_from_a_thread() -> None:
    for wake_in_thread in (False, True):
        waiter = LoopWaiter()
        waking = asyncio.get_running_loop().run_in_executor(None, waiter.wake) if wake_in_thread else None
        if waking is None:
            assert waiter.wake()
        await asyncio.wait_for(waiter.wait(), SECONDS)
        if waking is not None:
            assert await waking


def test_a_waiter_of_a_closed_loop_cannot_be_woken() -> None:
    async def make() -> LoopWaiter:
        return LoopWaiter()

    assert not asyncio.run(make()).wake()


def test_only_the_first_set_counts() -> None:
    event = OneShotEvent()
    assert not event.is_set()
    assert [event.set(), event.set()] == [True, False]
    assert event.is_set()
    assert event.wait_sync(0)


@pytest.mark.parametrize("timeout", [0, -1.0, 0.001])
def test_an_event_that_is_not_set_times_out(timeout: float) -> None:
    assert not OneShotEvent().wait_sync(timeout)


async def test_threads_and_coroutines_wait_for_one_event() -> None:
    event = OneShotEvent()
    loop = asyncio.get_running_loop()
    threads = [loop.run_in_executor(None, event.wait_sync, SECONDS) for _ in range(3)]
    coroutines = [asyncio.create_task(event.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    in_thread(event.set).join()
    assert await asyncio.wait_for(asyncio.gather(*threads, *coroutines), SECONDS) == [True] * 6


async def test_a_wait_that_is_cancelled_leaves_no_waiter() -> None:
    event = OneShotEvent()
    waiting = asyncio.create_task(event.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert event._waiters == []


@pytest.mark.parametrize("seconds", [float("inf"), 1e300])
def test_a_thread_may_wait_longer_than_the_system_can_count(seconds: float) -> None:
    event = OneShotEvent()
    results: list[bool] = []
    waiting = in_thread(lambda: results.append(event.wait_sync(seconds)))
    event.set()
    waiting.join(SECONDS)
    assert results == [True]
    waiter = ThreadWaiter()
    waking = in_thread(waiter.wake)
    assert waiter.wait(seconds)
    waking.join(SECONDS)
