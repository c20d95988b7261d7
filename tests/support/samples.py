"""Real bytes for the inspector: random conversations on each wire."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

from assistant_stream_ce import create_run
from assistant_stream_ce.serialization import AGUIEncoder, Encoder, OpenAIStreamEncoder, UIMessageStreamEncoder
from assistant_stream_ce.serialization.formats import FORMATS
from tests.support.conversations import Conversation, ModelError, perform


def encoder(wire: str, state: Any = None) -> Encoder:
    """Return an encoder that writes the same bytes each time."""
    match wire:
        case "openai":
            return OpenAIStreamEncoder(include_usage=True, completion_id="chatcmpl-1")
        case "ag-ui":
            return AGUIEncoder("thread", "run", state=state)
        case "ui-message-stream":
            return UIMessageStreamEncoder(state=state)
    return FORMATS[wire].encoder()


def encoded(talk: Conversation, wire: str) -> bytes:
    """Return the bytes of a conversation."""
    stream = create_run(functools.partial(perform, talk), state=talk.state)
    pieces: list[bytes] = []
    # It comes after the finished wire.
    with contextlib.suppress(ModelError):
        pieces.extend(encoder(wire, talk.state).encode_stream(stream))
    return b"".join(pieces)
