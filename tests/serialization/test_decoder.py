"""All decoders: invalid frames, the end of a stream, limits of size."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    AssistantStreamError,
    DataChunk,
    DataPartChunk,
    DecodeError,
    FileChunk,
    StepStartChunk,
    StreamUsageError,
    TextDeltaChunk,
)
from assistant_stream_ce.serialization import (
    AGUIDecoder,
    AssistantTransportDecoder,
    DataStreamDecoder,
    Decoder,
    OpenAIStreamDecoder,
    UIMessageStreamDecoder,
)
from assistant_stream_ce.serialization.decoder import MAX_FRAME_BYTES
from tests import conformance
from tests.serialization.decoding import (
    RUN_STARTED,
    each_but_ag_ui,
    each_decoder,
    event,
    hello,
    hello_chunks,
)
from tests.serialization.round_trips import byte_by_byte, decoded

GOOD_INPUTS = [
    pytest.param(make_decoder, path, id=path.stem)
    for protocol, make_decoder in (
        ("data-stream", DataStreamDecoder),
        ("ai-sdk-v4-data-stream", DataStreamDecoder),
        ("assistant-transport", AssistantTransportDecoder),
        ("openai-chat", OpenAIStreamDecoder),
        ("ui-message-stream", UIMessageStreamDecoder),
        ("ai-sdk-ui", UIMessageStreamDecoder),
        ("ai-sdk-ui-v6", UIMessageStreamDecoder),
        ("ai-sdk-ui-v5", UIMessageStreamDecoder),
        ("ag-ui", AGUIDecoder),
    )
    for path in sorted((Path(conformance.__file__).parent / "inputs" / "good").glob(f"{protocol}--*.txt"))
]


@pytest.mark.parametrize(("make_decoder", "path"), GOOD_INPUTS)
def test_frames_that_clients_accept_are_read(make_decoder: type[Decoder], path: Path) -> None:
    data = path.read_bytes()
    decoder = make_decoder(strict=True)
    chunks = decoded(decoder, [data])
    assert chunks
    assert decoder.skipped == 0
    assert decoded(make_decoder(strict=True), byte_by_byte(data)) == chunks


def test_decode_error_is_of_the_library_and_a_value_error() -> None:
    error = DecodeError("it is odd", 1234, "0:", [])
    assert isinstance(error, AssistantStreamError)
    assert isinstance(error, ValueError)
    assert str(error) == "cannot decode the frame at byte 1,234, '0:': it is odd"


@each_decoder
def test_bytes_that_are_no_utf_8(make_decoder: type[Decoder]) -> None:
    data = hello(make_decoder).replace(b"hello", b"h\xff\xed\xa0\x80")
    assert make_decoder().feed(data) == hello_chunks(make_decoder, "h\ufffd\ufffd\ufffd\ufffd")
    with pytest.raises(DecodeError, match="utf-8"):
        make_decoder(strict=True).feed(data)


@each_decoder
def test_halves_of_surrogate_pairs_are_kept(make_decoder: type[Decoder]) -> None:
    data = hello(make_decoder).replace(b"hello", b"\\ud83d")
    assert make_decoder(strict=True).feed(data) == hello_chunks(make_decoder, "\ud83d")


@pytest.mark.parametrize(
    ("make_decoder", "data", "wanted"),
    [
        (DataStreamDecoder, b'f:{"messageId":"m","\\ud83d":1}\n', StepStartChunk("m")),
        (AssistantTransportDecoder, b'data: {"type":"step-start","messageId":"","\\ud83d":1}\n\n', StepStartChunk("")),
        (
            UIMessageStreamDecoder,
            b'data: {"type":"file","url":"u","mediaType":"m","providerMetadata":{"\\ud83d":{"\\ud83d":1}}}\n\n',
            FileChunk("u", "m"),
        ),
        (
            AGUIDecoder,
            event(RUN_STARTED) + b'data: {"type":"CUSTOM","name":"\\ud83d","value":"\\ud83d","\\ud83d":1}\n\n',
            DataPartChunk("\ud83d", "\ud83d"),
        ),
    ],
)  # fmt: skip
def test_keys_with_halves_of_surrogate_pairs(make_decoder: type[Decoder], data: bytes, wanted: Any) -> None:
    assert make_decoder(strict=True).feed(data) == [wanted]


@pytest.mark.parametrize(
    ("make_decoder", "data"),
    [
        (DataStreamDecoder, b'aui-state:[{"type":"\\ud83d","path":[],"value":1}]\n'),
        (UIMessageStreamDecoder, b'data: {"type":"finish","finishReason":"\\ud83d"}\n\n'),
        (AGUIDecoder, event(RUN_STARTED) + b'data: {"type":"TEXT_MESSAGE_START","messageId":"m","role":"\\ud83d"}\n\n'),
    ],
)
def test_words_with_halves_of_surrogate_pairs(make_decoder: type[Decoder], data: bytes) -> None:
    with pytest.raises(DecodeError):
        make_decoder(strict=True).feed(data)


def test_values_are_made_safe() -> None:
    data = b'2:[1e400,{"__proto__":1,"constructor":{"prototype":1},"a":1}]\n'
    assert DataStreamDecoder(strict=True).feed(data) == [DataChunk(None), DataChunk({"a": 1})]


# --- The end --------------------------------------------------------------------------------------


@each_but_ag_ui
def test_last_frame_without_its_end(make_decoder: type[Decoder]) -> None:
    data = hello(make_decoder).rstrip(b"\n")
    assert decoded(make_decoder(), [data]) == hello_chunks(make_decoder, is_cut=True)
    strict = make_decoder(strict=True)
    strict.feed(data)
    with pytest.raises(DecodeError, match="ended in the middle"):
        strict.close()
    cut_decoder = make_decoder()
    assert decoded(cut_decoder, [data[:-3]]) == hello_chunks(make_decoder, is_cut=True)[1:]
    assert cut_decoder.skipped == 1


@pytest.mark.parametrize("make_decoder", [AssistantTransportDecoder, OpenAIStreamDecoder, UIMessageStreamDecoder])
def test_missing_terminator(make_decoder: type[Decoder]) -> None:
    assert decoded(make_decoder(), [hello(make_decoder)]) == hello_chunks(make_decoder, is_cut=True)
    strict = make_decoder(strict=True)
    strict.feed(hello(make_decoder))
    with pytest.raises(DecodeError, match=r"\[DONE\]") as raised:
        strict.close()
    assert raised.value.offset == len(hello(make_decoder))


@pytest.mark.parametrize("make_decoder", [AssistantTransportDecoder, OpenAIStreamDecoder, UIMessageStreamDecoder])
def test_bytes_after_the_terminator_are_ignored(make_decoder: type[Decoder]) -> None:
    data = hello(make_decoder) + b"data: [DONE]\n\n"
    rest = b"data: nonsense\n\n" + b"x" * 100
    strict = make_decoder(strict=True, max_frame_bytes=90)
    assert strict.feed(data + rest) == hello_chunks(make_decoder)
    assert strict.feed(rest * 1000) == []
    assert strict.close() == []


@each_decoder
def test_empty_stream(make_decoder: type[Decoder]) -> None:
    assert decoded(make_decoder(), []) == []


@each_but_ag_ui
def test_after_close(make_decoder: type[Decoder]) -> None:
    decoder = make_decoder()
    decoder.feed(hello(make_decoder).rstrip(b"\n"))
    assert decoder.close() == hello_chunks(make_decoder, is_cut=True)
    assert decoder.close() == []
    with pytest.raises(StreamUsageError, match="was closed"):
        decoder.feed(b"")


# --- Size -----------------------------------------------------------------------------------------


@each_decoder
@pytest.mark.parametrize("piece_bytes", [1, 7, 10_000])
def test_frame_that_is_too_large(make_decoder: type[Decoder], piece_bytes: int) -> None:
    before = hello(make_decoder)
    data = before + b"data: " + b"x" * 5000
    decoder = make_decoder(max_frame_bytes=1000)
    chunks: list[AssistantStreamChunk] = []
    with pytest.raises(DecodeError, match="more than 1,000 bytes") as raised:
        for at in range(0, len(data), piece_bytes):
            chunks += decoder.feed(data[at : at + piece_bytes])
    assert chunks + raised.value.chunks == hello_chunks(make_decoder)
    assert raised.value.offset == len(before)
    assert raised.value.frame.startswith("data: xxx")


def test_event_of_many_lines_that_is_too_large() -> None:
    decoder = OpenAIStreamDecoder(max_frame_bytes=1000)
    with pytest.raises(DecodeError, match="more than 1,000 bytes"):
        for _ in range(1002):
            decoder.feed(b"data:\n")


@each_decoder
def test_frame_of_the_largest_size(make_decoder: type[Decoder]) -> None:
    data = hello(make_decoder)
    longest = max(map(len, data.splitlines()))
    assert decoded(make_decoder(max_frame_bytes=longest), byte_by_byte(data)) == hello_chunks(make_decoder, is_cut=True)
    with pytest.raises(DecodeError, match="more than"):
        decoded(make_decoder(max_frame_bytes=longest - 1), byte_by_byte(data))


@each_decoder
@pytest.mark.parametrize("unlimited", [0, None])
def test_no_limit(make_decoder: type[Decoder], unlimited: int | None) -> None:
    text = b"x" * (MAX_FRAME_BYTES + 1)
    data = hello(make_decoder).replace(b"hello", text)
    assert make_decoder(max_frame_bytes=unlimited).feed(data) == hello_chunks(make_decoder, text.decode())
    with pytest.raises(DecodeError, match="more than"):
        make_decoder().feed(data)


@each_decoder
def test_long_line_in_small_pieces(make_decoder: type[Decoder]) -> None:
    # Were it joined or searched anew with each of the 80,000 pieces, this would go over 200 GB of memory.
    data = hello(make_decoder).replace(b"hello", b"x" * 5_000_000)
    tracemalloc.start()
    try:
        chunks = decoded(make_decoder(), (data[at : at + 64] for at in range(0, len(data), 64)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert chunks == hello_chunks(make_decoder, "x" * 5_000_000, is_cut=True)
    assert peak < 8 * len(data)


@each_decoder
def test_a_long_stream_leaves_nothing(make_decoder: type[Decoder]) -> None:
    decoder = make_decoder()
    decoder.feed(hello(make_decoder) * 10)
    is_transport = make_decoder is AssistantTransportDecoder
    data = event({"type": "text-delta", "path": [0], "textDelta": "a"}) if is_transport else hello(make_decoder)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(500):
            decoder.feed(data * 10)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000


@pytest.mark.parametrize("size", ["1", 1.0, True])
def test_max_frame_bytes_of_a_wrong_type(size: Any) -> None:
    with pytest.raises(TypeError, match="max_frame_bytes must be an int or None"):
        DataStreamDecoder(max_frame_bytes=size)


def test_max_frame_bytes_below_zero() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        DataStreamDecoder(max_frame_bytes=-1)


@pytest.mark.parametrize("data", ["text", None, [1]])
def test_data_of_a_wrong_type(data: Any) -> None:
    with pytest.raises(TypeError, match="data must be bytes"):
        DataStreamDecoder().feed(data)


def test_other_kinds_of_bytes() -> None:
    decoder = DataStreamDecoder()
    assert decoder.feed(bytearray(b'0:"a"\n')) + decoder.feed(memoryview(b'0:"b"\n')) == [  # type: ignore[arg-type]
        TextDeltaChunk("a"),
        TextDeltaChunk("b"),
    ]
