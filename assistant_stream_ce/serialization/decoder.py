"""Base classes of the decoders: bytes in, chunks out; an invalid frame is skipped, or raises `DecodeError`.

There is one decoder for each response. It does no I/O; `serialization.streaming` drives it. Subclasses raise
`FrameError` for an invalid frame, which the base class counts, or reports as `DecodeError` if it is strict.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NoReturn, Protocol, TypeVar, get_args

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.errors import DecodeError, StreamUsageError
from assistant_stream_ce.jsonvalue import JSON, MAX_SAFE_INTEGER, loads
from assistant_stream_ce.serialization.framing import Frame, FrameError, excerpt
from assistant_stream_ce.serialization.tool_calls import ToolCallState

#: The default limit of a line or an event: a file of 12 MB as base64 text.
MAX_FRAME_BYTES = 16 * 1024 * 1024

_TYPE_NAMES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}

T = TypeVar("T")


class FrameReader(Protocol):
    """Splits bytes into frames."""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that the bytes complete."""

    def rest(self) -> Frame | None:
        """Return the incomplete last frame, or None."""


class Decoder(ABC):
    """Decodes the bytes of one response to chunks. Not thread-safe.

    Args:
        strict: whether an invalid frame raises. Otherwise it is skipped, as clients do when they resume a stream, and
            counted in `skipped`. A frame that is too large raises in any case.
        max_frame_bytes: the limit of a frame, and so about how many bytes of the stream are kept in memory; 0 or None
            for no limit.

    Attributes:
        frames: number of frames so far.
        skipped: number of invalid frames among them.

    Raises:
        TypeError: `max_frame_bytes` is not an int or None.
        ValueError: `max_frame_bytes` is negative.
    """

    _make_reader: ClassVar[type[Any]]

    def __init__(self, *, strict: bool = False, max_frame_bytes: int | None = MAX_FRAME_BYTES) -> None:
        if max_frame_bytes is not None and (not isinstance(max_frame_bytes, int) or isinstance(max_frame_bytes, bool)):
            raise TypeError(f"max_frame_bytes must be an int or None, not {type(max_frame_bytes).__name__}")
        if max_frame_bytes is not None and max_frame_bytes < 0:
            raise ValueError(f"max_frame_bytes must not be negative, as {max_frame_bytes} is: 0 allows any size")
        self.frames: int = 0
        self.skipped: int = 0
        self._is_strict = strict
        self._reader: FrameReader = self._make_reader(max_frame_bytes or 0)
        self._bytes_fed = 0
        # Whether the terminator of the format was read; the bytes after it are ignored.
        self._is_done = False
        self._is_closed = False
        self._error: DecodeError | None = None
        self._prepare()

    def feed(self, data: bytes) -> list[AssistantStreamChunk]:
        """Return the chunks that the next bytes of the stream complete.

        Args:
            data: the next bytes, split anywhere.

        Raises:
            DecodeError: a frame is too large, or it is invalid and the decoder is strict. The `chunks` of the error are
                those before that frame in these bytes. Each later call raises it again, without chunks.
            StreamUsageError: the decoder was closed.
            TypeError: `data` is not bytes.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data must be bytes, not {type(data).__name__}")
        if self._is_closed:
            raise StreamUsageError("the decoder was closed: make a new one for each response")
        self._raise_again()
        self._bytes_fed += len(data)
        found: list[AssistantStreamChunk] = []
        if self._is_done:
            return found
        try:
            for frame in self._reader.feed(bytes(data)):
                self._take(frame, found)
                if self._is_done:
                    break
        except FrameError as error:
            self._fail(str(error), error.frame, found)
        return found

    def close(self) -> list[AssistantStreamChunk]:
        """Return the last chunks: the stream has ended. A second call returns none.

        A lenient decoder reads a last frame whose end is missing; to a strict one it is an error, as is a missing
        terminator.

        Raises:
            DecodeError: as for `feed`.
        """
        self._raise_again()
        found: list[AssistantStreamChunk] = []
        if self._is_closed:
            return found
        self._is_closed = True
        try:
            rest = None if self._is_done else self._reader.rest()
        except FrameError as error:
            self._fail(str(error), error.frame, found)
        if rest is not None and rest.data.strip():
            if self._is_strict and not self._may_end_in(rest):
                self._fail("the stream ended in the middle of it", rest, found)
            self._take(rest, found)
        try:
            for chunk in self._end():
                found.append(chunk)
        except FrameError as error:
            if self._is_strict:
                self._fail(str(error), Frame(self._bytes_fed, b""), found)
        return found

    @abstractmethod
    def _prepare(self) -> None:
        """Initialize the state of a subclass."""

    @abstractmethod
    def _read(self, frame: Frame) -> Iterator[AssistantStreamChunk]:
        """Yield the chunks of a frame; raise `FrameError` if it is invalid."""

    def _end(self) -> Iterator[AssistantStreamChunk]:
        """Yield the chunks that the end of the stream completes; raise `FrameError` if the terminator is missing."""
        yield from ()

    def _may_end_in(self, frame: Frame) -> bool:
        """Return whether clients read this last frame although its end is missing."""
        return False

    def _json(self, data: bytes) -> JSON:
        """Return the value of a JSON text. A lenient decoder replaces invalid UTF-8, as the clients do."""
        try:
            try:
                return loads(data)
            except UnicodeDecodeError:
                if self._is_strict:
                    raise
                return loads(data.decode(errors="replace").encode())
        except ValueError as error:
            raise FrameError(f"it is not JSON ({error})") from None

    def _take(self, frame: Frame, found: list[AssistantStreamChunk]) -> None:
        self.frames += 1
        try:
            # One by one, to keep the chunks before an exception.
            for chunk in self._read(frame):
                found.append(chunk)
        except FrameError as error:
            if self._is_strict:
                self._fail(str(error), frame, found)
            self.skipped += 1

    def _fail(self, reason: str, frame: Frame, found: list[AssistantStreamChunk]) -> NoReturn:
        shown = excerpt(frame.data)
        self._error = DecodeError(reason, frame.offset, shown, [])
        raise DecodeError(reason, frame.offset, shown, found) from None

    def _raise_again(self) -> None:
        if self._error is not None:
            raise DecodeError(self._error.reason, self._error.offset, self._error.frame, [])


class ToolCallDecoder(Decoder):
    """A decoder that keeps the chunks of tool calls in order, so that a controller accepts them.

    Argument text after the end of the arguments, and a second result, are ignored, as the clients do; so is a request
    for an approval after another one or a result, and one with the id of another.
    """

    def _prepare(self) -> None:
        self._calls: dict[str, ToolCallState] = {}
        # The calls with open arguments, so that the end of a step does not visit the calls of earlier steps.
        self._open_calls: dict[str, None] = {}
        self._approval_ids: set[str] = set()

    def _begin(self, chunk: chunks.ToolCallBeginChunk) -> Iterator[AssistantStreamChunk]:
        if chunk.tool_call_id in self._calls:
            raise FrameError("the tool call has begun before")
        self._record(chunk.tool_call_id)
        self._open_calls[chunk.tool_call_id] = None
        yield chunk

    def _whole(self, chunk: chunks.ToolCallChunk) -> Iterator[AssistantStreamChunk]:
        """Yield a new call that arrives complete."""
        self._record(chunk.tool_call_id)
        yield chunk

    def _arguments(self, chunk: chunks.ToolCallDeltaChunk) -> Iterator[AssistantStreamChunk]:
        record = self._known(chunk.tool_call_id)
        if chunk.tool_call_id in self._open_calls:
            record.has_args = record.has_args or chunk.args_text_delta != ""
            if chunk.is_final:
                del self._open_calls[chunk.tool_call_id]
            yield chunk

    def _answer(self, chunk: chunks.ToolResultChunk) -> Iterator[AssistantStreamChunk]:
        """Yield the results of a call up to the first final one. It may be a call of an earlier message."""
        record = self._record(chunk.tool_call_id)
        if not record.has_result:
            record.has_result, record.has_started = not chunk.preliminary, True
            self._open_calls.pop(chunk.tool_call_id, None)
            yield chunk

    def _ask(self, chunk: chunks.ToolApprovalRequestChunk) -> Iterator[AssistantStreamChunk]:
        """Yield the request for the approval of a call that has not started."""
        record = self._known(chunk.tool_call_id)
        if not record.has_started and chunk.approval_id not in self._approval_ids:
            record.has_started = True
            self._approval_ids.add(chunk.approval_id)
            self._open_calls.pop(chunk.tool_call_id, None)
            yield chunk

    def _close_arguments(self) -> Iterator[AssistantStreamChunk]:
        """Yield the ends of all arguments, which the end of a step or message implies."""
        for call_id in self._open_calls:
            yield chunks.ToolCallDeltaChunk(call_id, "", is_final=True)
        self._open_calls.clear()

    def _record(self, call_id: str) -> ToolCallState:
        """Return the state of a call, created if the call is new."""
        record = self._calls.get(call_id)
        if record is None:
            record = self._calls[call_id] = ToolCallState(call_id, len(self._calls))
        return record

    def _known(self, call_id: str) -> ToolCallState:
        record = self._calls.get(call_id)
        if record is None:
            raise FrameError("no such tool call has begun")
        return record


def checked(value: JSON, kind: type[T], name: str = "its value") -> T:
    """Return a JSON value of a required type.

    Raises:
        FrameError: it has another type; the message contains `name`.
    """
    if type(value) is not kind:
        raise FrameError(f"{name} must be {_TYPE_NAMES[kind]}, not {_TYPE_NAMES[type(value)]}")
    return value


def optional_text(fields: dict[str, JSON], name: str) -> str | None:
    """Return a text field, or None if it is null or missing.

    Raises:
        FrameError: it has another type.
    """
    value = fields.get(name)
    return None if value is None else checked(value, str, name)


def text_or(fields: Mapping[str, JSON], name: str, default: T) -> str | T:
    """Return a text field that clients do not check, or a default if it is missing or has another type."""
    text = fields.get(name)
    return text if isinstance(text, str) else default


def id_of(fields: dict[str, JSON], name: str) -> str:
    """Return an id; empty if it is missing, which only a lenient decoder accepts."""
    return optional_text(fields, name) or ""


def severity_of(fields: dict[str, JSON]) -> chunks.Severity | None:
    """Return the severity of an error; None if it is unknown to the clients."""
    severity: Any = fields.get("severity")
    return severity if severity in get_args(chunks.Severity) else None


def token_count(usage: JSON, *names: str) -> int:
    """Return the first of the named counts that is present, at most 2**53 - 1; 0 if there is none."""
    for name in names if isinstance(usage, dict) else ():
        count = usage.get(name)
        if type(count) in (int, float) and count >= 0:
            return int(min(count, MAX_SAFE_INTEGER))
    return 0
