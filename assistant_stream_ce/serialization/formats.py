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
    """One format: its name, encoder, decoder and validator."""

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
    format.name: format
    for format in (
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


# The beginnings of a body: a field of a server-sent event, a frame of the data stream, or undecided so far.
_EVENT = re.compile(rb"(data|event|id|retry)?:")
_FRAME = re.compile(rb'([02389a-k]|aui-[a-z-]{1,40}):[ \t]*["\[{]')
_UNDECIDED = re.compile(rb"[0-9a-z-]{0,44}(:[ \t]*)?|\xef\xbb?")

# This many bytes are enough to decide between these.
_START_BYTES = 256

# The types that the assistant transport shares with the UI message stream are distinguished by a field.
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

# The name for events of which none was distinctive.
_DEFAULT = "assistant-transport"


def format_of_headers(headers: Mapping[str, str]) -> str | None:
    """Return the name of the format that the headers of a response declare; None if they do not.

    Args:
        headers: with names in lower case.
    """
    for name, format in FORMATS.items():
        marks = format.encoder.headers
        if marks and all(headers.get(mark, "").strip() == value for mark, value in marks.items()):
            return name
    return None


class FormatDetector:
    """Detects the format of one response from the beginning of its body. Not thread-safe.

    It decides as early as possible, so that a quiet stream is not delayed, and needs at most the bytes of one frame.
    """

    def __init__(self) -> None:
        self._events: EventReader | None = None
        # The first line, until the format is detected.
        self._start = b""
        self._bytes_left = MAX_FRAME_BYTES
        self._format: str | None = None

    def feed(self, data: bytes) -> str | None:
        """Return the name of the format, or None while more bytes are needed."""
        if self._format is not None:
            return self._format
        self._bytes_left -= len(data)
        if self._events is None:
            data = self._start = (self._start + data).removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
            self._read_start(data[:_START_BYTES])
        if self._events is not None:
            self._read_events(self._events, data)
        return self.close() if self._bytes_left < 0 else self._format

    def close(self) -> str:
        """Return the name of the format at the end of the stream."""
        if self._format is None and self._events is not None:
            rest = self._events.rest()
            self._format = (rest and _format_of_event(rest)) or _DEFAULT
        return self._format or "plain-text"

    def _read_start(self, start: bytes) -> None:
        if _EVENT.match(start):
            self._events = EventReader(MAX_FRAME_BYTES)
        elif _FRAME.match(start):
            self._format = "data-stream"
        elif len(start) == _START_BYTES or not _UNDECIDED.fullmatch(start):
            self._format = "plain-text"

    def _read_events(self, events: EventReader, data: bytes) -> None:
        try:
            # Read to the end, also after the event that decides.
            for frame in events.feed(data):
                self._format = self._format or _format_of_event(frame)
        except FrameError:
            self._format = self._format or _DEFAULT


def _format_of_event(frame: Frame) -> str | None:
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
