"""The assistant transport of assistant-ui: server-sent events, one JSON chunk each, then `[DONE]`.

Client: `useAssistantTransportRuntime` with `protocol: "assistant-transport"`. A message is a list of parts, numbered in
the order of their `part-start`; frames refer to a part by `path`. That runtime decodes and validates the parts, but
renders the *state*, through a converter of the application.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from assistant_stream_ce import chunks
from assistant_stream_ce._lazy import STARLETTE, ModuleGetattr, lazy_exports
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.errors import UNKNOWN_ERROR
from assistant_stream_ce.jsonvalue import JSON, dumps, dumps_text
from assistant_stream_ce.serialization import assistant_ui, framing
from assistant_stream_ce.serialization.assistant_ui import (
    AssistantUIDecoder,
    chunk_of,
    reasoning_part_of,
    source_of,
)
from assistant_stream_ce.serialization.decoder import checked, optional_text, severity_of, text_or
from assistant_stream_ce.serialization.encoder import TextPartEncoder
from assistant_stream_ce.serialization.framing import EventReader, Frame, FrameError
from assistant_stream_ce.serialization.tool_calls import ToolCallState
from assistant_stream_ce.serialization.validation import Validator, json_object, refuse_unsafe_keys

if TYPE_CHECKING:
    from assistant_stream_ce.responses.starlette import AssistantTransportResponse

__all__ = ("AssistantTransportDecoder", "AssistantTransportEncoder", "AssistantTransportResponse")


class AssistantTransportEncoder(TextPartEncoder):
    """Encoder of the assistant transport. Not thread-safe."""

    media_type = framing.EVENT_STREAM
    nothing: ClassVar[bytes] = framing.DONE
    keepalive: ClassVar[bytes] = framing.KEEPALIVE

    def __init__(self) -> None:
        super().__init__()
        self._parts = 0
        # The number of the open text or reasoning part.
        self._open_number = 0

    def finish(self) -> bytes:
        """Return the ends of open parts, the finish that steps imply, and `[DONE]`, without which the client throws."""
        return self._end_text() + self._close_all() + self._write_pending_finish() + framing.DONE

    def reasoning_part(self, chunk: chunks.ReasoningPartChunk) -> bytes:
        return self._start_text("reasoning", chunk.parent_id, assistant_ui.reasoning_part(chunk))

    def _start_text(self, kind: str, parent_id: str | None, fields: dict[str, JSON] | None = None) -> bytes:
        start = self._start_part({"type": kind, **(fields or assistant_ui.without_none({"parentId": parent_id}))})
        self._open_kind = (kind, parent_id)
        self._open_number = self._parts - 1
        self._delta_head = b'data: {"type":"text-delta","path":[%d],"textDelta":' % self._open_number
        return start

    def tool_result(self, chunk: chunks.ToolResultChunk) -> bytes:
        if chunk.preliminary:
            # To the client a result is final.
            return b""
        record, frames = self._known(chunk.tool_call_id)
        record.has_result = True
        result = _event({"type": "result", "path": [record.number], **assistant_ui.result(chunk)})
        return frames + self._close(record) + result

    def source(self, chunk: chunks.SourceChunk) -> bytes:
        return self._whole_part({"type": "source", **assistant_ui.source(chunk)})

    def source_document(self, chunk: chunks.SourceDocumentChunk) -> bytes:
        return self._whole_part({"type": "source", **assistant_ui.source_document(chunk)})

    def file(self, chunk: chunks.FileChunk) -> bytes:
        return self._whole_part({"type": "file", **assistant_ui.file(chunk)})

    def data(self, chunk: chunks.DataChunk) -> bytes:
        return _event({"type": "data", "path": [], "data": [chunk.data]})

    def data_part(self, chunk: chunks.DataPartChunk) -> bytes:
        value = assistant_ui.data_part(chunk)
        if chunk.transient:
            # The format has no transient parts; data beside the message is the closest.
            return _event({"type": "data", "path": [], "data": [value]})
        return self._whole_part({"type": "data", **value})

    def annotations(self, chunk: chunks.AnnotationsChunk) -> bytes:
        return _event({"type": "annotations", "path": [], "annotations": chunk.annotations})

    def step_start(self, chunk: chunks.StepStartChunk) -> bytes:
        return _event({"type": "step-start", "path": [], "messageId": chunk.message_id})

    def step_finish(self, chunk: chunks.StepFinishChunk) -> bytes:
        self._summary.add_step(chunk)
        return self._close_all() + _event({"type": "step-finish", "path": [], **assistant_ui.step_finish(chunk)})

    def message_finish(self, chunk: chunks.MessageFinishChunk) -> bytes:
        self._summary.set_message(chunk)
        return self._close_all() + _event({"type": "message-finish", "path": [], **assistant_ui.message_finish(chunk)})

    def error(self, chunk: chunks.ErrorChunk) -> bytes:
        self._summary.has_failed = True
        details = assistant_ui.without_none({"code": chunk.code, "severity": chunk.severity})
        return _event({"type": "error", "path": [], "error": chunk.error, **details})

    def update_state(self, chunk: chunks.UpdateStateChunk) -> bytes:
        return _event({"type": "update-state", "path": [], "operations": chunk.operations})

    def _start_part(self, part: JSON) -> bytes:
        """Start a part of any type; it ends the text part that is open."""
        self._parts += 1
        return self._end_text() + _event({"type": "part-start", "part": part, "path": []})

    def _whole_part(self, part: JSON) -> bytes:
        return self._start_part(part) + _finish_part(self._parts - 1)

    def _end_text(self) -> bytes:
        if self._open_kind is None:
            return b""
        self._open_kind = None
        return _finish_part(self._open_number)

    def _write_begin(self, record: ToolCallState, chunk: chunks.ToolCallBeginChunk | chunks.ToolCallChunk) -> bytes:
        record.number = self._parts
        part = {"toolCallId": record.call_id, "toolName": chunk.tool_name, "parentId": chunk.parent_id}
        return self._start_part({"type": "tool-call", **assistant_ui.without_none(part)})

    def _write_args(self, record: ToolCallState, text: str) -> bytes:
        return b'data: {"type":"text-delta","path":[%d],"textDelta":%b}\n\n' % (record.number, dumps_text(text))

    def _write_close(self, record: ToolCallState) -> bytes:
        """Finish a call's arguments and its part; a result may still follow."""
        rest = b"" if record.has_args else self._write_args(record, "{}")
        finish = _event({"type": "tool-call-args-text-finish", "path": [record.number]})
        return rest + finish + _finish_part(record.number)


