"""Which part of the message a chunk makes or extends, by the rule of the front ends; the texts are not kept."""

from __future__ import annotations

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.inspector.events import Part

__all__ = ("Parts", "text_of")


class Parts:
    """Numbers the parts of one message."""

    def __init__(self) -> None:
        self._count = 0
        # The part that the next delta extends, if its kind and its parent are the same.
        self._growing: tuple[str, str | None] | None = None
        self._last: Part | None = None
        self._calls: dict[str, Part] = {}

    def of(self, chunk: AssistantStreamChunk) -> Part | None:
        """Return the part of the next chunk; None for what is no part of the message."""
        match chunk:
            case chunks.TextDeltaChunk():
                return self._extended("text", chunk.parent_id)
            case chunks.ReasoningDeltaChunk():
                return self._extended("reasoning", chunk.parent_id)
            case chunks.RefusalDeltaChunk():
                return self._extended("refusal", chunk.parent_id)
            case chunks.ReasoningPartChunk():
                self._growing = None
                return self._extended("reasoning", chunk.parent_id)
            case chunks.ToolCallBeginChunk() | chunks.ToolCallChunk():
                part = self._calls[chunk.tool_call_id] = self._new("tool-call", chunk.tool_name)
                return part
            case chunks.ToolCallDeltaChunk() | chunks.ToolResultChunk():
                return self._calls.get(chunk.tool_call_id)
            case chunks.SourceChunk() | chunks.SourceDocumentChunk():
                return self._new("source")
            case chunks.FileChunk():
                return self._new("file")
            case chunks.DataPartChunk(transient=False):
                return self._new("data", chunk.name)
        return None

    def _extended(self, kind: str, parent_id: str | None) -> Part:
        if self._last is None or self._growing != (kind, parent_id):
            self._last = self._new(kind)
            self._growing = kind, parent_id
        return self._last

    def _new(self, kind: str, name: str | None = None) -> Part:
        self._growing = None
        self._count += 1
        return Part(self._count - 1, kind, name)


def text_of(chunk: AssistantStreamChunk) -> str:
    """Return the text that a chunk adds to a part that grows; empty for every other chunk."""
    match chunk:
        case chunks.TextDeltaChunk():
            return chunk.text_delta
        case chunks.ReasoningDeltaChunk():
            return chunk.reasoning_delta
        case chunks.RefusalDeltaChunk():
            return chunk.refusal_delta
        case chunks.ToolCallDeltaChunk():
            return chunk.args_text_delta
    return ""
