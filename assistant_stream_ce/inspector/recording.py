"""Recordings: what came, and when, so that it can be looked at again.

JSON lines. The first is `{"version": 1, "source", "is_timed", "started", "status", "headers"}`; each piece is
`{"seconds", "text"}`, or `base64` for text where it is not UTF-8; the last is `{"seconds", "end", "message"}`.
The request's headers and body are not in it, nor are cookies.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import msgspec

from assistant_stream_ce.inspector.events import HowEnded
from assistant_stream_ce.inspector.sources import CutError, Origin, Piece, Source, SourceError, Stopwatch, open_file
from assistant_stream_ce.jsonvalue import dumps, loads

__all__ = ("Recorder", "is_recording", "open_recording", "recorder")

VERSION = 1

# A first line that is longer is none of a recording.
_MOST_HEAD_BYTES = 1 << 20

_LEFT_OUT = frozenset({"set-cookie", "set-cookie2"})


class _Head(msgspec.Struct):
    version: int
    source: str
    is_timed: bool
    started: str
    status: int | None
    headers: dict[str, str]


class _Line(msgspec.Struct):
    seconds: float
    text: str | None = None
    base64: str | None = None
    end: HowEnded | None = None
    message: str | None = None


class Recorder:
    """Writes a recording line by line, so that it is whole up to where the program was stopped.

    Each method raises `SourceError` where the file cannot be written.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def begin(self, origin: Origin) -> None:
        """Write the first line."""
        headers = {name: value for name, value in origin.headers.items() if name not in _LEFT_OUT}
        self._write(_Head(VERSION, origin.name, origin.is_timed, origin.started, origin.status, headers))

    def add(self, piece: Piece) -> None:
        """Write a piece."""
        try:
            content = {"text": piece.data.decode()}
        except UnicodeDecodeError:
            content = {"base64": base64.b64encode(piece.data).decode()}
        self._write({"seconds": piece.seconds, **content})

    def end(self, seconds: float, how: HowEnded, message: str | None) -> None:
        """Write the last line."""
        self._write({"seconds": seconds, "end": how, "message": message})

    def _write(self, value: object) -> None:
        try:
            self._file.write(dumps(value) + b"\n")
            self._file.flush()
        except OSError as error:
            raise SourceError(f"cannot write the recording: {error.strerror}") from None


@contextmanager
def recorder(path: str) -> Iterator[Recorder]:
    """Make a recording at a path; one that is there is replaced.

    Raises:
        SourceError: the file cannot be written.
    """
    with open_file(path, "wb", f"cannot write {path}") as file:
        yield Recorder(file)


def is_recording(path: str) -> bool:
    """Return whether a path is that of a recording. Of what is no regular file nothing is read."""
    if not os.path.isfile(path):
        return False
    with open_file(path, "rb", f"cannot read {path}") as file:
        try:
            _value(file.readline(_MOST_HEAD_BYTES), _Head, "")
        except SourceError:
            return False
    return True


@contextmanager
def open_recording(path: str, speed: float = 1.0) -> Iterator[Source]:
    """Open a recording, to come as it came; the times are always those that were recorded.

    Args:
        path: the file.
        speed: how much faster it comes; 0 for all at once.

    Raises:
        SourceError: it cannot be read, or is no recording; so do its pieces where a line is broken.
    """
    with open_file(path, "rb", f"cannot read {path}") as file:
        head = _value(file.readline(), _Head, f"{path} is no recording")
        if head.version != VERSION:
            raise SourceError(f"{path} is a recording of version {head.version}, and only {VERSION} is known")
        origin = Origin(head.source, head.is_timed, head.started, head.status, head.headers)
        yield Source(origin, _pieces(file, path, speed))


def _pieces(file: IO[bytes], path: str, speed: float) -> Iterator[Piece]:
    watch = Stopwatch()
    nothing = threading.Event()
    seconds = 0.0
    for number, data in enumerate(file, 2):
        if not data.endswith(b"\n"):
            # Its writer was stopped in the middle of the line.
            break
        line = _value(data, _Line, f"line {number} of {path} is broken")
        seconds = line.seconds
        if speed:
            nothing.wait(max(0.0, seconds / speed - watch.seconds()))
        if line.end == "complete":
            yield Piece(seconds, b"")
            return
        if line.end is not None:
            raise CutError(seconds, line.end, line.message or "")
        yield Piece(seconds, _content(line, f"line {number} of {path} is broken"))
    raise CutError(seconds, "cut", "the recording has no last line")


def _content(line: _Line, complaint: str) -> bytes:
    if line.text is not None:
        return line.text.encode()
    try:
        return base64.b64decode(line.base64 or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise SourceError(f"{complaint}: {error}") from None


def _value(data: bytes, kind: Any, complaint: str) -> Any:
    try:
        return msgspec.convert(loads(data), kind)
    except ValueError as error:
        raise SourceError(f"{complaint}: {error}") from None
