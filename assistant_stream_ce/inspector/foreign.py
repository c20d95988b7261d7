"""Detection of streams of other APIs, whose formats this library does not support."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from assistant_stream_ce.jsonvalue import JSON, loads
from assistant_stream_ce.serialization.decoder import MAX_FRAME_BYTES
from assistant_stream_ce.serialization.framing import EventReader, Frame, FrameError, LineReader

# APIs by the `type` of an event, or its beginning.
_TYPES = {
    "message_start": "Anthropic's Messages API",
    "content_block_": "Anthropic's Messages API",
    "message_delta": "Anthropic's Messages API",
    "response.": "OpenAI's Responses API",
    "message-start": "Cohere's Chat API",
    "content-start": "Cohere's Chat API",
    "stream-start": "Cohere's Chat API",
}
# APIs by the `object` of a chunk, or its beginning.
_OBJECTS = {"thread.": "OpenAI's Assistants API", "text_completion": "OpenAI's legacy Completions API"}
# APIs by the fields of an object.
_FIELDS = {
    ("candidates",): "Google's Gemini API",
    ("promptFeedback",): "Google's Gemini API",
    ("model", "created_at", "message"): "Ollama's API",
    ("model", "created_at", "response"): "Ollama's API",
    ("messageStart",): "Amazon Bedrock's Converse API",
    ("contentBlockDelta",): "Amazon Bedrock's Converse API",
    ("token", "generated_text"): "Hugging Face's Text Generation Inference",
    ("jsonrpc",): "JSON-RPC, as of MCP and A2A",
    ("is_line", "object", "choices"): "OpenAI's chunks as JSON lines, without server-sent events",
}
#: By the content type of a response.
CONTENT_TYPES = {
    "application/vnd.amazon.eventstream": "Amazon's event streams, as of Bedrock",
    "application/x-ndjson": "JSON lines",
    "application/jsonl": "JSON lines",
}
# A stream of Gemini without server-sent events is one JSON array.
_GEMINI_ARRAY = re.compile(rb'\s*\[\s*\{\s*"(candidates|promptFeedback|usageMetadata)"')
# The name of the first header of a message of Amazon's event streams.
_AMAZON_HEADER = b":event-type"
_START_BYTES = 200


class ForeignDetector:
    """Detects streams of other APIs by their first frames. Not thread-safe."""

    def __init__(self) -> None:
        #: Number of events that no format of this library begins with, nor a known API.
        self.unknown_events: int = 0
        self._start = b""
        self._has_line = False
        self._events = EventReader(MAX_FRAME_BYTES)
        self._lines = LineReader(MAX_FRAME_BYTES)

    @property
    def needs_more(self) -> bool:
        """Whether a body that looks like plain text may be JSON of another API, once its first line is complete."""
        start = self._start.lstrip()[:1]
        if start == b"{":
            return not self._has_line
        return start in (b"[", b"\0") and len(self._start) < _START_BYTES

    def feed(self, data: bytes) -> str | None:
        """Return the name of the API, or None if it is not detected yet."""
        self._start += data[: _START_BYTES - len(self._start)]
        if _GEMINI_ARRAY.match(self._start):
            return _FIELDS["candidates",]
        if _AMAZON_HEADER in self._start and self._start.startswith(b"\0"):
            return CONTENT_TYPES["application/vnd.amazon.eventstream"]
        try:
            return next(filter(None, map(_api_of, self._values(data))), None)
        except FrameError:
            return None

    def _values(self, data: bytes) -> Iterator[Mapping[str, JSON]]:
        """Yield the JSON objects of events, and that of the first line, with a mark."""
        for event in self._events.feed(data):
            value = _object_in(event)
            is_broken_json = value is None and event.data.lstrip()[:1] in (b"{", b"[", b'"')
            self.unknown_events += not is_broken_json and event.data.strip() != b"[DONE]"
            if value is not None:
                yield value
        for line in self._lines.feed(data) if not self._has_line else ():
            self._has_line = self._has_line or line.data.strip() != b""
            if (value := _object_in(line)) is not None:
                yield {**value, "is_line": True}


def _object_in(frame: Frame) -> Mapping[str, JSON] | None:
    try:
        value = loads(frame.data.decode(errors="replace"))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _api_of(value: Mapping[str, JSON]) -> str | None:
    kind = value.get("type", value.get("event_type"))
    if kind == "error" and isinstance(value.get("error"), dict):
        return _TYPES["message_start"]
    if kind == "error" and "sequence_number" in value:
        return _TYPES["response."]
    for names, text in ((_TYPES, kind), (_OBJECTS, value.get("object"))):
        for start, name in names.items():
            if isinstance(text, str) and text.startswith(start):
                return name
    return next((name for fields, name in _FIELDS.items() if value.keys() >= set(fields)), None)
