"""Slow readers see backpressure, and readers that disconnect see how the run ends."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from assistant_stream_ce import (
    DataChunk,
    ErrorChunk,
    RunCancelled,
    RunController,
    StreamUsageError,
    TextDeltaChunk,
    create_run,
)
from assistant_stream_ce.responses.body import ResponseBody
from assistant_stream_ce.serialization import DataStreamEncoder
from assistant_stream_ce.testing import Disconnect, Gate, ScriptedModel, SlowReader, read_and_leave
from tests.support.kinds import as_kind
from tests.testing.callbacks import SOON, blocks_in_a_thread, each_kind, each_reader, leave, model_callback, patient


def burst(controller: RunController) -> None:
    for number in range(100):
        controller.append_text(str(number))


async def burst_async(controller: RunController) -> None:
    for number in range(100):
        controller.append_text(str(number))
        await controller.drain()


async def careless(controller: RunController) -> None:
    burst(controller)


@each_reader
@each_kind
def test_a_slow_reader_detects_backpressure(kind: str, reader: str) -> None:
    def test() -> None:
        with SlowReader(callback, max_pending=8) as slow:
            assert next(slow) == TextDeltaChunk("0")
            slow.wait_until_held()
            slow.wait_until_held()
            assert 8 <= slow.waiting <= 9
            assert sum(1 for _ in slow) == 99
            assert slow.most_waiting <= 9
            assert slow.reason == "completed"
            assert slow.waiting == 0

    async def test_async() -> None:
        async with SlowReader(callback, max_pending=8) as slow:
            assert await anext(slow) == TextDeltaChunk("0")
            await slow.await_until_held()
            await slow.await_until_held()
            assert 8 <= slow.waiting <= 9
            assert sum([1 async for _ in slow]) == 99
            assert slow.most_waiting <= 9

    callback: Any = burst if kind == "def" else burst_async
    test() if reader == "for" else asyncio.run(test_async())


@each_reader
def test_a_slow_reader_detects_a_callback_that_ignores_backpressure(reader: str) -> None:
    def test() -> None:
        with SlowReader(careless, max_pending=8) as slow:
            next(slow)
            slow.wait_until_held()

    async def test_async() -> None:
        async with SlowReader(careless, max_pending=8) as slow:
            await anext(slow)
            await slow.await_until_held()

    with pytest.raises(AssertionError, match="ended without waiting for its reader: 99 chunks wait"):
        test() if reader == "for" else asyncio.run(test_async())


@each_reader
@each_kind
def test_a_slow_reader_has_a_timeout(kind: str, reader: str) -> None:
    model = ScriptedModel(["a", Gate()])
    callback = model_callback(kind, model)

    def test() -> None:
        with SlowReader(callback, timeout=SOON) as slow:
            with pytest.raises(StreamUsageError, match="read a chunk first"):
                slow.wait_until_held()
            assert next(iter(slow)) == TextDeltaChunk("a")
            with pytest.raises(TimeoutError, match=r"did not wait .* in 0\.2 s: 0 chunks wait, and .* is here"):
                slow.wait_until_held()
            with pytest.raises(TimeoutError, match=r"in 0\.2 s: .* is here"):
                next(slow)

    async def test_async() -> None:
        async with SlowReader(callback, timeout=SOON) as slow:
            assert await anext(aiter(slow)) == TextDeltaChunk("a")
            with pytest.raises(TimeoutError, match=r"did not wait .* in 0\.2 s: 0 chunks wait, and .* is here"):
                await slow.await_until_held()
            with pytest.raises(TimeoutError, match=r"in 0\.2 s: .* is here"):
                await anext(slow)

    test() if reader == "for" else asyncio.run(test_async())


@each_reader
@each_kind
@pytest.mark.parametrize("way", ["close", "cancel", "break"])
@pytest.mark.parametrize("after", [1, 2])
def test_a_disconnect_ends_the_callback(after: int, way: Any, kind: str, reader: str) -> None:
    left: Disconnect = leave(reader, patient(kind), after, by=way)
    assert left.items == [TextDeltaChunk("a"), TextDeltaChunk("b")][:after]
    assert left.reason == "cancelled"
    assert left.cancelled_after is not None
    assert left.cancelled_after < 5
    assert left.ended_after is not None
    assert left.ended_after < 5
    assert left.error is None
    assert repr(left).startswith(f"<Disconnect after {after}: cancelled after 0.")


@each_reader
@each_kind
def test_a_reader_of_bytes_can_disconnect(kind: str, reader: str) -> None:
    bodies = [
        ResponseBody(create_run(patient(kind)), DataStreamEncoder(), 5.0),
        DataStreamEncoder().encode_stream(create_run(patient(kind))),
    ]
    for body in bodies:
        left = leave(reader, body)
        assert left.items[0].startswith(b'0:"a"\n')
        assert left.reason == "cancelled"


@each_reader
@each_kind
def test_a_reader_can_disconnect_before_the_first_chunk(kind: str, reader: str) -> None:
    left = leave(reader, create_run(patient(kind)), 0)
    assert (left.items, left.reason) == ([], "cancelled")


@each_reader
@each_kind
def test_a_callback_can_end_before_the_disconnect(kind: str, reader: str) -> None:
    def fail(controller: RunController) -> None:
        controller.append_text("a")
        raise ValueError("boom")

    left = leave(reader, as_kind(kind, fail), 5)
    assert left.items == [TextDeltaChunk("a"), ErrorChunk("boom")]
    assert (left.reason, str(left.error), left.cancelled_after) == ("failed", "boom", None)
    assert left.ended_after is not None
    left = leave(reader, [DataChunk(1)], 5, by="cancel")
    assert (left.items, left.reason, left.error) == ([DataChunk(1)], "completed", None)

    def assert_(controller: RunController) -> None:
        raise AssertionError("mine")

    with pytest.raises(AssertionError, match="mine"):
        leave(reader, as_kind(kind, assert_), 5)


@each_reader
@each_kind
def test_read_and_leave_has_a_timeout(kind: str, reader: str) -> None:
    with pytest.raises(TimeoutError, match=r"in 0\.2 s: .* is here"):
        leave(reader, patient(kind), 3, timeout=SOON)


@each_reader
@pytest.mark.parametrize("way", ["close", "cancel", "break"])
def test_a_thread_that_does_not_stop_is_reported(way: Any, reader: str, caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    left = leave(reader, blocks_in_a_thread(release), by=way, timeout=SOON)
    release.set()
    assert left.cancelled_after is not None
    assert (left.reason, left.ended_after) == ("abandoned", None)
    assert len(caplog.records) == 1


@each_reader
def test_read_and_leave_refuses_wrong_arguments(reader: str) -> None:
    with pytest.raises(ValueError, match="by must be 'close', 'cancel' or 'break', not 'aclose'"):
        leave(reader, burst, by="aclose")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="by='break' needs a callback"):
        leave(reader, create_run(burst), by="break")


def test_run_cancelled_is_raised_in_the_callback_only() -> None:
    seen: list[type[BaseException]] = []

    def run(controller: RunController) -> None:
        try:
            while True:
                controller.append_text("a")
        except RunCancelled as error:
            seen.append(type(error))
            raise

    left = read_and_leave(run)
    assert (left.reason, left.error, seen) == ("cancelled", None, [RunCancelled])


async def test_blocking_helpers_refuse_to_block_an_event_loop() -> None:
    with pytest.raises(StreamUsageError, match=r"use `await aread_and_leave\(\.\.\.\)`"):
        read_and_leave(burst)
    async with SlowReader(burst_async) as slow:
        with pytest.raises(StreamUsageError, match=r"use `await reader\.await_until_held\(\)`"):
            slow.wait_until_held()
    with pytest.raises(StreamUsageError, match=r"use `await gate\.await_reached\(\)`"):
        Gate().wait_reached()
