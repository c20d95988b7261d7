"""What all decoders share: bytes in, chunks out, one decoder for one response. No I/O here either."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Iterator
from typing import Any, ClassVar, NoReturn, Protocol, TypeVar, overload

from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.errors import DecodeError, StreamUsageError
from assistant_stream_ce.jsonvalue import JSON, loads
from assistant_stream_ce.serialization.framing import Frame, FrameTooLargeError, beginning

__all__ = ("MAX_FRAME_BYTES", "BadFrameError", "Decoder", "checked", "decode", "optional_text", "token_count")

#: How large a line or an event may be where nothing else is said: a file of 12 MB as base64 text.
MAX_FRAME_BYTES = 16 * 1024 * 1024

_WORDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}

T = TypeVar("T")


class BadFrameError(Exception):
    """A frame is not what the format allows; the text says why."""


class FrameReader(Protocol):
    """Cuts bytes into frames."""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are whole now."""

    def rest(self) -> Frame | None:
        """Return the frame whose end has not come."""


class Decoder(ABC):
    """Reads the chunks of one response from its bytes. Not for several threads at once.

    Args:
        strict: whether a frame that cannot be read raises; else it is left out, as the clients do it when they
            resume a stream, and `skipped` counts it. A frame that is too large raises in any case.
        max_frame_bytes: how large a frame may be, and so about how much of the stream is kept in memory; 0 or
            None for any size.

    Raises:
        TypeError: `max_frame_bytes` is no number.
        ValueError: `max_frame_bytes` is negative.
    """

    _make_reader: ClassVar[type[Any]]
    # Whether clients read a last frame whose end has not come.
    _takes_unended: ClassVar[bool] = False

    def __init__(self, *, strict: bool = False, max_frame_bytes: int | None = MAX_FRAME_BYTES) -> None:
        if max_frame_bytes is not None and (not isinstance(max_frame_bytes, int) or isinstance(max_frame_bytes, bool)):
            raise TypeError(f"max_frame_bytes must be an int or None, not {type(max_frame_bytes).__name__}")
        if max_frame_bytes is not None and max_frame_bytes < 0:
            raise ValueError(f"max_frame_bytes must not be negative, as {max_frame_bytes} is: 0 allows any size")
        #: How many frames have come, and how many of them were left out because they could not be read.
        self.frames = 0
        self.skipped = 0
        self._is_strict = strict
        self._reader: FrameReader = self._make_reader(max_frame_bytes or 0)
        self._bytes_fed = 0
        # Whether the format's terminator was read: what follows it is ignored.
        self._is_done = False
        self._is_closed = False
        self._error: DecodeError | None = None
        self._prepare()

    def feed(self, data: bytes) -> list[AssistantStreamChunk]:
        """Return the chunks that the next bytes of the stream complete; they may be cut anywhere.

        Raises:
            DecodeError: a frame is too large, or cannot be read and the decoder is strict. Its `chunks` are those
                before it in these bytes. Each later call raises it again, without chunks.
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
        except FrameTooLargeError as error:
            self._fail(str(error), error.frame, found)
        return found

    def close(self) -> list[AssistantStreamChunk]:
        """Return the last chunks; the stream has ended. A second call returns none.

        A last frame without its end counts if it can be read; to a strict decoder it is an error, and so is the
        lack of the format's terminator.

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
        except FrameTooLargeError as error:
            self._fail(str(error), error.frame, found)
        if rest is not None and rest.data.strip():
            if self._is_strict and not self._takes_unended:
                self._fail("the stream ended in the middle of it", rest, found)
            self._take(rest, found)
        try:
            for chunk in self._end():
                found.append(chunk)
        except BadFrameError as error:
            if self._is_strict:
                self._fail(str(error), Frame(self._bytes_fed, b""), found)
        return found

    @abstractmethod
    def _prepare(self) -> None:
        """Make what a subclass keeps while it reads."""

    @abstractmethod
    def _read(self, frame: Frame) -> Iterator[AssistantStreamChunk]:
        """Yield the chunks of a frame; raise `BadFrameError` where it cannot be read."""

    def _end(self) -> Iterator[AssistantStreamChunk]:
        """Yield what the end of the stream completes; raise `BadFrameError` where the terminator is missing."""
        yield from ()

    def _json(self, data: bytes) -> JSON:
        """Return the value of a JSON text; a lenient decoder replaces what is not UTF-8, as the clients do."""
        try:
            try:
                return loads(data)
            except UnicodeDecodeError:
                if self._is_strict:
                    raise
                return loads(data.decode(errors="replace").encode())
        except ValueError as error:
            raise BadFrameError(f"it is not JSON ({error})") from None

    def _take(self, frame: Frame, found: list[AssistantStreamChunk]) -> None:
        self.frames += 1
        try:
            # One by one, so that those before an exception are kept.
            for chunk in self._read(frame):
                found.append(chunk)
        except BadFrameError as error:
            if self._is_strict:
                self._fail(str(error), frame, found)
            self.skipped += 1

    def _fail(self, reason: str, frame: Frame, found: list[AssistantStreamChunk]) -> NoReturn:
        shown = beginning(frame.data)
        self._error = DecodeError(reason, frame.offset, shown, [])
        raise DecodeError(reason, frame.offset, shown, found) from None

    def _raise_again(self) -> None:
        if self._error is not None:
            raise DecodeError(self._error.reason, self._error.offset, self._error.frame, [])


