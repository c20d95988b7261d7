"""Hooks are called once, in a thread or task of their kind, in the scope of the run, and may raise anything."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from assistant_stream_ce import ErrorChunk, RunController, RunResult, TextDeltaChunk, create_run
from assistant_stream_ce.create_run import AssistantStream
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind, collect_with

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
inside: contextvars.ContextVar[bool] = contextvars.ContextVar("inside", default=False)

HOOK_KINDS = ("def", "async def")


class Place:
    """Notes where a hook is called."""

    def __init__(self) -> None:
        self.in_loop: list[bool] = []
        self.variables: list[str] = []
        self.is_inside: list[bool] = []
        self.results: list[Any] = []
        self.noted = threading.Event()

    def __call__(self, result: Any = None) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.in_loop.append(False)
        else:
            self.in_loop.append(True)
        self.variables.append(variable.get())
        self.is_inside.append(inside.get())
        self.results.append(result)
        self.noted.set()

    def hook(self, kind: str) -> Callable[[Any], Any]:
        async def note(result: Any) -> None:
            await asyncio.sleep(0)
            self(result)

        return self if kind == "def" else note

    def check(self, kind: str = "def") -> None:
        assert self.noted.wait(10)
        assert self.in_loop == [kind == "async def"]
        assert self.variables == ["the view's"]
        assert self.is_inside == [True]


@contextlib.contextmanager
def surround() -> Iterator[None]:
    token = inside.set(True)
    try:
        yield
    finally:
        inside.reset(token)


def bound(stream: AssistantStream) -> AssistantStream:
    """Bind a stream as a response does in a view."""

    def view() -> None:
        variable.set("the view's")
        stream.bind(surround)

    contextvars.copy_context().run(view)
    return stream


def leave(reader: str, stream: AssistantStream, *, after: int) -> None:
    """Read so many chunks, and leave as a server does."""

    async def read() -> None:
        chunks = aiter(stream)
        for _ in range(after):
            await anext(chunks)
        stream.cancel()
        # The loop goes on for the other requests.
        await asyncio.sleep(0.15)

    if reader == "async for":
        asyncio.run(read())
        return
    for _ in range(after):
        next(stream)
    stream.cancel()


def wait_until_cancelled(kind: str) -> Callable[[RunController], Any]:
    def run(controller: RunController) -> None:
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)

    async def run_async(controller: RunController) -> None:
        controller.append_text("a")
        await controller.cancelled_event.wait()

    return run if kind == "def" else run_async


# --- where hooks are called ---


@pytest.mark.parametrize("hook", HOOK_KINDS)
@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("end", ["completes", "fails", "is left", "never begins"])
def test_on_finish_is_called_in_the_scope_of_the_run(end: str, kind: str, reader: str, hook: str) -> None:
    place = Place()

    def run(controller: RunController) -> None:
        if end == "fails":
            raise ValueError("boom")

    callback = wait_until_cancelled(kind) if end == "is left" else as_kind(kind, run)
    stream = bound(create_run(callback, on_finish=place.hook(hook)))
    if end in ("completes", "fails"):
        collect_with(reader, stream)
    else:
        leave(reader, stream, after=1 if end == "is left" else 0)
    place.check(hook)
    reasons = {"completes": "completed", "fails": "failed"}
    assert [result.reason for result in place.results] == [reasons.get(end, "cancelled")]


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_on_error_is_called_in_the_scope_of_the_run(kind: str, reader: str) -> None:
    place = Place()

    def run(controller: RunController) -> None:
        raise ValueError("boom")

    chunks = collect_with(reader, bound(create_run(as_kind(kind, run), on_error=place))).chunks  # type: ignore[arg-type]
    place.check()
    assert chunks == [ErrorChunk("boom")]


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_on_cancel_is_called_in_the_scope_of_the_run(kind: str, reader: str, *, is_late: bool) -> None:
    place = Place()

    def run(controller: RunController) -> None:
        if not is_late:
            controller.on_cancel(place)
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)
        if is_late:
            controller.on_cancel(place)

    async def run_async(controller: RunController) -> None:
        if not is_late:
            controller.on_cancel(place)
        controller.append_text("a")
        await controller.cancelled_event.wait()
        if is_late:
            controller.on_cancel(place)

    leave(reader, bound(create_run(run if kind == "def" else run_async)), after=1)
    place.check()


@pytest.mark.parametrize("hook", HOOK_KINDS)
def test_on_finish_of_an_abandoned_thread_is_called_in_its_scope(hook: str) -> None:
    place, release = Place(), threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        release.wait(30)

    with bound(create_run(run, on_finish=place.hook(hook))) as stream:
        next(stream)
    place.check(hook)
    assert [result.reason for result in place.results] == ["abandoned"]
    release.set()


@pytest.mark.parametrize("hook", HOOK_KINDS)
def test_on_finish_of_a_run_that_could_not_start_is_called_in_its_scope(hook: str) -> None:
    place, executor = Place(), ThreadPoolExecutor(1)
    executor.shutdown()
    run = collect_with("for", bound(create_run(lambda controller: None, executor=executor, on_finish=place.hook(hook))))
    place.check(hook)
    assert type(run.error) is RuntimeError


async def test_a_plain_hook_of_a_coroutine_does_not_block_its_loop() -> None:
    ticks: list[float] = []

    async def run(controller: RunController) -> None:
        controller.append_text("a")

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.005)

    ticker = asyncio.ensure_future(tick())
    stream = create_run(run, on_finish=lambda result: time.sleep(0.2))
    assert [chunk async for chunk in stream] == [TextDeltaChunk("a")]
    ticker.cancel()
    assert len(ticks) > 10


def test_a_plain_hook_is_not_cut_off_by_the_end_of_the_loop() -> None:
    place = Place()

    def on_finish(result: RunResult) -> None:
        time.sleep(0.2)
        place(result)

    async def run(controller: RunController) -> None:
        controller.append_text("a")
        await asyncio.sleep(30)

    async def read_one() -> None:
        async for _ in create_run(run, on_finish=on_finish):
            break

    asyncio.run(read_one())
    assert [result.reason for result in place.results] == ["cancelled"]


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_run_inside_a_callback_inherits_its_scope(kind: str, reader: str) -> None:
    place, finish = Place(), Place()

    def run(controller: RunController) -> None:
        list(create_run(lambda inner: place(), on_finish=finish))

    async def run_async(controller: RunController) -> None:
        async def inner(controller: RunController) -> None:
            await asyncio.to_thread(place)

        async for _ in create_run(inner, on_finish=finish):
            pass

    collect_with(reader, bound(create_run(run if kind == "def" else run_async)))
    place.check()
    finish.check()


def test_a_run_that_is_read_in_a_thread_pool_of_a_callback_inherits_its_context_managers() -> None:
    seen: list[bool] = []

    def run(controller: RunController) -> None:
        streams = [create_run(lambda inner: seen.append(inside.get())) for _ in range(3)]
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(list, streams))

    list(bound(create_run(run)))
    assert seen == [True] * 3


@pytest.mark.parametrize("reader", READER_KINDS)
def test_context_managers_get_the_callbacks_exception_and_exit(reader: str) -> None:
    seen: list[BaseException | None] = []

    @contextlib.contextmanager
    def manager() -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            seen.append(error)
            raise
        else:
            seen.append(None)

    error = ValueError("boom")

    def fail(controller: RunController) -> None:
        raise error

    stream = create_run(fail)
    stream.bind(manager)
    assert collect_with(reader, stream).error is error
    assert seen == [error]


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_context_manager_that_fails_at_its_start_fails_the_run(kind: str, reader: str) -> None:
    results: list[str] = []

    @contextlib.contextmanager
    def manager() -> Iterator[None]:
        raise ValueError("no connection")
        yield

    stream = create_run(as_kind(kind, lambda controller: None), on_finish=lambda result: results.append(result.reason))
    stream.bind(manager)
    run = collect_with(reader, stream)
    assert str(run.error) == "no connection"
    assert results == ["failed"]


# --- hooks that raise ---

RAISED: dict[str, Callable[[], BaseException]] = {
    "Exception": lambda: ValueError("in the hook"),
    "CancelledError": asyncio.CancelledError,
    "GeneratorExit": GeneratorExit,
    "BaseException": lambda: BaseException("a timeout of gevent's"),
}
EXITS: dict[str, Callable[[], BaseException]] = {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("raised", {**RAISED, **EXITS})
def test_on_error_may_raise_anything(raised: str, kind: str, reader: str, caplog: pytest.LogCaptureFixture) -> None:
    results: list[RunResult] = []
    error = ValueError("boom")

    def fail(controller: RunController) -> None:
        raise error

    def on_error(error: BaseException) -> str:
        raise {**RAISED, **EXITS}[raised]()

    stream = create_run(as_kind(kind, fail), on_error=on_error, on_finish=results.append)
    chunks, end = read_to_any_end(reader, stream)
    assert chunks == [ErrorChunk("Something went wrong.")]
    assert results == [RunResult("failed", error)]
    assert type(end).__name__ == raised if raised in EXITS else end is error
    assert ("on_error raised" in caplog.text) == (raised not in EXITS)
    assert stream._run.ended.wait_sync(10)


@pytest.mark.parametrize("hook", HOOK_KINDS)
@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("raised", {**RAISED, **EXITS})
def test_on_finish_may_raise_anything(
    raised: str, kind: str, reader: str, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[RunResult] = []

    def on_finish(result: RunResult) -> None:
        calls.append(result)
        raise {**RAISED, **EXITS}[raised]()

    async def on_finish_async(result: RunResult) -> None:
        await asyncio.sleep(0)
        on_finish(result)

    stream = create_run(
        as_kind(kind, lambda controller: controller.append_text("a")),
        on_finish=on_finish if hook == "def" else on_finish_async,
    )
    chunks, end = read_to_any_end(reader, stream)
    assert chunks == [TextDeltaChunk("a")]
    assert calls == [RunResult("completed")]
    assert type(end).__name__ == raised if raised in EXITS else end is None
    assert ("on_finish raised" in caplog.text) == (raised not in EXITS)
    assert stream._run.ended.wait_sync(10)


@pytest.mark.parametrize("raised", {**RAISED, **EXITS})
def test_an_on_cancel_callback_may_raise_anything(raised: str, caplog: pytest.LogCaptureFixture) -> None:
    called: list[bool] = []

    def fail() -> None:
        raise {**RAISED, **EXITS}[raised]()

    def run(controller: RunController) -> None:
        controller.on_cancel(fail)
        controller.on_cancel(lambda: called.append(True))
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)

    with create_run(run) as stream:
        next(stream)
    assert called == [True]
    assert "an on_cancel callback raised" in caplog.text


def read_to_any_end(reader: str, stream: AssistantStream) -> tuple[list[Any], BaseException | None]:
    """Read a stream; return its chunks and its exception."""
    chunks: list[Any] = []
    ends: list[BaseException] = []

    async def read() -> None:
        try:
            async for chunk in stream:
                chunks.append(chunk)
        except BaseException as error:
            ends.append(error)

    if reader == "async for":
        asyncio.run(read())
    else:
        try:
            chunks.extend(stream)
        except BaseException as error:
            ends.append(error)
    return chunks, ends[0] if ends else None


# --- streams that are dropped ---


@pytest.mark.parametrize("is_bound", [False, True])
@pytest.mark.parametrize("hook", HOOK_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_on_finish_is_called_for_a_stream_that_is_dropped_unread(kind: str, hook: str, *, is_bound: bool) -> None:
    place = Place()
    stream = create_run(as_kind(kind, lambda controller: None), on_finish=place.hook(hook))
    if is_bound:
        bound(stream)
    del stream
    gc.collect()
    assert place.noted.wait(10)
    assert [result.reason for result in place.results] == ["cancelled"]
    assert place.in_loop == [hook == "async def"]
    if is_bound:
        place.check(hook)


def test_a_stream_that_is_dropped_unread_never_starts_its_callback() -> None:
    before = threading.active_count()
    for _ in range(100):
        create_run(lambda controller: None)
    assert threading.active_count() == before
