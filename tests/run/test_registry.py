"""Graceful shutdown: live runs may end by themselves, the rest are cancelled, and no hook is cut off."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from assistant_stream_ce import (
    ErrorChunk,
    RunController,
    RunResult,
    TextDeltaChunk,
    ashutdown,
    create_run,
    shutdown,
)
from assistant_stream_ce.create_run import AssistantStream
from assistant_stream_ce.responses.body import ResponseBody
from assistant_stream_ce.serialization import DataStreamEncoder
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, read
from tests.support.processes import python

GOODBYE = ErrorChunk("The server is shutting down.")


class Reading:
    """A stream that is read in a separate thread, as by a server."""

    def __init__(self, reader: str, stream: AssistantStream) -> None:
        self.chunks: list[Any] = []
        self._thread = threading.Thread(target=lambda: self.chunks.extend(read(reader, stream)))
        self._thread.start()

    def join(self) -> list[Any]:
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.chunks


def until(event: threading.Event, kind: str, started: threading.Event) -> Callable[[RunController], Any]:
    """Return a callback that ends by itself when an event is set, or when it is cancelled."""

    def run(controller: RunController) -> None:
        controller.append_text("a")
        started.set()
        while not event.wait(0.005):
            controller.raise_if_cancelled()
        controller.append_text("b")

    async def run_async(controller: RunController) -> None:
        controller.append_text("a")
        started.set()
        while not event.is_set():
            await asyncio.sleep(0.005)
        controller.append_text("b")

    return run if kind == "def" else run_async


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_run_that_ends_within_the_grace_is_complete(kind: str, reader: str) -> None:
    event, started = threading.Event(), threading.Event()
    reading = Reading(reader, create_run(until(event, kind, started)))
    assert started.wait(10)
    timer = threading.Timer(0.1, event.set)
    timer.start()
    shutdown(5, grace=20)
    assert event.is_set()
    assert reading.join() == [TextDeltaChunk("a"), TextDeltaChunk("b")]
    timer.join()


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_run_that_outlasts_the_grace_is_cancelled(kind: str, reader: str) -> None:
    reasons: list[str] = []
    started = threading.Event()
    stream = create_run(until(threading.Event(), kind, started), on_finish=lambda result: reasons.append(result.reason))
    reading = Reading(reader, stream)
    assert started.wait(10)
    before = time.monotonic()
    shutdown(5, grace=0.1)
    assert time.monotonic() - before >= 0.1
    assert reasons == ["cancelled"]
    assert reading.join() == [TextDeltaChunk("a"), GOODBYE]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_run_that_begins_during_the_grace_may_end_too(kind: str) -> None:
    first, started = threading.Event(), threading.Event()
    second, second_started = threading.Event(), threading.Event()
    reading = Reading("for", create_run(until(first, kind, started)))
    assert started.wait(10)
    shutting_down = threading.Thread(target=lambda: shutdown(5, grace=20))
    shutting_down.start()
    later = Reading("for", create_run(until(second, kind, second_started)))
    assert second_started.wait(10)
    first.set()
    reading.join()
    second.set()
    shutting_down.join(10)
    assert later.join() == [TextDeltaChunk("a"), TextDeltaChunk("b")]


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_shutdown_waits_for_on_finish(kind: str, reader: str) -> None:
    saved, started = threading.Event(), threading.Event()

    def on_finish(result: RunResult) -> None:
        time.sleep(0.3)
        saved.set()

    reading = Reading(reader, create_run(until(threading.Event(), kind, started), on_finish=on_finish))
    assert started.wait(10)
    shutdown(5)
    assert saved.is_set()
    reading.join()


def test_shutdown_waits_for_on_finish_of_a_run_that_never_began() -> None:
    saved, called = threading.Event(), threading.Event()

    def on_finish(result: RunResult) -> None:
        called.set()
        time.sleep(0.2)
        saved.set()

    create_run(lambda controller: None, on_finish=on_finish).cancel()
    assert called.wait(10)
    shutdown(5)
    assert saved.is_set()


def test_a_thread_that_hangs_is_abandoned_so_that_its_on_finish_has_time() -> None:
    reasons: list[str] = []
    release, started = threading.Event(), threading.Event()

    def run(controller: RunController) -> None:
        started.set()
        release.wait(30)

    def on_finish(result: RunResult) -> None:
        time.sleep(0.1)
        reasons.append(result.reason)

    reading = Reading("for", create_run(run, on_finish=on_finish))
    assert started.wait(10)
    before = time.monotonic()
    shutdown(1)
    assert reasons == ["abandoned"]
    assert time.monotonic() - before < 1
    release.set()
    assert reading.join() == [GOODBYE]


@pytest.mark.parametrize("reader", READER_KINDS)
def test_a_coroutine_that_suppresses_its_cancellation_is_abandoned(reader: str) -> None:
    reasons: list[str] = []
    release, started = threading.Event(), threading.Event()

    async def run(controller: RunController) -> None:
        started.set()
        while not release.is_set():
            try:
                await asyncio.sleep(0.005)
            except asyncio.CancelledError:
                continue

    async def read_beside() -> None:
        # The loop is a server's: it goes on until the run has ended.
        assert [chunk async for chunk in stream] == [GOODBYE]
        await asyncio.to_thread(release.wait, 10)

    stream = create_run(run, on_finish=lambda result: reasons.append(result.reason))
    target = (lambda: read("for", stream)) if reader == "for" else (lambda: asyncio.run(read_beside()))
    server = threading.Thread(target=target)
    server.start()
    assert started.wait(10)
    shutdown(1)
    assert reasons == ["abandoned"]
    release.set()
    server.join(10)


# --- responses ---


def body_of(stream: AssistantStream) -> ResponseBody:
    return ResponseBody(stream, DataStreamEncoder(), True)


@pytest.mark.parametrize("seconds", [0.3, 60])
@pytest.mark.parametrize("reader", READER_KINDS)
def test_a_response_is_held_until_its_run_has_ended_or_the_time_is_over(reader: str, seconds: float) -> None:
    release, started = threading.Event(), threading.Event()
    saved: list[bool] = []
    closed_after: list[float] = []

    def on_finish(result: RunResult) -> None:
        saved.append(not release.wait(seconds))

    body = body_of(create_run(until(threading.Event(), "def", started), on_finish=on_finish))

    async def serve_async() -> None:
        async for _ in body:
            pass
        before = time.monotonic()
        await body.aclose()
        closed_after.append(time.monotonic() - before)

    def serve() -> None:
        for _ in body:
            pass
        before = time.monotonic()
        body.close()
        closed_after.append(time.monotonic() - before)

    server = threading.Thread(target=serve if reader == "for" else lambda: asyncio.run(serve_async()))
    server.start()
    assert started.wait(10)
    shutdown(1)
    server.join(10)
    release.set()
    if seconds < 1:
        assert saved == [True]
        assert 0.2 < closed_after[0] < 0.9
    else:
        assert 0.8 < closed_after[0] < 2


def test_a_response_does_not_delay_the_shutdown_after_a_disconnect() -> None:
    release, started = threading.Event(), threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        started.set()
        release.wait(30)

    body = body_of(create_run(run))
    next(body)
    before = time.monotonic()
    body.close()
    assert time.monotonic() - before < 0.5
    release.set()


# --- the call ---


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("x",), TypeError, "timeout must be a number of seconds, not str"),
        ((None,), TypeError, "timeout must be a number of seconds, not NoneType"),
        ((True,), TypeError, "timeout must be a number of seconds, not bool"),
        ((-1,), ValueError, "timeout must be 0 or more seconds"),
        ((float("nan"),), ValueError, "timeout must be 0 or more seconds"),
        ((1, "x"), TypeError, "grace must be a number of seconds, not str"),
        ((1, -1), ValueError, "grace must be 0 or more seconds"),
    ],
)
def test_a_wrong_time_is_refused_before_anything_happens(
    arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    event, started = threading.Event(), threading.Event()
    stream = create_run(until(event, "def", started))
    reading = Reading("for", stream)
    assert started.wait(10)
    options = {} if len(arguments) == 1 else {"grace": arguments[1]}
    with pytest.raises(error, match=message):
        shutdown(arguments[0], **options)
    event.set()
    assert reading.join() == [TextDeltaChunk("a"), TextDeltaChunk("b")]


def test_a_very_long_time_is_none_too_long() -> None:
    shutdown(1e12, grace=float("inf"))


async def test_ashutdown_waits_without_blocking_the_loop() -> None:
    ticks: list[bool] = []
    saved = threading.Event()

    async def run(controller: RunController) -> None:
        controller.append_text("a")
        await asyncio.sleep(30)

    def on_finish(result: RunResult) -> None:
        time.sleep(0.1)
        saved.set()

    async def tick() -> None:
        while True:
            ticks.append(True)
            await asyncio.sleep(0.005)

    stream = create_run(run, on_finish=on_finish)
    await anext(stream)
    ticker = asyncio.ensure_future(tick())
    await ashutdown(5)
    ticker.cancel()
    assert saved.is_set()
    assert len(ticks) > 5
    assert [chunk async for chunk in stream] == [GOODBYE]


async def test_shutdown_never_blocks_a_loop() -> None:
    release = threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        release.wait(30)

    stream = create_run(run)
    await anext(stream)
    before = time.monotonic()
    shutdown(5, grace=5)
    assert time.monotonic() - before < 0.5
    release.set()
    assert [chunk async for chunk in stream] == []


def test_shutdown_may_be_called_when_the_interpreter_ends() -> None:
    status, out, errors, _ = python("""
        import atexit
        from assistant_stream_ce import create_run, shutdown
        atexit.register(lambda: (shutdown(1), print("shut down")))
        list(create_run(lambda controller: controller.append_text("a")))
    """)
    assert (status, out, errors) == (0, "shut down\n", "")
