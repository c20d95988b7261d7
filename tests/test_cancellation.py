"""The event wakes waiting threads and coroutines, and each callback is due exactly once."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from assistant_stream_ce.cancellation import Cancellation, CancelledEvent, Signal


def test_threads_and_coroutines_wait_for_one_signal() -> None:
    signal = Signal()
    woken: list[str] = []
    waiting = threading.Barrier(3)

    def wait_in_thread() -> None:
        waiting.wait()
        assert signal.wait_sync(10)
        woken.append("thread")

    def wait_in_loop() -> None:
        async def wait() -> None:
            task = asyncio.ensure_future(signal.wait())
            await asyncio.sleep(0)
            waiting.wait()
            assert await task
            woken.append("loop")

        asyncio.run(wait())

    threads = [threading.Thread(target=wait_in_thread), threading.Thread(target=wait_in_loop)]
    for thread in threads:
        thread.start()
    waiting.wait()
    assert signal.set()
    assert not signal.set()
    for thread in threads:
        thread.join(10)
    assert sorted(woken) == ["loop", "thread"]


def test_a_wait_has_a_timeout_and_leaves_no_waiter() -> None:
    signal = Signal()
    assert not signal.wait_sync(0.01)
    assert not signal.is_set()
    signal.set()
    assert signal.wait_sync()


async def test_a_cancelled_wait_leaves_no_waiter() -> None:
    signal = Signal()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await signal.wait()
    signal.set()
    assert await signal.wait()


async def test_the_callbacks_view_is_read_only() -> None:
    signal = Signal()
    event = CancelledEvent(signal)
    assert not event.is_set()
    assert not hasattr(event, "set")
    signal.set()
    assert event.is_set()
    assert event.wait_sync(0)
    assert await event.wait()


def test_each_callback_is_handed_out_once_with_its_context() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    cancellation = Cancellation()
    seen: list[str] = []
    contextvars.copy_context().run(
        lambda: (variable.set("at registration"), cancellation.add(lambda: seen.append(variable.get())))
    )
    (callback,) = cancellation.cancel()
    callback()
    assert seen == ["at registration"]
    assert cancellation.cancel() == []


def test_a_late_callback_is_due_at_once_when_cancelled_and_never_when_ended() -> None:
    cancelled, ended = Cancellation(), Cancellation()
    cancelled.cancel()
    ended.end()
    assert not cancelled.add(lambda: None)
    assert ended.add(lambda: None)
    assert ended.cancel() == []


@pytest.mark.parametrize("timeout", [0, -0.001, -1, -1e9])
def test_a_timeout_that_is_not_positive_returns_at_once(timeout: float) -> None:
    """As `threading.Event.wait` does."""
    signal = Signal()
    event = CancelledEvent(signal)
    assert event.wait_sync(timeout) is threading.Event().wait(timeout) is False
    signal.set()
    assert event.wait_sync(timeout) is True
