"""The body of every response: complete, with heartbeats; exceptions of the callback are logged."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from assistant_stream_ce import RunController, TextDeltaChunk, create_run
from assistant_stream_ce.create_run import SyncReader
from assistant_stream_ce.responses.body import ResponseBody
from assistant_stream_ce.serialization import (
    AssistantTransportEncoder,
    DataStreamEncoder,
    OpenAIStreamEncoder,
    PlainTextEncoder,
    UIMessageStreamEncoder,
)
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind
from tests.support.require import counts_references


def read_bytes(reader: str, body: ResponseBody) -> list[bytes]:
    if reader == "for":
        return list(body)

    async def collect() -> list[bytes]:
        return [data async for data in body]

    return asyncio.run(collect())


def test_a_second_response_leaves_the_stream_to_the_first(caplog: pytest.LogCaptureFixture) -> None:
    """A stream that two requests share: the second one fails, in the log, and does not end the first one's answer."""
    proceed = threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        proceed.wait(30)
        controller.append_text("b")

    stream = create_run(run)
    first, second, third = (ResponseBody(stream, DataStreamEncoder(), True) for _ in range(3))
    assert next(first) == b'0:"a"\n'
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(next, first)
        while stream._source.turn:
            time.sleep(0.001)
        assert list(second) == []
        second.close()
        assert read_bytes("async for", third) == []
        asyncio.run(third.aclose())
        proceed.set()
        assert rest.result() == b'0:"b"\n'
    assert list(first) == []
    assert [record.getMessage() for record in caplog.records] == ["a response could not read its stream"] * 2
    assert stream.reason == "completed"


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_raising_callback_ends_the_body_and_is_logged_once(
    kind: str, reader: str, caplog: pytest.LogCaptureFixture
) -> None:
    def run(controller: RunController) -> None:
        controller.append_text("a")
        raise ValueError("boom")

    body = ResponseBody(create_run(as_kind(kind, run)), AssistantTransportEncoder(), True)
    data = b"".join(read_bytes(reader, body))
    assert b'"error":"boom"' in data
    assert data.endswith(b"data: [DONE]\n\n")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("assistant_stream_ce", logging.ERROR)
    assert record.exc_info is not None
    assert "controller.append_text" not in caplog.text
    assert 'raise ValueError("boom")' in caplog.text


@pytest.mark.parametrize("reader", READER_KINDS)
def test_a_chunk_that_cannot_be_encoded_is_logged_and_ends_the_body(
    reader: str, caplog: pytest.LogCaptureFixture
) -> None:
    chunks: Any = [TextDeltaChunk("good"), "no chunk", TextDeltaChunk("never read")]
    data = b"".join(read_bytes(reader, ResponseBody(chunks, AssistantTransportEncoder(), True)))
    assert data.index(b'"part-start"') < data.index(b'"good"') < data.index(b"Something went wrong.")
    assert data.index(b'"part-finish"') < data.index(b"data: [DONE]")
    assert data.endswith(b"data: [DONE]\n\n")
    (record,) = caplog.records
    assert "cannot be encoded" in record.getMessage()


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize("kind_of_exit", [KeyboardInterrupt, SystemExit])
def test_an_exit_passes_through(reader: str, kind_of_exit: type[BaseException]) -> None:
    def run(controller: RunController) -> None:
        raise kind_of_exit

    with pytest.raises(kind_of_exit):
        read_bytes(reader, ResponseBody(create_run(run), DataStreamEncoder(), True))


@pytest.mark.parametrize("reader", READER_KINDS)
@pytest.mark.parametrize(
    "encoder", [DataStreamEncoder, AssistantTransportEncoder, OpenAIStreamEncoder, UIMessageStreamEncoder]
)
def test_a_quiet_stream_beats(reader: str, encoder: Callable[[], Any]) -> None:
    beat, beaten = encoder().keepalive, threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        assert beaten.wait(10)
        controller.append_text("b")

    body = ResponseBody(create_run(run), encoder(), 0.02)

    def note(data: bytes, beats: list[bytes]) -> None:
        beats.append(data)
        if beats.count(beat) == 3:
            beaten.set()

    received: list[bytes] = []

    async def collect() -> None:
        async for data in body:
            note(data, received)

    if reader == "for":
        for data in body:
            note(data, received)
    else:
        asyncio.run(collect())
    assert received.count(beat) >= 3
    assert all(received)


