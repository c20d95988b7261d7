"""Where the bytes of a stream come from, piece by piece, each with the time at which it came.

A source is opened by a function of its own, as a context manager: a file, a file descriptor, a request
(`request.py`), a recording (`recording.py`).
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

__all__ = (
    "PIECE_BYTES",
    "CutError",
    "Origin",
    "Piece",
    "Source",
    "SourceError",
    "Stopwatch",
    "open_descriptor",
    "open_file",
)

#: As many bytes are read at once at most.
PIECE_BYTES = 65536


class SourceError(Exception):
    """There is no stream to read; the text says why."""


class CutError(Exception):
    """The stream stopped before its end.

    Attributes:
        seconds: when.
        how: "cut", "silent" when nothing came for too long, or in a recording "interrupted".
    """

    def __init__(self, seconds: float, how: HowEnded, message: str) -> None:
        super().__init__(message)
        self.seconds = seconds
        self.how = how


class Piece(NamedTuple):
    """Bytes that came together, and when they did: seconds from the start."""

    seconds: float
    data: bytes


@dataclass(frozen=True)
class Origin:
    """What is known of a stream before its first byte.

    Attributes:
        name: as it is shown: a file, or a method and an address.
        is_timed: whether the times of the pieces mean anything; those of a file do not.
        started: when it was asked for, in UTC and ISO 8601.
        status: the response's; None for what is no response.
        headers: the response's, with names in lower case.
    """

    name: str
    is_timed: bool
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Stopwatch:
    """Tells the seconds since it was made, to the microsecond, as a recording has them."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def seconds(self) -> float:
        """Return the seconds."""
        return round(time.monotonic() - self._started, 6)


class Source(NamedTuple):
    """A stream that was opened, and the watch that times it; None where the times are others.

    Its last piece is empty and tells when the end came; or `CutError` is raised.
    """

    origin: Origin
    pieces: Iterator[Piece]
    watch: Stopwatch | None = None


def open_file(path: str | int, mode: str, complaint: str) -> IO[bytes]:
    """Open a file, or a descriptor, which is left open.

    Raises:
        SourceError: it cannot be opened; the message begins with the complaint.
    """
    try:
        file: IO[bytes] = open(path, mode, closefd=isinstance(path, str))  # noqa: SIM115 - the caller closes it
    except OSError as error:
        raise SourceError(f"{complaint}: {error.strerror}") from None
    return file


@contextmanager
def open_descriptor(path: str | int, name: str, timeout: float | None = None) -> Iterator[Source]:
    """Open a file by its path, or a descriptor such as that of the standard input, which is left open.

    Args:
        path: the path or the descriptor.
        name: how the source is called.
        timeout: how many seconds a pipe may be silent; None for ever. Windows has no such limit.

    Raises:
        SourceError: it cannot be read.
    """
    with open_file(path, "rb", f"cannot read {name}") as file:
        is_timed = not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        limit = timeout if is_timed and os.name != "nt" else None
        watch = Stopwatch() if is_timed else None
        yield Source(Origin(name, is_timed), _pieces(file.fileno(), watch, limit), watch)


def _pieces(descriptor: int, watch: Stopwatch | None, timeout: float | None) -> Iterator[Piece]:
    def seconds() -> float:
        return watch.seconds() if watch is not None else 0.0

    while True:
        if timeout is not None and not select.select([descriptor], [], [], timeout)[0]:
            raise CutError(seconds(), "silent", f"nothing came for {timeout:g} s")
        try:
            data = os.read(descriptor, PIECE_BYTES)
        except OSError as error:
            raise CutError(seconds(), "cut", f"it cannot be read further: {error.strerror}") from None
        yield Piece(seconds(), data)
        if not data:
            return
