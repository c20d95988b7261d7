"""Every hook is called once however a run ends, and a failing one affects nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor

import pytest

from assistant_stream_ce import ErrorChunk, RunController, RunResult, TextDeltaChunk, create_run, mask_errors
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind, collect_with, read


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class UnspeakableType(TypeError):
    """As errors of a state that is None are, whose text the run extends."""

    def __str__(self) -> str:
        raise ValueError("no words")


class UnspeakableExit(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


@pytest.mark.parametrize("error", [Unspeakable, UnspeakableType, UnspeakableExit])
@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_an_exception_without_a_text_is_reported_by_its_name(kind: str, reader: str, error: type[Exception]) -> None:
    def fail(controller: RunController) -> None:
        raise error

    run = collect_with(reader, as_kind(kind, fail))
    assert type(run.error) is error
    assert run.chunks == [ErrorChunk(error.__name__)]
    assert run.reason == "failed"


# A loop that is closed before the first step of a task reports that.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_async_on_finish_runs_although_the_loop_of_the_reader_ends() -> None:
    reasons: list[str] = []
    ended = threading.Event()

    async def save(result: RunResult) -> None:
        # It waits for nothing: the end of the loop would interrupt that.
        reasons.append(result.reason)
        ended.set()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)

    async def main() -> None:
        await anext(stream)
        stream.cancel()

    for _ in range(5):
        ended.clear()
        stream = create_run(run, on_finish=save)
        asyncio.run(main())
        assert ended.wait(10)
    assert reasons == ["cancelled"] * 5


@pytest.mark.parametrize("steps", [0, 1, 2])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_is_closed_under_an_async_on_finish_does_not_hold_the_run(
    steps: int, caplog: pytest.LogCaptureFixture
) -> None:
    has_called = threading.Event()
    begun = threading.Event()
    thread: list[threading.Thread] = []

    async def never(result: RunResult) -> None:
        begun.set()
        if steps:
            await asyncio.get_running_loop().create_future()

    def on_finish(result: RunResult) -> Awaitable[None]:
        has_called.set()
        return never(result)

    def run(controller: RunController) -> None:
        thread.append(threading.current_thread())
        controller.append_text("a")

    loop = asyncio.new_event_loop()
    stream = create_run(run, on_finish=on_finish)

    async def main() -> None:
        await anext(stream)
        # The loop may now be closed before the task was created, before its first step, and after it.
        await asyncio.to_thread(has_called.wait, 10)
        for _ in range(steps):
            await asyncio.sleep(0)
        if steps == 2:
            await asyncio.to_thread(begun.wait, 10)

    loop.run_until_complete(main())
    # Without cancelling its tasks, as `asyncio.run` would.
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    thread[0].join(10)
    assert not thread[0].is_alive()
    stream.close()


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_masked_error_does_not_reveal_the_exception(kind: str, reader: str) -> None:
    def fail(controller: RunController) -> None:
        raise ConnectionError("db-7.internal refused the password")

    run = collect_with(reader, create_run(as_kind(kind, fail), on_error=mask_errors))
    assert type(run.error) is ConnectionError
    assert run.chunks == [ErrorChunk("Something went wrong.")]


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_an_exit_from_on_finish_reaches_the_reader(kind: str, reader: str) -> None:
    def leave(result: RunResult) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        read(reader, create_run(as_kind(kind, lambda controller: None), on_finish=leave))
    assert read(reader, create_run(as_kind(kind, lambda c: c.append_text("on")))) == [TextDeltaChunk("on")]


async def test_an_async_on_finish_outlives_the_grace() -> None:
    saved = asyncio.Event()

    async def run(controller: RunController) -> None:
        controller.append_text("a")
        await controller.cancelled_event.wait()

    async def on_finish(result: RunResult) -> None:
        await asyncio.sleep(0.1)
        saved.set()

    async with create_run(run, on_finish=on_finish) as stream:
        async for _ in stream:
            break
    assert saved.is_set()


@pytest.mark.parametrize("case", ["completed", "failed to start", "abandoned", "never read", "cancelled"])
async def test_an_async_on_finish_runs_on_the_reader_s_loop_however_the_run_ends(case: str) -> None:
    release = threading.Event()
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    executor = ThreadPoolExecutor(1)

    def run(controller: RunController) -> None:
        controller.append_text("a")
        if case == "abandoned":
            release.wait(30)
        elif case == "cancelled":
            controller.cancelled_event.wait_sync(30)

    async def on_finish(result: RunResult) -> None:
        assert asyncio.get_running_loop() is ended.get_loop()
        ended.set_result(result.reason)

    if case == "failed to start":
        executor.shutdown()
    stream = create_run(run, on_finish=on_finish, executor=executor if case == "failed to start" else None)
    async with stream:
        if case == "failed to start":
            with pytest.raises(RuntimeError, match="after shutdown"):
                async for _ in stream:
                    pass
        elif case == "completed":
            assert [chunk async for chunk in stream] == [TextDeltaChunk("a")]
        elif case != "never read":
            await anext(aiter(stream))
    reasons = {"failed to start": "failed", "never read": "cancelled"}
    assert await asyncio.wait_for(ended, 5) == reasons.get(case, case)
    release.set()
    executor.shutdown()


def test_a_wrong_on_cancel_callback_does_not_silence_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    called: list[str] = []

    def leave() -> None:
        raise SystemExit

    def run(controller: RunController) -> None:
        controller.on_cancel(lambda: controller.append_text("bye"))
        controller.on_cancel(leave)
        controller.on_cancel(lambda: asyncio.sleep(1))
        controller.on_cancel(lambda: called.append("last"))
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)

    with create_run(run) as stream:
        next(iter(stream))
    assert called == ["last"]
    assert caplog.text.count("an on_cancel callback raised") == 1
    assert caplog.text.count("an on_cancel callback returned a coroutine") == 1


def test_an_on_cancel_registration_can_be_taken_back() -> None:
    called: list[bool] = []

    def run(controller: RunController) -> None:
        forget = controller.on_cancel(lambda: called.append(True))
        forget()
        forget()
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)

    with create_run(run) as stream:
        next(iter(stream))
    assert not called


async def test_a_late_on_cancel_callback_never_blocks_a_loop() -> None:
    threads: list[threading.Thread] = []
    called = threading.Event()

    async def run(controller: RunController) -> None:
        controller.append_text("a")
        await controller.cancelled_event.wait()
        controller.on_cancel(lambda: threads.append(threading.current_thread()))
        controller.on_cancel(called.set)

    async with create_run(run) as stream:
        await anext(aiter(stream))
    assert await asyncio.to_thread(called.wait, 5)
    assert threading.main_thread() not in threads
