"""Encoder of AG-UI events: server-sent events from `RUN_STARTED` to `RUN_FINISHED` or `RUN_ERROR`.

Clients are `@ag-ui/client` (1.0.0 and the 0.0.59 line) and packages that use it, such as CopilotKit and assistant-ui's
`useAgUiRuntime`. They fail at any event out of order: an end without its start, the end of a run with an open message,
anything after the end, `[DONE]` included.

A text is a message, reasoning another and a tool result a third; a tool call belongs to the message before it. The
state is sent as snapshots and JSON patches (RFC 6902). Sources, files, data and annotations are `CUSTOM` events, data
parts under their own name. Approval requests are the interrupts of `RUN_FINISHED`. `metadata` carries values without a
field.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import merged_metadata
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, dumps, dumps_text
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
from assistant_stream_ce.serialization.framing import EVENT_STREAM, KEEPALIVE, OBJECT_END, event
from assistant_stream_ce.serialization.tool_calls import ToolCallState
from assistant_stream_ce.serialization.usage import nonzero, usage_totals
from assistant_stream_ce.state import operations

if TYPE_CHECKING:
    from assistant_stream_ce.create_run import StreamHeader


class AGUIEncoder(StatefulEncoder):
    """Encoder of AG-UI events. Not thread-safe.

    Args:
        thread_id: the id of the conversation, `threadId` of the request; generated if None.
        run_id: the id of the run, `runId` of the request; generated if None. The ids of messages start with it, so it
            must be unique in the conversation; only the first text or tool call has the `message_id` of the stream.
        state: the initial state, for chunks that do not come from a stream of `create_run`. It is copied.

    Raises:
        TypeError: `thread_id` or `run_id` is not a str, or `state` is not JSON.
    """

    media_type = EVENT_STREAM
    nothing: ClassVar[bytes] = b""
    keepalive: ClassVar[bytes] = KEEPALIVE
    needs_header = True

    def __init__(self, thread_id: str | None = None, run_id: str | None = None, *, state: object = None) -> None:
        super().__init__(state)
        self._thread_id = optional_str(thread_id, "thread_id")
        self._run_id = optional_str(run_id, "run_id")
        # The id of the first message with text or a tool call, until it is written.
        self._first_id: str | None = None
        self._is_started = False
        self._ids = 0
        # The open text or reasoning: the events that end it, its id and its metadata.
        self._open_end = b""
        self._open_id = ""
        self._metadata: dict[str, JSON] = {}
        # The message that the next tool call belongs to, and its parent.
        self._message: tuple[str, str | None] | None = None
        self._answered: set[str] = set()
        # The approval requests without a decision, by call.
        self._requests: dict[str, chunks.ToolApprovalRequestChunk] = {}
        self._step: str | None = None
        self._has_state = False
        self._failure: chunks.ErrorChunk | None = None

    def start_stream(self, header: StreamHeader) -> None:
        """Take the id of the message for its first text or call, and the ids of the run and thread."""
        self._first_id = header.message_id
        self._thread_id = self._thread_id or header.thread_id
        self._run_id = self._run_id or header.run_id

    def encode(self, chunk: chunks.AssistantStreamChunk) -> bytes:
        """Return the events of a chunk, with `RUN_STARTED` before the first.

        Raises:
            TypeError: it is not a chunk, or contains a value that is not JSON.
            StateError: a state operation does not fit the state of the encoder.
        """
        if self._is_started:
            return super().encode(chunk)
        self._set_ids()
        events = super().encode(chunk)
        return self._start() + events

    def finish(self) -> bytes:
        """Return the ends of open items, and the end of the run: `RUN_ERROR` if there was an error."""
        start = b"" if self._is_started else self._start()
        run: dict[str, JSON] = {"type": "RUN_FINISHED", "threadId": self._thread_id, "runId": self._run_id}
        # Not in `outcome`: clients of the 0.0.59 line fail at "cancelled".
        metadata: dict[str, JSON] = {"finishReason": self._summary.reason}
        if self._failure is not None:
            run = without_none({"type": "RUN_ERROR", "message": self._failure.error, "code": self._failure.code})
            metadata["severity"] = self._failure.severity
        elif self._requests:
            run["outcome"] = {"type": "interrupt", "interrupts": list(map(_interrupt, self._requests.values()))}
        if (usage := self._summary.usage) != Usage():
            run["usage"] = [{**usage_totals(usage), **_usage_details(usage)}]
        return start + self._end_all() + self._end_step({}) + _event(run, metadata)

    def reasoning_part(self, chunk: chunks.ReasoningPartChunk) -> bytes:
        return self._end_text() + self._delta("reasoning", chunk.parent_id, summary_text(chunk))

    def reasoning_signature(self, chunk: chunks.ReasoningSignatureChunk) -> bytes:
        """Write the signature and end the reasoning; without open reasoning, sign an empty message."""
        is_open = self._open_kind is not None and self._open_kind[0] == "reasoning"
        start = b"" if is_open else self._start_text("reasoning", None)
        value = {
            "type": "REASONING_ENCRYPTED_VALUE",
            "subtype": "message",
            "entityId": self._open_id,
            "encryptedValue": chunk.signature,
        }
        return start + self._end_text() + _event(value)

    def provider_metadata(self, chunk: chunks.ProviderMetadataChunk) -> bytes:
        """Start a message with the metadata, or add it to the event that ends the open one."""
        kind = (chunk.part, chunk.parent_id)
        if self._open_kind != kind:
            return self._start_text(*kind, chunk.provider_metadata)
        self._metadata = merged_metadata(self._metadata, chunk.provider_metadata)
        self._open_end = self._end_events(kind[0], self._metadata)
        return b""

    # `encode` only adds the start of the run.
    _around_delta = TextPartEncoder._around_delta

    def _delta(self, kind: str, parent_id: str | None, text: str) -> bytes:
        if text == "":
            # Older clients fail at an empty delta.
            return b""
        start = b"" if self._open_kind == (kind, parent_id) else self._start_text(kind, parent_id)
        return start + self._delta_head + dumps_text(text) + OBJECT_END

    def _start_text(self, kind: str, parent_id: str | None, metadata: dict[str, JSON] | None = None) -> bytes:
        end, message_id = self._end_text(), self._message_id() if kind == "text" else self._fresh_id()
        self._open_kind, self._open_id, self._metadata = (kind, parent_id), message_id, metadata or {}
        self._delta_head = b'data: {"type":"%b_MESSAGE_CONTENT","messageId":%b,"delta":' % (
            kind.upper().encode(),
            dumps_text(message_id),
        )
        self._open_end = self._end_events(kind)
        notes: dict[str, JSON] = {"parentId": parent_id, "providerMetadata": metadata}
        message = {"type": f"{kind.upper()}_MESSAGE_START", "messageId": message_id, "role": "assistant"}
        if kind == "text":
            self._message = (message_id, parent_id)
            return end + _event(message, notes)
        start = _event({"type": "REASONING_START", "messageId": message_id})
        return end + start + _event({**message, "role": "reasoning"}, notes)

    def _end_events(self, kind: str, metadata: dict[str, JSON] | None = None) -> bytes:
        """Return the events that end the open message."""
        end = _event(
            {"type": f"{kind.upper()}_MESSAGE_END", "messageId": self._open_id}, {"providerMetadata": metadata}
        )
        return end if kind == "text" else end + _event({"type": "REASONING_END", "messageId": self._open_id})

    def tool_result(self, chunk: chunks.ToolResultChunk) -> bytes:
        call_id = chunk.tool_call_id
        if chunk.preliminary or call_id in self._answered:
            # Clients show every result.
            return b""
        self._answered.add(call_id)
        self._requests.pop(call_id, None)
        if self._open_kind is None:
            # The next tool call belongs to the answer that follows the result.
            self._message = None
        # Clients accept results of calls of earlier runs.
        end = self._close(self._calls[call_id]) if call_id in self._calls else b""
        result = {
            "type": "TOOL_CALL_RESULT",
            "messageId": self._fresh_id(),
            "toolCallId": call_id,
            "content": dumps(chunk.result).decode(),
            "role": "tool",
        }
        notes = {
            "artifact": chunk.artifact,
            "isError": chunk.is_error or None,
            "denied": chunk.denied or None,
            "modelContent": chunk.model_content,
        }
        return end + _event(result, notes)

    def tool_approval_request(self, chunk: chunks.ToolApprovalRequestChunk) -> bytes:
        """End the arguments; `finish` writes the request, as interrupts are part of the run's end."""
        if chunk.tool_call_id in self._answered:
            return b""
        self._requests[chunk.tool_call_id] = chunk
        record, frames = self._known(chunk.tool_call_id)
        return frames + self._close(record)

    def source(self, chunk: chunks.SourceChunk) -> bytes:
        return self._end_signed() + _custom("source", assistant_ui.source(chunk))

    def source_document(self, chunk: chunks.SourceDocumentChunk) -> bytes:
        return self._end_signed() + _custom("source-document", assistant_ui.source_document(chunk))

    def file(self, chunk: chunks.FileChunk) -> bytes:
        return self._end_signed() + _custom("file", assistant_ui.file(chunk))

    def data(self, chunk: chunks.DataChunk) -> bytes:
        return _custom("data", chunk.data)

    def data_part(self, chunk: chunks.DataPartChunk) -> bytes:
        notes = {"id": chunk.id, "transient": chunk.transient or None, "parentId": chunk.parent_id}
        end = b"" if chunk.transient else self._end_signed()
        return end + _custom(chunk.name, chunk.data, notes)

    def annotations(self, chunk: chunks.AnnotationsChunk) -> bytes:
        return _custom("annotations", chunk.annotations)

    def step_start(self, chunk: chunks.StepStartChunk) -> bytes:
        end = self._end_text() + self._end_step({})
        self._step = chunk.message_id
        return end + _event({"type": "STEP_STARTED", "stepName": self._step})

    def step_finish(self, chunk: chunks.StepFinishChunk) -> bytes:
        usage = self._summary.add_step(chunk)
        return self._end_all() + self._end_step(_step_metadata(chunk, usage))

    def message_finish(self, chunk: chunks.MessageFinishChunk) -> bytes:
        self._summary.set_message(chunk)
        return self._end_all()

    def error(self, chunk: chunks.ErrorChunk) -> bytes:
        # Written by `finish`: nothing may follow RUN_ERROR, but the callback may continue.
        self._failure = chunk
        self._summary.has_failed = True
        return b""

    def update_state(self, chunk: chunks.UpdateStateChunk) -> bytes:
        if not chunk.operations:
            return b""
        patch = [self._change_state(operation) for operation in chunk.operations]
        # The first update is a snapshot, because the client may have started with another state.
        if not self._has_state or any(not change["path"] for change in patch):
            self._has_state = True
            return _event({"type": "STATE_SNAPSHOT", "snapshot": self._state[0]})
        return _event({"type": "STATE_DELTA", "delta": patch})

    def _change_state(self, operation: chunks.Operation) -> dict[str, JSON]:
        """Apply a state operation and return the patch operation for it. JSON patches cannot append to a text."""
        path = operation["path"]
        try:
            container: JSON = operations.lookup(self._state[0], path[:-1]) if path else None
            length = len(container) if type(container) is list else -1
            self._state[0] = operations.apply(self._state[0], operation)
        except StateError as error:
            raise StateError(
                f"{error} (pass AGUIEncoder or AGUIResponse the state that the chunks start with)"
            ) from error
        # `add` inserts into a list, but sets in a dict.
        name = "replace" if length >= 0 and len(container) == length else "add"
        is_set = operation["type"] == "set"
        value = operation["value"] if is_set else operations.lookup(self._state[0], path)
        return {"op": name, "path": "".join(map(_segment, path)), "value": value}

    def _write_begin(self, record: ToolCallState, chunk: chunks.ToolCallBeginChunk | chunks.ToolCallChunk) -> bytes:
        end, message = self._end_open(), self._message
        if message is None or message[1] != chunk.parent_id:
            message = self._message = (self._message_id(), chunk.parent_id)
        start = {
            "type": "TOOL_CALL_START",
            "toolCallId": record.call_id,
            "toolCallName": chunk.tool_name,
            "parentMessageId": message[0],
        }
        metadata = {
            "parentId": chunk.parent_id,
            "providerExecuted": chunk.provider_executed or None,
            "dynamic": chunk.dynamic or None,
            "providerMetadata": chunk.provider_metadata,
        }
        return end + _event(start, metadata)

    def _write_args(self, record: ToolCallState, text: str) -> bytes:
        return _event({"type": "TOOL_CALL_ARGS", "toolCallId": record.call_id, "delta": text})

    def _write_close(self, record: ToolCallState) -> bytes:
        rest = b"" if record.has_args else self._write_args(record, "{}")
        return rest + _event({"type": "TOOL_CALL_END", "toolCallId": record.call_id})

    def _set_ids(self) -> None:
        """Generate the ids that neither the application nor the stream has given."""
        self._thread_id = self._thread_id or str(uuid.uuid4())
        self._run_id = self._run_id or str(uuid.uuid4())

    def _start(self) -> bytes:
        self._is_started = True
        self._set_ids()
        return _event({"type": "RUN_STARTED", "threadId": self._thread_id, "runId": self._run_id})

    def _end_open(self) -> bytes:
        """End the open text or reasoning."""
        end, self._open_end, self._open_kind = self._open_end, b"", None
        return end

    def _end_signed(self) -> bytes:
        """End the open text or reasoning if it has metadata, which belongs to what is before the next part."""
        return self._end_open() if self._metadata else b""

    def _end_text(self) -> bytes:
        """End the open text or reasoning, and start a new message."""
        self._message = None
        return self._end_open()

    def _end_all(self) -> bytes:
        """End the open text or reasoning, and the arguments of all tool calls."""
        return self._end_text() + self._close_all()

    def _end_step(self, metadata: dict[str, JSON]) -> bytes:
        if self._step is None:
            return b""
        name, self._step = self._step, None
        return _event({"type": "STEP_FINISHED", "stepName": name}, metadata)

    def _message_id(self) -> str:
        message_id, self._first_id = self._first_id or self._fresh_id(), None
        return message_id

    def _fresh_id(self) -> str:
        self._ids += 1
        return f"{self._run_id}-{self._ids}"


