"""Timeouts show where a callback hangs, and errors of the helpers are short."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from assistant_stream_ce import RunController, StreamUsageError, TextDeltaChunk, create_run
from assistant_stream_ce.concurrency.waiters import OneShotEvent
from assistant_stream_ce.testing import collect, read_and_leave
from assistant_stream_ce.testing.timeouts import (
    Timeout,
    await_event,
    describe_stack,
    refuse_event_loop,
    run_of,
    wait_for_event,
)
from tests.testing.callbacks import SOON

BIG = "x" * 1_000_000


def test_the_stack_of_a_run_is_described_at_each_stage() -> None:
    release = threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        release.wait(20)  # it waits here

    stream = create_run(run)
    assert "has not begun" in describe_stack(run_of(stream))
    reader = iter(stream)
    next(reader)
    assert "# it waits here" in describe_stack(run_of(stream))
    release.set()
    assert list(reader) == []
    assert "has ended" in describe_stack(run_of(stream))


@pytest.mark.parametrize("kind", ["def", "async def", "async def that blocks"])
def test_the_stack_begins_with_the_callback(kind: str) -> None:
    reached, release = threading.Event(), threading.Event()

    def source() -> Iterator[TextDeltaChunk]:
        reached.set()
        release.wait(20)
        yield TextDeltaChunk("a")

    def run(controller: RunController) -> None:
        controller.add_stream(source())

    async def wait(controller: RunController) -> None:
        # Called when the coroutine waits.
        asyncio.get_running_loop().call_soon(reached.set)
        await controller.cancelled_event.wait()

    async def block(controller: RunController) -> None:
        run(controller)

    callback = {"def": run, "async def": wait, "async def that blocks": block}[kind]
    stream = create_run(callback)
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(list, stream)
        assert reached.wait(20)
        first = describe_stack(run_of(stream)).splitlines()[1]
        release.set()
        stream.cancel()
        reader.result()
    assert first.endswith(f"in {callback.__name__}")


def test_a_timeout_cancels_the_run_and_is_raised_at_the_end_of_the_block() -> None:
    stream = create_run(lambda controller: controller.cancelled_event.wait_sync(20))
    with (
        pytest.raises(TimeoutError, match=r"the run did not end in 0\.2 s: assistant-stream-"),
        Timeout(run_of(stream), SOON),
    ):
        assert list(stream) == []
    assert stream.is_cancelled


def test_waiting_for_an_event_has_a_timeout_sync_and_async() -> None:
    event = OneShotEvent()
    with pytest.raises(TimeoutError, match="late"):
        wait_for_event(event, 0.01, lambda: "late")
    with pytest.raises(TimeoutError, match="late"):
        asyncio.run(await_event(event, 0.01, lambda: "late"))
    event.set()
    wait_for_event(event, 0, lambda: "late")
    asyncio.run(await_event(event, 1, lambda: "late"))


async def test_a_blocking_call_names_its_pair_in_an_event_loop() -> None:
    with pytest.raises(StreamUsageError, match=r"f\(\) would block the running event loop: use `await af\(\)`"):
        refuse_event_loop("f()", "af()")


def test_errors_never_quote_megabytes() -> None:
    for call in (
        lambda: collect([], **{BIG: 1}),
        lambda: read_and_leave(lambda controller: None, by=BIG),  # type: ignore[arg-type]
    ):
        with pytest.raises((TypeError, ValueError)) as raised:
            call()
        assert len(str(raised.value)) < 500

    def fail(controller: RunController) -> None:
        raise ValueError(BIG)

    assert len(repr(collect(fail))) < 500
