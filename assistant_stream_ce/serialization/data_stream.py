"""The data stream of assistant-ui, a superset of the Vercel AI SDK 4's: lines of `code:json`.

Clients: assistant-ui's `useDataStreamRuntime`, which recognizes the format by the header
`x-vercel-ai-data-stream: v1`, and AI SDK 4. The format has no terminator; `d` has the finish reason of a
`MessageFinishChunk`. `isFinal` ends arguments without a result.

Codes: `0` text, `g` reasoning, `j` its signature, `b` tool call, `c` its arguments, `9` a call with all its arguments,
`a` its result, `h` source, `k` file, `2` data, `8` annotations, `f` and `e` start and finish of a step, `d` finish of
the message, `3` error; `aui-...` are assistant-ui's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from assistant_stream_ce import chunks
from assistant_stream_ce._lazy import STARLETTE, ModuleGetattr, lazy_exports
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.jsonvalue import JSON, dumps, dumps_text
from assistant_stream_ce.serialization import assistant_ui
from assistant_stream_ce.serialization.assistant_ui import (
    AssistantUIDecoder,
    chunk_of,
    reasoning_part_of,
    source_of,
)
from assistant_stream_ce.serialization.decoder import checked
from assistant_stream_ce.serialization.encoder import ToolCallEncoder
from assistant_stream_ce.serialization.framing import Frame, FrameError, LineReader
from assistant_stream_ce.serialization.tool_calls import ToolCallState
from assistant_stream_ce.serialization.validation import Validator, json_object, refuse_unsafe_keys

if TYPE_CHECKING:
    from assistant_stream_ce.responses.starlette import DataStreamResponse

__all__ = ("DataStreamDecoder", "DataStreamEncoder", "DataStreamResponse")


class DataStreamEncoder(ToolCallEncoder):
    """Encoder of the data stream. Not thread-safe."""

    media_type = "text/plain"
    nothing: ClassVar[bytes] = b""
    headers: ClassVar[dict[str, str]] = {"x-vercel-ai-data-stream": "v1"}
    # A blank line suffices for current clients, but is fatal to assistant-stream up to 0.3.20.
    keepalive: ClassVar[bytes] = b"2:[]\n"

    def finish(self) -> bytes:
        """Return the ends of open arguments and the finish that the steps imply; the format has no terminator."""
        return self._close_all() + self._write_pending_finish()

    def text_delta(self, chunk: chunks.TextDeltaChunk) -> bytes:
        if chunk.parent_id is None:
            return b"0:" + dumps_text(chunk.text_delta) + b"\n"
        return _frame(b"aui-text-delta", {"textDelta": chunk.text_delta, "parentId": chunk.parent_id})

    def reasoning_delta(self, chunk: chunks.ReasoningDeltaChunk) -> bytes:
        if chunk.parent_id is None:
            return b"g:" + dumps_text(chunk.reasoning_delta) + b"\n"
        return _frame(b"aui-reasoning-delta", {"reasoningDelta": chunk.reasoning_delta, "parentId": chunk.parent_id})

    def _around_delta(self, chunk: Any) -> tuple[bytes, bytes] | None:
        if chunk.parent_id is not None:
            return None
        return (b"0:" if type(chunk) is chunks.TextDeltaChunk else b"g:"), b"\n"

    def reasoning_part(self, chunk: chunks.ReasoningPartChunk) -> bytes:
        # Fatal to assistant-stream up to 0.3.30, which does not support the frame.
        return _frame(b"aui-reasoning-part-start", assistant_ui.reasoning_part(chunk))

    def reasoning_signature(self, chunk: chunks.ReasoningSignatureChunk) -> bytes:
        return _frame(b"j", {"signature": chunk.signature})

    def tool_result(self, chunk: chunks.ToolResultChunk) -> bytes:
        if chunk.preliminary:
            # The client would keep it and ignore the final one.
            return b""
        record, frames = self._known(chunk.tool_call_id)
        if record.has_result:
            # The client ignores a second result.
            return frames
        record.has_result = True
        self._open_calls.pop(record.call_id, None)
        return frames + _frame(b"a", {"toolCallId": chunk.tool_call_id, **assistant_ui.result(chunk)})

    def source(self, chunk: chunks.SourceChunk) -> bytes:
        return _frame(b"h", assistant_ui.source(chunk))

    def source_document(self, chunk: chunks.SourceDocumentChunk) -> bytes:
        return _frame(b"h", assistant_ui.source_document(chunk))

    def file(self, chunk: chunks.FileChunk) -> bytes:
        return _frame(b"k", assistant_ui.file(chunk))

    def data(self, chunk: chunks.DataChunk) -> bytes:
        return _frame(b"2", [chunk.data])

    def data_part(self, chunk: chunks.DataPartChunk) -> bytes:
        # The format has no transient parts; data beside the message is the closest.
        value = assistant_ui.data_part(chunk)
        return _frame(b"2", [value]) if chunk.transient else _frame(b"aui-data", value)

    def annotations(self, chunk: chunks.AnnotationsChunk) -> bytes:
        return _frame(b"8", chunk.annotations)

    def step_start(self, chunk: chunks.StepStartChunk) -> bytes:
        return _frame(b"f", {"messageId": chunk.message_id})

    def step_finish(self, chunk: chunks.StepFinishChunk) -> bytes:
        self._summary.add_step(chunk)
        return self._close_all() + _frame(b"e", assistant_ui.step_finish(chunk))

    def message_finish(self, chunk: chunks.MessageFinishChunk) -> bytes:
        self._summary.set_message(chunk)
        return self._close_all() + _frame(b"d", assistant_ui.message_finish(chunk))

    def error(self, chunk: chunks.ErrorChunk) -> bytes:
        self._summary.has_failed = True
        return b"3:" + dumps_text(chunk.error) + b"\n"

    def update_state(self, chunk: chunks.UpdateStateChunk) -> bytes:
        return _frame(b"aui-state", chunk.operations)

    def _write_begin(self, record: ToolCallState, chunk: chunks.ToolCallBeginChunk | chunks.ToolCallChunk) -> bytes:
        begin = {"toolCallId": record.call_id, "toolName": chunk.tool_name, "parentId": chunk.parent_id}
        return _frame(b"b", assistant_ui.without_none(begin))

    def _write_call(self, record: ToolCallState, chunk: chunks.ToolCallChunk) -> bytes:
        if chunk.parent_id is not None:
            # The client gives a complete call no parent.
            return super()._write_call(record, chunk)
        return _frame(b"9", {"toolCallId": record.call_id, "toolName": chunk.tool_name, "args": chunk.args})

    def _write_args(self, record: ToolCallState, text: str) -> bytes:
        return _frame(b"c", {"toolCallId": record.call_id, "argsTextDelta": text})

    def _write_close(self, record: ToolCallState) -> bytes:
        rest = "" if record.has_args else "{}"
        return _frame(b"c", {"toolCallId": record.call_id, "argsTextDelta": rest, "isFinal": True})


class DataStreamDecoder(AssistantUIDecoder):
    """Decoder of the data stream. The format has no terminator."""

    _make_reader = LineReader

    def _read(self, frame: Frame) -> Iterator[AssistantStreamChunk]:
        code, colon, rest = frame.data.partition(b":")
        if colon:
            yield from self._read_value(code, self._json(rest))
        elif code.strip():
            raise FrameError("it has no colon")

    def _read_value(self, code: bytes, value: JSON) -> Iterator[AssistantStreamChunk]:
        match code:
            case b"0":
                yield chunks.TextDeltaChunk(checked(value, str))
            case b"g":
                yield chunks.ReasoningDeltaChunk(checked(value, str))
            case b"j":
                yield chunk_of(chunks.ReasoningSignatureChunk, value)
            case b"b":
                yield from self._begin(chunk_of(chunks.ToolCallBeginChunk, value))
            case b"c":
                yield from self._arguments(chunk_of(chunks.ToolCallDeltaChunk, value))
            case b"9":
                yield from self._whole_call(value)
            case b"a":
                yield from self._result(value)
            case b"h":
                yield source_of(value)
            case b"k":
                yield chunk_of(chunks.FileChunk, value)
            case b"2":
                yield from map(chunks.DataChunk, checked(value, list))
            case b"8":
                yield chunks.AnnotationsChunk(checked(value, list))
            case b"f":
                yield chunk_of(chunks.StepStartChunk, value)
            case b"e":
                yield from self._finish(chunks.StepFinishChunk, value)
            case b"d":
                yield from self._finish(chunks.MessageFinishChunk, value)
            case b"3":
                yield chunks.ErrorChunk(checked(value, str))
            case b"aui-state":
                yield from self._operations(value)
            case b"aui-text-delta":
                yield chunk_of(chunks.TextDeltaChunk, value)
            case b"aui-reasoning-delta":
                yield chunk_of(chunks.ReasoningDeltaChunk, value)
            case b"aui-reasoning-part-start":
                yield reasoning_part_of(checked(value, dict))
            case b"aui-data":
                yield chunk_of(chunks.DataPartChunk, value)
            case b"i":
                # Redacted reasoning, for which there is no chunk.
                pass
            case _:
                raise FrameError("its code is unknown")

    def _whole_call(self, value: JSON) -> Iterator[AssistantStreamChunk]:
        """Read a complete call: a new one, or the end of one that arrived in pieces."""
        call = chunk_of(chunks.ToolCallChunk, value)
        record = self._calls.get(call.tool_call_id)
        if record is None:
            yield from self._whole(call)
        else:
            text = "" if record.has_args else dumps(call.args).decode()
            yield from self._arguments(chunks.ToolCallDeltaChunk(call.tool_call_id, text, is_final=True))


class DataStreamValidator(Validator):
    """Checks for frames that assistant-ui drops, with or without a warning."""

    def __init__(self) -> None:
        # Ids of calls with argument text, with open arguments, and with a result.
        self._texts: set[str] = set()
        self._open: dict[str, None] = {}
        self._answered: set[str] = set()

    def check(self, frame: Frame) -> None:
        """Check the keys, and the order of the frames of tool calls."""
        code, _, rest = frame.data.partition(b":")
        refuse_unsafe_keys(rest)
        call_id = json_object(rest).get("toolCallId", "")
        match code:
            case b"b":
                self._open[call_id] = None
            case b"c":
                self._extend(call_id, json_object(rest))
            case b"9":
                if call_id in self._open and call_id not in self._texts and json_object(rest).get("args"):
                    raise FrameError("after a begin frame, clients ignore the arguments of a whole call")
                self._open.pop(call_id, None)
            case b"a":
                if call_id in self._answered:
                    raise FrameError("clients ignore a second result of a tool call")
                self._answered.add(call_id)
                self._open.pop(call_id, None)
            case b"e" | b"d":
                self._open.clear()

    def _extend(self, call_id: str, value: Mapping[str, Any]) -> None:
        if call_id not in self._open:
            raise FrameError("the arguments of this tool call are complete: clients drop more")
        if value.get("argsTextDelta"):
            self._texts.add(call_id)
        if value.get("isFinal"):
            del self._open[call_id]


def _frame(code: bytes, value: JSON) -> bytes:
    return code + b":" + dumps(value) + b"\n"


# Imported on first access.
__getattr__: ModuleGetattr = lazy_exports(__name__, {"DataStreamResponse": STARLETTE})