class _Part(NamedTuple):
    """A part of the message: its type, and the parent of a text or the id of a tool call."""

    kind: str
    id: str | None = None


# A part that cannot be extended: complete from the start, or unknown.
_CLOSED = _Part("")


class AssistantTransportDecoder(AssistantUIDecoder):
    """Decoder of the assistant transport. The format ends with `[DONE]`."""

    _make_reader = EventReader

    def _prepare(self) -> None:
        super()._prepare()
        self._parts: list[_Part] = []
        # The number of the last part that a chunk referred to, if it is text or reasoning; -1 otherwise.
        self._last_part = -1

    def _read(self, frame: Frame) -> Iterator[AssistantStreamChunk]:
        if frame.name not in ("", "message"):
            raise FrameError(f"an event with the name {frame.name[:40]!r} is unknown")
        if frame.data.strip() == b"[DONE]":
            self._is_done = True
            return
        yield from self._read_value(checked(self._json(frame.data), dict))

    def _end(self) -> Iterator[AssistantStreamChunk]:
        if not self._is_done:
            raise FrameError("the stream ended without [DONE]")
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
                yield from self._finish(chunks.StepFinishChunk, value)
            case "message-finish":
                yield from self._finish(chunks.MessageFinishChunk, value)
            case "error":
                yield _error(value)
            case "update-state":
                yield from self._operations(value.get("operations"))
            case kind:
                raise FrameError(f"its type {str(kind)[:40]!r} is unknown")

    def _start_part(self, part: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        # Counted in any case, because later frames refer to parts by number.
        number = len(self._parts)
        self._parts.append(_CLOSED)
        match part.get("type"):
            case "text":
                self._parts[number] = _Part("text", optional_text(part, "parentId"))
            case "reasoning":
                chunk = reasoning_part_of(part)
                self._parts[number] = _Part("reasoning", chunk.parent_id)
                if chunk.summary is not None:
                    self._last_part = number
                    yield chunk
            case "tool-call":
                begin = chunk_of(chunks.ToolCallBeginChunk, part)
                yield from self._begin(begin)
                self._parts[number] = _Part("tool-call", begin.tool_call_id)
                self._last_part = -1
            case "source":
                yield self._whole_part(source_of(part))
            case "file":
                yield self._whole_part(chunk_of(chunks.FileChunk, part))
            case "data":
                yield self._whole_part(chunk_of(chunks.DataPartChunk, part))
            case kind:
                raise FrameError(f"a part of type {str(kind)[:40]!r} is unknown")

    def _whole_part(self, chunk: AssistantStreamChunk) -> AssistantStreamChunk:
        self._last_part = -1
        return chunk

    def _delta(self, number: int, text: str) -> Iterator[AssistantStreamChunk]:
        part = self._parts[number]
        match part:
            case ("text" | "reasoning" as kind, parent_id):
                is_text = kind == "text"
                if self._last_part not in (-1, number) and self._parts[self._last_part] == part:
                    # Without a boundary the delta would extend the previous part.
                    part_chunk = chunks.TextPartChunk if is_text else chunks.ReasoningPartChunk
                    yield part_chunk(parent_id=parent_id)
                self._last_part = number
                yield chunks.TextDeltaChunk(text, parent_id) if is_text else chunks.ReasoningDeltaChunk(text, parent_id)
            case ("tool-call", str(call_id)):
                yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, text))
            case _:
                raise FrameError("the part takes no text")

    def _finish_arguments(self, call_id: str | None) -> Iterator[AssistantStreamChunk]:
        assert call_id is not None
        yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, "", is_final=True))

    def _number(self, value: dict[str, JSON]) -> int:
        path: list[JSON] = checked(value.get("path"), list, "path")
        if len(path) != 1 or type(path[0]) is not int or not 0 <= path[0] < len(self._parts):
            raise FrameError("its path names no part")
        number: int = path[0]
        return number

    def _call_id(self, value: dict[str, JSON]) -> str:
        kind, call_id = self._parts[self._number(value)]
        if kind != "tool-call" or call_id is None:
            raise FrameError("its path names no tool call")
        return call_id


