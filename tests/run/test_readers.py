"""A stream is a sync and async iterator: read once, by one reader at a time, and with `peek`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from assistant_stream_ce import (
    ErrorChunk,
    RunController,
    StreamUsageError,
    TextDeltaChunk,
    create_run,
)
from assistant_stream_ce.responses.starlette import DataStreamResponse
from assistant_stream_ce.serialization import DataStreamEncoder
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind, collect_with, read

ABC = [TextDeltaChunk("a"), TextDeltaChunk("b"), TextDeltaChunk("c")]


def say_abc(controller: RunController) -> None:
    for chunk in ABC:
        controller.append_text(chunk.text_delta)


def in_world(reader: str, work: Callable[[], Iterator[Any]], work_async: Callable[[], Any]) -> list[Any]:
    return list(work()) if reader == "for" else asyncio.run(work_async())


# --- an iterator ---


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_next_reads_chunk_by_chunk(kind: str) -> None:
    stream = create_run(as_kind(kind, say_abc))
    assert iter(stream) is not None
    assert [next(stream), next(stream), next(stream)] == ABC
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(stream)


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
async def test_anext_reads_chunk_by_chunk(kind: str) -> None:
    stream = create_run(as_kind(kind, say_abc))
    assert [await anext(stream), await anext(stream), await anext(stream)] == ABC
    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_next_in_a_running_loop_names_anext() -> None:
    stream = create_run(say_abc)
    with pytest.raises(StreamUsageError, match="anext"):
        next(stream)
    assert await anext(stream) == ABC[0]
    await stream.aclose()


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_second_loop_continues_where_the_first_one_stopped(kind: str, reader: str) -> None:
    stream = create_run(as_kind(kind, say_abc))
    parts: list[list[Any]] = [[], []]

    async def read_twice() -> None:
        async for chunk in stream:
            parts[0].append(chunk)
            break
        async for chunk in stream:
            parts[1].append(chunk)

    if reader == "async for":
        asyncio.run(read_twice())
    else:
        for chunk in stream:
            parts[0].append(chunk)
            break
        parts[1].extend(stream)
    assert parts == [ABC[:1], ABC[1:]]


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_an_encoder_continues_after_next(kind: str, reader: str) -> None:
    stream = create_run(as_kind(kind, say_abc))

    async def encode() -> bytes:
        await anext(stream)
        return b"".join([data async for data in DataStreamEncoder().encode_stream(stream)])

    if reader == "async for":
        data = asyncio.run(encode())
    else:
        next(stream)
        data = b"".join(DataStreamEncoder().encode_stream(stream))
    assert data == b'0:"b"\n0:"c"\n'


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_stream_may_be_started_sync_and_read_async_and_vice_versa(kind: str) -> None:
    stream = create_run(as_kind(kind, say_abc))
    assert next(stream) == ABC[0]
    assert read("async for", stream) == ABC[1:]


@pytest.mark.parametrize("how", ["loop", "encoder", "response"])
@pytest.mark.parametrize("reader", READER_KINDS)
def test_a_stream_that_was_read_to_its_end_cannot_be_read_again(reader: str, how: str) -> None:
    stream = create_run(say_abc)
    assert read(reader, stream) == ABC
    again: dict[str, Callable[[], Any]] = {
        "loop": lambda: read(reader, stream),
        "encoder": lambda: DataStreamEncoder().encode_stream(stream),
        "response": lambda: DataStreamResponse(stream),
    }
    with pytest.raises(StreamUsageError, match="read already, to its end: call create_run again"):
        again[how]()


@pytest.mark.parametrize("reader", READER_KINDS)
def test_a_failed_stream_was_read_to_its_end_too(reader: str) -> None:
    def fail(controller: RunController) -> None:
        raise ValueError("boom")

    stream = create_run(fail)
    assert str(collect_with(reader, stream).error) == "boom"
    with pytest.raises(StreamUsageError, match="call create_run again"):
        read(reader, stream)


# --- one reader at a time ---


@pytest.mark.parametrize("share", ["one reader", "two readers", "the stream"])
def test_two_threads_cannot_wait_for_one_stream(share: str) -> None:
    def run(controller: RunController) -> None:
        controller.cancelled_event.wait_sync(30)

    stream = create_run(run)
    first = iter(stream) if share != "the stream" else stream
    second = iter(stream) if share == "two readers" else first
    ends: list[Any] = []

    def wait() -> None:
        ends.append(list(first) if share != "the stream" else next(stream, "end"))

    thread = threading.Thread(target=wait)
    thread.start()
    while stream._source.turn:
        threading.Event().wait(0.001)
    with pytest.raises(StreamUsageError, match="read it from one task or thread"):
        next(second)
    stream.close()
    thread.join(10)
    assert ends == [[] if share != "the stream" else "end"]


@pytest.mark.parametrize("share", ["one reader", "two readers", "the stream"])
async def test_two_tasks_cannot_wait_for_one_stream(share: str) -> None:
    async def run(controller: RunController) -> None:
        await controller.cancelled_event.wait()

    async with create_run(run) as stream:
        first = aiter(stream) if share != "the stream" else stream
        second = aiter(stream) if share == "two readers" else first
        waiting = asyncio.ensure_future(anext(first, None))
        await asyncio.sleep(0)
        with pytest.raises(StreamUsageError, match="read it from one task or thread"):
            await anext(second)
        stream.cancel()
        assert await waiting is None


# --- peeking ---


def peek_with(reader: str, stream: Any) -> Any:
    return stream.peek() if reader == "for" else asyncio.run(stream.apeek())


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_peek_returns_the_first_chunk_and_keeps_it(kind: str, reader: str) -> None:
    stream = create_run(as_kind(kind, say_abc))

    async def peek_and_read() -> list[Any]:
        assert [await stream.apeek(), await stream.apeek()] == [ABC[0], ABC[0]]
        return [chunk async for chunk in stream]

    if reader == "async for":
        assert asyncio.run(peek_and_read()) == ABC
    else:
        assert [stream.peek(), stream.peek()] == [ABC[0], ABC[0]]
        assert next(stream) == ABC[0]
        assert stream.peek() == ABC[1]
        assert list(stream) == ABC[1:]


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_peek_raises_what_the_callback_raised_before_any_chunk(kind: str, reader: str) -> None:
    error = ConnectionError("429: too many requests")

    def fail(controller: RunController) -> None:
        raise error

    stream = create_run(as_kind(kind, fail))
    for _ in range(2):
        with pytest.raises(ConnectionError) as raised:
            peek_with(reader, stream)
        assert raised.value is error
    run = collect_with(reader, stream)
    assert run.error is error
    assert run.chunks == [ErrorChunk("429: too many requests")]


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_peek_at_an_empty_stream_returns_none(kind: str, reader: str) -> None:
    stream = create_run(as_kind(kind, lambda controller: None))
    assert peek_with(reader, stream) is None
    assert read(reader, stream) == []
    assert peek_with(reader, stream) is None
    with pytest.raises(StreamUsageError, match="call create_run again"):
        read(reader, stream)


@pytest.mark.parametrize("reader", READER_KINDS)
def test_peek_keeps_an_exception_after_a_chunk(reader: str) -> None:
    def fail(controller: RunController) -> None:
        controller.append_text("a")
        raise ValueError("boom")

    stream = create_run(fail)
    assert peek_with(reader, stream) == TextDeltaChunk("a")
    assert collect_with(reader, stream).chunks == [TextDeltaChunk("a"), ErrorChunk("boom")]


async def test_peek_in_a_running_loop_names_apeek() -> None:
    with pytest.raises(StreamUsageError, match="apeek"):
        create_run(say_abc).peek()


async def test_a_response_chooses_its_status_by_the_first_chunk() -> None:
    async def run(controller: RunController) -> None:
        raise ConnectionError("too many requests")

    stream = create_run(run)
    response = DataStreamResponse(stream)
    with pytest.raises(ConnectionError):
        await stream.apeek()
    response.status_code = 429
    assert b"".join([data async for data in response.body_iterator]) == b'3:"too many requests"\n'  # type: ignore[misc]


# --- what a callback returns ---


@pytest.mark.parametrize("result", ["text", b"bytes", bytearray(b"bytes"), memoryview(b"bytes")])
@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_callback_that_returns_text_fails_with_a_hint(kind: str, reader: str, result: Any) -> None:
    async def run_async(controller: RunController) -> Any:
        return result

    run = collect_with(reader, run_async if kind == "async def" else lambda controller: result)
    assert type(run.error) is TypeError
    assert "controller.append_text" in str(run.error)
    assert [chunk.type for chunk in run.chunks] == ["error"]


@pytest.mark.parametrize("result", [None, 5, {"a": 1}, ["a"], True])
def test_a_callback_may_return_anything_else(result: Any) -> None:
    assert list(create_run(lambda controller: result)) == []
