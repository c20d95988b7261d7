"""Encode and decode whole streams, in pieces of any size."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from assistant_stream_ce import (
    AssistantStreamChunk,
)
from assistant_stream_ce.serialization import (
    AGUIDecoder,
    AGUIEncoder,
    AssistantTransportDecoder,
    AssistantTransportEncoder,
    DataStreamDecoder,
    DataStreamEncoder,
    Decoder,
    Encoder,
    OpenAIStreamDecoder,
    OpenAIStreamEncoder,
    UIMessageStreamDecoder,
    UIMessageStreamEncoder,
)


def openai_encoder() -> Encoder:
    """Return an encoder of OpenAI's format that sends the usage."""
    return OpenAIStreamEncoder(include_usage=True, completion_id="chatcmpl-1")


def ag_ui_encoder(**options: Any) -> Encoder:
    """Return an encoder of AG-UI's events with ids that are always the same."""
    return AGUIEncoder("thread", "run", **options)


WIRES: dict[str, tuple[Any, type[Decoder]]] = {
    "data-stream": (DataStreamEncoder, DataStreamDecoder),
    "assistant-transport": (AssistantTransportEncoder, AssistantTransportDecoder),
    "openai": (openai_encoder, OpenAIStreamDecoder),
    "ui-message-stream": (UIMessageStreamEncoder, UIMessageStreamDecoder),
    "ag-ui": (ag_ui_encoder, AGUIDecoder),
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
