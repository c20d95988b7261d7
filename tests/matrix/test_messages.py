"""The message of a run, for every kind of callback with every kind of reader, however the run ends."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from assistant_stream_ce import (
    AssistantMessage,
    AssistantStream,
    RunController,
    RunResult,
    StreamUsageError,
    accumulate,
    create_run,
    shutdown,
)
from assistant_stream_ce.message import MessageError, MessageStatus, TextPart, ToolCallPart
from assistant_stream_ce.run.recorder import FOLD_AFTER
from assistant_stream_ce.serialization import DataStreamEncoder
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind, read, read_into

pytestmark = [pytest.mark.parametrize("reader", READER_KINDS), pytest.mark.parametrize("kind", CALLBACK_KINDS)]

CANCELLED = MessageStatus("incomplete", "cancelled")


def say(controller: RunController) -> None:
    controller.append_text("a")
    tool = controller.add_tool_call("search", "id")
    tool.append_args_text('{"q":')
    controller.state["n"] = 1
    tool.append_args_text("1}")
    tool.set_response({"found": 2})
    controller.state["n"] += 1
    controller.append_text("b")


SAID = AssistantMessage(
    [TextPart("a"), ToolCallPart("id", "search", '{"q":1}', {"q": 1}, "answered", {"found": 2}), TextPart("b")],
    state={"n": 2},
    id="m",
)


class Finish:
    """The results passed to `on_finish`, with the message at that time."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.messages: list[AssistantMessage] = []
        self.came = threading.Event()

    def __call__(self, result: RunResult) -> None:
        self.reasons.append(result.reason)
        self.messages.append(result.message)
        self.came.set()


def leave_after(reader: str, stream: AssistantStream, count: int) -> None:
    """Read so many chunks and leave."""
    if reader == "for":
        with stream:
            for _ in zip(range(count), stream, strict=False):
                pass
        return

    async def main() -> None:
        async with stream:
            chunks = aiter(stream)
            for _ in range(count):
                await anext(chunks)

    asyncio.run(main())


def waiting(kind: str, body: Callable[[RunController], object]) -> Callable[[RunController], Any]:
    """Return a callback that sends output and then waits until its reader has left."""

    def wait(controller: RunController) -> None:
        body(controller)
        controller.cancelled_event.wait_sync()

    async def wait_async(controller: RunController) -> None:
        body(controller)
        await controller.cancelled_event.wait()

    return wait if kind == "def" else wait_async


@pytest.mark.parametrize("max_pending", [1, 1024])
def test_a_message_is_the_whole_output(kind: str, reader: str, max_pending: int) -> None:
    finish = Finish()
    stream = create_run(as_kind(kind, say), state={"n": 0}, on_finish=finish, max_pending=max_pending, message_id="m")
    assert stream.message == AssistantMessage(status=MessageStatus("running"), state={"n": 0}, id="m")
    chunks = read(reader, stream)
    assert stream.message == SAID == msgspec.structs.replace(accumulate(chunks, state={"n": 0}), id="m")
    assert finish.reasons == ["completed"]
    assert finish.messages == [SAID]


def test_a_message_of_a_run_that_failed_has_the_error(kind: str, reader: str) -> None:
    def fail(controller: RunController) -> None:
        say(controller)
        raise ValueError("boom")

    finish = Finish()
    stream = create_run(as_kind(kind, fail), state={}, on_finish=finish, message_id="m")
    with pytest.raises(ValueError, match="boom"):
        read(reader, stream)
    assert stream.message.error == MessageError("boom")
    assert stream.message.status == MessageStatus("incomplete", "error")
    assert stream.message.text == "ab"
    assert finish.messages == [stream.message]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_chunks_that_wait_at_a_disconnect_are_in_the_message(kind: str, reader: str, count: int) -> None:
    finish = Finish()
    stream = create_run(waiting(kind, say), state={}, on_finish=finish, message_id="m")
    leave_after(reader, stream, count)
    assert finish.came.wait(10)
    assert finish.reasons == ["cancelled"]
    assert finish.messages == [stream.message]
    if count:
        # A coroutine on another loop may be stopped in the middle of its output.
        assert stream.message.status == CANCELLED
        assert stream.message.text in ("a", "ab")
    else:
        assert stream.message == AssistantMessage(status=CANCELLED, state={}, id="m")


def test_everything_sent_before_the_disconnect_is_kept(kind: str, reader: str) -> None:
    said = threading.Event()

    def body(controller: RunController) -> None:
        say(controller)
        said.set()

    stream = create_run(waiting(kind, body), state={"n": 0}, message_id="m")
    with stream:
        chunks = iter(stream)
        next(chunks)
        assert said.wait(10)
        assert stream.message.status == MessageStatus("running")
    assert stream.message == AssistantMessage(SAID.parts, CANCELLED, state={"n": 2}, id="m")


