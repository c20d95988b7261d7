"""Chunks folded into a message, as assistant-ui's accumulator folds them.

What a chunk costs does not grow with the message; see `growing_parts`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Protocol, overload

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk, TextDeltaChunk
from assistant_stream_ce.concurrency.channel import in_event_loop
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
from assistant_stream_ce.message.builders import GrowingCall, GrowingText, TextKind
from assistant_stream_ce.state.operations import apply_leniently

__all__ = ("MessageAccumulator", "accumulate")

# The tool's name where a call is answered that this message did not begin.
_UNKNOWN_TOOL = "unknown"

# Why a message ended, where that is not `incomplete`.
_STATUS_TYPES: Mapping[str, Any] = {"stop": "complete", "unknown": "complete", "tool-calls": "requires-action"}


class MessageAccumulator:
    """Folds chunks into a message. Not for several threads at once.

    A chunk that does not fit is taken as leniently as the front ends take it: a tool call that has not begun begins
    under the name "unknown", text for arguments that are complete is left out, and so is an edit of the state that
    cannot be applied.

    Args:
        state: where the state starts, as it was passed to `create_run`. It is copied.

    Raises:
        TypeError: the state is not JSON.
    """

    def __init__(self, *, state: object = None) -> None:
        self._parts: list[GrowingText | GrowingCall | MessagePart] = []
        # The text that the next delta may extend.
        self._growing: GrowingText | None = None
        self._calls: dict[str, GrowingCall] = {}
        self._open_calls: dict[str, GrowingCall] = {}
        # Where the data parts are that a later one may take the place of.
        self._data_parts: dict[tuple[str, str], int] = {}
        self._data: list[JSON] = []
        self._annotations: list[JSON] = []
        self._steps: list[Step] = []
        self._usage = UsageTotal()
        self._state: JSON = plain(state, "state")
        self._made_state: JSON = None
        self._is_state_made = False
        self._error: MessageError | None = None
        self._finish_reason: str | None = None
        self._is_over = False
        self._is_cancelled = False
        # The message that was made last; None after a change.
        self._made: AssistantMessage | None = None

    def add(self, chunk: AssistantStreamChunk) -> None:
        """Take a chunk.

        Raises:
            TypeError: it is no chunk.
        """
        self._made = None
        try:
            take = _METHODS[type(chunk)]
        except KeyError:
            raise TypeError(f"a message is made of chunks, not of a {type(chunk).__name__}") from None
        take(self, chunk)

    def extend(self, chunks: Iterable[AssistantStreamChunk]) -> None:
        """Take several chunks.

        Raises:
            TypeError: one of them is no chunk.
        """
        pieces: list[str] | None = None
        parent_id: str | None = None
        for chunk in chunks:
            # As most chunks do it continues the text before it: an eighth of the way of the others.
            if pieces is not None and type(chunk) is TextDeltaChunk and chunk.parent_id == parent_id:
                pieces.append(chunk.text_delta)
                self._made = None
                continue
            self.add(chunk)
            pieces = None
            if type(chunk) is TextDeltaChunk and self._growing is not None:
                pieces, parent_id = self._growing.pieces, chunk.parent_id

    def finish(self, *, is_cancelled: bool = False) -> None:
        """Take note that the stream has ended.

        Args:
            is_cancelled: whether it was left before its end. Then the arguments of a tool call that were not complete
                stay so, and the status is incomplete with the reason "cancelled", unless a chunk has said otherwise.
        """
        self._made = None
        self._is_over = True
        self._is_cancelled = is_cancelled

    @property
    def message(self) -> AssistantMessage:
        """The message so far. It does not change any more when chunks are added."""
        if self._made is None:
            self._made = AssistantMessage(
                parts=[self._part(part) for part in self._parts],
                status=self._status(),
                error=self._error,
                steps=list(self._steps),
                usage=self._usage.usage,
                data=list(self._data),
                annotations=list(self._annotations),
                state=self._state_now(),
            )
        return self._made

    def _part(self, part: GrowingText | GrowingCall | MessagePart) -> MessagePart:
        if isinstance(part, GrowingText):
            return part.part("running" if part is self._growing and not self._is_over else "complete")
        if isinstance(part, GrowingCall):
            return part.part(is_over=self._is_over and not self._is_cancelled)
        return part

    def _status(self) -> MessageStatus:
        if self._error is not None:
            return MessageStatus("incomplete", "error")
        reason = self._finish_reason
        if reason is None:
            if not self._is_over:
                return MessageStatus("running")
            if self._is_cancelled:
                return MessageStatus("incomplete", "cancelled")
            is_answered = all(call.is_answered for call in self._calls.values())
            reason = "unknown" if is_answered else "tool-calls"
        return MessageStatus(_STATUS_TYPES.get(reason, "incomplete"), reason)

    def _state_now(self) -> JSON:
        if not self._is_state_made:
            self._made_state = clone(self._state)
            self._is_state_made = True
        return self._made_state

    # --- texts ---

    def _text_delta(self, chunk: TextDeltaChunk) -> None:
        self._grow(TextPart, chunk.parent_id, chunk.text_delta)

    def _reasoning_delta(self, chunk: chunks.ReasoningDeltaChunk) -> None:
        self._grow(ReasoningPart, chunk.parent_id, chunk.reasoning_delta)

    def _refusal_delta(self, chunk: chunks.RefusalDeltaChunk) -> None:
        self._grow(RefusalPart, chunk.parent_id, chunk.refusal_delta)

    def _grow(self, kind: TextKind, parent_id: str | None, text: str) -> None:
        growing = self._growing
        if growing is None or not growing.takes(kind, parent_id):
            growing = self._begin_text(GrowingText(kind, parent_id))
        growing.pieces.append(text)

    def _reasoning_part(self, chunk: chunks.ReasoningPartChunk) -> None:
        self._begin_text(GrowingText(ReasoningPart, chunk.parent_id, chunk.summary))

    def _reasoning_signature(self, chunk: chunks.ReasoningSignatureChunk) -> None:
        """Sign the reasoning that grows, and end it: what follows is signed apart."""
        growing = self._growing
        if growing is None or not growing.is_reasoning:
            growing = self._begin_text(GrowingText(ReasoningPart, None))
        growing.sign(chunk.signature)
        self._growing = None

    def _begin_text(self, text: GrowingText) -> GrowingText:
        self._parts.append(text)
        self._growing = text
        return text

    # --- tool calls ---

    def _tool_call(self, chunk: chunks.ToolCallChunk) -> None:
        call = self._begin_call(chunk.tool_call_id, chunk.tool_name, chunk.parent_id)
        if call.is_open:
            call.extend(dumps(chunk.args).decode())
            self._close(chunk.tool_call_id)

    def _tool_call_begin(self, chunk: chunks.ToolCallBeginChunk) -> None:
        self._begin_call(chunk.tool_call_id, chunk.tool_name, chunk.parent_id)

    def _tool_call_delta(self, chunk: chunks.ToolCallDeltaChunk) -> None:
        call = self._begin_call(chunk.tool_call_id)
        if call.is_open:
            if chunk.args_text_delta:
                call.extend(chunk.args_text_delta)
            if chunk.is_final:
                self._close(chunk.tool_call_id)

    def _tool_result(self, chunk: chunks.ToolResultChunk) -> None:
        self._begin_call(chunk.tool_call_id).answer(chunk)
        self._open_calls.pop(chunk.tool_call_id, None)

    def _begin_call(self, call_id: str, name: str = _UNKNOWN_TOOL, parent_id: str | None = None) -> GrowingCall:
        """Return a tool call; it begins if it has not."""
        call = self._calls.get(call_id)
        if call is None:
            call = self._calls[call_id] = self._open_calls[call_id] = GrowingCall(call_id, name, parent_id)
            self._append(call)
        return call

    def _close(self, call_id: str) -> None:
        self._open_calls.pop(call_id).close()

    def _close_all(self) -> None:
        for call_id in list(self._open_calls):
            self._close(call_id)

    # --- parts that come whole ---

    def _source(self, chunk: chunks.SourceChunk) -> None:
        self._append(SourcePart(chunk.id, chunk.url, chunk.source_type, chunk.title, chunk.parent_id))

    def _source_document(self, chunk: chunks.SourceDocumentChunk) -> None:
        self._append(SourceDocumentPart(chunk.id, chunk.media_type, chunk.title, chunk.filename, chunk.parent_id))

    def _file(self, chunk: chunks.FileChunk) -> None:
        self._append(FilePart(chunk.data, chunk.mime_type, chunk.filename, chunk.parent_id))

    def _data_part(self, chunk: chunks.DataPartChunk) -> None:
        if chunk.transient:
            return
        part = DataPart(chunk.name, chunk.data, chunk.id, chunk.parent_id)
        if chunk.id is None:
            self._append(part)
            return
        place = self._data_parts.setdefault((chunk.name, chunk.id), len(self._parts))
        if place == len(self._parts):
            self._append(part)
        else:
            self._parts[place] = part

    def _append(self, part: GrowingCall | MessagePart) -> None:
        self._parts.append(part)
        self._growing = None

    # --- beside the parts ---

    def _data_chunk(self, chunk: chunks.DataChunk) -> None:
        self._data.append(chunk.data)

    def _annotations_chunk(self, chunk: chunks.AnnotationsChunk) -> None:
        self._annotations += chunk.annotations

    def _update_state(self, chunk: chunks.UpdateStateChunk) -> None:
        self._is_state_made = False
        for operation in chunk.operations:
            self._state = apply_leniently(self._state, operation)

    # --- steps and ends ---

    def _step_start(self, chunk: chunks.StepStartChunk) -> None:
        # What two calls of the model say is two texts, also where a front end joins them.
        self._growing = None
        self._steps.append(Step(chunk.message_id, len(self._parts)))

    def _step_finish(self, chunk: chunks.StepFinishChunk) -> None:
        self._close_all()
        if not self._steps or self._steps[-1].finish_reason is not None:
            self._steps.append(Step(first_part=len(self._parts)))
        begun = self._steps[-1]
        usage = self._usage.add_step(chunk)
        self._steps[-1] = Step(begun.message_id, begun.first_part, chunk.finish_reason, usage, chunk.is_continued)

    def _message_finish(self, chunk: chunks.MessageFinishChunk) -> None:
        self._close_all()
        self._finish_reason = chunk.finish_reason
        self._usage.set_message(chunk)

    def _error_chunk(self, chunk: chunks.ErrorChunk) -> None:
        self._error = MessageError(chunk.error, chunk.code, chunk.severity)


_METHODS: dict[type, Callable[[MessageAccumulator, Any], None]] = {
    TextDeltaChunk: MessageAccumulator._text_delta,
    chunks.ReasoningDeltaChunk: MessageAccumulator._reasoning_delta,
    chunks.RefusalDeltaChunk: MessageAccumulator._refusal_delta,
    chunks.ReasoningPartChunk: MessageAccumulator._reasoning_part,
    chunks.ReasoningSignatureChunk: MessageAccumulator._reasoning_signature,
    chunks.ToolCallChunk: MessageAccumulator._tool_call,
    chunks.ToolCallBeginChunk: MessageAccumulator._tool_call_begin,
    chunks.ToolCallDeltaChunk: MessageAccumulator._tool_call_delta,
    chunks.ToolResultChunk: MessageAccumulator._tool_result,
    chunks.SourceChunk: MessageAccumulator._source,
    chunks.SourceDocumentChunk: MessageAccumulator._source_document,
    chunks.FileChunk: MessageAccumulator._file,
    chunks.DataChunk: MessageAccumulator._data_chunk,
    chunks.DataPartChunk: MessageAccumulator._data_part,
    chunks.AnnotationsChunk: MessageAccumulator._annotations_chunk,
    chunks.StepStartChunk: MessageAccumulator._step_start,
    chunks.StepFinishChunk: MessageAccumulator._step_finish,
    chunks.MessageFinishChunk: MessageAccumulator._message_finish,
    chunks.ErrorChunk: MessageAccumulator._error_chunk,
    chunks.UpdateStateChunk: MessageAccumulator._update_state,
}


class _BothWays(Protocol):
    """What can be read with `for` and with `async for`, as a stream."""

    def __iter__(self) -> Any: ...

    def __aiter__(self) -> Any: ...


@overload
def accumulate(chunks: _BothWays, *, state: object = None) -> Any: ...


@overload
def accumulate(chunks: Iterable[AssistantStreamChunk], *, state: object = None) -> AssistantMessage: ...


@overload
def accumulate(
    chunks: AsyncIterable[AssistantStreamChunk], *, state: object = None
) -> Coroutine[Any, Any, AssistantMessage]: ...


def accumulate(chunks: Any, *, state: object = None) -> Any:
    """Return the message that chunks add up to.

    In an event loop an async iterable, and so a stream, is read with `async for`: `await` what is returned. What the
    iterable raises passes through; a stream has its message then too, as `stream.message`. One that was left
    before its end has the status incomplete here, too, with the reason "cancelled".

    Args:
        chunks: all chunks of a message.
        state: where the state starts, as it was passed to `create_run`.

    Raises:
        TypeError: it is no iterable of chunks, or the state is not JSON.
    """
    accumulator = MessageAccumulator(state=state)
    if isinstance(chunks, AsyncIterable) and (in_event_loop() or not isinstance(chunks, Iterable)):
        return _accumulate_async(accumulator, chunks)
    if not isinstance(chunks, Iterable):
        raise TypeError(f"chunks must be an iterable of chunks, not {type(chunks).__name__}")
    accumulator.extend(chunks)
    return _finished(accumulator, chunks)


async def _accumulate_async(
    accumulator: MessageAccumulator, chunks: AsyncIterable[AssistantStreamChunk]
) -> AssistantMessage:
    async for chunk in chunks:
        accumulator.add(chunk)
    return _finished(accumulator, chunks)


def _finished(accumulator: MessageAccumulator, chunks: object) -> AssistantMessage:
    # To its reader a stream that was left has an end like any other.
    accumulator.finish(is_cancelled=getattr(chunks, "is_cancelled", False) is True)
    return accumulator.message
