"""The registry of the formats, and detection of the format of a response."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from assistant_stream_ce.jsonvalue import JSON, loads
from assistant_stream_ce.serialization.ag_ui.decoder import AGUIDecoder
from assistant_stream_ce.serialization.ag_ui.encoder import AGUIEncoder
from assistant_stream_ce.serialization.ag_ui.validator import AGUIValidator
from assistant_stream_ce.serialization.assistant_transport import (
    AssistantTransportDecoder,
    AssistantTransportEncoder,
    AssistantTransportValidator,
)
from assistant_stream_ce.serialization.data_stream import DataStreamDecoder, DataStreamEncoder, DataStreamValidator
from assistant_stream_ce.serialization.decoder import MAX_FRAME_BYTES, Decoder
from assistant_stream_ce.serialization.encoder import Encoder
from assistant_stream_ce.serialization.framing import EVENT_STREAM, EventReader, Frame, FrameError, LineReader
from assistant_stream_ce.serialization.openai_stream.decoder import OpenAIStreamDecoder
from assistant_stream_ce.serialization.openai_stream.encoder import OpenAIStreamEncoder
from assistant_stream_ce.serialization.openai_stream.validator import OpenAIStreamValidator
from assistant_stream_ce.serialization.plain_text import PlainTextDecoder, PlainTextEncoder
from assistant_stream_ce.serialization.ui_message_stream.decoder import UIMessageStreamDecoder
from assistant_stream_ce.serialization.ui_message_stream.encoder import UIMessageStreamEncoder
from assistant_stream_ce.serialization.ui_message_stream.validator import UIMessageStreamValidator
from assistant_stream_ce.serialization.validation import Validator


class Format(NamedTuple):
    """One format: its name, and the classes that write, read and validate it."""

    name: str
    encoder: type[Encoder]
    decoder: type[Decoder]
    validator: type[Validator] = Validator

    def reader(self, max_bytes: int) -> EventReader | LineReader | None:
        """Return a reader of the frames in a body; None for plain text, which has none.

        Args:
            max_bytes: the limit for a frame; 0 for any size.
        """
        if self.encoder.media_type == EVENT_STREAM:
            return EventReader(max_bytes)
        return None if self.validator is Validator else LineReader(max_bytes)


#: All formats, by name.
FORMATS: Mapping[str, Format] = {
    wire.name: wire
    for wire in (
        Format("data-stream", DataStreamEncoder, DataStreamDecoder, DataStreamValidator),
        Format(
            "assistant-transport", AssistantTransportEncoder, AssistantTransportDecoder, AssistantTransportValidator
        ),
        Format("openai", OpenAIStreamEncoder, OpenAIStreamDecoder, OpenAIStreamValidator),
        Format("ui-message-stream", UIMessageStreamEncoder, UIMessageStreamDecoder, UIMessageStreamValidator),
        Format("ag-ui", AGUIEncoder, AGUIDecoder, AGUIValidator),
        Format("plain-text", PlainTextEncoder, PlainTextDecoder),
    )
}


# How the first line begins: as a field of a server-sent event, as a frame of the data stream, or as neither so far.
_EVENT = re.compile(rb"(data|event|id|retry)?:")
_FRAME = re.compile(rb'([02389a-k]|aui-[a-z-]{1,40}):[ \t]*["\[{]')
_UNDECIDED = re.compile(rb"[0-9a-z-]{0,44}(:[ \t]*)?|\xef\xbb?")

# The types that the assistant transport shares with the UI message stream are told apart by a field.
_TRANSPORT_TYPES = frozenset(
    {
        "part-start",
        "part-finish",
        "tool-call-args-text-finish",
        "result",
        "annotations",
        "data",
        "step-start",
        "step-finish",
        "message-finish",
        "update-state",
    }
)
_UI_TYPE = re.compile(
    r"start|finish|abort|file|custom|(start|finish|reset)-step|steering-message|message-metadata"
    r"|(text|reasoning|tool|source|data)-.+"
)
_AG_UI_TYPE = re.compile(r"[A-Z]+(_[A-Z]+)*")

# What a stream of events is called of which none was telling.
_UNTOLD = "assistant-transport"


def format_of_headers(headers: Mapping[str, str]) -> str | None:
    """Return the name of the wire that a response's headers tell; None where they do not.

    Args:
        headers: with names in lower case.
    """
    for name, wire in FORMATS.items():
        marks = wire.encoder.headers
        if marks and all(headers.get(mark, "").strip() == value for mark, value in marks.items()):
            return name
    return None


class FormatDetector:
    """Tells the wire of one response from the beginning of its body. Not for several threads at once.

    It decides as early as it can, so that a quiet stream is not held back, and needs no more bytes than one frame may
    have.
    """

    def __init__(self) -> None:
        self._events: EventReader | None = None
        self._start = b""
        self._bytes_left = MAX_FRAME_BYTES
        self._wire: str | None = None

    def feed(self, data: bytes) -> str | None:
        """Return the wire's name, or None while more bytes are needed to tell it."""
        if self._wire is not None:
            return self._wire
        self._bytes_left -= len(data)
        if self._events is None:
            data = self._start = self._start + data
            self._take_line(data)
        if self._events is not None:
            self._take_events(self._events, data)
        return self.close() if self._bytes_left < 0 else self._wire

    def close(self) -> str:
        """Return the wire's name; the stream has ended, and what is still open is decided."""
        if self._wire is None and self._events is not None:
            rest = self._events.rest()
            self._wire = (rest and _wire_of_event(rest)) or _UNTOLD
        return self._wire or "plain-text"

    def _take_line(self, start: bytes) -> None:
        line = start.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
        if _EVENT.match(line):
            self._events = EventReader(MAX_FRAME_BYTES)
        elif _FRAME.match(line):
            self._wire = "data-stream"
        elif not _UNDECIDED.fullmatch(line):
            self._wire = "plain-text"

    def _take_events(self, events: EventReader, data: bytes) -> None:
        try:
            # To its end, also behind the event that tells.
            for frame in events.feed(data):
                self._wire = self._wire or _wire_of_event(frame)
        except FrameError:
            self._wire = _UNTOLD


def _wire_of_event(frame: Frame) -> str | None:
    try:
        value: JSON = loads(frame.data.decode(errors="replace"))
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    kind = value.get("type")
    if "choices" in value or "object" in value or (kind is None and "error" in value):
        return "openai"
    if not isinstance(kind, str):
        return None
    if kind in _TRANSPORT_TYPES or (kind == "text-delta" and "textDelta" in value):
        return "assistant-transport"
    if kind == "error":
        return "ui-message-stream" if "errorText" in value else "assistant-transport"
    if _AG_UI_TYPE.fullmatch(kind):
        return "ag-ui"
    return "ui-message-stream" if _UI_TYPE.fullmatch(kind) else None
