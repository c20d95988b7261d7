"""`add_stream`: chunks of any kind of source are forwarded from any kind of callback."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    ErrorChunk,
    RunController,
    StreamUsageError,
    TextDeltaChunk,
    ToolCallBeginChunk,
    ToolCallDeltaChunk,
    ToolCallError,
    ToolResultChunk,
    UpdateStateChunk,
    create_run,
)
from tests.support.example_chunks import EXAMPLES
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind, collect_with, read

CHUNKS: list[AssistantStreamChunk] = [
    TextDeltaChunk("a"),
    ToolCallBeginChunk("id", "search"),
    ToolCallDeltaChunk("id", "{}"),
    ToolResultChunk("id", 1),
    TextDeltaChunk("b", "parent"),
]


def generate() -> Iterator[AssistantStreamChunk]:
    yield from CHUNKS


async def generate_async() -> AsyncIterator[AssistantStreamChunk]:
    for chunk in CHUNKS:
        await asyncio.sleep(0)
        yield chunk


def replay(controller: RunController) -> None:
    for chunk in CHUNKS:
        controller.add_chunk(chunk)


async def replay_async(controller: RunController) -> None:
    replay(controller)


SOURCES: dict[str, Any] = {
    "list": lambda: CHUNKS,
    "generator": generate,
    "async generator": generate_async,
    "stream of def": lambda: create_run(replay),
    "stream of async def": lambda: create_run(replay_async),
}


@pytest.mark.parametrize("awaits", [True, False])
@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("source", SOURCES)
def test_every_source_at_every_call_site(source: str, kind: str, reader: str, awaits: bool) -> None:
    def run(controller: RunController) -> None:
        controller.add_stream(SOURCES[source]())
        controller.append_text("after")

    async def run_async(controller: RunController) -> None:
        forwarding = controller.add_stream(SOURCES[source]())
        if awaits:
            await forwarding
            controller.append_text("after")

    chunks = read(reader, create_run(run if kind == "def" else run_async))
    assert chunks == CHUNKS + ([TextDeltaChunk("after")] if kind == "def" or awaits else [])


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_stream_that_is_read_elsewhere_stays_open(kind: str) -> None:
    proceed = threading.Event()

    def run(controller: RunController) -> None:
        proceed.wait(30)
        controller.append_text("a")

    shared = create_run(run)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(list, shared)
        while shared._source.turn:
            time.sleep(0.001)
        error = collect_with("for", as_kind(kind, lambda controller: controller.add_stream(shared))).error
        assert isinstance(error, StreamUsageError)
        proceed.set()
        assert first.result() == [TextDeltaChunk("a")]


async def failing() -> AsyncIterator[AssistantStreamChunk]:
    yield TextDeltaChunk("a")
    raise ValueError("inner")


def failing_stream() -> Any:
    def run(controller: RunController) -> None:
        controller.append_text("a")
        raise ValueError("inner")

    return create_run(run)


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("source", [failing, failing_stream])
def test_a_failing_source_fails_the_run_and_is_reported_once(source: Any, kind: str, reader: str) -> None:
    def run(controller: RunController) -> None:
        controller.add_stream(source())

    async def run_async(controller: RunController) -> None:
        controller.add_stream(source())

    got = collect_with(reader, run if kind == "def" else run_async)
    assert str(got.error) == "inner"
    assert got.chunks == [TextDeltaChunk("a"), ErrorChunk("inner")]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_failing_source_can_be_caught(kind: str) -> None:
    def run(controller: RunController) -> None:
        try:
            controller.add_stream(failing_stream())
        except ValueError:
            controller.append_text("caught")

    async def run_async(controller: RunController) -> None:
        try:
            await controller.add_stream(failing_stream())
        except ValueError:
            controller.append_text("caught")

    chunks = list(create_run(run if kind == "def" else run_async))
    assert chunks == [TextDeltaChunk("a"), TextDeltaChunk("caught")]


def test_an_error_chunk_in_the_middle_is_kept() -> None:
    source = [ErrorChunk("noted"), TextDeltaChunk("on"), ErrorChunk("last")]
    assert list(create_run(lambda controller: controller.add_stream(source))) == source


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_cancelling_the_outer_stream_cancels_the_inner_one(kind: str) -> None:
    inner_ended = threading.Event()

    def inner(controller: RunController) -> None:
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)

    def make_inner() -> Any:
        return create_run(inner, on_finish=lambda result: inner_ended.set())

    def run(controller: RunController) -> None:
        controller.add_stream(make_inner())

    async def run_async(controller: RunController) -> None:
        await controller.add_stream(make_inner())

    with create_run(run if kind == "def" else run_async) as stream:
        assert next(iter(stream)) == TextDeltaChunk("a")
    assert inner_ended.wait(10)


def test_the_parent_of_the_controller_is_given_to_chunks_without_one() -> None:
    def run(controller: RunController) -> None:
        controller.with_parent_id("group").add_stream([TextDeltaChunk("a"), TextDeltaChunk("b", "own")])

    assert list(create_run(run)) == [TextDeltaChunk("a", "group"), TextDeltaChunk("b", "own")]


def test_every_chunk_can_be_forwarded_and_state_is_applied() -> None:
    states: list[Any] = []

    def run(controller: RunController) -> None:
        controller.add_stream(list(EXAMPLES.values()))
        states.append(controller.state.value())

    chunks = list(create_run(run, state={}))
    # The step's end closes arguments, and the result comes before it here: nothing is added or lost.
    assert chunks == list(EXAMPLES.values())
    assert states == [{"a": 1}]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (5, "stream must be an iterable of chunks, not int"),
        (["text"], "must yield chunks, not str"),
        ([TextDeltaChunk(5)], "text must be a str, not int"),  # type: ignore[arg-type]
        ([ToolResultChunk("id", object())], "result is not JSON"),
        ([UpdateStateChunk([{"type": "set", "path": ["a"], "value": object()}])], r"state\.a is not JSON"),
    ],
)
def test_an_item_that_is_not_a_chunk_is_rejected(source: Any, message: str) -> None:
    def run(controller: RunController) -> None:
        with pytest.raises(TypeError, match=message):
            controller.add_stream(source)

    assert list(create_run(run, state={})) == []


def test_an_outer_run_that_forwards_a_coroutine_ends_within_its_grace() -> None:
    reasons: list[str] = []

    async def inner(controller: RunController) -> None:
        controller.append_text("a")
        await asyncio.sleep(30)

    def run(controller: RunController) -> None:
        controller.add_stream(create_run(inner))

    with create_run(run, on_finish=lambda result: reasons.append(result.reason)) as stream:
        next(iter(stream))
    assert reasons == ["cancelled"]


def test_a_call_id_that_the_run_has_already_is_replaced() -> None:
    answer = [
        ToolCallBeginChunk("call_0", "f"),
        ToolCallDeltaChunk("call_0", "{}", is_final=True),
        ToolResultChunk("call_0", 1),
    ]

    def run(controller: RunController) -> None:
        controller.add_stream(answer)
        controller.add_stream(answer)
        # The result of a call of an earlier message keeps its id.
        controller.add_stream([ToolResultChunk("old", 2)])

    chunks: list[Any] = list(create_run(run))
    second = chunks[3].tool_call_id
    assert second != "call_0"
    assert chunks == [*answer, *(msgspec.structs.replace(one, tool_call_id=second) for one in answer), chunks[-1]]
    assert chunks[-1] == ToolResultChunk("old", 2)


def test_a_call_that_one_source_begins_twice_is_an_error() -> None:
    with pytest.raises(ToolCallError, match="exists already"):
        list(create_run(lambda controller: controller.add_stream([ToolCallBeginChunk("a", "f")] * 2)))