def test_a_thread_that_stays_has_a_message_too(kind: str, reader: str) -> None:
    gate = threading.Event()
    finish = Finish()

    def stay(controller: RunController) -> None:
        controller.append_text("a")
        gate.wait()

    async def stay_async(controller: RunController) -> None:
        controller.append_text("a")
        await asyncio.Event().wait()

    try:
        leave_after(reader, create_run(stay if kind == "def" else stay_async, on_finish=finish, message_id="m"), 1)
        assert finish.reasons == ["abandoned" if kind == "def" else "cancelled"]
        assert finish.messages == [AssistantMessage([TextPart("a")], CANCELLED, id="m")]
    finally:
        gate.set()


def test_a_shutdown_is_part_of_the_message(kind: str, reader: str) -> None:
    said = threading.Event()
    finish = Finish()

    def body(controller: RunController) -> None:
        controller.append_text("a")
        said.set()

    stream = create_run(waiting(kind, body), on_finish=finish, message_id="m")
    thread = threading.Thread(target=read_into, args=(reader, stream, []))
    thread.start()
    assert said.wait(10)
    shutdown(10)
    thread.join()
    assert finish.messages == [stream.message]
    assert stream.message.error == MessageError("The server is shutting down.")
    assert stream.message.status == MessageStatus("incomplete", "error")


def test_encoded_bytes_have_a_message(kind: str, reader: str) -> None:
    stream = create_run(as_kind(kind, say), state={"n": 0}, message_id="m")
    pieces: list[Any] = []
    read_into(reader, DataStreamEncoder().encode_stream(stream), pieces)  # type: ignore[arg-type]
    assert pieces
    assert stream.message == SAID


def test_a_message_that_is_not_kept_is_a_clear_error(kind: str, reader: str) -> None:
    results: list[RunResult] = []
    stream = create_run(as_kind(kind, say), state={}, on_finish=results.append, keep_message=False)
    read(reader, stream)
    for holder in (stream, results[0]):
        with pytest.raises(StreamUsageError, match="without keep_message=False"):
            assert holder.message


@pytest.mark.parametrize("max_pending", [8, 1024, 1_000_000])
def test_a_long_message_is_folded_during_the_run(kind: str, reader: str, max_pending: int) -> None:
    count = 3 * FOLD_AFTER

    def talk(controller: RunController) -> None:
        for number in range(count):
            controller.append_text(f"{number} ")
            if number % 1000 == 0:
                controller.state["n"] += 1

    async def talk_async(controller: RunController) -> None:
        for number in range(count):
            controller.append_text(f"{number} ")
            if number % 1000 == 0:
                controller.state["n"] += 1
            await controller.drain()

    callback = talk if kind == "def" else talk_async
    stream = create_run(callback, state={"n": 0}, max_pending=max_pending, message_id="m")
    read(reader, stream)
    assert stream.message == AssistantMessage(
        [TextPart("".join(f"{number} " for number in range(count)))], state={"n": -(-count // 1000)}, id="m"
    )


def test_a_message_can_be_read_at_any_time(kind: str, reader: str) -> None:
    """From another thread, while state edits are merged and texts grow: none is counted twice or lost."""
    count = 2_000
    is_over = threading.Event()

    def talk(controller: RunController) -> None:
        for _ in range(count):
            controller.append_text("x")
            controller.state["n"] += 1
            controller.state["text"] += "y"

    stream = create_run(as_kind(kind, talk), state={"n": 0, "text": ""}, message_id="m")
    seen: list[tuple[int, int]] = []

    def watch() -> None:
        while not is_over.is_set():
            message = stream.message
            seen.append((len(message.text), message.state["n"]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        read(reader, stream)
    finally:
        is_over.set()
        watcher.join()
    assert stream.message == AssistantMessage([TextPart("x" * count)], state={"n": count, "text": "y" * count}, id="m")
    assert seen == sorted(seen)


def test_a_stream_in_a_stream_has_a_message(kind: str, reader: str) -> None:
    inner = create_run(as_kind(kind, say), state={"n": 0}, message_id="m")

    async def pass_on(controller: RunController) -> None:
        await controller.add_stream(inner)

    callback = functools.partial(RunController.add_stream, stream=inner) if kind == "def" else pass_on
    outer = create_run(callback, state={"n": 0}, message_id="m")
    with contextlib.closing(outer):
        read(reader, outer)
    assert outer.message == inner.message == SAID
