"""Helpers for the tests of decoders: small streams of each format, and checks of invalid frames."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    DecodeError,
    MessageFinishChunk,
    TextDeltaChunk,
    ToolCallBeginChunk,
    ToolCallDeltaChunk,
)
from assistant_stream_ce.serialization import (
    AGUIDecoder,
    DataStreamDecoder,
    Decoder,
    OpenAIStreamDecoder,
    UIMessageStreamDecoder,
)
from tests.serialization.round_trips import WIRES

DECODERS = [decoder for _, decoder in WIRES.values()]
each_decoder = pytest.mark.parametrize("make_decoder", DECODERS)
# AG-UI's client takes another end of lines and of the stream than all others.
each_but_ag_ui = pytest.mark.parametrize(
    "make_decoder", [decoder for decoder in DECODERS if decoder is not AGUIDecoder]
)

BEGIN = ToolCallBeginChunk("1", "tool")
FINAL = ToolCallDeltaChunk("1", "", is_final=True)


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(fields: dict[str, Any], finish_reason: str | None = None) -> bytes:
    return event({"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]})


def hello(make_decoder: type[Decoder]) -> bytes:
    """Return the frames of a short text."""
    if make_decoder is DataStreamDecoder:
        return b'0:"hello"\n'
    if make_decoder is OpenAIStreamDecoder:
        return delta({"content": "hello"})
    if make_decoder is AGUIDecoder:
        return b"".join(map(event, (RUN_STARTED, *SAY_HELLO, RUN_FINISHED)))
    if make_decoder is UIMessageStreamDecoder:
        return event({"type": "text-start", "id": "1"}) + event({"type": "text-delta", "id": "1", "delta": "hello"})
    return event({"type": "part-start", "part": {"type": "text"}}) + event(
        {"type": "text-delta", "path": [0], "textDelta": "hello"}
    )


def frame(make_decoder: type[Decoder], data: bytes) -> bytes:
    """Return data as one frame."""
    return data + b"\n" if make_decoder is DataStreamDecoder else b"data: " + data + b"\n\n"


RUN_STARTED = {"type": "RUN_STARTED", "threadId": "t", "runId": "r"}
RUN_FINISHED = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}
SAY_HELLO = (
    {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"},
    {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "hello"},
    {"type": "TEXT_MESSAGE_END", "messageId": "m"},
)


STOP = delta({}, "stop")
STOPPED = MessageFinishChunk("stop")


def hello_chunks(
    make_decoder: type[Decoder], text: str = "hello", *, is_cut: bool = False
) -> list[AssistantStreamChunk]:
    """Return the chunks of `hello`, and of its end if the stream is cut there."""
    chunks: list[AssistantStreamChunk] = [TextDeltaChunk(text)]
    if is_cut and make_decoder is OpenAIStreamDecoder:
        return [*chunks, MessageFinishChunk("interrupted")]
    return [*chunks, STOPPED] if make_decoder is AGUIDecoder else chunks


def assert_cannot_be_read(make_decoder: type[Decoder], data: bytes) -> None:
    """Hold that a frame is left out, or raises in strict mode after what was before it."""
    before, bad = hello(make_decoder), frame(make_decoder, data)
    lenient = make_decoder()
    assert lenient.feed(before + bad + before)[: 2 * len(hello_chunks(make_decoder))] == hello_chunks(make_decoder) * 2
    assert lenient.skipped == 1

    strict = make_decoder(strict=True)
    with pytest.raises(DecodeError) as raised:
        strict.feed(before + bad + before)
    error = raised.value
    assert error.chunks == hello_chunks(make_decoder)
    assert error.offset == len(before)
    assert error.reason
    assert error.frame.removesuffix("...") in data.decode()
    assert len(error.frame) <= 103
    for again in (lambda: strict.feed(b""), strict.close):
        with pytest.raises(DecodeError) as raised:
            again()
        assert (raised.value.offset, raised.value.reason, raised.value.chunks) == (error.offset, error.reason, [])
