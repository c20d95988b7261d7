"""The state machine of a run: cancellation reaches everything the callback waits for, and every run ends."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    RunCancelled,
    RunController,
    RunResult,
    TextDeltaChunk,
    create_run,
)
from assistant_stream_ce.create_run import AssistantStream, as_stream
from assistant_stream_ce.run.run import RunState
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind


class Finish:
    """An `on_finish` that can be waited for."""

    def __init__(self) -> None:
        self.results: list[RunResult] = []
        self.called = threading.Event()

    def __call__(self, result: RunResult) -> None:
        self.results.append(result)
        self.called.set()

    def wait(self) -> list[str]:
        assert self.called.wait(10)
        return [result.reason for result in self.results]


def read_one_and_leave(reader: str, stream: AssistantStream) -> None:
    """Read a chunk, and leave as a server does."""

    async def read() -> None:
        await anext(stream)
        stream.cancel()
        await asyncio.sleep(0.15)

    if reader == "async for":
        asyncio.run(read())
    else:
        next(stream)
        stream.cancel()


# --- transitions ---


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_run_only_moves_forward(kind: str) -> None:
    seen: list[RunState] = []

    def run(controller: RunController) -> None:
        seen.append(stream._run._state)

    stream = create_run(as_kind(kind, run), on_finish=lambda result: seen.append(stream._run._state))
    seen.append(stream._run._state)
    list(stream)
    assert seen == [RunState.CREATED, RunState.RUNNING, RunState.FINISHING]
    assert stream._run._state is RunState.ENDED
    stream.cancel()
    stream._run.abandon()
    stream._run.start(None)
    assert stream._run._state is RunState.ENDED
    assert stream.reason == "completed"


def test_who_reads_the_end_of_a_cancelled_run_finds_it_cancelled() -> None:
    """The reader may be at the end before the thread that cancels has done more than end the channel."""
    with create_run(lambda controller: None) as stream:
        found = []
        assert stream._run.begin_cancel(lambda: found.append((stream.is_cancelled, stream.was_interrupted)))
        assert found == [(True, True)]


# --- loops of the callback's own ---


def with_asyncio_run(work: Callable[[], Any]) -> None:
    asyncio.run(work())


def with_anyio(work: Callable[[], Any]) -> None:
    importlib.import_module("anyio").run(work)


def with_portal(work: Callable[[], Any]) -> None:
    with importlib.import_module("anyio.from_thread").start_blocking_portal() as portal:
        portal.call(work)


def with_async_to_sync(work: Callable[[], Any]) -> None:
    async def call() -> None:
        await work()

    importlib.import_module("asgiref.sync").async_to_sync(call)()


RUNNERS = {
    "asyncio.run": with_asyncio_run,
    "anyio.run": with_anyio,
    "portal": with_portal,
    "async_to_sync": with_async_to_sync,
}
MODULES = {"asyncio.run": "asyncio", "anyio.run": "anyio", "portal": "anyio", "async_to_sync": "asgiref"}


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("runner", RUNNERS)
def test_an_agent_on_a_loop_of_the_callback_s_own_meets_run_cancelled(runner: str, reader: str) -> None:
    pytest.importorskip(MODULES[runner])
    finish, raised = Finish(), threading.Event()

    async def agent(controller: RunController) -> None:
        try:
            for _ in itertools.count():
                controller.append_text("more")
                await asyncio.sleep(0.001)
        except RunCancelled:
            raised.set()
            raise

    stream = create_run(lambda controller: RUNNERS[runner](lambda: agent(controller)), on_finish=finish)
    read_one_and_leave(reader, stream)
    assert raised.wait(10)
    assert finish.wait() == ["cancelled"]


@pytest.mark.parametrize("runner", RUNNERS)
def test_an_agent_on_a_loop_of_the_callback_s_own_waits_for_capacity(runner: str) -> None:
    pytest.importorskip(MODULES[runner])
    sent: list[int] = []

    async def agent(controller: RunController) -> None:
        for number in range(1000):
            controller.append_text("x")
            sent.append(number)

    with create_run(lambda controller: RUNNERS[runner](lambda: agent(controller)), max_pending=8) as stream:
        next(stream)
        channel = stream._run.run_context.channel
        while not channel.is_blocking:
            threading.Event().wait(0.001)
        assert len(sent) < 100


async def test_a_coroutine_on_its_own_loop_still_drops_chunks_until_it_is_cancelled() -> None:
    course: list[str] = []

    async def run(controller: RunController) -> None:
        controller.append_text("a")
        await controller.cancelled_event.wait()
        controller.append_text("dropped")
        course.append("went on")

    async with create_run(run) as stream:
        await anext(stream)
    assert course == ["went on"]


# --- nested reads ---


def quiet_run(finish: Finish) -> AssistantStream:
    def run(controller: RunController) -> None:
        controller.append_text("inner")
        controller.cancelled_event.wait_sync(30)

    return create_run(run, on_finish=finish)


def quiet_coroutine_run(finish: Finish) -> AssistantStream:
    async def run(controller: RunController) -> None:
        controller.append_text("inner")
        await asyncio.sleep(30)

    return create_run(run, on_finish=finish)


INNER = {"def": quiet_run, "async def": quiet_coroutine_run}


def read_with_for(controller: RunController, inner: AssistantStream) -> None:
    for chunk in inner:
        controller.add_chunk(chunk)
    raise AssertionError("the loop ended as if the inner run were complete")


def read_with_next(controller: RunController, inner: AssistantStream) -> None:
    while (chunk := next(inner, None)) is not None:
        controller.add_chunk(chunk)
    raise AssertionError("the inner stream ended as if it were complete")


def read_with_add_stream(controller: RunController, inner: AssistantStream) -> None:
    controller.add_stream(inner)


def read_in_asyncio_run(controller: RunController, inner: AssistantStream) -> None:
    asyncio.run(read_with_async_for(controller, inner))


def read_in_pool(controller: RunController, inner: AssistantStream) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(read_with_for, controller, inner).result()


async def read_with_async_for(controller: RunController, inner: AssistantStream) -> None:
    async for chunk in inner:
        controller.add_chunk(chunk)
    raise AssertionError("the loop ended as if the inner run were complete")


async def read_with_await(controller: RunController, inner: AssistantStream) -> None:
    await controller.add_stream(inner)


async def read_in_thread(controller: RunController, inner: AssistantStream) -> None:
    await asyncio.to_thread(read_with_for, controller, inner)


NESTED: list[Callable[[RunController, AssistantStream], Any]] = [
    read_with_for,
    read_with_next,
    read_with_add_stream,
    read_in_asyncio_run,
    read_in_pool,
    read_with_async_for,
    read_with_await,
    read_in_thread,
]


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("inner_kind", CALLBACK_KINDS)
@pytest.mark.parametrize("nested", NESTED)
def test_a_run_that_is_read_in_a_callback_is_cancelled_with_it(
    nested: Callable[[RunController, AssistantStream], Any], inner_kind: str, reader: str
) -> None:
    inner, outer = Finish(), Finish()
    errors: list[BaseException] = []

    def run(controller: RunController) -> Any:
        return nested(controller, INNER[inner_kind](inner))

    stream = create_run(run, on_finish=outer, on_error=lambda error: errors.append(error))
    read_one_and_leave(reader, stream)
    assert inner.wait() == ["cancelled"]
    assert outer.wait() == ["cancelled"]
    assert not errors


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("inner_kind", CALLBACK_KINDS)
@pytest.mark.parametrize("shape", ["generator", "async generator", "generator begun in the view", "expression"])
def test_a_run_inside_an_iterator_of_chunks_is_cancelled_with_its_stream(
    shape: str, inner_kind: str, reader: str
) -> None:
    inner = Finish()
    stream = INNER[inner_kind](inner)

    def generate() -> Iterator[AssistantStreamChunk]:
        yield from stream

    def generate_in_two_parts() -> Iterator[AssistantStreamChunk]:
        yield next(stream)
        yield TextDeltaChunk("between")
        yield from stream

    async def generate_async() -> AsyncIterator[AssistantStreamChunk]:
        async for chunk in stream:
            yield chunk

    sources: dict[str, Callable[[], Any]] = {
        "generator": generate,
        "async generator": generate_async,
        "generator begun in the view": generate_in_two_parts,
        "expression": lambda: (chunk for chunk in stream),
    }
    source = sources[shape]()
    if shape == "generator begun in the view":
        next(source)
    read_one_and_leave(reader, as_stream(source))
    assert inner.wait() == ["cancelled"]


def test_a_stream_that_a_hook_reads_is_not_cancelled() -> None:
    titles: list[Any] = []

    def on_finish(result: RunResult) -> None:
        titles.extend(create_run(lambda controller: controller.append_text("title")))

    with create_run(lambda controller: controller.cancelled_event.wait_sync(30), on_finish=on_finish) as stream:
        stream._run.start(None)
    assert stream._run.ended.wait_sync(10)
    assert titles == [TextDeltaChunk("title")]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_run_that_was_read_to_its_end_in_a_callback_is_forgotten(kind: str) -> None:
    inner = Finish()

    def run(controller: RunController) -> None:
        list(create_run(lambda inner: None, on_finish=inner))

    def run_in_thread(controller: RunController) -> Any:
        return asyncio.to_thread(run, controller)

    list(create_run(run if kind == "def" else run_in_thread))
    assert inner.wait() == ["completed"]


# --- what does not stop ---


@pytest.mark.parametrize("reader", READER_KINDS)
def test_a_coroutine_that_suppresses_its_cancellation_is_abandoned(
    reader: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("assistant_stream_ce.run.run._PATIENCE_SECONDS", 0.05)
    finish, release = Finish(), threading.Event()

    async def deaf_callback(controller: RunController) -> None:
        controller.append_text("a")
        while not release.is_set():
            try:
                await asyncio.sleep(0.005)
            except asyncio.CancelledError:
                continue

    stream = create_run(deaf_callback, on_finish=finish)

    async def read() -> None:
        await anext(stream)
        stream.cancel()
        assert await asyncio.to_thread(finish.wait) == ["abandoned"]
        release.set()

    if reader == "async for":
        asyncio.run(read())
    else:
        next(stream)
        stream.cancel()
        assert finish.wait() == ["abandoned"]
        release.set()
    assert stream._run.ended.wait_sync(10)
    assert finish.wait() == ["abandoned"]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "deaf_callback" in warning
    assert "CancelledError" in warning


async def test_the_clean_up_of_a_coroutine_may_take_longer_than_close_waits() -> None:
    finish = Finish()

    async def run(controller: RunController) -> None:
        controller.append_text("a")
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.2)

    stream = create_run(run, on_finish=finish)
    await anext(stream)
    stream.cancel()
    assert await asyncio.to_thread(finish.wait) == ["cancelled"]


def test_a_loop_that_is_closed_under_its_run_ends_it() -> None:
    finish = Finish()

    async def run(controller: RunController) -> None:
        controller.append_text("a")
        await asyncio.sleep(30)

    stream = create_run(run, on_finish=finish)
    loop = asyncio.new_event_loop()

    async def read_one() -> None:
        await anext(stream)

    loop.run_until_complete(read_one())
    (task,) = asyncio.all_tasks(loop)
    loop.close()
    stream.cancel()
    assert finish.wait() == ["cancelled"]
    # It cannot end any more, and asyncio would print that.
    task._log_destroy_pending = False  # type: ignore[attr-defined]


# --- the policy for a lost reader ---


class Store:
    """A sink that keeps every chunk, as a store of resumable streams will."""

    def __init__(self) -> None:
        self.chunks: list[Any] = []
        self.processed = 0

    def write(self, items: list[Any]) -> bool:
        self.chunks.extend(items)
        return True

    def process(self) -> None:
        self.processed = len(self.chunks)


NUMBERS = [TextDeltaChunk(str(number)) for number in range(100)]


def count(proceed: threading.Event) -> Callable[[RunController], None]:
    def run(controller: RunController) -> None:
        controller.append_text("0")
        proceed.wait(10)
        for number in range(1, 100):
            controller.append_text(str(number))

    return run


@pytest.mark.parametrize("leaves_by", ["close", "break", "cancelled task"])
def test_a_run_with_the_policy_continue_survives_a_disconnect(leaves_by: str) -> None:
    finish, store, proceed = Finish(), Store(), threading.Event()
    stream = create_run(count(proceed), on_finish=finish, max_pending=4)
    run = stream._run
    run.lost_reader_policy = "continue"
    run.run_context.channel.add_sink(store)

    async def cancel_reading() -> None:
        await anext(stream)
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.wait([reading])

    if leaves_by == "cancelled task":
        asyncio.run(cancel_reading())
    else:
        next(stream)
        if leaves_by == "close":
            stream.close()
        else:
            del stream
    proceed.set()
    assert finish.wait() == ["completed"]
    assert run.ended.wait_sync(10)
    assert store.chunks == NUMBERS
    assert store.processed == 100
    assert "".join(part.text for part in finish.results[0].message.parts) == "".join(map(str, range(100)))  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_run_may_be_started_without_a_reader(kind: str) -> None:
    finish, store = Finish(), Store()
    stream = create_run(
        as_kind(kind, lambda controller: [controller.append_text(str(number)) for number in range(100)] and None),
        on_finish=finish,
        max_pending=4,
    )
    run = stream._run
    run.run_context.channel.add_sink(store)
    run.start_detached()
    del stream
    assert finish.wait() == ["completed"]
    assert run.ended.wait_sync(10)
    assert store.chunks == NUMBERS


def test_a_detached_run_can_be_cancelled() -> None:
    finish = Finish()
    stream = create_run(lambda controller: controller.cancelled_event.wait_sync(30), on_finish=finish)
    stream._run.start_detached()
    stream.close()
    assert not stream.is_cancelled
    stream.cancel()
    assert finish.wait() == ["cancelled"]
