"""`create_run`: start, cancellation and end of a run, lazily, once, and in the right context."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import logging
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from assistant_stream_ce import (
    ErrorChunk,
    RunCancelled,
    RunController,
    RunResult,
    StreamUsageError,
    TextDeltaChunk,
    create_run,
    shutdown,
)
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind, read
from tests.support.require import counts_references

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Ending:
    """Collects the results of a run, and waits for them."""

    def __init__(self) -> None:
        self.results: list[RunResult] = []
        self._called = threading.Event()

    def __call__(self, result: RunResult) -> None:
        self.results.append(result)
        self._called.set()

    def wait(self) -> list[str]:
        assert self._called.wait(10)
        return [result.reason for result in self.results]


# --- arguments ---


def test_arguments_are_checked_where_they_are_given() -> None:
    def run(controller: RunController) -> None: ...

    def generator(controller: RunController) -> Any:
        yield

    async def async_generator(controller: RunController) -> Any:
        yield

    with pytest.raises(TypeError, match="callback must be callable, not str"):
        create_run("run")  # type: ignore[arg-type]
    for wrong in (generator, async_generator):
        with pytest.raises(TypeError, match="must not be a generator"):
            create_run(wrong)
    with pytest.raises(TypeError, match=r"state\.a is not JSON"):
        create_run(run, state={"a": object()})
    with pytest.raises(TypeError, match="max_pending must be an int, not str"):
        create_run(run, max_pending="8")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_pending must be at least 1"):
        create_run(run, max_pending=0)

    async def on_error(error: BaseException) -> str:
        return "never awaited"

    with pytest.raises(TypeError, match="on_error must be a plain function"):
        create_run(run, on_error=on_error)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"executor must be a concurrent\.futures\.Executor, not int"):
        create_run(run, executor=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="on_finish must be callable"):
        create_run(run, on_finish=1)  # type: ignore[arg-type]


async def test_for_inside_a_running_loop_names_async_for() -> None:
    stream = create_run(lambda controller: controller.append_text("a"))
    with pytest.raises(StreamUsageError, match="async for"):
        iter(stream)
    assert [chunk async for chunk in stream] == [TextDeltaChunk("a")]


def test_the_reader_is_a_separate_iterator() -> None:
    reader = iter(create_run(lambda controller: controller.append_text("a")))
    assert iter(reader) is reader
    assert list(reader) == [TextDeltaChunk("a")]
    assert list(reader) == []


# --- leaving ---


@pytest.mark.parametrize("reader", READER_KINDS)
def test_a_cancelled_blocking_callback_gets_run_cancelled(reader: str) -> None:
    ending, called = Ending(), threading.Event()
    raised: list[BaseException] = []

    def run(controller: RunController) -> None:
        controller.on_cancel(called.set)
        call = controller.add_tool_call("t")
        try:
            while True:
                controller.append_text("more")
        except RunCancelled as error:
            raised.append(error)
            assert controller.is_cancelled
            assert controller.cancelled_event.wait_sync(0)
            # Also what sends nothing.
            for use in (lambda: controller.append_text(""), lambda: call.append_args_text(""), controller.flush):
                with pytest.raises(RunCancelled):
                    use()
            raise

    leave_after_one(reader, run, ending)
    assert ending.wait() == ["cancelled"]
    assert called.wait(10)
    assert len(raised) == 1


@pytest.mark.parametrize("reader", READER_KINDS)
def test_a_cancelled_coroutine_gets_its_grace_and_may_await_in_its_clean_up(reader: str) -> None:
    ending = Ending()
    course: list[str] = []

    async def run(controller: RunController) -> None:
        controller.append_text("first")
        await controller.cancelled_event.wait()
        course.append("signal")
        controller.append_text("discarded")
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            course.append("cancelled")
            await asyncio.sleep(0.01)
            course.append("cleaned")
            raise

    leave_after_one(reader, run, ending)
    assert course == ["signal", "cancelled", "cleaned"]
    assert ending.wait() == ["cancelled"]


@pytest.mark.parametrize("reader", READER_KINDS)
def test_a_coroutine_that_ends_within_its_grace_is_not_cancelled(reader: str) -> None:
    ending = Ending()
    course: list[str] = []

    async def run(controller: RunController) -> None:
        controller.append_text("first")
        await controller.cancelled_event.wait()
        await asyncio.sleep(0.001)
        course.append("ended by itself")

    leave_after_one(reader, run, ending)
    assert course == ["ended by itself"]
    assert ending.wait() == ["cancelled"]


@pytest.mark.parametrize("reader", READER_KINDS)
def test_a_thread_that_stays_is_abandoned_with_one_warning(reader: str, caplog: pytest.LogCaptureFixture) -> None:
    ending, release = Ending(), threading.Event()

    def deaf_callback(controller: RunController) -> None:
        controller.append_text("first")
        release.wait(30)

    started = time.monotonic()
    leave_after_one(reader, deaf_callback, ending)
    assert time.monotonic() - started < 2
    assert ending.wait() == ["abandoned"]
    release.set()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "deaf_callback" in warnings[0]
    assert "on_cancel" in warnings[0]


def leave_after_one(reader: str, run: Any, ending: Ending) -> None:
    """Read one chunk and leave the block."""
    if reader == "for":
        with create_run(run, on_finish=ending) as stream:
            for _ in stream:
                break
        return

    async def leave() -> None:
        async with create_run(run, on_finish=ending) as stream:
            async for _ in stream:
                break

    asyncio.run(leave())


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_stream_that_was_never_read_never_starts(kind: str) -> None:
    started, ending = [], Ending()
    with create_run(as_kind(kind, started.append), on_finish=ending) as stream:
        pass
    assert not started
    assert ending.results == [RunResult("cancelled")]
    assert list(stream) == []


async def test_close_in_a_loop_does_not_block_it() -> None:
    release = threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        release.wait(30)

    ending = Ending()
    stream = create_run(run, on_finish=ending)
    await anext(aiter(stream))
    started = time.monotonic()
    stream.close()
    assert time.monotonic() - started < 0.04
    assert await asyncio.to_thread(ending.wait) == ["abandoned"]
    release.set()


@pytest.mark.parametrize("reader", READER_KINDS)
def test_closing_from_another_thread_ends_the_wait_of_the_reader(reader: str) -> None:
    reading = threading.Event()

    def run(controller: RunController) -> None:
        reading.set()
        controller.cancelled_event.wait_sync(30)

    stream = create_run(run)

    def close() -> None:
        reading.wait(10)
        stream.close()

    closer = threading.Thread(target=close)
    closer.start()
    assert read(reader, stream) == []
    closer.join()


def test_close_after_the_end_does_nothing() -> None:
    ending = Ending()

    async def run(controller: RunController) -> None: ...

    stream = create_run(run, on_finish=ending)
    started = time.monotonic()
    with stream:
        list(stream)
    stream.close()
    stream.cancel()
    asyncio.run(stream.aclose())
    assert time.monotonic() - started < 0.5
    assert ending.results == [RunResult("completed")]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("reader", READER_KINDS)
def test_a_cancelled_stream_has_all_that_was_sent_before(kind: str, reader: str) -> None:
    """Not only what happened to be read at that moment: the message has it too."""

    def send(controller: RunController) -> None:
        for text in "abc":
            controller.append_text(text)
        stream.cancel()
        with contextlib.suppress(RunCancelled):
            controller.append_text("late")

    stream = create_run(as_kind(kind, send))
    assert read(reader, stream) == [TextDeltaChunk("a"), TextDeltaChunk("b"), TextDeltaChunk("c")]
    assert stream.message.text == "abc"
    assert stream.was_interrupted


def test_a_stream_reports_its_cancellation() -> None:
    def run(controller: RunController) -> None:
        controller.append_text("a")

    def stay(controller: RunController) -> None:
        controller.append_text("a")
        controller.cancelled_event.wait_sync()

    whole, half, unread = create_run(run), create_run(stay), create_run(run)
    list(whole)
    whole.close()
    next(iter(half))
    assert not half.is_cancelled
    half.close()
    with unread:
        pass
    assert [stream.is_cancelled for stream in (whole, half, unread)] == [False, True, True]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("reader", READER_KINDS)
def test_an_unreferenced_unfinished_stream_is_cancelled(kind: str, reader: str) -> None:
    """As with a generator: `break` is enough when the loop held the only reference."""
    ending = Ending()

    def run(controller: RunController) -> None:
        while True:
            controller.append_text("more")

    async def run_async(controller: RunController) -> None:
        while True:
            controller.append_text("more")
            await asyncio.sleep(0.001)

    callback = run if kind == "def" else run_async
    if reader == "for":
        for _ in create_run(callback, on_finish=ending):
            break
        assert ending.wait() == ["cancelled"]
        return

    async def read_one() -> None:
        async for _ in create_run(callback, on_finish=ending):
            break
        assert await asyncio.to_thread(ending.wait) == ["cancelled"]

    asyncio.run(read_one())


def test_a_referenced_stream_is_not_cancelled_when_its_reader_is_dropped() -> None:
    def run(controller: RunController) -> None:
        controller.append_text("a")
        cancelled.append(controller.cancelled_event.wait_sync(0.05))

    cancelled: list[bool] = []
    stream = create_run(run)
    next(iter(stream))
    gc.collect()
    assert stream._run.ended.wait_sync(10)
    assert cancelled == [False]


def test_a_thread_that_is_cancelled_without_a_wait_gets_time_until_its_next_call(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending, proceed = Ending(), threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        proceed.wait(30)
        controller.append_text("b")

    stream = create_run(run, on_finish=ending)
    next(iter(stream))
    stream.cancel()
    assert not ending.results
    proceed.set()
    assert ending.wait() == ["cancelled"]
    assert not caplog.records

    monkeypatch.setattr("assistant_stream_ce.run.run._PATIENCE_SECONDS", 0.01)
    ending, proceed = Ending(), threading.Event()
    stream = create_run(run, on_finish=ending)
    next(iter(stream))
    stream.cancel()
    assert ending.wait() == ["abandoned"]
    assert "still runs" in caplog.text
    proceed.set()


async def test_a_cancelled_reader_cancels_the_run() -> None:
    ending = Ending()

    async def run(controller: RunController) -> None:
        controller.append_text("a")
        await asyncio.sleep(30)

    async def read_all() -> None:
        async for _ in create_run(run, on_finish=ending):
            pass

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await read_all()
    assert await asyncio.to_thread(ending.wait) == ["cancelled"]


def test_a_callback_may_close_its_own_stream() -> None:
    streams: list[Any] = []

    def run(controller: RunController) -> None:
        controller.append_text("a")
        streams[0].close()
        controller.append_text("b")

    streams.append(create_run(run))
    assert list(streams[0]) in ([], [TextDeltaChunk("a")])


def test_an_exception_after_a_disconnect_is_not_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    ending = Ending()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)
        raise ConnectionError("the socket was shut down under the SDK")

    leave_after_one("for", run, ending)
    assert ending.wait() == ["cancelled"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_on_cancel_callbacks_run_once_each_off_the_closing_thread(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[tuple[str, bool, str]] = []

    def run(controller: RunController) -> None:
        variable.set("callback's")

        def note(name: str) -> None:
            calls.append((name, threading.current_thread() is threading.main_thread(), variable.get()))

        def fail() -> None:
            raise ValueError("in on_cancel")

        controller.on_cancel(fail)
        controller.on_cancel(lambda: note("first"))
        controller.on_cancel(lambda: note("second"))
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)
        controller.on_cancel(lambda: note("late"))

    with create_run(run) as stream:
        next(iter(stream))
    assert sorted(calls) == [(name, False, "callback's") for name in ("first", "late", "second")]
    assert "in on_cancel" in caplog.text


def test_on_cancel_is_not_called_for_a_run_that_completes() -> None:
    calls: list[bool] = []
    list(create_run(lambda controller: controller.on_cancel(lambda: calls.append(True))))
    assert not calls


def test_on_cancel_refuses_what_it_cannot_call() -> None:
    async def coroutine() -> None: ...

    def run(controller: RunController) -> None:
        for wrong in (coroutine, 5):
            with pytest.raises(TypeError, match="callback must be a plain function"):
                controller.on_cancel(wrong)  # type: ignore[arg-type]

    list(create_run(run))


async def test_a_run_cancelled_from_outside_does_not_look_complete() -> None:
    tasks: list[asyncio.Task[Any] | None] = []

    async def run(controller: RunController) -> None:
        tasks.append(asyncio.current_task())
        controller.append_text("a")
        await asyncio.sleep(30)

    stream = create_run(run)
    chunks = []
    with pytest.raises(RunCancelled, match="from outside"):
        async for chunk in stream:
            chunks.append(chunk)
            if tasks[0]:
                tasks[0].cancel()
    assert chunks == [TextDeltaChunk("a"), ErrorChunk("the run was cancelled from outside")]


# --- where it runs ---


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_the_run_sees_the_context_variables_of_its_start(kind: str, reader: str) -> None:
    seen: list[str] = []

    def run(controller: RunController) -> None:
        seen.append(variable.get())
        variable.set("changed in the run")

    stream = create_run(as_kind(kind, run))

    def start() -> None:
        variable.set("at the start")
        read(reader, stream)
        assert variable.get() == "at the start"

    contextvars.copy_context().run(start)
    assert seen == ["at the start"]


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_bound_run_has_the_context_variables_of_the_bind_call(kind: str, reader: str) -> None:
    seen: list[str] = []
    stream = create_run(as_kind(kind, lambda controller: seen.append(variable.get())))

    def view() -> None:
        variable.set("in the view")
        stream.bind()

    contextvars.copy_context().run(view)
    read(reader, stream)
    assert seen == ["in the view"]


async def test_a_coroutine_runs_on_the_readers_loop_and_a_function_in_its_own_daemon_thread() -> None:
    places: list[Any] = []

    async def run_async(controller: RunController) -> None:
        places.append(asyncio.get_running_loop())

    def run(controller: RunController) -> None:
        places.append(threading.current_thread())

    async for _ in create_run(run_async):
        pass
    async for _ in create_run(run):
        pass
    assert places[0] is asyncio.get_running_loop()
    assert places[1] is not threading.current_thread()
    assert places[1].daemon


def test_coroutines_read_with_for_share_one_loop() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def run(controller: RunController) -> None:
        loops.append(asyncio.get_running_loop())

    for _ in range(3):
        list(create_run(run))
    assert len(set(map(id, loops))) == 1
    assert loops[0].is_running()


def test_a_blocking_run_read_with_for_needs_no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("a loop was made")

    monkeypatch.setattr(asyncio, "new_event_loop", refuse)
    assert list(create_run(lambda controller: controller.append_text("a"))) == [TextDeltaChunk("a")]


@pytest.mark.parametrize("reader", READER_KINDS)
def test_an_executor_is_used_instead_of_a_thread(reader: str) -> None:
    names: list[str] = []
    with ThreadPoolExecutor(1, thread_name_prefix="mine") as executor:
        run = create_run(lambda controller: names.append(threading.current_thread().name), executor=executor)
        read(reader, run)
    assert names[0].startswith("mine")


def test_a_run_queued_in_its_executor_can_be_cancelled() -> None:
    release, ending = threading.Event(), Ending()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(release.wait, 30)
        stream = create_run(lambda controller: controller.append_text("never"), executor=executor, on_finish=ending)
        reader = threading.Thread(target=lambda: list(stream))
        reader.start()
        while not executor._work_queue.qsize():
            threading.Event().wait(0.001)
        stream.close()
        reader.join(10)
        assert ending.wait() == ["cancelled"]
        release.set()


def test_an_executor_that_was_shut_down_is_reported_to_the_reader() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    ending = Ending()
    stream = create_run(lambda controller: None, executor=executor, on_finish=ending)
    with pytest.raises(RuntimeError, match="after shutdown"):
        list(stream)
    assert ending.wait() == ["failed"]


@pytest.mark.parametrize("reader", READER_KINDS)
def test_work_that_the_executor_drops_ends_the_reader_s_wait(reader: str) -> None:
    def refuse() -> None:
        raise ValueError("no thread for you")

    ending = Ending()
    logging.getLogger("concurrent.futures").disabled = True
    executor = ThreadPoolExecutor(1, initializer=refuse)
    with pytest.raises(RuntimeError, match="not usable"):
        read(reader, create_run(lambda controller: None, executor=executor, on_finish=ending))
    assert ending.wait() == ["failed"]
    executor.shutdown()
    logging.getLogger("concurrent.futures").disabled = False


def test_work_that_is_cancelled_in_the_executor_s_queue_ends_the_reader_s_wait() -> None:
    release, ending = threading.Event(), Ending()
    executor = ThreadPoolExecutor(1)
    executor.submit(release.wait, 30)
    stream = create_run(lambda controller: None, executor=executor, on_finish=ending)
    raised: list[BaseException] = []

    def read_all() -> None:
        try:
            list(stream)
        except RunCancelled as error:
            raised.append(error)

    reader = threading.Thread(target=read_all)
    reader.start()
    while not executor._work_queue.qsize():
        threading.Event().wait(0.001)
    executor.shutdown(wait=False, cancel_futures=True)
    reader.join(10)
    release.set()
    assert ending.wait() == ["cancelled"]
    assert len(raised) == 1


async def test_a_task_cancelled_before_its_first_step_is_concluded() -> None:
    ending = Ending()

    async def run(controller: RunController) -> None:
        raise AssertionError("it never comes to this")

    reader = asyncio.ensure_future(anext(aiter(create_run(run, on_finish=ending))))
    await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task(), reader}:
        task.cancel()
    assert await reader == ErrorChunk("the run was cancelled from outside")
    assert ending.wait() == ["cancelled"]


async def test_two_tasks_cannot_wait_for_one_stream() -> None:
    async def run(controller: RunController) -> None:
        await asyncio.sleep(30)

    async with create_run(run) as stream:
        reader = aiter(stream)
        first = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0)
        with pytest.raises(StreamUsageError, match="read it from one task"):
            await anext(reader)
        first.cancel()
        await asyncio.wait([first])


def test_a_loop_that_ends_under_a_quiet_run_cancels_it() -> None:
    ending, errors = Ending(), []

    async def run(controller: RunController) -> None:
        controller.append_text("a")
        await asyncio.sleep(30)

    async def read_one() -> None:
        async for _ in create_run(run, on_finish=ending, on_error=errors.append):
            break

    asyncio.run(read_one())
    assert ending.wait() == ["cancelled"]
    assert not errors


# --- shutdown ---


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("reader", READER_KINDS)
def test_shutdown_notifies_the_reader_and_the_callback(kind: str, reader: str) -> None:
    ending, started = Ending(), threading.Event()

    async def run_async(controller: RunController) -> None:
        controller.append_text("a")
        started.set()
        await asyncio.sleep(30)

    def run(controller: RunController) -> None:
        controller.append_text("a")
        started.set()
        controller.cancelled_event.wait_sync(30)
        controller.append_text("raises")

    stream = create_run(run if kind == "def" else run_async, on_finish=ending)
    chunks: list[Any] = []
    thread = threading.Thread(target=lambda: chunks.extend(read(reader, stream)))
    thread.start()
    assert started.wait(10)
    shutdown(5)
    thread.join(10)
    assert chunks == [TextDeltaChunk("a"), ErrorChunk("The server is shutting down.")]
    assert ending.wait() == ["cancelled"]


async def test_shutdown_in_a_loop_does_not_block_and_may_be_awaited() -> None:
    release = threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        release.wait(30)

    stream = create_run(run)
    reader = aiter(stream)
    await anext(reader)
    started = time.monotonic()
    stopping = shutdown(0.05)
    assert time.monotonic() - started < 0.04
    await stopping
    assert await anext(reader) == ErrorChunk("The server is shutting down.")
    with pytest.raises(StopAsyncIteration):
        await anext(reader)
    release.set()


def test_streams_work_after_a_shutdown() -> None:
    shutdown(0)
    assert list(create_run(lambda controller: controller.append_text("a"))) == [TextDeltaChunk("a")]


@counts_references
@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("end", ["completes", "fails", "is left"])
def test_a_run_is_freed_without_the_garbage_collector(end: str, kind: str, reader: str) -> None:
    def run(controller: RunController) -> None:
        controller.state["n"] = 1
        controller.add_tool_call("t").set_response(1)
        controller.on_cancel(lambda: controller)
        if end == "fails":
            raise ValueError("boom")

    gc.collect()
    gc.disable()
    try:
        stream = create_run(as_kind(kind, run), state={})
        handle = weakref.ref(stream._run)
        if end == "is left":
            stream.close()
        else:
            read_whatever_comes(reader, stream)
        del stream
        deadline = time.monotonic() + 5
        # The run's own thread drops it shortly after the end.
        while handle() is not None and time.monotonic() < deadline:
            threading.Event().wait(0.001)
        assert handle() is None
    finally:
        gc.enable()


def read_whatever_comes(reader: str, stream: Any) -> None:
    """Read a stream; its exception stays here, for `asyncio.run` keeps what passes through it in a cycle."""

    async def read_async() -> None:
        with contextlib.suppress(ValueError):
            async for _ in stream:
                pass

    if reader == "async for":
        asyncio.run(read_async())
        return
    with contextlib.suppress(ValueError):
        for _ in stream:
            pass
