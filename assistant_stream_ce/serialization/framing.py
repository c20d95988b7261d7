"""Lines out of bytes that come in any pieces: LF, CR LF and CR end one, as in both kinds of text that the wires use.

Each byte is looked at once, and only what is no whole line yet is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ("Frame", "FrameTooLargeError", "LineReader", "beginning")

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# A line that only LF ends, or what there is of it.
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")

# So much is shown of data, and kept of a frame that is too large.
_SHOWN_CHARACTERS = 100
_SHOWN_BYTES = 200


def beginning(data: bytes) -> str:
    """Return how data begins, to be shown in a message."""
    # A character has four bytes at most.
    text = data[: 4 * _SHOWN_CHARACTERS].decode(errors="replace")
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


class Frame(NamedTuple):
    """A line, or an event with its name, and the place of its first byte in the stream."""

    offset: int
    data: bytes
    name: str = ""


class FrameTooLargeError(Exception):
    """A frame has more bytes than are allowed; `frame` is how it begins."""

    def __init__(self, frame: Frame, max_bytes: int) -> None:
        super().__init__(f"it has more than {max_bytes:,} bytes")
        self.frame = frame


class LineReader:
    """Cuts bytes into lines.

    Args:
        max_bytes: how long a line may be; 0 for any length.
        only_line_feeds: whether CR ends no line.
    """

    def __init__(self, max_bytes: int, *, only_line_feeds: bool = False) -> None:
        self._max_bytes = max_bytes
        self._only_line_feeds = only_line_feeds
        self._ends = b"\n" if only_line_feeds else b"\r\n"
        # The beginning of a line whose end has not come, and its place in the stream.
        self._pending = bytearray()
        self._offset = 0
        self._is_after_return = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the lines that are whole now, without their ends. Read it to its end before the next call.

        Raises:
            FrameTooLargeError: a line is too long.
        """
        if not data:
            return
        if self._is_after_return and data.startswith(b"\n"):
            # The other half of a CR LF, whose first half has ended the line.
            data = data[1:]
            self._offset += 1
        self._is_after_return = data.endswith(b"\r") and not self._only_line_feeds
        # Of bytes it splits at LF, CR LF and CR only.
        for piece in _LINE.findall(data) if self._only_line_feeds else data.splitlines(keepends=True):
            line = piece.rstrip(self._ends)
            self._check(line)
            if len(line) == len(piece):
                self._pending += piece
            else:
                yield self._line(line, len(piece))

    def rest(self) -> Frame | None:
        """Return the line that has no end, if there is one."""
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
            raise FrameTooLargeError(Frame(self._offset, start), self._max_bytes)
