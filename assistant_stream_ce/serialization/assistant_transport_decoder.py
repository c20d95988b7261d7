"""Reads the assistant transport of assistant-ui: server-sent events with a JSON chunk each, then `[DONE]`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.errors import UNKNOWN_ERROR
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.serialization.assistant_ui_decoder import AssistantUIDecoder, chunk_of, finish_of
from assistant_stream_ce.serialization.decoding import BadFrameError, checked, optional_text
from assistant_stream_ce.serialization.lines import Frame
from assistant_stream_ce.serialization.sse import EventReader

__all__ = ("AssistantTransportDecoder",)


class _Part(NamedTuple):
    """A part of the message: its type, and the parent of a text or the id of a tool call."""

    kind: str
    id: str | None = None


# A part that takes nothing more: it is whole from the start, or unknown and only counted.
_CLOSED = _Part("")


class AssistantTransportDecoder(AssistantUIDecoder):
    """Reads the assistant transport. The format ends with `[DONE]`."""

    _make_reader = EventReader

    def _prepare(self) -> None:
        super()._prepare()
        self._parts: list[_Part] = []

    def _read(self, frame: Frame) -> Iterator[AssistantStreamChunk]:
        if frame.name not in ("", "message"):
            raise BadFrameError(f"an event with the name {frame.name[:40]!r} is unknown")
        if frame.data.strip() == b"[DONE]":
            self._is_done = True
            return
        yield from self._read_value(checked(self._json(frame.data), dict))

    def _end(self) -> Iterator[AssistantStreamChunk]:
        if not self._is_done:
            raise BadFrameError("the stream ended without [DONE]")
        yield from ()

    def _read_value(self, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        match value.get("type"):
            case "part-start":
                yield from self._start_part(checked(value.get("part"), dict, "part"))
            case "text-delta":
                yield from self._delta(self._part(value), checked(value.get("textDelta"), str, "textDelta"))
            case "tool-call-args-text-finish":
                yield from self._finish_arguments(self._call_id(value))
            case "part-finish":
                part = self._part(value)
                if part.kind == "tool-call":
                    yield from self._finish_arguments(part.id)
            case "result":
                yield from self._result({**value, "toolCallId": self._call_id(value)})
            case "data":
                yield from map(chunks.DataChunk, checked(value.get("data"), list, "data"))
            case "annotations":
                yield chunk_of(chunks.AnnotationsChunk, value)
            case "step-start":
                yield chunk_of(chunks.StepStartChunk, {"messageId": "", **value})
            case "step-finish":
                finish = finish_of(chunks.StepFinishChunk, value)
                yield from self._close_arguments()
                yield finish
            case "message-finish":
                message_finish = finish_of(chunks.MessageFinishChunk, value)
                yield from self._close_arguments()
                yield message_finish
            case "error":
                yield chunk_of(chunks.ErrorChunk, {"error": UNKNOWN_ERROR, **value})
            case "update-state":
                yield from self._operations(value.get("operations"))
            case kind:
                raise BadFrameError(f"its type {str(kind)[:40]!r} is unknown")

    def _start_part(self, part: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        # Counted in any case: what follows is addressed by number.
        number = len(self._parts)
        self._parts.append(_CLOSED)
        match part.get("type"):
            case "text" | "reasoning" as kind:
                self._parts[number] = _Part(kind, optional_text(part, "parentId"))
            case "tool-call":
                begin = chunk_of(chunks.ToolCallBeginChunk, part)
                yield from self._begin(begin)
                self._parts[number] = _Part("tool-call", begin.tool_call_id)
            case "source":
                yield chunk_of(chunks.SourceChunk, part)
            case "file":
                yield chunk_of(chunks.FileChunk, part)
            case "data":
                # Named data as a part of the message; no chunk can say it.
                pass
            case kind:
                raise BadFrameError(f"a part of type {str(kind)[:40]!r} is unknown")

    def _delta(self, part: _Part, text: str) -> Iterator[AssistantStreamChunk]:
        match part:
            case ("text", parent_id):
                yield chunks.TextDeltaChunk(text, parent_id)
            case ("reasoning", parent_id):
                yield chunks.ReasoningDeltaChunk(text, parent_id)
            case ("tool-call", str(call_id)):
                yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, text))
            case _:
                raise BadFrameError("the part takes no text")

    def _finish_arguments(self, call_id: str | None) -> Iterator[AssistantStreamChunk]:
        assert call_id is not None
        yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, "", is_final=True))

    def _part(self, value: dict[str, JSON]) -> _Part:
        path: list[JSON] = checked(value.get("path"), list, "path")
        if len(path) != 1 or type(path[0]) is not int or not 0 <= path[0] < len(self._parts):
            raise BadFrameError("its path names no part")
        return self._parts[path[0]]

    def _call_id(self, value: dict[str, JSON]) -> str:
        kind, call_id = self._part(value)
        if kind != "tool-call" or call_id is None:
            raise BadFrameError("its path names no tool call")
        return call_id
