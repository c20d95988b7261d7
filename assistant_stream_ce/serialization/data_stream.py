"""The data stream of assistant-ui, a superset of the Vercel AI SDK 4's: lines of `code:json`.

Clients: assistant-ui's `useDataStreamRuntime`, AI SDK 4. The header `x-vercel-ai-data-stream: v1` is how
the first recognises the format. The wire has no terminator; `d` says why the message ended, and is
written for a `MessageFinishChunk`. `isFinal` closes arguments that no result has closed.

Codes: `0` text, `g` reasoning, `j` its signature, `b` tool call, `c` its arguments, `9` a call with all its arguments,
`a` its result, `h` source, `k` file, `2` data, `8` annotations, `f` and `e` start and finish of a step, `d` finish of
the message, `3` error; `aui-...` are assistant-ui's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from assistant_stream_ce import chunks
from assistant_stream_ce._lazy import STARLETTE, lazy_exports
from assistant_stream_ce.jsonvalue import JSON, dumps, dumps_text
from assistant_stream_ce.serialization import assistant_ui
from assistant_stream_ce.serialization.tool_calls import CallRecord, ToolCallEncoder

if TYPE_CHECKING:
    from assistant_stream_ce.responses.starlette import DataStreamResponse

__all__ = ("DataStreamEncoder", "DataStreamResponse")


class DataStreamEncoder(ToolCallEncoder):
    """Writes the data stream."""

    media_type = "text/plain"
    headers: ClassVar[dict[str, str]] = {"x-vercel-ai-data-stream": "v1"}
    # A blank line would do for current clients, but ends the stream of assistant-stream up to 0.3.20.
    keepalive = b"2:[]\n"

    def finish(self) -> bytes:
        """Close the arguments that are open; the format has no terminator."""
        return self._close_all()

    def _text(self, chunk: chunks.TextDeltaChunk) -> bytes:
        if chunk.parent_id is None:
            return b"0:" + dumps_text(chunk.text_delta) + b"\n"
        return _frame(b"aui-text-delta", {"textDelta": chunk.text_delta, "parentId": chunk.parent_id})

    def _reasoning(self, chunk: chunks.ReasoningDeltaChunk) -> bytes:
        if chunk.parent_id is None:
            return b"g:" + dumps_text(chunk.reasoning_delta) + b"\n"
        return _frame(b"aui-reasoning-delta", {"reasoningDelta": chunk.reasoning_delta, "parentId": chunk.parent_id})

    def _around_delta(self, chunk: Any) -> tuple[bytes, bytes] | None:
        if chunk.parent_id is not None:
            return None
        return (b"0:" if type(chunk) is chunks.TextDeltaChunk else b"g:"), b"\n"

    def _reasoning_part(self, chunk: chunks.ReasoningPartChunk) -> bytes:
        # Clients of assistant-stream up to 0.3.30 end the stream here, and no older frame says it.
        return _frame(b"aui-reasoning-part-start", assistant_ui.reasoning_part(chunk))

    def _reasoning_signature(self, chunk: chunks.ReasoningSignatureChunk) -> bytes:
        return _frame(b"j", {"signature": chunk.signature})

    def _tool_result(self, chunk: chunks.ToolResultChunk) -> bytes:
        record, frames = self._known(chunk.tool_call_id)
        if record.has_result:
            # The client keeps the first and says nothing.
            return frames
        record.is_open, record.has_result = False, True
        return frames + _frame(b"a", {"toolCallId": chunk.tool_call_id, **assistant_ui.result(chunk)})

    def _source(self, chunk: chunks.SourceChunk) -> bytes:
        return _frame(b"h", assistant_ui.source(chunk))

    def _source_document(self, chunk: chunks.SourceDocumentChunk) -> bytes:
        return _frame(b"h", assistant_ui.source_document(chunk))

    def _file(self, chunk: chunks.FileChunk) -> bytes:
        return _frame(b"k", assistant_ui.file(chunk))

    def _data(self, chunk: chunks.DataChunk) -> bytes:
        return _frame(b"2", [chunk.data])

    def _data_part(self, chunk: chunks.DataPartChunk) -> bytes:
        # Data beside the message is as near as the format comes to what is not kept in it.
        value = assistant_ui.data_part(chunk)
        return _frame(b"2", [value]) if chunk.transient else _frame(b"aui-data", value)

    def _annotations(self, chunk: chunks.AnnotationsChunk) -> bytes:
        return _frame(b"8", chunk.annotations)

    def _step_start(self, chunk: chunks.StepStartChunk) -> bytes:
        return _frame(b"f", {"messageId": chunk.message_id})

    def _step_finish(self, chunk: chunks.StepFinishChunk) -> bytes:
        return self._close_all() + _frame(b"e", assistant_ui.step_finish(chunk))

    def _message_finish(self, chunk: chunks.MessageFinishChunk) -> bytes:
        return self._close_all() + _frame(b"d", assistant_ui.message_finish(chunk))

    def _error(self, chunk: chunks.ErrorChunk) -> bytes:
        return b"3:" + dumps_text(chunk.error) + b"\n"

    def _update_state(self, chunk: chunks.UpdateStateChunk) -> bytes:
        return _frame(b"aui-state", chunk.operations)

    def _write_begin(self, record: CallRecord, name: str, parent_id: str | None) -> bytes:
        begin = {"toolCallId": record.call_id, "toolName": name, "parentId": parent_id}
        return _frame(b"b", assistant_ui.known(begin))

    def _write_call(self, record: CallRecord, chunk: chunks.ToolCallChunk) -> bytes:
        if chunk.parent_id is not None:
            # A whole call has no parent in the client.
            return super()._write_call(record, chunk)
        return _frame(b"9", {"toolCallId": record.call_id, "toolName": chunk.tool_name, "args": chunk.args})

    def _write_args(self, record: CallRecord, text: str) -> bytes:
        return _frame(b"c", {"toolCallId": record.call_id, "argsTextDelta": text})

    def _write_close(self, record: CallRecord) -> bytes:
        rest = "" if record.has_args else "{}"
        return _frame(b"c", {"toolCallId": record.call_id, "argsTextDelta": rest, "isFinal": True})


def _frame(code: bytes, value: JSON) -> bytes:
    return code + b":" + dumps(value) + b"\n"


# The response is imported when it is first asked for.
__getattr__ = lazy_exports(__name__, {"DataStreamResponse": STARLETTE})
