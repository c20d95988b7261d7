"""Sources of bytes: pieces of a stream, each with the time at which it arrived.

Each source is opened by a context manager: a file or file descriptor (here), a request (`request.py`), a recording
(`recording.py`).
"""

from __future__ import annotations

import os
import select
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, NamedTuple

from assistant_stream_ce.inspector.events import HowEnded

#: Maximal size of one read, in bytes.
PIECE_BYTES = 65536

#: Longer waits overflow `select`, sockets and `threading`: about a year.
MAX_SECONDS = 3e7


class SourceError(Exception):
    """There is no stream to read, or the output cannot be written; the message has the reason."""


class CutError(Exception):
    """The stream stopped before its end.

    Attributes:
        seconds: time of the end.
        how: "cut", "silent" if nothing arrived until the timeout, or in a recording "interrupted".
    """

    def __init__(self, seconds: float, how: HowEnded, message: str) -> None:
        super().__init__(message)
        self.seconds = seconds
        self.how = how


class Piece(NamedTuple):
    """Bytes that arrived together, and when: seconds from the start."""

    seconds: float
    data: bytes


@dataclass(frozen=True)
class Origin:
    """What is known of a stream before its first byte.

    Attributes:
        name: the name that is shown: a file, or a method and a URL.
        is_timed: whether the times of the pieces are meaningful; those of a file are not.
        started: time of the request, in UTC and ISO 8601.
        status: status of the response; None if there is no response.
        headers: headers of the response, with names in lower case.
    """

    name: str
    is_timed: bool
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Stopwatch:
    """Measures the seconds since it was made, in microseconds as recordings do."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def seconds(self) -> float:
        """Return the seconds since the start."""
        return round(time.monotonic() - self._started, 6)


class StreamSource(NamedTuple):
    """An open stream, and the stopwatch of its times, if it is timed now.

    The last piece is empty and has the time of the end, unless `CutError` is raised.
    """

    origin: Origin
    pieces: Iterator[Piece]
    watch: Stopwatch | None = None


def reason_of(error: Exception) -> str:
    """Return the reason of an error of the operating system, or the message of another one."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def open_file(path: str | int, mode: str, complaint: str) -> IO[bytes]:
    """Open a file, or a descriptor, which stays open, without buffer for writing.

    Raises:
        SourceError: it cannot be opened; the message starts with the complaint.
    """
    try:
        buffering = 0 if "w" in mode else -1
        file: IO[bytes] = open(path, mode, buffering, closefd=isinstance(path, str))  # noqa: SIM115 - closed by callers
    except (OSError, ValueError) as error:
        raise SourceError(f"{complaint}: {reason_of(error)}") from None
    return file


@contextmanager
def open_descriptor(path: str | int, name: str, timeout: float | None = None) -> Iterator[StreamSource]:
    """Open a file by path, or a descriptor such as that of the standard input, which stays open.

    Args:
        path: the path or the descriptor.
        name: the name of the source.
        timeout: seconds for which a pipe may be silent; None for no limit. Not supported on Windows.

    Raises:
        SourceError: it cannot be read.
    """
    with open_file(path, "rb", f"cannot read {name}") as file:
        is_timed = not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        limit = timeout if is_timed and os.name != "nt" else None
        watch = Stopwatch() if is_timed else None
        yield StreamSource(Origin(name, is_timed), _pieces(file.fileno(), watch, limit), watch)


def _pieces(descriptor: int, watch: Stopwatch | None, timeout: float | None) -> Iterator[Piece]:
    def seconds() -> float:
        return watch.seconds() if watch is not None else 0.0

    while True:
        try:
            if timeout is not None and not select.select([descriptor], [], [], min(timeout, MAX_SECONDS))[0]:
                raise CutError(seconds(), "silent", f"nothing came for {timeout:g} s")
            data = os.read(descriptor, PIECE_BYTES)
        except (OSError, ValueError) as error:
            raise CutError(seconds(), "cut", f"it cannot be read further: {reason_of(error)}") from None
        yield Piece(seconds(), data)
        if not data:
            return