@pytest.mark.parametrize("reader", READER_KINDS)
def test_a_format_without_a_keepalive_stays_quiet(reader: str) -> None:
    beaten = threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        assert beaten.wait(10)
        controller.append_text("b")

    class Noting(ResponseBody):
        def _encode(self, batch: Any) -> bytes:
            if batch == []:
                beaten.set()
            return super()._encode(batch)

    assert read_bytes(reader, Noting(create_run(run), PlainTextEncoder(), 0.01)) == [b"a", b"b"]


def test_a_thread_s_heartbeat_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that writes in another thread (waitress) needs the second to notice that the first failed."""
    waits: list[float | None] = []
    read = SyncReader.read

    def note(reader: SyncReader, timeout: float | None = None) -> Any:
        waits.append(timeout)
        return [] if len(waits) < 6 else read(reader)

    monkeypatch.setattr(SyncReader, "read", note)
    list(ResponseBody(create_run(lambda controller: None), DataStreamEncoder(), 15))
    assert waits == [15, 0.25, 15, 0.25, 15, 0.25]


async def test_the_heartbeat_s_timer_ends_with_the_stream() -> None:
    loop = asyncio.get_running_loop()
    scheduled: list[asyncio.TimerHandle] = []
    call_later = loop.call_later

    def note(delay: float, *arguments: Any, **options: Any) -> asyncio.TimerHandle:
        handle = call_later(delay, *arguments, **options)
        scheduled.append(handle)
        return handle

    loop.call_later = note  # type: ignore[method-assign]
    body = ResponseBody(create_run(lambda controller: controller.append_text("a")), DataStreamEncoder(), 30)
    assert b"".join([data async for data in body]) == b'0:"a"\n'
    assert len(scheduled) == 1
    assert scheduled[0].cancelled()


@counts_references
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("reader", READER_KINDS)
def test_nothing_is_left_of_a_failed_run_without_a_collection(
    kind: str, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest keeps what is logged, the exception included.
    monkeypatch.setattr(logging.getLogger("assistant_stream_ce"), "disabled", True)

    def run(controller: RunController) -> None:
        raise RuntimeError("on purpose")

    gc.disable()
    try:
        body = ResponseBody(create_run(as_kind(kind, run)), DataStreamEncoder(), True)
        read_bytes(reader, body)
        left = weakref.ref(body)
        del body
        assert left() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("reader", READER_KINDS)
def test_close_ends_the_wait_of_a_reader_elsewhere(reader: str) -> None:
    reading = threading.Event()

    def run(controller: RunController) -> None:
        reading.set()
        controller.cancelled_event.wait_sync(30)

    body = ResponseBody(create_run(run), DataStreamEncoder(), False)
    closer = threading.Thread(target=lambda: reading.wait(10) and body.close())
    closer.start()
    assert read_bytes(reader, body) == []
    closer.join()


def test_the_run_is_bound_where_the_response_is_created() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    bodies: list[ResponseBody] = []

    def view() -> None:
        variable.set("in the view")
        stream = create_run(lambda controller: controller.append_text(variable.get()))
        bodies.append(ResponseBody(stream, DataStreamEncoder(), True))

    contextvars.copy_context().run(view)
    assert b"".join(bodies[0]) == b'0:"in the view"\n'


@pytest.mark.parametrize("wrong", ["text", b"bytes", {"a": 1}, 5, None])
def test_a_value_that_is_not_a_stream_is_rejected_by_the_response(wrong: Any) -> None:
    with pytest.raises(TypeError, match="stream must be an AssistantStream or an iterable of chunks"):
        ResponseBody(wrong, DataStreamEncoder(), True)


def test_the_error_for_a_callback_in_place_of_a_stream_contains_the_fix() -> None:
    with pytest.raises(TypeError, match=r"did you mean create_run\(callback\)\?"):
        ResponseBody(lambda controller: None, DataStreamEncoder(), True)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [None, "data stream", DataStreamEncoder])
def test_a_value_that_is_not_an_encoder_is_rejected(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"encoder must be an Encoder, for example DataStreamEncoder\(\), not"):
        ResponseBody([], wrong, True)
