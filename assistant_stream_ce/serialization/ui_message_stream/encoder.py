"""Encoder of the UI message stream: server-sent events for AI SDK 5, 6 and 7, which assistant-ui reads too.

AI SDK validates each frame against a closed set of schemas and fails at any other, so only frame types of version 5
are written, except for approval requests and denials, which version 5 lacks. Extra fields are allowed: some are for
assistant-ui only. assistant-ui shows a tool call when its whole input is available, accepts only its first result, and
ignores documents.

With `sendAutomaticallyWhen`, `useChat` sends a request when every tool call in the last step of a message has a result.
It would do so without end if the parts after the results were in the same step. So where the callback starts no step,
the encoder starts one before the first part, and before the first part after results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk, Operation, merged_metadata
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, dumps, loads, plain
from assistant_stream_ce.message import Usage
from assistant_stream_ce.serialization import assistant_ui
from assistant_stream_ce.serialization.assistant_ui import without_none
from assistant_stream_ce.serialization.encoder import (
    StatefulEncoder,
    TextPartEncoder,
    bounded,
    optional_str,
    summary_text,
)
from assistant_stream_ce.serialization.framing import DONE, EVENT_STREAM, KEEPALIVE, event
from assistant_stream_ce.serialization.tool_calls import ToolCallState
from assistant_stream_ce.serialization.ui_message_stream.values import (
    BAD_ARGUMENTS,
    FINISH_REASONS,
    PROVIDER,
    file_url,
    place_metadata,
    signature_of,
    valid_metadata,
)
from assistant_stream_ce.serialization.usage import usage_details, usage_totals
from assistant_stream_ce.state.operations import apply, set_value

if TYPE_CHECKING:
    from assistant_stream_ce.create_run import StreamHeader

# When assistant-ui reads this text, it drops a resumable stream; otherwise it replays the stream at each reload.
_FINISH_COMMENT = b': "type":"finish"\n\n'

_START_STEP = event(b'{"type":"start-step"}')


class _PendingInput:
    """Incomplete input of a tool call: the fields of its begin frame, and the text in pieces."""

    __slots__ = ("begin", "pieces")

    def __init__(self, begin: dict[str, JSON]) -> None:
        self.begin = begin
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class UIMessageStreamEncoder(StatefulEncoder):
    """Encoder of the UI message stream. Not thread-safe.

    The format has no state operations: each update sends the whole state, as a `data-state` part that replaces the
    previous one.

    Args:
        message_id: the id of the message; that of the stream if None. For a plain iterable of chunks, the client
            generates one.
        continues_message: whether the client continues an earlier message, which has the calls that this stream only
            has results for. Otherwise such a call is started under the name "unknown", as a client fails at its result.
            True as well for a stream whose `message_id` was given to `create_run`.
        metadata: metadata for the start of the message, a dict. The usage is added at its end.
        state: the initial state, for chunks that do not come from a stream of `create_run`. It is copied.

    Raises:
        TypeError: an option has a wrong type, or a value is not JSON.
    """

    media_type = EVENT_STREAM
    headers: ClassVar[dict[str, str]] = {"x-vercel-ai-ui-message-stream": "v1"}
    keepalive: ClassVar[bytes] = KEEPALIVE
    needs_header = True

    def __init__(
        self,
        *,
        message_id: str | None = None,
        continues_message: bool = False,
        metadata: Mapping[str, JSON] | None = None,
        state: JSON = None,
    ) -> None:
        super().__init__(state)
        if not isinstance(continues_message, bool):
            raise TypeError(f"continues_message must be a bool, not {type(continues_message).__name__}")
        if metadata is not None and not isinstance(metadata, Mapping):
            raise TypeError(f"metadata must be a dict or None, not {type(metadata).__name__}")
        self._message_id = optional_str(message_id, "message_id")
        self._metadata: JSON = plain(metadata, "metadata")
        self._is_started = False
        self._continues_message = continues_message
        self._parts = 0
        # The frame that ends the open text or reasoning, and its metadata.
        self._text_end = b""
        self._part_metadata: dict[str, JSON] = {}
        # Whether the next part needs a new step, as the last one is of an earlier answer or has results; whether the
        # callback has an open step.
        self._needs_step = True
        self._is_in_step = False
        self._inputs: dict[str, _PendingInput] = {}
        # The fields of provider executed and dynamic calls.
        self._flags: dict[str, dict[str, JSON]] = {}
        # The data parts that a later one may replace.
        self._data_ids: set[tuple[str, str]] = set()
        # Step starts that are held back until all input was sent: AI SDK searches for a tool call in the current step.
        self._waiting_steps: list[bytes] = []

    def start_stream(self, header: StreamHeader) -> None:
        """Take the id of the message.

        A generated id is not sent to a client that continues a message: it would add a second message.
        """
        if self._message_id is None and (header.is_continued or not self._continues_message):
            self._message_id = header.message_id
        self._continues_message = self._continues_message or header.is_continued

    def encode(self, chunk: AssistantStreamChunk) -> bytes:
        """Return the frames of a chunk, with the start of the message before the first.

        Raises:
            TypeError: it is not a chunk, or contains a value that is not JSON.
        """
        frames = super().encode(chunk)
        return frames if self._is_started else self._start() + frames

    def finish(self) -> bytes:
        """Return the ends of open parts, `finish`, or `abort` if the message was interrupted, and `[DONE]`."""
        frames = (b"" if self._is_started else self._start()) + self._end_parts()
        usage = self._usage()
        if self._summary.reason == "interrupted":
            metadata = _event({"type": "message-metadata", **usage}) if usage else b""
            return frames + metadata + _event({"type": "abort"}) + _FINISH_COMMENT + DONE
        reason = without_none({"finishReason": self._finish_reason()})
        return frames + _event({"type": "finish", **reason, **usage}) + DONE

    def _usage(self) -> dict[str, JSON]:
        """Return the fields with the usage, if there is any."""
        total = self._summary.usage
        if total == Usage():
            return {}
        usage, all_tokens = usage_totals(total), bounded(total.input_tokens + total.output_tokens)
        # assistant-ui reads the first, AI SDK the second.
        metadata = {**usage, "totalTokens": all_tokens, **usage_details(total)}
        return {"usage": usage, "messageMetadata": {"usage": metadata}}

    def _start(self) -> bytes:
        self._is_started = True
        start = {"messageId": self._message_id, "messageMetadata": self._metadata}
        return _event({"type": "start", **without_none(start)})

    def _finish_reason(self) -> str | None:
        reason = self._summary.reason
        if reason not in (None, "unknown"):
            return reason if reason in FINISH_REASONS else "other"
        if self._summary.has_failed:
            return "error"
        return "tool-calls" if reason is None and self._waits_for_result() else None

    # --- Texts ---

    def reasoning_part(self, chunk: chunks.ReasoningPartChunk) -> bytes:
        summary = summary_text(chunk)
        return self._end_text() + (self._delta("reasoning", chunk.parent_id, summary) if summary else b"")

    def reasoning_signature(self, chunk: chunks.ReasoningSignatureChunk) -> bytes:
        """End the reasoning with its signature; without open reasoning, sign an empty part."""
        is_open = self._open_kind is not None and self._open_kind[0] == "reasoning"
        start = b"" if is_open else self._start_text("reasoning", None)
        self._open_kind = None
        metadata = self._part_metadata
        if signature_of({"providerMetadata": metadata}) != chunk.signature:
            metadata = {**metadata, PROVIDER: {"signature": chunk.signature}}
        return start + _event({"type": "reasoning-end", "id": str(self._parts), "providerMetadata": metadata})

    def provider_metadata(self, chunk: chunks.ProviderMetadataChunk) -> bytes:
        """Write an empty delta with all metadata of the part, as the client replaces what it has."""
        kind = (chunk.part, chunk.parent_id)
        start = b"" if self._open_kind == kind else self._start_text(*kind)
        self._part_metadata = merged_metadata(self._part_metadata, _checked(chunk.provider_metadata))
        delta = {"type": f"{chunk.part}-delta", "id": str(self._parts), "delta": ""}
        return start + _event({**delta, **_metadata_field(self._part_metadata)})

    # `encode` only adds the start of the message.
    _around_delta = TextPartEncoder._around_delta

    def _start_text(self, kind: str, parent_id: str | None) -> bytes:
        end = self._before_part()
        self._parts += 1
        # The format has no parents, but texts of two parents are two parts.
        self._open_kind, self._part_metadata = (kind, parent_id), {}
        frame = b'data: {"type":"%b-%%b","id":"%d"' % (kind.encode(), self._parts)
        self._delta_head = frame % b"delta" + b',"delta":'
        self._text_end = frame % b"end" + b"}\n\n"
        return end + frame % b"start" + b"}\n\n"

    def _end_text(self) -> bytes:
        if self._open_kind is None:
            return b""
        self._open_kind = None
        return self._text_end

    def _before_part(self) -> bytes:
        """End the open text, and start a step if one is needed."""
        # In a new step the client would not find a tool call whose input was not sent yet.
        if self._is_in_step or self._inputs or not self._needs_step:
            return self._end_text()
        self._needs_step = False
        return self._end_text() + _START_STEP

    def _end_parts(self) -> bytes:
        """End the open text, and send the input of every tool call."""
        return self._end_text() + self._close_all() + b"".join(map(self._give_up, list(self._inputs)))

    # --- Tool calls ---

    def _write_begin(self, record: ToolCallState, chunk: chunks.ToolCallBeginChunk | chunks.ToolCallChunk) -> bytes:
        before, begin = self._before_part(), self._begin_fields(chunk)
        self._inputs[record.call_id] = _PendingInput(begin)
        return before + _event({"type": "tool-input-start", **begin})

    def _write_call(self, record: ToolCallState, chunk: chunks.ToolCallChunk) -> bytes:
        begin = self._begin_fields(chunk)
        return self._before_part() + _event({"type": "tool-input-available", **begin, "input": chunk.args})

    def _begin_fields(self, chunk: chunks.ToolCallBeginChunk | chunks.ToolCallChunk) -> dict[str, JSON]:
        """Return the fields of a tool call in every frame with its input, and note those of its output."""
        names = {"providerExecuted": chunk.provider_executed, "dynamic": chunk.dynamic}
        flags = dict.fromkeys((name for name, is_set in names.items() if is_set), True)
        if flags:
            self._flags[chunk.tool_call_id] = flags
        metadata = _metadata_field(_checked(chunk.provider_metadata))
        return {"toolCallId": chunk.tool_call_id, "toolName": chunk.tool_name, **flags, **metadata}

    def _write_whole_args(self, record: ToolCallState, args: JSON) -> bytes:
        del self._open_calls[record.call_id]
        return self._send_input("tool-input-available", record.call_id, args)

    def _write_args(self, record: ToolCallState, text: str) -> bytes:
        self._inputs[record.call_id].pieces.append(text)
        return _event({"type": "tool-input-delta", "toolCallId": record.call_id, "inputTextDelta": text})

    def _write_close(self, record: ToolCallState) -> bytes:
        """Send the whole input. Input that is not JSON waits for the result, which may be a better error."""
        try:
            value = loads(self._inputs[record.call_id].text) if record.has_args else {}
        except ValueError:
            return b""
        return self._send_input("tool-input-available", record.call_id, value)

    def tool_result(self, chunk: chunks.ToolResultChunk) -> bytes:
        if self._continues_message and chunk.tool_call_id not in self._calls:
            # The call belongs to the message so far.
            record, frames = self._add(chunk.tool_call_id), b""
        else:
            record, frames = self._known(chunk.tool_call_id)
        if not chunk.preliminary:
            if not self._is_in_step:
                # Later parts belong to another step.
                frames += self._end_text()
            record.has_result = self._needs_step = True
        frames += self._close(record)
        # AI SDK 5 finds a dynamic call only by a frame with the flag.
        address = {"toolCallId": chunk.tool_call_id, **self._flags.get(chunk.tool_call_id, {})}
        if chunk.denied:
            frames += self._send_input_text("tool-input-available", chunk.tool_call_id)
            return frames + _event({"type": "tool-output-denied", "toolCallId": chunk.tool_call_id})
        if not chunk.is_error:
            # The tool accepted the text although it is not JSON.
            frames += self._send_input_text("tool-input-available", chunk.tool_call_id)
            preliminary = {"preliminary": True} if chunk.preliminary else {}
            return frames + _event({"type": "tool-output-available", **address, "output": chunk.result, **preliminary})
        error = chunk.result if isinstance(chunk.result, str) else dumps(chunk.result).decode()
        if chunk.tool_call_id in self._inputs:
            return frames + self._send_input_text("tool-input-error", chunk.tool_call_id, errorText=error)
        return frames + _event({"type": "tool-output-error", **address, "errorText": error})

    def tool_approval_request(self, chunk: chunks.ToolApprovalRequestChunk) -> bytes:
        record, frames = self._known(chunk.tool_call_id)
        if record.has_result:
            return frames
        frames += self._close(record) + self._send_input_text("tool-input-available", chunk.tool_call_id)
        ids = {"toolCallId": chunk.tool_call_id, "approvalId": chunk.approval_id, "signature": chunk.signature}
        return frames + _event({"type": "tool-approval-request", **without_none(ids)})

    def _give_up(self, call_id: str) -> bytes:
        """Report that the input of a tool call is not JSON, as it has no result."""
        self._calls[call_id].has_result = self._needs_step = True
        return self._send_input_text("tool-input-error", call_id, errorText=BAD_ARGUMENTS)

    def _send_input_text(self, kind: str, call_id: str, **fields: JSON) -> bytes:
        """Send the input of a tool call as text, if it was not sent yet."""
        return self._send_input(kind, call_id, self._inputs[call_id].text, **fields) if call_id in self._inputs else b""

    def _send_input(self, kind: str, call_id: str, value: JSON, **fields: JSON) -> bytes:
        """Send the input of a tool call. Held back starts of steps follow the last one."""
        frame = _event({"type": kind, **self._inputs.pop(call_id).begin, "input": value, **fields})
        if self._inputs or not self._waiting_steps:
            return frame
        steps, self._waiting_steps = self._waiting_steps, []
        return frame + self._end_text() + b"".join(steps)

    # --- Complete parts ---

    def source(self, chunk: chunks.SourceChunk) -> bytes:
        source = {"type": "source-url", "sourceId": chunk.id, "url": chunk.url, "title": chunk.title}
        source["providerMetadata"] = place_metadata(chunk)
        return self._before_part() + _event(without_none(source))

    def source_document(self, chunk: chunks.SourceDocumentChunk) -> bytes:
        source = {
            "type": "source-document",
            "sourceId": chunk.id,
            "mediaType": chunk.media_type,
            "title": chunk.title,
            "filename": chunk.filename,
            "providerMetadata": place_metadata(chunk),
        }
        return self._before_part() + _event(without_none(source))

    def file(self, chunk: chunks.FileChunk) -> bytes:
        # Clients drop the file name, but their types have a field for it.
        file = {
            "type": "file",
            "url": file_url(chunk.data, chunk.mime_type),
            "mediaType": chunk.mime_type,
            "filename": chunk.filename,
        }
        return self._before_part() + _event(without_none(file))

    def data_part(self, chunk: chunks.DataPartChunk) -> bytes:
        known = without_none({"id": chunk.id, "transient": chunk.transient or None})
        part = _event({"type": f"data-{chunk.name}", **known, "data": chunk.data})
        return part if chunk.transient or self._is_update(chunk) else self._before_part() + part

    def _is_update(self, chunk: chunks.DataPartChunk) -> bool:
        """Return whether a part replaces an earlier one; then it does not end a text."""
        if chunk.id is None:
            return False
        address = (chunk.name, chunk.id)
        is_known = address in self._data_ids
        self._data_ids.add(address)
        return is_known

    def data(self, chunk: chunks.DataChunk) -> bytes:
        return _event({"type": "data-data", "data": chunk.data})

    def annotations(self, chunk: chunks.AnnotationsChunk) -> bytes:
        return _event({"type": "data-annotations", "data": chunk.annotations})

    def update_state(self, chunk: chunks.UpdateStateChunk) -> bytes:
        for operation in chunk.operations:
            self._state[0] = _apply(self._state[0], operation)
        return _event({"type": "data-state", "id": "state", "data": self._state[0]})

    # --- Steps and ends ---

    def step_start(self, chunk: chunks.StepStartChunk) -> bytes:
        # The id is for assistant-ui only.
        start = _event({"type": "start-step", "messageId": chunk.message_id})
        self._needs_step, self._is_in_step = False, True
        if self._inputs:
            self._waiting_steps.append(start)
            return b""
        return self._end_text() + start

    def step_finish(self, chunk: chunks.StepFinishChunk) -> bytes:
        self._summary.add_step(chunk)
        self._is_in_step = False
        # The fields are for assistant-ui only.
        return self._end_parts() + _event({"type": "finish-step", **assistant_ui.step_finish(chunk)})

    def message_finish(self, chunk: chunks.MessageFinishChunk) -> bytes:
        """End the parts. `finish` itself is written once, right before `[DONE]`."""
        self._summary.set_message(chunk)
        return self._end_parts()

    def error(self, chunk: chunks.ErrorChunk) -> bytes:
        """Write an error after the ends of all parts, as `useChat` stops reading there."""
        self._summary.has_failed = True
        return self._end_parts() + _event({"type": "error", "errorText": chunk.error})


def _event(value: JSON) -> bytes:
    return event(dumps(value))


def _metadata_field(metadata: dict[str, JSON]) -> dict[str, JSON]:
    return {"providerMetadata": metadata} if metadata else {}


def _checked(metadata: dict[str, JSON] | None) -> dict[str, JSON]:
    """Return metadata that clients accept, which check each value in it."""
    return valid_metadata(plain(metadata, "provider_metadata"))


def _apply(state: JSON, operation: Operation) -> JSON:
    """Apply a state operation, and create missing containers, as the initial state may be unknown."""
    try:
        return apply(state, operation, missing="create")
    except StateError:
        # An append to a missing text sets it; an operation that still cannot be applied is skipped.
        return apply(state, set_value(tuple(operation["path"]), operation["value"]), missing="ignore")