def _event(fields: dict[str, JSON], metadata: dict[str, JSON] | None = None) -> bytes:
    """Return an event. Metadata that is None is omitted, as clients reject null."""
    present = without_none(metadata or {})
    return event(dumps({**fields, "metadata": present} if present else fields))


def _interrupt(request: chunks.ToolApprovalRequestChunk) -> dict[str, JSON]:
    # assistant-ui asks for a yes or no if the reason is "tool_call" and there is no schema.
    fields: dict[str, JSON] = {"id": request.approval_id, "reason": "tool_call", "toolCallId": request.tool_call_id}
    return {**fields, "metadata": {"signature": request.signature}} if request.signature is not None else fields


def _usage_details(usage: Usage) -> dict[str, JSON]:
    return nonzero(
        {
            "reasoningTokens": bounded(usage.reasoning_tokens),
            "cachedInputTokens": bounded(usage.cached_tokens),
            "cacheWriteInputTokens": bounded(usage.cache_write_tokens),
        }
    )


def _step_metadata(chunk: chunks.StepFinishChunk, usage: Usage) -> dict[str, JSON]:
    fields = assistant_ui.step_finish(chunk)
    return {**fields, "usage": {**fields["usage"], **_usage_details(usage)}}


def _custom(name: str, value: JSON, metadata: dict[str, JSON] | None = None) -> bytes:
    return _event({"type": "CUSTOM", "name": name, "value": value}, metadata)


def _segment(segment: str) -> str:
    """Return a segment of a JSON pointer (RFC 6901)."""
    return "/" + segment.replace("~", "~0").replace("/", "~1")
