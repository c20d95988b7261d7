"""`collect` and `acollect` report a whole run, and never hang."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    ErrorChunk,
    RunController,
    StateError,
    StreamUsageError,
    TextDeltaChunk,
    UpdateStateChunk,
    create_run,
    shutdown,
)
from assistant_stream_ce.testing import acollect, collect
from tests.support.kinds import as_kind, collect_with
from tests.testing.callbacks import (
    SOON,
    blocks_in_a_thread,
    each_kind,
    each_reader,
    never_completes,
    never_ends,
    send_all,
)


@each_reader
@each_kind
def test_collect_returns_chunks_message_and_state(kind: str, reader: str) -> None:
    run = collect_with(reader, as_kind(kind, send_all), state={"text": "a"})
    assert (run.reason, run.error) == ("completed", None)
    assert run.text == "Let me look. Sunny."
    assert run.reasoning == "The user asks."
    assert run.state == {"text": "ab", "n": 1}
    assert [type(chunk).__name__ for chunk in run.chunks[:2]] == ["ReasoningDeltaChunk"] * 2
    first, second, old = run.tool_calls
    assert (first.id, first.name, first.args) == ("a", "get_weather", {"city": "Paris"})
    assert (first.result, first.artifact, first.is_error, first.state) == ({"celsius": 21}, "map", True, "answered")
    assert (second.args, second.state, second.result) == ({"q": 1}, "complete", None)
    assert (old.id, old.state) == ("old", "answered")
    assert run.message.state == run.state


@each_reader
@each_kind
def test_collect_keeps_the_exception_of_the_callback(kind: str, reader: str) -> None:
    error = TimeoutError("the model is slow")

    def fail(controller: RunController) -> None:
        controller.append_text("a")
        raise error

    run = collect_with(reader, as_kind(kind, fail), on_error=lambda error: "Sorry.")
    assert run.error is error
    assert run.reason == "failed"
    assert run.chunks == [TextDeltaChunk("a"), ErrorChunk("Sorry.")]
    assert repr(run) == "<Collected failed: 2 chunks, error TimeoutError('the model is slow')>"


@each_reader
@each_kind
@pytest.mark.parametrize("raised", [AssertionError, KeyboardInterrupt, pytest.fail.Exception])
def test_collect_raises_the_exceptions_of_the_test_itself(raised: type[BaseException], kind: str, reader: str) -> None:
    def fail(controller: RunController) -> None:
        raise raised("mine")

    with pytest.raises(raised, match="mine"):
        collect_with(reader, as_kind(kind, fail))


@each_reader
def test_collect_takes_a_stream_and_chunks(reader: str) -> None:
    stream = create_run(send_all, state={"text": "a"})
    assert collect_with(reader, stream).state == {"text": "ab", "n": 1}
    edit: list[AssistantStreamChunk] = [UpdateStateChunk([{"type": "append-text", "path": [], "value": "b"}])]
    assert collect_with(reader, edit, state="a").state == "ab"
    with pytest.raises(StateError):
        _ = collect_with(reader, edit).state

    async def generate() -> AsyncIterator[AssistantStreamChunk]:
        yield TextDeltaChunk("a")
        raise ValueError("broken")

    run = collect_with(reader, generate())
    assert (run.text, run.reason, str(run.error)) == ("a", "failed", "broken")


@each_reader
def test_collect_refuses_unreadable_sources_and_wrong_options(reader: str) -> None:
    stream = create_run(send_all, state={"text": "a"})
    collect_with(reader, stream)
    with pytest.raises(StreamUsageError, match="read already"):
        collect_with(reader, stream)
    with pytest.raises(TypeError, match="a stream has its own"):
        collect_with(reader, stream, state={})
    with pytest.raises(TypeError, match="only a callback takes the options of create_run: max_pending"):
        collect_with(reader, [], max_pending=1)
    with pytest.raises(TypeError, match="must be an AssistantStream or an iterable of chunks, not int"):
        collect_with(reader, 5)


async def test_collect_refuses_to_block_an_event_loop() -> None:
    with pytest.raises(StreamUsageError, match=r"block the running event loop: use `await acollect\(\.\.\.\)`"):
        collect(lambda controller: controller.append_text("a"))
    assert (await acollect(lambda controller: controller.append_text("a"))).text == "a"


@each_kind
def test_collect_reports_a_shutdown(kind: str) -> None:
    def run(controller: RunController) -> None:
        threading.Thread(target=shutdown, args=(5,)).start()
        controller.cancelled_event.wait_sync()

    async def run_async(controller: RunController) -> None:
        threading.Thread(target=shutdown, args=(5,)).start()
        await controller.cancelled_event.wait()

    got = collect(run if kind == "def" else run_async)
    assert got.reason == "cancelled"
    assert got.chunks == [ErrorChunk("The server is shutting down.")]


@each_reader
@pytest.mark.parametrize("hang", ["thread", "coroutine", "endless", "blocked loop"])
def test_collect_times_out_and_shows_the_stack_of_the_callback(hang: str, reader: str) -> None:
    release = threading.Event()

    async def blocks_its_loop(controller: RunController) -> None:
        release.wait(1)  # here it hangs

    callbacks: dict[str, Any] = {
        "thread": blocks_in_a_thread(release),
        "coroutine": never_completes,
        "endless": never_ends,
        "blocked loop": blocks_its_loop,
    }
    try:
        with pytest.raises(TimeoutError, match=r"in 0\.2 s: assistant-stream-.* is here") as raised:
            collect_with(reader, callbacks[hang], timeout=SOON)
    finally:
        release.set()
    assert "# here it hangs" in str(raised.value)
    assert "in _call" not in str(raised.value)
    assert raised.value.__cause__ is None