@overload
def decode(source: Iterable[bytes], decoder: Decoder) -> Generator[AssistantStreamChunk]: ...
@overload
def decode(source: AsyncIterable[bytes], decoder: Decoder) -> AsyncGenerator[AssistantStreamChunk]: ...
def decode(
    source: Iterable[bytes] | AsyncIterable[bytes], decoder: Decoder
) -> Generator[AssistantStreamChunk] | AsyncGenerator[AssistantStreamChunk]:
    """Return the chunks of a response's bytes, to be read once and in the world of the source.

    An iterable of bytes becomes an iterable of chunks, an async iterable an async one; what is both is read with `for`.
    The source is closed at the end, where it can be. Chunks before a `DecodeError` are yielded before it is raised.

    Raises:
        TypeError: the source is no iterable of bytes.
    """
    if isinstance(source, (bytes, bytearray, memoryview, str)):
        raise TypeError(f"source must be an iterable of bytes, not {type(source).__name__}: write [data]")
    if isinstance(source, Iterable):
        return _decode(source, decoder)
    if isinstance(source, AsyncIterable):
        return _decode_async(source, decoder)
    raise TypeError(f"source must be an iterable of bytes, not {type(source).__name__}")


def _decode(source: Iterable[bytes], decoder: Decoder) -> Generator[AssistantStreamChunk]:
    try:
        for data in source:
            yield from _fed(decoder, data)
        yield from _fed(decoder, None)
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


async def _decode_async(source: AsyncIterable[bytes], decoder: Decoder) -> AsyncGenerator[AssistantStreamChunk]:
    try:
        async for data in source:
            for chunk in _fed(decoder, data):
                yield chunk
        for chunk in _fed(decoder, None):
            yield chunk
    finally:
        aclose = getattr(source, "aclose", None)
        if aclose is not None:
            await aclose()


def _fed(decoder: Decoder, data: bytes | None) -> Iterator[AssistantStreamChunk]:
    """Yield the chunks of more bytes, or with None those of the end, also where an error follows them."""
    try:
        found = decoder.close() if data is None else decoder.feed(data)
    except DecodeError as error:
        yield from error.chunks
        raise
    yield from found


def checked(value: JSON, kind: type[T], name: str = "its value") -> T:
    """Return a JSON value that must be of a type.

    Raises:
        BadFrameError: it is not; the message calls it by its name.
    """
    if type(value) is not kind:
        raise BadFrameError(f"{name} must be {_WORDS[kind]}, not {_WORDS[type(value)]}")
    return value


def optional_text(fields: dict[str, JSON], name: str) -> str | None:
    """Return a text, or None where it is null or missing.

    Raises:
        BadFrameError: it is neither.
    """
    value = fields.get(name)
    return None if value is None else checked(value, str, name)


def token_count(usage: JSON, *names: str) -> int:
    """Return the first of the named counts that there is; 0 for none, as nothing depends on it."""
    for name in names if isinstance(usage, dict) else ():
        count = usage.get(name)
        if type(count) in (int, float) and count >= 0:
            return int(count)
    return 0
