"""Reads the assistant transport of assistant-ui: server-sent events with a JSON chunk each, then `[DONE]`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, get_args

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.errors import UNKNOWN_ERROR
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.serialization.assistant_ui_decoder import (
    AssistantUIDecoder,
    chunk_of,
    finish_of,
    reasoning_part_of,
    source_of,
)
from assistant_stream_ce.serialization.decoder import BadFrameError, checked, optional_text
from assistant_stream_ce.serialization.framing import Frame
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
        # The number of the text or reasoning part that the chunks so far have told last; -1 for none.
        self._told = -1

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
                yield from self._delta(self._number(value), checked(value.get("textDelta"), str, "textDelta"))
            case "tool-call-args-text-finish":
                yield from self._finish_arguments(self._call_id(value))
            case "part-finish":
                part = self._parts[self._number(value)]
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
                yield _error(value)
            case "update-state":
                yield from self._operations(value.get("operations"))
            case kind:
                raise BadFrameError(f"its type {str(kind)[:40]!r} is unknown")

    def _start_part(self, part: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        # Counted in any case: what follows is addressed by number.
        number = len(self._parts)
        self._parts.append(_CLOSED)
        match part.get("type"):
            case "text":
                self._parts[number] = _Part("text", optional_text(part, "parentId"))
            case "reasoning":
                chunk = reasoning_part_of(part)
                self._parts[number] = _Part("reasoning", chunk.parent_id)
                if chunk.summary is not None:
                    self._told = number
                    yield chunk
            case "tool-call":
                begin = chunk_of(chunks.ToolCallBeginChunk, part)
                yield from self._begin(begin)
                self._parts[number] = _Part("tool-call", begin.tool_call_id)
                self._told = -1
            case "source":
                yield self._whole_part(source_of(part))
            case "file":
                yield self._whole_part(chunk_of(chunks.FileChunk, part))
            case "data":
                yield self._whole_part(chunk_of(chunks.DataPartChunk, part))
            case kind:
                raise BadFrameError(f"a part of type {str(kind)[:40]!r} is unknown")

    def _whole_part(self, chunk: AssistantStreamChunk) -> AssistantStreamChunk:
        self._told = -1
        return chunk

    def _delta(self, number: int, text: str) -> Iterator[AssistantStreamChunk]:
        part = self._parts[number]
        match part:
            case ("text", parent_id):
                self._told = number
                yield chunks.TextDeltaChunk(text, parent_id)
            case ("reasoning", parent_id):
                if self._told not in (-1, number) and self._parts[self._told] == part:
                    # The delta alone would extend the part before.
                    yield chunks.ReasoningPartChunk(parent_id=parent_id)
                self._told = number
                yield chunks.ReasoningDeltaChunk(text, parent_id)
            case ("tool-call", str(call_id)):
                yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, text))
            case _:
                raise BadFrameError("the part takes no text")

    def _finish_arguments(self, call_id: str | None) -> Iterator[AssistantStreamChunk]:
        assert call_id is not None
        yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, "", is_final=True))

    def _number(self, value: dict[str, JSON]) -> int:
        path: list[JSON] = checked(value.get("path"), list, "path")
        if len(path) != 1 or type(path[0]) is not int or not 0 <= path[0] < len(self._parts):
            raise BadFrameError("its path names no part")
        number: int = path[0]
        return number

    def _call_id(self, value: dict[str, JSON]) -> str:
        kind, call_id = self._parts[self._number(value)]
        if kind != "tool-call" or call_id is None:
            raise BadFrameError("its path names no tool call")
        return call_id


def _error(value: dict[str, JSON]) -> chunks.ErrorChunk:
    """Return an error; a code or severity that the clients do not know takes nothing from its text."""
    code, severity = value.get("code"), value.get("severity")
    return chunks.ErrorChunk(
        checked(value.get("error", UNKNOWN_ERROR), str, "error"),
        code if isinstance(code, str) else None,
        severity if severity in get_args(chunks.Severity) else None,
    )
