"""`decode`: the bytes of a response as chunks, with `for` and `async for`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    DecodeError,
    ErrorChunk,
    RunController,
    StreamUsageError,
    TextDeltaChunk,
    create_run,
)
from assistant_stream_ce.responses.wsgi import AssistantStreamResponse
from assistant_stream_ce.serialization import (
    DataStreamDecoder,
    DataStreamEncoder,
    Decoder,
    OpenAIStreamDecoder,
    decode,
)
from tests.serialization.decoding import STOP, STOPPED
from tests.support.kinds import CALLBACK_KINDS

BROKEN = [b'0:"a"\n0:"', b'b"\nbroken\n0:"c"\n']


def test_decode_yields_what_was_before_an_error() -> None:
    chunks: list[AssistantStreamChunk] = []
    with pytest.raises(DecodeError):
        for chunk in decode(BROKEN, DataStreamDecoder(strict=True)):
            chunks.append(chunk)
    assert chunks == [TextDeltaChunk("a"), TextDeltaChunk("b")]
    assert list(decode(BROKEN, DataStreamDecoder())) == [*chunks, TextDeltaChunk("c")]


async def test_decode_async() -> None:
    closed = []

    async def source() -> AsyncIterator[bytes]:
        try:
            for data in BROKEN:
                yield data
        finally:
            closed.append(True)

    chunks: list[AssistantStreamChunk] = []
    with pytest.raises(DecodeError):
        async for chunk in decode(source(), DataStreamDecoder(strict=True)):
            chunks.append(chunk)
    assert chunks == [TextDeltaChunk("a"), TextDeltaChunk("b")]
    assert closed
    chunks = [chunk async for chunk in decode(source(), DataStreamDecoder())]
    assert chunks == [TextDeltaChunk("a"), TextDeltaChunk("b"), TextDeltaChunk("c")]


def test_an_encoder_is_for_one_stream() -> None:
    encoder = DataStreamEncoder()
    with pytest.raises(TypeError):
        encoder.encode_stream(None)  # type: ignore[arg-type]
    first = encoder.encode_stream(create_run(lambda controller: controller.append_text("a")))
    with create_run(lambda controller: controller.append_text("b")) as second:
        with pytest.raises(StreamUsageError, match="an encoder encodes one stream"):
            encoder.encode_stream(second)
        with pytest.raises(StreamUsageError):
            AssistantStreamResponse(second, encoder)
        assert b"".join(first) == b'0:"a"\n'
        assert b"".join(DataStreamEncoder().encode_stream(second)) == b'0:"b"\n'


@pytest.mark.parametrize("make_decoder", [OpenAIStreamDecoder])
async def test_decode_yields_what_the_end_completes(make_decoder: type[Decoder]) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield STOP

    assert list(decode([STOP], make_decoder())) == [STOPPED]
    assert [chunk async for chunk in decode(source(), make_decoder())] == [STOPPED]


def test_decode_closes_the_source_when_it_is_closed_early() -> None:
    closed = []

    def source() -> Iterator[bytes]:
        try:
            while True:
                yield b'0:"a"\n'
        finally:
            closed.append(True)

    chunks = decode(source(), DataStreamDecoder())
    assert next(chunks) == TextDeltaChunk("a")
    chunks.close()
    assert closed


def test_decode_reads_what_is_both_with_for() -> None:
    encoded = DataStreamEncoder().encode_stream(create_run(lambda controller: controller.append_text("a")))
    assert list(decode(encoded, DataStreamDecoder())) == [TextDeltaChunk("a")]


async def test_decode_with_a_used_decoder_closes_the_source() -> None:
    used = DataStreamDecoder()
    used.close()
    closed = []

    class Response:
        """As that of an HTTP client: its iterator does not close it."""

        def __iter__(self) -> Iterator[bytes]:
            return iter([STOP])

        def close(self) -> None:
            closed.append("close")

    class AsyncResponse:
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield STOP

        async def aclose(self) -> None:
            closed.append("aclose")

    with pytest.raises(StreamUsageError, match="the decoder was closed"):
        list(decode(Response(), used))
    with pytest.raises(StreamUsageError, match="the decoder was closed"):
        await anext(decode(AsyncResponse(), used))
    assert closed == ["close", "aclose"]


def test_decode_leaves_an_error_of_the_source_as_it_is() -> None:
    # As of a proxy behind this one: its chunks have come already.
    def source() -> Iterator[bytes]:
        yield b'0:"a"\n'
        raise DecodeError("it is odd", 0, "", [TextDeltaChunk("a")])

    chunks: list[AssistantStreamChunk] = []
    with pytest.raises(DecodeError):
        for chunk in decode(source(), DataStreamDecoder()):
            chunks.append(chunk)
    assert chunks == [TextDeltaChunk("a")]


def test_decode_fails_a_run_with_the_source() -> None:
    def source() -> Iterator[bytes]:
        yield b'0:"a"\n'
        raise ConnectionError("lost")

    def run(controller: RunController) -> None:
        controller.add_stream(decode(source(), DataStreamDecoder()))

    chunks: list[AssistantStreamChunk] = []
    with pytest.raises(ConnectionError):
        for chunk in create_run(run):
            chunks.append(chunk)
    assert chunks == [TextDeltaChunk("a"), ErrorChunk("lost")]


@pytest.mark.parametrize("source", [b"0:", "0:", None, 5])
def test_decode_wants_an_iterable_of_bytes(source: Any) -> None:
    with pytest.raises(TypeError, match="iterable of bytes"):
        decode(source, DataStreamDecoder())


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
async def test_encoded_bytes_close_their_stream_as_a_context_manager(kind: str) -> None:
    def run(controller: RunController) -> None:
        while True:
            controller.append_text("a")

    async def run_async(controller: RunController) -> None:
        while True:
            controller.append_text("a")
            await controller.drain()

    for is_read in (True, False):
        stream = create_run(run if kind == "def" else run_async)
        encoded = DataStreamEncoder().encode_stream(stream)
        async with encoded:
            assert not is_read or b'0:"a"' in await anext(encoded)
        assert stream.reason == "cancelled"
        assert [data async for data in encoded] == []
