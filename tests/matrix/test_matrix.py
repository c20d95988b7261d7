"""Every kind of callback with every kind of reader: the same chunks, errors and results."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from assistant_stream_ce import (
    ErrorChunk,
    RunController,
    RunResult,
    TextDeltaChunk,
    ToolCallBeginChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    UpdateStateChunk,
    create_run,
)
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind, collect_with, read

pytestmark = [pytest.mark.parametrize("reader", READER_KINDS)]


def say(controller: RunController) -> None:
    controller.append_text("a")
    tool = controller.add_tool_call("search", "id")
    tool.append_args_text('{"q":1}')
    controller.append_text("b")
    tool.set_response({"found": 2})
    controller.state["n"] = 1
    controller.append_text("c")


SAID = [
    TextDeltaChunk("a"),
    ToolCallBeginChunk("id", "search"),
    ToolCallDeltaChunk("id", '{"q":1}'),
    TextDeltaChunk("b"),
    ToolResultChunk("id", {"found": 2}),
    UpdateStateChunk([{"type": "set", "path": ["n"], "value": 1}]),
    TextDeltaChunk("c"),
]


async def say_async(controller: RunController) -> None:
    await asyncio.sleep(0)
    say(controller)


class Callable_:
    def __call__(self, controller: RunController) -> None:
        say(controller)

    def method(self, controller: RunController) -> None:
        say(controller)

    async def async_method(self, controller: RunController) -> None:
        await say_async(controller)


class AsyncCallable:
    async def __call__(self, controller: RunController) -> None:
        await say_async(controller)


class Awaitable_:
    def __init__(self, controller: RunController) -> None:
        self._controller = controller

    def __await__(self) -> Any:
        return say_async(self._controller).__await__()


SHAPES: dict[str, Callable[[RunController], Any]] = {
    "def": say,
    "async def": say_async,
    "lambda of def": lambda controller: say(controller),
    "lambda of async def": lambda controller: say_async(controller),
    "lambda of an awaitable object": lambda controller: Awaitable_(controller),
    "partial": functools.partial(say),
    "partial of async def": functools.partial(functools.partial(say_async)),
    "object": Callable_(),
    "object with async def": AsyncCallable(),
    "method": Callable_().method,
    "async method": Callable_().async_method,
    "partial of object with async def": functools.partial(AsyncCallable()),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_callback_gives_the_same_chunks(shape: str, reader: str) -> None:
    results: list[RunResult] = []
    assert read(reader, create_run(SHAPES[shape], state={}, on_finish=results.append)) == SAID
    assert results == [RunResult("completed")]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_an_exception_is_sent_to_the_user_and_raised_to_the_reader(kind: str, reader: str) -> None:
    error = ValueError("boom")

    def fail(controller: RunController) -> None:
        controller.append_text("before")
        controller.add_tool_call("search", "id").append_args_text("{")
        raise error

    results: list[RunResult] = []
    run = collect_with(reader, as_kind(kind, fail), on_finish=results.append)
    assert run.error is error
    assert run.chunks[0] == TextDeltaChunk("before")
    assert run.chunks[-2:] == [ToolCallDeltaChunk("id", "", is_final=True), ErrorChunk("boom")]
    assert results == [RunResult("failed", error)]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize(
    ("on_error", "text"),
    [
        (None, "secret"),
        (lambda error: f"Sorry ({type(error).__name__})", "Sorry (KeyError)"),
        (lambda error: None, "secret"),
        (lambda error: 5, "Something went wrong."),
    ],
)
def test_on_error_returns_the_text_of_the_error(kind: str, reader: str, on_error: Any, text: str) -> None:
    class KeyError(Exception):
        pass

    def fail(controller: RunController) -> None:
        raise KeyError("secret")

    run = collect_with(reader, as_kind(kind, fail), on_error=on_error)
    assert type(run.error) is KeyError
    assert run.chunks == [ErrorChunk(text)]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_an_exception_without_a_text_is_reported_by_its_name(kind: str, reader: str) -> None:
    def fail(controller: RunController) -> None:
        raise TimeoutError

    assert collect_with(reader, as_kind(kind, fail)).chunks == [ErrorChunk("TimeoutError")]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("kind_of_exit", [KeyboardInterrupt, SystemExit])
def test_an_exit_is_not_swallowed(kind: str, reader: str, kind_of_exit: type[BaseException]) -> None:
    def leave(controller: RunController) -> None:
        raise kind_of_exit

    with pytest.raises(kind_of_exit):
        read(reader, create_run(as_kind(kind, leave)))


@pytest.mark.parametrize("kind", ["def", "lambda"])
def test_a_stop_iteration_does_not_look_like_the_end(kind: str, reader: str) -> None:
    def stop(controller: RunController) -> None:
        next(iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        read(reader, create_run(stop if kind == "def" else lambda controller: stop(controller)))


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_nothing_runs_before_the_first_read(kind: str, reader: str) -> None:
    started: list[bool] = []
    stream = create_run(as_kind(kind, lambda controller: started.append(True)))
    assert not started
    read(reader, stream)
    assert started == [True]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_bad_value_raises_at_the_call_and_the_stream_continues(kind: str, reader: str) -> None:
    messages: list[str] = []

    def try_all(controller: RunController) -> None:
        for call in (
            lambda: controller.add_data(object()),
            lambda: controller.append_text(5),  # type: ignore[arg-type]
            lambda: controller.add_tool_call("t", "id").set_response({"a": {1, object()}}),
            lambda: controller.state.__setitem__("x", object()),
        ):
            try:
                call()
            except TypeError as error:
                messages.append(str(error))
        controller.append_text("on")

    chunks = read(reader, create_run(as_kind(kind, try_all), state={}))
    assert chunks == [ToolCallBeginChunk("id", "t"), TextDeltaChunk("on")]
    assert [message.split()[0] for message in messages] == ["data", "text", "result.a", "state.x"]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_eight_threads_keep_their_order(kind: str, reader: str) -> None:
    def append(controller: RunController, name: int) -> None:
        for number in range(1000):
            controller.append_text(f"{name}:{number}")

    def run_threads(controller: RunController) -> None:
        threads = [threading.Thread(target=append, args=(controller, name)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    async def run(controller: RunController) -> None:
        await asyncio.to_thread(run_threads, controller)

    chunks = read(reader, create_run(run_threads if kind == "def" else run))
    for name in range(8):
        texts = [chunk.text_delta for chunk in chunks if chunk.text_delta.startswith(f"{name}:")]  # type: ignore[union-attr]
        assert texts == [f"{name}:{number}" for number in range(1000)]


@pytest.mark.parametrize("max_pending", [1, 2, 100])
def test_a_long_stream_crosses_a_narrow_channel(reader: str, max_pending: int) -> None:
    def burst(controller: RunController) -> None:
        for number in range(500):
            controller.append_text(str(number))

    chunks = read(reader, create_run(burst, max_pending=max_pending))
    assert "".join(chunk.text_delta for chunk in chunks) == "".join(map(str, range(500)))  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_on_finish_may_be_a_coroutine_function_and_is_called_before_the_end(kind: str, reader: str) -> None:
    results: list[RunResult] = []

    async def on_finish(result: RunResult) -> None:
        await asyncio.sleep(0)
        results.append(result)

    read(reader, create_run(as_kind(kind, say), state={}, on_finish=on_finish))
    assert results == [RunResult("completed")]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("hook", ["on_error", "on_finish"])
def test_a_hook_that_raises_is_logged_and_changes_nothing(
    kind: str, reader: str, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(controller: RunController) -> None:
        raise ValueError("boom")

    def raise_again(_: object) -> None:
        raise RuntimeError("in the hook")

    run = collect_with(reader, as_kind(kind, fail), **{hook: raise_again})
    assert str(run.error) == "boom"
    # What `on_error` was to hide stays hidden.
    assert run.chunks == [ErrorChunk("Something went wrong." if hook == "on_error" else "boom")]
    assert f"{hook} raised" in caplog.text


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize(
    "result",
    [lambda: (number for number in ()), lambda: iter(()), lambda: generate_async()],
    ids=["generator", "iterator", "async"],
)
def test_a_callback_that_returns_a_generator_fails_with_a_hint(kind: str, reader: str, result: Any) -> None:
    async def run_async(controller: RunController) -> Any:
        return result()

    run = collect_with(reader, run_async if kind == "async def" else lambda controller: result())
    assert type(run.error) is TypeError
    assert "which nobody reads: call controller.append_text" in str(run.error)
    assert [chunk.type for chunk in run.chunks] == ["error"]


async def generate_async() -> Any:
    yield "never read"


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_stream_is_read_once(kind: str, reader: str) -> None:
    stream = create_run(as_kind(kind, lambda controller: controller.append_text("a")))
    read(reader, stream)
    for again in READER_KINDS:
        with pytest.raises(RuntimeError, match="call create_run again"):
            read(again, stream)


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_controller_used_after_the_end_is_a_clear_error(kind: str, reader: str) -> None:
    kept: list[RunController] = []
    read(reader, create_run(as_kind(kind, kept.append), state={}))
    for use in (
        lambda controller: controller.append_text("late"),
        lambda controller: controller.append_text(""),
        lambda controller: controller.flush(),
        lambda controller: controller.add_tool_call("late"),
        lambda controller: controller.state.__setitem__("late", 1),
    ):
        with pytest.raises(RuntimeError, match="the run has ended"):
            use(kept[0])
