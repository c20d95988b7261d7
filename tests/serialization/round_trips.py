"""What must arrive of chunks that are encoded and decoded: the table of docs/decoding.rst, as a program."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from assistant_stream_ce import (
    AssistantStreamChunk,
    ErrorChunk,
    MessageFinishChunk,
    ReasoningDeltaChunk,
    StepFinishChunk,
    TextDeltaChunk,
    ToolCallBeginChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
)
from assistant_stream_ce.serialization import (
    AssistantTransportDecoder,
    AssistantTransportEncoder,
    DataStreamDecoder,
    DataStreamEncoder,
    Decoder,
    Encoder,
    OpenAIStreamDecoder,
    OpenAIStreamEncoder,
)
from tests.conformance.conversations import joined, made_safe


def openai_encoder() -> Encoder:
    """Return an encoder of OpenAI's format that tells the usage."""
    return OpenAIStreamEncoder(include_usage=True, completion_id="chatcmpl-1")


WIRES: dict[str, tuple[Any, type[Decoder]]] = {
    "data-stream": (DataStreamEncoder, DataStreamDecoder),
    "assistant-transport": (AssistantTransportEncoder, AssistantTransportDecoder),
    "openai": (openai_encoder, OpenAIStreamDecoder),
}


def encoded(encoder: Encoder, chunks: Iterable[AssistantStreamChunk]) -> bytes:
    """Return the bytes of a whole stream."""
    return b"".join(map(encoder.encode, chunks)) + encoder.finish()


def decoded(decoder: Decoder, pieces: Iterable[bytes]) -> list[AssistantStreamChunk]:
    """Return the chunks of a whole stream that comes in pieces."""
    found = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    return found + decoder.close()


def byte_by_byte(data: bytes) -> list[bytes]:
    """Cut at every byte."""
    return [data[at : at + 1] for at in range(len(data))]


def cut(data: bytes, seed: int) -> list[bytes]:
    """Cut anywhere, also in empty pieces."""
    dice = random.Random(seed)
    places = sorted(dice.randrange(len(data) + 1) for _ in range(dice.randrange(1, 60)))
    return [data[start:stop] for start, stop in zip([0, *places], [*places, len(data)], strict=True)]


def same(value: Any) -> Any:
    """Return a value as it is compared: halves of surrogate pairs side by side are one character."""
    match value:
        case str():
            return joined(value)
        case dict():
            return {joined(key): same(item) for key, item in value.items()}
        case list():
            return [same(item) for item in value]
        case msgspec.Struct():
            return type(value)(*map(same, msgspec.structs.astuple(value)))
        case _:
            return value


@dataclass
class _Call:
    has_args: bool = False
    is_open: bool = True
    has_result: bool = False


class _Arrival:
    """Follows the calls of one stream."""

    def __init__(self, wire: str) -> None:
        self.wire = wire
        self.calls: dict[str, _Call] = {}

    def known(self, call_id: str) -> Iterator[AssistantStreamChunk]:
        if call_id not in self.calls:
            yield from self.begin(ToolCallBeginChunk(call_id, "unknown"))

    def begin(self, chunk: ToolCallBeginChunk) -> Iterator[AssistantStreamChunk]:
        if chunk.tool_call_id not in self.calls:
            self.calls[chunk.tool_call_id] = _Call()
            yield chunk

    def delta(self, chunk: ToolCallDeltaChunk) -> Iterator[AssistantStreamChunk]:
        yield from self.known(chunk.tool_call_id)
        call = self.calls[chunk.tool_call_id]
        if call.is_open:
            if chunk.args_text_delta:
                call.has_args = True
                yield ToolCallDeltaChunk(chunk.tool_call_id, chunk.args_text_delta)
            if chunk.is_final:
                yield from self.close(chunk.tool_call_id)

    def close(self, call_id: str) -> Iterator[AssistantStreamChunk]:
        call = self.calls[call_id]
        if not call.is_open:
            return
        call.is_open = False
        text = "" if call.has_args else "{}"
        if self.wire == "data-stream":
            yield ToolCallDeltaChunk(call_id, text, is_final=True)
            return
        if text:
            yield ToolCallDeltaChunk(call_id, text)
        if self.wire == "assistant-transport":
            yield ToolCallDeltaChunk(call_id, "", is_final=True)

    def close_all(self) -> Iterator[AssistantStreamChunk]:
        for call_id in self.calls:
            yield from self.close(call_id)


def arrived(wire: str, sent: Iterable[AssistantStreamChunk]) -> list[AssistantStreamChunk]:
    """Return the chunks that must arrive of what was sent on a wire."""
    chunks = _openai(sent) if wire == "openai" else _assistant_ui(_Arrival(wire), sent)
    return [same(type(chunk)(*map(made_safe, msgspec.structs.astuple(chunk)))) for chunk in chunks]


def _assistant_ui(arrival: _Arrival, sent: Iterable[AssistantStreamChunk]) -> Iterator[AssistantStreamChunk]:
    for chunk in sent:
        match chunk:
            case ToolCallBeginChunk():
                yield from arrival.begin(chunk)
            case ToolCallDeltaChunk():
                yield from arrival.delta(chunk)
            case ToolResultChunk(tool_call_id=call_id):
                yield from arrival.known(call_id)
                call = arrival.calls[call_id]
                if arrival.wire == "assistant-transport":
                    yield from arrival.close(call_id)
                if not call.has_result:
                    call.is_open, call.has_result = False, True
                    yield chunk
            case StepFinishChunk() | MessageFinishChunk():
                yield from arrival.close_all()
                yield chunk
            case _:
                yield chunk
    yield from arrival.close_all()


def _openai(sent: Iterable[AssistantStreamChunk]) -> Iterator[AssistantStreamChunk]:
    arrival = _Arrival("openai")
    finish: MessageFinishChunk | None = None
    usage = [0, 0]
    for chunk in sent:
        match chunk:
            case TextDeltaChunk(text_delta=text) if text:
                yield TextDeltaChunk(text)
            case ReasoningDeltaChunk(reasoning_delta=text) if text:
                yield ReasoningDeltaChunk(text)
            case ToolCallBeginChunk():
                yield from arrival.begin(ToolCallBeginChunk(chunk.tool_call_id, chunk.tool_name))
            case ToolCallDeltaChunk():
                yield from arrival.delta(chunk)
            case ToolResultChunk(tool_call_id=call_id) if call_id in arrival.calls:
                arrival.calls[call_id].has_result = True
                yield from arrival.close(call_id)
            case StepFinishChunk():
                yield from arrival.close_all()
                usage = [usage[0] + chunk.input_tokens, usage[1] + chunk.output_tokens]
            case MessageFinishChunk():
                yield from arrival.close_all()
                finish = chunk
            case ErrorChunk(error=text):
                yield ErrorChunk(text or "Something went wrong.")
                return
    yield from arrival.close_all()
    for call_id in arrival.calls:
        yield ToolCallDeltaChunk(call_id, "", is_final=True)
    reason = "tool-calls" if any(not call.has_result for call in arrival.calls.values()) else "stop"
    if finish is not None:
        reason = finish.finish_reason
        if reason not in ("length", "tool-calls", "content-filter"):
            reason = "stop"
        if finish.input_tokens or finish.output_tokens:
            usage = [finish.input_tokens, finish.output_tokens]
    yield MessageFinishChunk(reason, *usage)
