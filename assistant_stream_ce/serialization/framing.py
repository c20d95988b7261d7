"""Framing of streamed bodies: readers of lines and server-sent events (SSE), from bytes that are split anywhere.

LF, CR LF and CR end a line when reading. When writing, only LF does: one client splits events on LF LF alone. JSON
never holds a raw newline. Each byte is scanned once, and only an incomplete line or event is buffered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from assistant_stream_ce.errors import shorten

#: The media type of server-sent events.
EVENT_STREAM = "text/event-stream"

#: A comment, which every client skips. A named event is fatal in most of them.
KEEPALIVE = b": keepalive\n\n"

#: The terminator of the assistant transport, the UI message stream and OpenAI's format.
DONE = b"data: [DONE]\n\n"

#: The end of an event whose data is an object.
OBJECT_END = b"}\n\n"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# A line up to LF, or an incomplete one.
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")

# Bytes of data that are shown in messages, and kept of a frame that is too large.
_SHOWN_CHARACTERS = 100
_SHOWN_BYTES = 200


def excerpt(data: bytes) -> str:
    """Return the beginning of data, for a message."""
    # A character has four bytes at most.
    text = data[: 4 * _SHOWN_CHARACTERS].decode(errors="replace")
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


class Frame(NamedTuple):
    """A line, or an event with its name, and the offset of its first byte in the stream."""

    offset: int
    data: bytes
    name: str = ""


_NO_FRAME = Frame(0, b"")


class FrameError(Exception):
    """Raised for a frame that its format or a client does not accept. Internal; users get `DecodeError` or `WireError`.

    Attributes:
        frame: the frame; empty if only the caller has it.
    """

    def __init__(self, reason: str, frame: Frame = _NO_FRAME) -> None:
        super().__init__(shorten(reason, 500))
        self.frame = frame


def event(data: bytes) -> bytes:
    """Return one event with JSON data."""
    return b"data: " + data + b"\n\n"


class LineReader:
    """Splits bytes into lines.

    Args:
        max_bytes: the limit of a line, in bytes; 0 for no limit.
        only_line_feeds: whether CR ends no line.
    """

    def __init__(self, max_bytes: int, *, only_line_feeds: bool = False) -> None:
        self._max_bytes = max_bytes
        self._only_line_feeds = only_line_feeds
        self._ends = b"\n" if only_line_feeds else b"\r\n"
        # The excerpt of the incomplete last line, and its offset in the stream.
        self._pending = bytearray()
        self._offset = 0
        self._is_after_return = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the lines that the bytes complete, without their ends. Exhaust the iterator before the next call.

        Raises:
            FrameError: a line is too long.
        """
        if not data:
            return
        if self._is_after_return and data.startswith(b"\n"):
            # The LF of a CR LF, whose CR has ended the line.
            data = data[1:]
            self._offset += 1
        self._is_after_return = data.endswith(b"\r") and not self._only_line_feeds
        # `bytes.splitlines` splits at LF, CR LF and CR only.
        for piece in _LINE.findall(data) if self._only_line_feeds else data.splitlines(keepends=True):
            line = piece.rstrip(self._ends)
            self._check(line)
            if len(line) == len(piece):
                self._pending += piece
            else:
                yield self._line(line, len(piece))

    def rest(self) -> Frame | None:
        """Return the incomplete last line, or None."""
        return self._line(b"", 0) if self._pending else None

    def _line(self, tail: bytes, length: int) -> Frame:
        offset, data = self._offset, tail
        if self._pending:
            data = bytes(self._pending) + tail
            length += len(self._pending)
            self._pending = bytearray()
        self._offset += length
        return Frame(offset, data if offset else data.removeprefix(_BYTE_ORDER_MARK))

    def _check(self, tail: bytes) -> None:
        if 0 < self._max_bytes < len(self._pending) + len(tail):
            start = bytes(self._pending[:_SHOWN_BYTES]) + tail[:_SHOWN_BYTES]
            raise _too_large(Frame(self._offset, start), self._max_bytes)


class EventReader:
    """Splits bytes into server-sent events; comments and events without data are skipped.

    Args:
        max_bytes: the limit of a line, and of the data of an event, in bytes; 0 for no limit.
        only_line_feeds: whether CR ends no line, as in one client.
    """

    def __init__(self, max_bytes: int, *, only_line_feeds: bool = False) -> None:
        self._lines = LineReader(max_bytes, only_line_feeds=only_line_feeds)
        self._max_bytes = max_bytes
        # The incomplete event: its offset, its name, and its data with a LF after each line.
        self._offset: int | None = None
        self._name = ""
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the events that the bytes complete. Exhaust the iterator before the next call.

        Raises:
            FrameError: a line or an event is too long.
        """
        for line in self._lines.feed(data):
            if line.data:
                self._take(line)
            elif (event := self._event()) is not None:
                yield event

    def rest(self) -> Frame | None:
        """Return the incomplete last event, or None."""
        line = self._lines.rest()
        if line is not None:
            self._take(line)
        return self._event()

    def _take(self, line: Frame) -> None:
        name, _, value = line.data.partition(b":")
        if not name:
            # A comment.
            return
        if self._offset is None:
            self._offset = line.offset
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data += value + b"\n"
            if 0 < self._max_bytes < len(self._data) - 1:
                raise _too_large(Frame(self._offset, bytes(self._data)), self._max_bytes)
        elif name == b"event":
            self._name = value.decode(errors="replace")

    def _event(self) -> Frame | None:
        offset, name, data = self._offset, self._name, self._data
        self._offset, self._name = None, ""
        if offset is None or not data:
            return None
        self._data = bytearray()
        return Frame(offset, bytes(data[:-1]), name)


def _too_large(frame: Frame, max_bytes: int) -> FrameError:
    return FrameError(f"it has more than {max_bytes:,} bytes", frame)
