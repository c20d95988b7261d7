"""Server-sent events, as far as the wires here need them: one `data:` line and a blank line each.

Written, only LF ends a line: one client splits events on LF LF alone. JSON never holds a raw newline. Read, whatever
the standard allows is understood.
"""

from __future__ import annotations

from collections.abc import Iterator

from assistant_stream_ce.serialization.framing import Frame, FrameTooLargeError, LineReader

__all__ = ("DONE", "KEEPALIVE", "MEDIA_TYPE", "OBJECT_END", "EventReader", "event")

MEDIA_TYPE = "text/event-stream"

#: A comment, which every client skips. A named event would be fatal in most of them.
KEEPALIVE = b": keepalive\n\n"

#: The terminator of the assistant transport and of OpenAI's format.
DONE = b"data: [DONE]\n\n"

#: What ends an event whose data is an object.
OBJECT_END = b"}\n\n"


def event(data: bytes) -> bytes:
    """Return one event with JSON data."""
    return b"data: " + data + b"\n\n"


class EventReader:
    """Cuts bytes into events; those without data are left out, as are comments.

    Args:
        max_bytes: how long a line, and the data of an event, may be; 0 for any length.
        only_line_feeds: whether CR ends no line, as in one client.
    """

    def __init__(self, max_bytes: int, *, only_line_feeds: bool = False) -> None:
        self._lines = LineReader(max_bytes, only_line_feeds=only_line_feeds)
        self._max_bytes = max_bytes
        # The event that has begun: where, its name, and its data with a LF after each line.
        self._offset: int | None = None
        self._name = ""
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the events that are whole now. Read it to its end before the next call.

        Raises:
            FrameTooLargeError: a line or an event is too long.
        """
        for line in self._lines.feed(data):
            if line.data:
                self._take(line)
            elif (event := self._event()) is not None:
                yield event

    def rest(self) -> Frame | None:
        """Return the event that no blank line has ended, if there is one."""
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
                raise FrameTooLargeError(Frame(self._offset, bytes(self._data)), self._max_bytes)
        elif name == b"event":
            self._name = value.decode(errors="replace")

    def _event(self) -> Frame | None:
        offset, name, data = self._offset, self._name, self._data
        self._offset, self._name = None, ""
        if offset is None or not data:
            return None
        self._data = bytearray()
        return Frame(offset, bytes(data[:-1]), name)