class AssistantTransportValidator(Validator):
    """Checks for frames that assistant-ui drops with a warning, or does not read."""

    def __init__(self) -> None:
        self._is_done = False

    def check(self, frame: Frame) -> None:
        """Check that nothing follows the terminator, and the path of a frame."""
        if self._is_done:
            raise FrameError("nothing is read after [DONE]")
        self._is_done = frame.data.strip() == b"[DONE]"
        refuse_unsafe_keys(frame.data)
        path = json_object(frame.data).get("path", [])
        if not isinstance(path, list) or not all(type(number) is int and number >= 0 for number in path):
            raise FrameError("a path must be a list of numbers: clients drop the frame")


def _event(value: JSON) -> bytes:
    return framing.event(dumps(value))


def _finish_part(number: int) -> bytes:
    return b'data: {"type":"part-finish","path":[%d]}\n\n' % number


def _error(value: dict[str, JSON]) -> chunks.ErrorChunk:
    """Return the chunk of an error, without a code or severity that is unknown to the clients."""
    return chunks.ErrorChunk(
        checked(value.get("error", UNKNOWN_ERROR), str, "error"),
        text_or(value, "code", None),
        severity_of(value),
    )


# Imported on first access.
__getattr__: ModuleGetattr = lazy_exports(__name__, {"AssistantTransportResponse": STARLETTE})
