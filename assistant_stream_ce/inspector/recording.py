"""Recordings: the pieces of a stream and their times, in a file.

JSON lines. The first is `{"version": 1, "source", "is_timed", "started", "status", "headers"}`; each piece is
`{"seconds", "text"}`, or `base64` for text if it is not UTF-8; the last is `{"seconds", "end", "message"}`.
Headers and body of the request are not recorded, nor are cookies.
"""

from __future__ import annotations

import math
import os
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, Any, TypeVar

import msgspec

from assistant_stream_ce.inspector.events import HowEnded
from assistant_stream_ce.inspector.sources import (
    MAX_SECONDS,
    CutError,
    OpenedStream,
    Origin,
    Piece,
    SourceError,
    Stopwatch,
    error_reason,
    open_file,
)
from assistant_stream_ce.jsonvalue import describe_types, dumps, loads

VERSION = 1

# Limits in bytes, above which a line is no line of a recording.
_MAX_HEAD_BYTES = 1 << 20
_MAX_LINE_BYTES = 1 << 26

_OMITTED_HEADERS = frozenset({"set-cookie", "set-cookie2"})

T = TypeVar("T")


class _RecordingHead(msgspec.Struct):
    version: int
    source: str
    is_timed: bool
    started: str
    status: int | None
    headers: dict[str, str]


class _RecordingLine(msgspec.Struct):
    seconds: float
    text: str | None = None
    base64: bytes | None = None
    end: HowEnded | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        if self.text is not None:
            self.base64 = self.text.encode()
        if self.base64 is None and self.end is None:
            raise ValueError("it has neither text nor base64 nor end")


describe_types(_RecordingHead, _RecordingLine)


class Recorder:
    """Writes a recording line by line, so that it is complete up to where the program was stopped.

    Each method raises `SourceError` if the file cannot be written. Without a file, nothing is recorded.
    """

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file = file

    def begin(self, origin: Origin) -> None:
        """Write the first line."""
        headers = {name: value for name, value in origin.headers.items() if name not in _OMITTED_HEADERS}
        self._write(_RecordingHead(VERSION, origin.name, origin.is_timed, origin.started, origin.status, headers))

    def add(self, piece: Piece) -> None:
        """Write a piece."""
        try:
            self._write({"seconds": piece.seconds, "text": piece.data.decode()})
        except UnicodeDecodeError:
            self._write({"seconds": piece.seconds, "base64": b64encode(piece.data).decode()})

    def end(self, seconds: float, how: HowEnded, message: str | None) -> None:
        """Write the last line."""
        self._write({"seconds": seconds, "end": how, "message": message})

    def _write(self, value: object) -> None:
        if self._file is None:
            return
        line = memoryview(dumps(value) + b"\n")
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            raise SourceError(f"cannot write the recording: {error_reason(error)}") from None


@contextmanager
def open_recorder(path: str | None, *used: os.stat_result) -> Iterator[Recorder]:
    """Make a recording at a path; None to record nothing. An existing recording is replaced, but no other file.

    Raises:
        SourceError: the file cannot be written, is used, or is neither empty nor a recording.
    """
    if path is None:
        yield Recorder(None)
        return
    if os.path.isfile(path):
        if any(os.path.samestat(other, os.stat(path)) for other in used):
            raise SourceError(f"{path} is read or written by this command already: name another file for --record")
        if os.path.getsize(path) and not is_recording(path):
            raise SourceError(f"{path} exists and is no recording: name another file for --record, or remove it")
    with open_file(path, "wb", f"cannot write {path}") as file:
        yield Recorder(file)


def is_recording(path: str) -> bool:
    """Return whether a path is that of a recording. Only regular files are read."""
    if not os.path.isfile(path):
        return False
    with open_file(path, "rb", f"cannot read {path}") as file, suppress(SourceError):
        _value(file.readline(_MAX_HEAD_BYTES), _RecordingHead, "")
        return True
    return False


@contextmanager
def open_recording(path: str, speed: float = 1.0) -> Iterator[OpenedStream]:
    """Open a recording, whose pieces arrive as they did, with the times that were recorded; with speed 0 at once.

    Raises:
        SourceError: it cannot be read or is no recording; its pieces raise it for an invalid line.
    """
    with open_file(path, "rb", f"cannot read {path}") as file:
        try:
            first = file.readline(_MAX_HEAD_BYTES)
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error_reason(error)}") from None
        head = _value(first, _RecordingHead, f"{path} is no recording")
        if head.version != VERSION:
            raise SourceError(f"{path} is a recording of version {head.version}, and only {VERSION} is supported")
        origin = Origin(head.source, head.is_timed, head.started, head.status, head.headers)
        yield OpenedStream(origin, _pieces(file, path, speed))


def _pieces(file: IO[bytes], path: str, speed: float) -> Iterator[Piece]:
    watch = Stopwatch()
    never = threading.Event()
    seconds = 0.0
    for number, data in enumerate(iter(partial(file.readline, _MAX_LINE_BYTES), b""), 2):
        complaint = f"line {number} of {path} is broken"
        if len(data) < _MAX_LINE_BYTES and not data.endswith(b"\n"):
            # The recorder was stopped in the middle of the line.
            break
        line = _value(data, _RecordingLine, complaint)
        if not seconds <= line.seconds < math.inf:
            raise SourceError(f"{complaint}: its seconds are not at or after those of the line before")
        seconds = line.seconds
        if speed:
            never.wait(min(max(0.0, seconds / speed - watch.seconds()), MAX_SECONDS))
        if line.end == "complete":
            yield Piece(seconds, b"")
            return
        if line.end is not None:
            raise CutError(seconds, line.end, line.message or "")
        yield Piece(seconds, line.base64 or b"")
    raise CutError(seconds, "cut", "the recording has no last line")


def _value(data: bytes, kind: type[T], complaint: str) -> T:
    try:
        value: Any = loads(data)
        return msgspec.convert(value, kind)
    except ValueError as error:
        raise SourceError(f"{complaint}: {error}") from None
