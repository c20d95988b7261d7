"""The assistant transport of assistant-ui: server-sent events, one JSON chunk each, then `[DONE]`.

Client: `useAssistantTransportRuntime` with `protocol: "assistant-transport"`. A message is a list of
parts, numbered in the order of their `part-start`; what belongs to a part names it by `path`. That
runtime renders the *state*; it decodes and checks the parts, but shows what a converter makes of the state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assistant_stream_ce import chunks
from assistant_stream_ce._lazy import STARLETTE, lazy_exports
from assistant_stream_ce.jsonvalue import JSON, dumps, dumps_text
from assistant_stream_ce.serialization import assistant_ui, sse
from assistant_stream_ce.serialization.tool_calls import CallRecord, ToolCallEncoder

if TYPE_CHECKING:
    from assistant_stream_ce.responses.starlette import AssistantTransportResponse

__all__ = ("AssistantTransportEncoder", "AssistantTransportResponse")


class AssistantTransportEncoder(ToolCallEncoder):
    """Writes the assistant transport."""

    media_type = sse.MEDIA_TYPE
    keepalive = sse.KEEPALIVE

    def __init__(self) -> None:
        super().__init__()
        self._parts = 0
        # The text or reasoning part that the next delta may extend: its type and parent, its number, and the
        # frame of a delta up to the text.
        self._open_kind: tuple[str, str | None] | None = None
        self._open_number = 0
        self._delta_head = b""

    def finish(self) -> bytes:
        """Finish the open parts, then `[DONE]`, without which the client throws."""
        return self._finish_text() + self._close_all() + sse.DONE

    def _text(self, chunk: chunks.TextDeltaChunk) -> bytes:
        return self._delta("text", chunk.parent_id, chunk.text_delta)

    def _reasoning(self, chunk: chunks.ReasoningDeltaChunk) -> bytes:
        return self._delta("reasoning", chunk.parent_id, chunk.reasoning_delta)

    def _reasoning_part(self, chunk: chunks.ReasoningPartChunk) -> bytes:
        return self._start_text("reasoning", chunk.parent_id, assistant_ui.reasoning_part(chunk))

    def _around_delta(self, chunk: Any) -> tuple[bytes, bytes]:
        return self._delta_head, sse.OBJECT_END

    def _delta(self, kind: str, parent_id: str | None, text: str) -> bytes:
        start = b""
        if self._open_kind != (kind, parent_id):
            start = self._start_text(kind, parent_id, assistant_ui.known({"parentId": parent_id}))
        return start + self._delta_head + dumps_text(text) + sse.OBJECT_END

    def _start_text(self, kind: str, parent_id: str | None, fields: dict[str, JSON]) -> bytes:
        """Start a text or reasoning part, which deltas of its kind and parent extend."""
        start = self._start_part({"type": kind, **fields})
        self._open_kind = (kind, parent_id)
        self._open_number = self._parts - 1
        self._delta_head = b'data: {"type":"text-delta","path":[%d],"textDelta":' % self._open_number
        return start

    def _tool_result(self, chunk: chunks.ToolResultChunk) -> bytes:
        record, frames = self._known(chunk.tool_call_id)
        record.has_result = True
        result = _event({"type": "result", "path": [record.number], **assistant_ui.result(chunk)})
        return frames + self._close(record) + result

    def _source(self, chunk: chunks.SourceChunk) -> bytes:
        return self._whole_part({"type": "source", **assistant_ui.source(chunk)})

    def _source_document(self, chunk: chunks.SourceDocumentChunk) -> bytes:
        return self._whole_part({"type": "source", **assistant_ui.source_document(chunk)})

    def _file(self, chunk: chunks.FileChunk) -> bytes:
        return self._whole_part({"type": "file", **assistant_ui.file(chunk)})

    def _data(self, chunk: chunks.DataChunk) -> bytes:
        return _event({"type": "data", "path": [], "data": [chunk.data]})

    def _data_part(self, chunk: chunks.DataPartChunk) -> bytes:
        value = assistant_ui.data_part(chunk)
        if chunk.transient:
            # Data beside the message is as near as the format comes to what is not kept in it.
            return _event({"type": "data", "path": [], "data": [value]})
        return self._whole_part({"type": "data", **value})

    def _annotations(self, chunk: chunks.AnnotationsChunk) -> bytes:
        return _event({"type": "annotations", "path": [], "annotations": chunk.annotations})

    def _step_start(self, chunk: chunks.StepStartChunk) -> bytes:
        return _event({"type": "step-start", "path": [], "messageId": chunk.message_id})

    def _step_finish(self, chunk: chunks.StepFinishChunk) -> bytes:
        return self._close_all() + _event({"type": "step-finish", "path": [], **assistant_ui.step_finish(chunk)})

    def _message_finish(self, chunk: chunks.MessageFinishChunk) -> bytes:
        return self._close_all() + _event({"type": "message-finish", "path": [], **assistant_ui.message_finish(chunk)})

    def _error(self, chunk: chunks.ErrorChunk) -> bytes:
        details = assistant_ui.known({"code": chunk.code, "severity": chunk.severity})
        return _event({"type": "error", "path": [], "error": chunk.error, **details})

    def _update_state(self, chunk: chunks.UpdateStateChunk) -> bytes:
        return _event({"type": "update-state", "path": [], "operations": chunk.operations})

    def _start_part(self, part: JSON) -> bytes:
        """Start a part of any type; it ends the text part that is open."""
        self._parts += 1
        return self._finish_text() + _event({"type": "part-start", "part": part, "path": []})

    def _whole_part(self, part: JSON) -> bytes:
        return self._start_part(part) + _finish_part(self._parts - 1)

    def _finish_text(self) -> bytes:
        if self._open_kind is None:
            return b""
        self._open_kind = None
        return _finish_part(self._open_number)

    def _write_begin(self, record: CallRecord, name: str, parent_id: str | None) -> bytes:
        record.number = self._parts
        part = {"type": "tool-call", "toolCallId": record.call_id, "toolName": name, "parentId": parent_id}
        return self._start_part(assistant_ui.known(part))

    def _write_args(self, record: CallRecord, text: str) -> bytes:
        return b'data: {"type":"text-delta","path":[%d],"textDelta":%b}\n\n' % (record.number, dumps_text(text))

    def _write_close(self, record: CallRecord) -> bytes:
        """Finish a call's arguments and its part; a result may still follow."""
        rest = b"" if record.has_args else self._write_args(record, "{}")
        finish = _event({"type": "tool-call-args-text-finish", "path": [record.number]})
        return rest + finish + _finish_part(record.number)


def _event(value: JSON) -> bytes:
    return sse.event(dumps(value))


def _finish_part(number: int) -> bytes:
    return b'data: {"type":"part-finish","path":[%d]}\n\n' % number


# The response is imported when it is first asked for.
__getattr__ = lazy_exports(__name__, {"AssistantTransportResponse": STARLETTE})
