"""Base classes of the encoders: chunks in, bytes out, one encoder for each response.

An encoder does no I/O, and is independent of frameworks, threads, event loops and clocks; `serialization.streaming`
drives it.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk, ChunkHandler
from assistant_stream_ce.jsonvalue import JSON, MAX_SAFE_INTEGER, dumps, dumps_text, dumps_texts, plain
from assistant_stream_ce.message import Usage, UsageTotal
from assistant_stream_ce.serialization.framing import OBJECT_END
from assistant_stream_ce.serialization.tool_calls import ToolCallState

if TYPE_CHECKING:
    from assistant_stream_ce.controller.run_context import ChunkSource
    from assistant_stream_ce.create_run import StreamHeader
    from assistant_stream_ce.serialization.streaming import EncodedStream

# The tool name in the begin frame of a call that began in an earlier message.
_UNKNOWN_TOOL = "unknown"


class Encoder(ChunkHandler[bytes], ABC):
    """Encodes the chunks of one response in one format. Not thread-safe.

    A subclass has a method for each type of chunk that its format carries, with the name of the type; see
    `ChunkHandler`.
    """

    #: The media type of the response.
    media_type: ClassVar[str]
    #: Headers by which clients recognize the format.
    headers: ClassVar[Mapping[str, str]] = {}
    #: Bytes that every client skips, to keep a quiet connection open; None if the format has none.
    keepalive: ClassVar[bytes | None] = None
    #: The body of a response that has no stream to follow; None for one without a body, with the status 204.
    nothing: ClassVar[bytes | None] = None

    #: Whether the encoder tracks the state, and needs the initial one by `start_state`.
    needs_state: ClassVar[bool] = False
    #: Whether the encoder writes ids or times, and takes those of the stream by `start_stream`.
    needs_header: ClassVar[bool] = False

    #: Whether the encoder has been given its stream: its state is that of one response.
    has_stream = False

    # Whether a subclass overrides `encode`, and whether its `_around_delta` accounts for that.
    _has_own_encode: ClassVar[bool]
    _knows_deltas: ClassVar[bool]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._has_own_encode = cls.encode is not Encoder.encode
        definers = [next(kind for kind in cls.__mro__ if name in vars(kind)) for name in ("_around_delta", "encode")]
        cls._knows_deltas = issubclass(*definers)

    def encode(self, chunk: AssistantStreamChunk) -> bytes:
        """Return the frames of a chunk; empty if the format does not carry it.

        Args:
            chunk: the chunk.

        Raises:
            TypeError: it is not a chunk, or contains a value that is not JSON.
        """
        # Inlined from `handle`: the call would be a fifth of the cost of a text.
        try:
            method = self.chunk_methods[type(chunk)]
        except KeyError:
            raise chunks.not_a_chunk(chunk) from None
        return method(self, chunk)  # type: ignore[no-any-return]

    def unhandled(self, chunk: AssistantStreamChunk) -> bytes:
        """Return nothing: the format does not carry the chunk."""
        return b""

    def encode_all(self, batch: Sequence[AssistantStreamChunk], frames: list[bytes]) -> None:
        """Append the frames of several chunks to `frames`, one by one: those before an exception are kept.

        Args:
            batch: the chunks, in order.
            frames: the list to append to.

        Raises:
            TypeError: as for `encode`.
        """
        if self._knows_deltas and len(batch) > 2:
            batch = self._encode_alike(batch, frames)
        if self._has_own_encode:
            frames.extend(map(self.encode, batch))
            return
        methods = self.chunk_methods
        for chunk in batch:
            # Inlined from `handle`: the call would cost 0.05 us of 0.46 for a chunk of a burst.
            method = methods.get(type(chunk))
            frames.append(self.encode(chunk) if method is None else method(self, chunk))

    def _encode_alike(
        self, batch: Sequence[AssistantStreamChunk], frames: list[bytes]
    ) -> Sequence[AssistantStreamChunk]:
        """Append the frames of a batch that only extends one text, as bursts mostly do.

        One by one, each chunk would cost 0.05 us more, of 0.5.

        Returns:
            The chunks that remain to be encoded.
        """
        first: Any = batch[0]
        text_of = _TEXTS.get(type(first))
        if text_of is None or len(set(map(type, batch))) > 1:
            return batch
        if list(map(_parent_of, batch)).count(first.parent_id) < len(batch):
            return batch
        texts = list(map(text_of, batch))
        if set(map(type, texts)) != {str} or not all(texts):
            return batch
        frames.append(self.encode(first))
        around = self._around_delta(first)
        if around is None:
            return batch[1:]
        head, tail = around
        frames += (head, dumps_texts(texts[1:], tail + head), tail)
        return ()

    def _around_delta(self, chunk: Any) -> tuple[bytes, bytes] | None:
        """Return the bytes around the text of each further delta like the one just written; None if they vary.

        Args:
            chunk: a `TextDeltaChunk` or `ReasoningDeltaChunk`.
        """
        return None

    def interrupt(self) -> bytes:
        """Return the frames for an answer that was stopped before its end; `finish` follows."""
        return b""

    @abstractmethod
    def finish(self) -> bytes:
        """Return the end of the body: the ends of open parts and the terminator. Call it once."""

    def start_stream(self, header: StreamHeader) -> None:
        """Take the ids and times of the stream, before its first chunk. Those given to the constructor take precedence.

        Not called for a plain iterable of chunks. Most formats ignore them.

        Args:
            header: the ids and times.
        """

    def start_state(self, state: JSON) -> None:
        """Set the initial state of the stream. Most formats ignore it.

        Args:
            state: the state.
        """

    def encode_stream(self, stream: ChunkSource) -> EncodedStream:
        """Return the bytes of a whole stream, to be read once with `for` or `async for`.

        When the callback raises, the end of the body is yielded first, and then the exception is raised.

        Args:
            stream: a stream, or any iterable of chunks.

        Raises:
            StreamUsageError: the encoder has encoded another stream, or the stream was read to its end.
            TypeError: it is neither a stream nor an iterable.
        """
        return _stream_class()(self, stream)

    def refusal_delta(self, chunk: chunks.RefusalDeltaChunk) -> bytes:
        """Write a refusal as text, for formats without refusals."""
        text = chunks.TextDeltaChunk(chunk.refusal_delta, chunk.parent_id)
        return self.handle(text)


@functools.cache
def _stream_class() -> type[EncodedStream]:
    # Imported on first use: encoders alone need no runs. A repeated import would be 0.8 us of a run's 30.
    from assistant_stream_ce.serialization.streaming import EncodedStream

    return EncodedStream


def optional_str(value: str | None, name: str) -> str | None:
    """Return an option of an encoder that must be a str or None.

    Raises:
        TypeError: it is not.
    """
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} must be a str or None, not {type(value).__name__}")
    return value


def bounded(count: int) -> int:
    """Return a token count of a chunk as one that every client can read: an integer from 0 to 2**53 - 1."""
    return int(min(count, MAX_SAFE_INTEGER)) if count > 0 else 0


def summary_text(chunk: chunks.ReasoningPartChunk) -> str:
    """Return the summary of a reasoning part as the first paragraph of its text."""
    return f"{chunk.summary}\n\n" if chunk.summary else ""


# The chunk types of bursts, each with a function that returns the text.
_TEXTS: dict[type, Callable[[Any], str]] = {
    chunks.TextDeltaChunk: attrgetter("text_delta"),
    chunks.ReasoningDeltaChunk: attrgetter("reasoning_delta"),
}
_parent_of = attrgetter("parent_id")


class ToolCallEncoder(Encoder):
    """An encoder that tracks tool calls, so that it never writes a frame that a client rejects.

    Clients end the stream when a frame names a call that did not begin or begins one twice, and drop argument text
    after the end of the arguments. A subclass writes the frames.
    """

    def __init__(self) -> None:
        self._calls: dict[str, ToolCallState] = {}
        # The calls with open arguments, so that the end of a step does not visit the calls of earlier steps.
        self._open_calls: dict[str, ToolCallState] = {}
        self._summary = FinishSummary()

    @abstractmethod
    def _write_begin(self, record: ToolCallState, chunk: chunks.ToolCallBeginChunk | chunks.ToolCallChunk) -> bytes:
        """Return the frames that begin a call."""

    @abstractmethod
    def _write_args(self, record: ToolCallState, text: str) -> bytes:
        """Return the frames for more argument text."""

    @abstractmethod
    def _write_close(self, record: ToolCallState) -> bytes:
        """Return the frames that end the arguments, with "{}" if there was no text."""

    def _write_call(self, record: ToolCallState, chunk: chunks.ToolCallChunk) -> bytes:
        """Return the frames of a call with complete arguments."""
        begin = self._write_begin(record, chunk)
        return begin + self._write_args(record, dumps(chunk.args).decode()) + self._write_close(record)

    def interrupt(self) -> bytes:
        # A message that has a finish was complete before the stop.
        return b"" if self._summary.message_reason is not None else self.encode(self._summary.finish("interrupted"))

    def _write_pending_finish(self) -> bytes:
        """Return the finish of a message that only its steps report, for formats that write each finish at once."""
        finish = self._summary.pending_finish()
        return b"" if finish is None else self.encode(finish)

    def tool_call(self, chunk: chunks.ToolCallChunk) -> bytes:
        if chunk.tool_call_id in self._calls:
            return b""
        record = self._add(chunk.tool_call_id)
        record.has_args, record.provider_executed = True, chunk.provider_executed
        return self._write_call(record, chunk)

    def tool_call_begin(self, chunk: chunks.ToolCallBeginChunk) -> bytes:
        if chunk.tool_call_id in self._calls:
            return b""
        return self._begin(chunk)[1]

    def tool_call_delta(self, chunk: chunks.ToolCallDeltaChunk) -> bytes:
        record, frames = self._known(chunk.tool_call_id)
        if record.call_id not in self._open_calls:
            return frames
        if chunk.args_text_delta:
            record.has_args = True
            frames += self._write_args(record, chunk.args_text_delta)
        if chunk.args is not None:
            return frames + self._write_whole_args(record, chunk.args)
        return frames + self._close(record) if chunk.is_final else frames

    def _write_whole_args(self, record: ToolCallState, args: JSON) -> bytes:
        """Write the whole arguments of an open call and close it. Most formats cannot replace text that was written."""
        if record.has_args:
            return self._close(record)
        record.has_args = True
        return self._write_args(record, dumps(args).decode()) + self._close(record)

    def _known(self, call_id: str) -> tuple[ToolCallState, bytes]:
        """Return the state of a call, and the frames that begin it if it is new to the client."""
        record = self._calls.get(call_id)
        if record is not None:
            return record, b""
        return self._begin(chunks.ToolCallBeginChunk(call_id, _UNKNOWN_TOOL))

    def _begin(self, chunk: chunks.ToolCallBeginChunk) -> tuple[ToolCallState, bytes]:
        record = self._open_calls[chunk.tool_call_id] = self._add(chunk.tool_call_id)
        record.provider_executed = chunk.provider_executed
        return record, self._write_begin(record, chunk)

    def _add(self, call_id: str) -> ToolCallState:
        record = self._calls[call_id] = ToolCallState(call_id, len(self._calls))
        return record

    def _close(self, record: ToolCallState) -> bytes:
        return b"" if self._open_calls.pop(record.call_id, None) is None else self._write_close(record)

    def _close_all(self) -> bytes:
        return b"".join(map(self._close, list(self._open_calls.values())))

    def _waits_for_result(self) -> bool:
        return any(not (record.has_result or record.provider_executed) for record in self._calls.values())


class TextPartEncoder(ToolCallEncoder):
    """An encoder of a format in which texts and reasoning are parts with a start, deltas and an end."""

    def __init__(self) -> None:
        super().__init__()
        # The open part, which deltas of its kind and parent extend, and the frame of a delta up to the text.
        self._open_kind: tuple[str, str | None] | None = None
        self._delta_head = b""

    @abstractmethod
    def _start_text(self, kind: str, parent_id: str | None) -> bytes:
        """End the open part, and start one of a kind, "text" or "reasoning": set `_open_kind` and `_delta_head`."""

    @abstractmethod
    def _end_text(self) -> bytes:
        """End the open part."""

    def text_delta(self, chunk: chunks.TextDeltaChunk) -> bytes:
        return self._delta("text", chunk.parent_id, chunk.text_delta)

    def text_part(self, chunk: chunks.TextPartChunk) -> bytes:
        return self._end_text()

    def reasoning_delta(self, chunk: chunks.ReasoningDeltaChunk) -> bytes:
        return self._delta("reasoning", chunk.parent_id, chunk.reasoning_delta)

    def _delta(self, kind: str, parent_id: str | None, text: str) -> bytes:
        start = b"" if self._open_kind == (kind, parent_id) else self._start_text(kind, parent_id)
        return start + self._delta_head + dumps_text(text) + OBJECT_END

    def _around_delta(self, chunk: Any) -> tuple[bytes, bytes]:
        return self._delta_head, OBJECT_END


class StatefulEncoder(TextPartEncoder):
    """Base of encoders whose format cannot send state deltas and must track the full state.

    Args:
        state: the initial state; copied. If None, `encode_stream` and responses take that of the stream.

    Raises:
        TypeError: `state` is not JSON.
    """

    needs_state = True

    def __init__(self, state: object) -> None:
        super().__init__()
        # A list whose only item is the state, as `operations.resolve` requires.
        self._state = [plain(state, "state")]
        self._has_initial_state = state is not None

    def start_state(self, state: JSON) -> None:
        """Set the initial state of the stream, unless one was passed to the constructor."""
        if not self._has_initial_state:
            self._state[0] = state


class FinishSummary(UsageTotal):
    """The end of a message and its usage so far: as its finish reports them, or else those of its steps."""

    __slots__ = ("has_failed", "message_reason")

    def __init__(self) -> None:
        super().__init__()
        #: The finish reason that the finish of the message reports; None before that.
        self.message_reason: str | None = None
        #: Whether there was an error.
        self.has_failed: bool = False

    @property
    def reason(self) -> str | None:
        """The finish reason: of the message, or else of its last step; None if neither has one, or after an error."""
        if self.message_reason is not None or self.has_failed:
            return self.message_reason
        return self.step_reason

    @property
    def usage(self) -> Usage:
        """The usage so far, with counts that every client can read."""
        return Usage(*map(bounded, msgspec.structs.astuple(super().usage)))

    def set_message(self, chunk: chunks.MessageFinishChunk) -> None:
        """Set the finish reason and usage of the message; the last finish counts."""
        super().set_message(chunk)
        self.message_reason = chunk.finish_reason

    def finish(self, reason: str) -> chunks.MessageFinishChunk:
        """Return the finish of a message that has none, with the usage so far."""
        return chunks.MessageFinishChunk(reason, *msgspec.structs.astuple(self.usage))

    def pending_finish(self) -> chunks.MessageFinishChunk | None:
        """Return the finish that the steps imply; None if there was no step, or a finish or an error."""
        if self.message_reason is not None or self.reason is None:
            return None
        return self.finish(self.reason)
