"""Fold chunks into a message, as assistant-ui's accumulator does.

The cost of a chunk does not grow with the message: texts are joined, and arguments parsed, when they are read.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any

import msgspec

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk, ChunkHandler, TextDeltaChunk, not_a_chunk
from assistant_stream_ce.jsonvalue import JSON, clone, dumps, plain
from assistant_stream_ce.message import (
    AssistantMessage,
    DataPart,
    FilePart,
    MessageError,
    MessagePart,
    MessageStatus,
    ReasoningPart,
    RefusalPart,
    SourceDocumentPart,
    SourcePart,
    Step,
    TextPart,
    UsageTotal,
)
from assistant_stream_ce.message.builders import TextBuilder, TextKind, ToolCallBuilder
from assistant_stream_ce.state.operations import apply

# The tool name of a call that has a result, but did not begin, in this message.
_UNKNOWN_TOOL = "unknown"

# The status for each finish reason that is not `incomplete`.
_STATUS_TYPES: Mapping[str, Any] = {"stop": "complete", "unknown": "complete", "tool-calls": "requires-action"}


class MessageAccumulator(ChunkHandler[None]):
    """Folds chunks into a message. Not thread-safe.

    Chunks that do not fit are handled as leniently as front ends do: a tool call that has not begun begins with the
    name "unknown"; text after complete arguments and state edits that cannot be applied are ignored.

    Args:
        state: the initial state, as passed to `create_run`. It is copied.

    Raises:
        TypeError: the state is not JSON.
    """

    def __init__(self, *, state: object = None) -> None:
        # Ended texts are stored as parts, not as builders: with thousands of them, memory is most of the cost.
        self._parts: list[ToolCallBuilder | MessagePart] = []
        # The text that the next delta may extend: the last part.
        self._open_text: TextBuilder | None = None
        self._calls: dict[str, ToolCallBuilder] = {}
        self._open_calls: dict[str, ToolCallBuilder] = {}
        # The positions of data parts that a later part may replace, by name and id.
        self._data_parts: dict[tuple[str, str], int] = {}
        self._data: list[JSON] = []
        self._annotations: list[JSON] = []
        self._steps: list[Step] = []
        self._usage = UsageTotal()
        self._state: JSON = plain(state, "state")
        # A copy of the state for messages; None after an edit.
        self._state_copy: list[JSON] | None = None
        self._error: MessageError | None = None
        self._finish_reason: str | None = None
        self._is_over = False
        self._is_cancelled = False
        # The newest message; None after a change.
        self._message: AssistantMessage | None = None

    def add(self, chunk: AssistantStreamChunk) -> None:
        """Add a chunk.

        Args:
            chunk: the next chunk of the message.

        Raises:
            TypeError: it is not a chunk.
        """
        self._message = None
        try:
            method = self.chunk_methods[type(chunk)]
        except KeyError:
            raise not_a_chunk(chunk) from None
        method(self, chunk)

    def extend(self, chunks: Iterable[AssistantStreamChunk]) -> None:
        """Add several chunks.

        Args:
            chunks: the next chunks of the message.

        Raises:
            TypeError: one of them is not a chunk.
        """
        pieces: list[str] | None = None
        parent_id: str | None = None
        for chunk in chunks:
            if type(chunk) is not TextDeltaChunk:
                self.add(chunk)
                pieces = None
            elif pieces is not None and chunk.parent_id == parent_id:
                # Fast path, because most chunks continue a text: an eighth of the cost of `add`.
                pieces.append(chunk.text_delta)
                self._message = None
            else:
                self.add(chunk)
                parent_id = chunk.parent_id
                pieces = None if self._open_text is None else self._open_text.pieces

    def finish(self, *, is_cancelled: bool = False) -> None:
        """Mark the message as ended.

        Args:
            is_cancelled: whether its stream was cancelled. Then incomplete arguments of tool calls stay incomplete, and
                the status is incomplete with the reason "cancelled" unless a chunk has set another one.
        """
        self._message = None
        self._is_over = True
        self._is_cancelled = is_cancelled

    @property
    def message(self) -> AssistantMessage:
        """The message so far. Chunks that are added later do not change it."""
        if self._message is None:
            if self._state_copy is None:
                self._state_copy = [clone(self._state)]
            self._message = AssistantMessage(
                parts=self._built_parts(),
                status=self._status(),
                error=self._error,
                steps=list(self._steps),
                usage=self._usage.usage,
                data=list(self._data),
                annotations=list(self._annotations),
                state=self._state_copy[0],
            )
        return self._message

    def _built_parts(self) -> list[MessagePart]:
        is_over = self._is_over and not self._is_cancelled
        parts = [part.build(is_over=is_over) if isinstance(part, ToolCallBuilder) else part for part in self._parts]
        if self._open_text is not None:
            parts.append(self._open_text.build("complete" if self._is_over else "running"))
        return parts

    def _status(self) -> MessageStatus:
        if self._error is not None:
            return MessageStatus("incomplete", "error")
        reason = self._finish_reason
        if reason is None:
            if not self._is_over:
                return MessageStatus("running")
            if self._is_cancelled:
                return MessageStatus("incomplete", "cancelled")
            waits = any(call.needs_result for call in self._calls.values())
            reason = self._usage.step_reason or ("tool-calls" if waits else "unknown")
        return MessageStatus(_STATUS_TYPES.get(reason, "incomplete"), reason)

    # --- texts ---

    def text_delta(self, chunk: TextDeltaChunk) -> None:
        self._extend_text(TextPart, chunk.parent_id, chunk.text_delta)

    def text_part(self, chunk: chunks.TextPartChunk) -> None:
        # The next text starts the part, so that a boundary without text creates none.
        self._end_text()

    def reasoning_delta(self, chunk: chunks.ReasoningDeltaChunk) -> None:
        self._extend_text(ReasoningPart, chunk.parent_id, chunk.reasoning_delta)

    def refusal_delta(self, chunk: chunks.RefusalDeltaChunk) -> None:
        self._extend_text(RefusalPart, chunk.parent_id, chunk.refusal_delta)

    def _extend_text(self, kind: TextKind, parent_id: str | None, text: str) -> None:
        builder = self._open_text
        if builder is None or not builder.accepts(kind, parent_id):
            builder = self._begin_text(TextBuilder(kind, parent_id))
        builder.pieces.append(text)

    def reasoning_part(self, chunk: chunks.ReasoningPartChunk) -> None:
        self._begin_text(TextBuilder(ReasoningPart, chunk.parent_id, chunk.summary))

    def reasoning_signature(self, chunk: chunks.ReasoningSignatureChunk) -> None:
        # The signature ends the reasoning: later reasoning has its own.
        builder = self._open_text
        if builder is None or not builder.is_reasoning:
            builder = self._begin_text(TextBuilder(ReasoningPart, None))
        builder.sign(chunk.signature)
        self._end_text()

    def provider_metadata(self, chunk: chunks.ProviderMetadataChunk) -> None:
        kind = TextPart if chunk.part == "text" else ReasoningPart
        builder = self._open_text
        if builder is None or not builder.accepts(kind, chunk.parent_id):
            builder = self._begin_text(TextBuilder(kind, chunk.parent_id))
        builder.add_metadata(chunk.provider_metadata)

    def _begin_text(self, builder: TextBuilder) -> TextBuilder:
        self._end_text()
        self._open_text = builder
        return builder

    def _end_text(self) -> None:
        if self._open_text is not None:
            self._parts.append(self._open_text.build("complete"))
            self._open_text = None

    # --- tool calls ---

    def tool_call(self, chunk: chunks.ToolCallChunk) -> None:
        call = self._begin_call(chunk.tool_call_id, chunk)
        if call.is_open:
            call.extend(dumps(chunk.args).decode())
            self._close(chunk.tool_call_id)

    def tool_call_begin(self, chunk: chunks.ToolCallBeginChunk) -> None:
        self._begin_call(chunk.tool_call_id, chunk)

    def tool_call_delta(self, chunk: chunks.ToolCallDeltaChunk) -> None:
        call = self._open_calls.get(chunk.tool_call_id) or self._begin_call(chunk.tool_call_id)
        if call.is_open:
            if chunk.args_text_delta:
                call.extend(chunk.args_text_delta)
            if chunk.args is not None:
                call.set_args(dumps(chunk.args).decode())
            if chunk.is_final:
                self._close(chunk.tool_call_id)

    def tool_result(self, chunk: chunks.ToolResultChunk) -> None:
        self._begin_call(chunk.tool_call_id).answer(chunk)
        self._open_calls.pop(chunk.tool_call_id, None)

    def tool_approval_request(self, chunk: chunks.ToolApprovalRequestChunk) -> None:
        self._begin_call(chunk.tool_call_id).ask(chunk)
        self._open_calls.pop(chunk.tool_call_id, None)

    def _begin_call(
        self, call_id: str, begin: chunks.ToolCallBeginChunk | chunks.ToolCallChunk | None = None
    ) -> ToolCallBuilder:
        """Return the tool call with an id; begin it if there is none."""
        call = self._calls.get(call_id)
        if call is None:
            begin = begin or chunks.ToolCallBeginChunk(call_id, _UNKNOWN_TOOL)
            call = self._calls[call_id] = self._open_calls[call_id] = ToolCallBuilder(begin)
            self._append(call)
        return call

    def _close(self, call_id: str) -> None:
        self._open_calls.pop(call_id).close()

    def _close_all(self) -> None:
        for call_id in list(self._open_calls):
            self._close(call_id)

    # --- other parts ---

    def source(self, chunk: chunks.SourceChunk) -> None:
        self._append(SourcePart(*msgspec.structs.astuple(chunk)))

    def source_document(self, chunk: chunks.SourceDocumentChunk) -> None:
        self._append(SourceDocumentPart(*msgspec.structs.astuple(chunk)))

    def file(self, chunk: chunks.FileChunk) -> None:
        self._append(FilePart(chunk.data, chunk.mime_type, chunk.filename, chunk.parent_id))

    def data_part(self, chunk: chunks.DataPartChunk) -> None:
        if chunk.transient:
            return
        part = DataPart(chunk.name, chunk.data, chunk.id, chunk.parent_id)
        if chunk.id is None:
            self._append(part)
            return
        index = self._data_parts.get((chunk.name, chunk.id))
        if index is None:
            self._append(part)
            self._data_parts[chunk.name, chunk.id] = len(self._parts) - 1
        else:
            self._parts[index] = part

    def _append(self, part: ToolCallBuilder | MessagePart) -> None:
        self._end_text()
        self._parts.append(part)

    # --- data beside the parts ---

    def data(self, chunk: chunks.DataChunk) -> None:
        self._data.append(chunk.data)

    def annotations(self, chunk: chunks.AnnotationsChunk) -> None:
        self._annotations += chunk.annotations

    def update_state(self, chunk: chunks.UpdateStateChunk) -> None:
        self._state_copy = None
        for operation in chunk.operations:
            self._state = apply(self._state, operation, "ignore")

    # --- steps and the end ---

    def step_start(self, chunk: chunks.StepStartChunk) -> None:
        # Each step has its own text, even if a front end joins them.
        self._end_text()
        self._steps.append(Step(chunk.message_id, len(self._parts)))

    def step_finish(self, chunk: chunks.StepFinishChunk) -> None:
        self._close_all()
        if not self._steps or self._steps[-1].finish_reason is not None:
            self._steps.append(Step(first_part=len(self._parts) + (self._open_text is not None)))
        step = self._steps[-1]
        usage = self._usage.add_step(chunk)
        self._steps[-1] = Step(step.message_id, step.first_part, chunk.finish_reason, usage, chunk.is_continued)

    def message_finish(self, chunk: chunks.MessageFinishChunk) -> None:
        self._close_all()
        self._finish_reason = chunk.finish_reason
        self._usage.set_message(chunk)

    def error(self, chunk: chunks.ErrorChunk) -> None:
        self._error = MessageError(chunk.error, chunk.code, chunk.severity)


def accumulate(chunks: Iterable[AssistantStreamChunk], *, state: object = None) -> AssistantMessage:
    """Return the message that chunks add up to. In a coroutine, use `aaccumulate` for a stream.

    Exceptions of the iterable propagate; a stream has its message as `stream.message` even then. The message of a
    cancelled stream has the status incomplete with the reason "cancelled".

    Args:
        chunks: all chunks of the message: a stream, or any iterable.
        state: the initial state, as passed to `create_run`.

    Raises:
        TypeError: `chunks` is not an iterable of chunks, or `state` is not JSON.
        StreamUsageError: `chunks` is a stream, and a loop runs in this thread.
    """
    if not isinstance(chunks, Iterable):
        hint = ": use `await aaccumulate(...)`" if isinstance(chunks, AsyncIterable) else ""
        raise TypeError(f"chunks must be an iterable of chunks, not {type(chunks).__name__}{hint}")
    accumulator = MessageAccumulator(state=state)
    accumulator.extend(chunks)
    return _finished(accumulator, chunks)


async def aaccumulate(chunks: AsyncIterable[AssistantStreamChunk], *, state: object = None) -> AssistantMessage:
    """Return the message that the chunks of an async iterable add up to: `accumulate` for coroutines.

    Args:
        chunks: all chunks of the message.
        state: the initial state, as passed to `create_run`.

    Raises:
        TypeError: `chunks` is not an async iterable of chunks, or `state` is not JSON.
    """
    if not isinstance(chunks, AsyncIterable):
        hint = ": use `accumulate(...)`" if isinstance(chunks, Iterable) else ""
        raise TypeError(f"chunks must be an async iterable of chunks, not {type(chunks).__name__}{hint}")
    accumulator = MessageAccumulator(state=state)
    async for chunk in chunks:
        accumulator.add(chunk)
    return _finished(accumulator, chunks)


def _finished(accumulator: MessageAccumulator, source: object) -> AssistantMessage:
    # The reader of a cancelled stream sees a normal end.
    accumulator.finish(is_cancelled=getattr(source, "is_cancelled", False) is True)
    return accumulator.message
