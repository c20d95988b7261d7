"""The log of one stream in a file: its records, and reading, writing and locking them.

A record is a head, the data, and the length of both once more, by which the last record is found from the end of the
file. The producer holds `flock` on the file: the kernel releases it when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from assistant_stream_ce.resumable.records import Entry

try:
    import fcntl
except ImportError as _error:
    raise ImportError("FileStore needs POSIX's file locks: use RedisStore, or MemoryStore in one process") from _error

# Kind, number of the last chunk, number of chunks, length and checksum of the data.
_HEAD: Final = struct.Struct("<cQIII")
_LENGTH: Final = struct.Struct("<I")

HEADER: Final = b"h"
ENTRY: Final = b"c"
TERMINAL: Final = b"e"
_KINDS: Final = (HEADER, ENTRY, TERMINAL)

# Tries for a lock that a look at the log holds for some microseconds, and seconds between them.
_TRIES: Final = 20
_PAUSE: Final = 0.002


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes:
        kind: `HEADER`, `ENTRY` or `TERMINAL`.
        last: for an entry: the number of the stream's chunks up to its end.
        count: for an entry: the number of its own chunks.
        data: the bytes; of a header, the run precedes them, see `header_record`.
    """

    kind: bytes
    last: int
    count: int
    data: bytes

    @property
    def entry(self) -> Entry:
        """The entry of a record that is one."""
        return Entry(self.last, self.count, self.data)

    @property
    def header(self) -> tuple[bytes, str]:
        """The bytes of the header and the run, of a record that has them."""
        run, _, header = self.data.partition(b"\n")
        return header, run.decode()


def header_record(header: bytes, run: str) -> bytes:
    """Return the bytes of the first record of a log."""
    return pack(HEADER, run.encode() + b"\n" + header)


def entry_record(entry: Entry) -> bytes:
    """Return the bytes of the record of an entry."""
    return pack(ENTRY, entry.data, entry.last, entry.count)


def pack(kind: bytes, data: bytes, last: int = 0, count: int = 0) -> bytes:
    """Return the bytes of a record."""
    head = _HEAD.pack(kind, last, count, len(data), zlib.crc32(data))
    return b"".join((head, data, _LENGTH.pack(_HEAD.size + len(data))))


def unpack(data: bytes, position: int = 0) -> Iterator[tuple[Record, int]]:
    """Return the whole records in bytes, each with the position of its end. An incomplete or torn one ends them.

    Args:
        data: the bytes of a log, or a part of them.
        position: the beginning of a record in them.
    """
    while position + _HEAD.size <= len(data):
        kind, last, count, length, checksum = _HEAD.unpack_from(data, position)
        begin = position + _HEAD.size
        position = begin + length + _LENGTH.size
        content = data[begin : begin + length]
        # A loss of power may leave zeros, whose checksum is right.
        if kind not in _KINDS or position > len(data) or zlib.crc32(content) != checksum:
            return
        yield Record(kind, last, count, content), position


def read_all(fd: int, offset: int = 0) -> bytes:
    """Return the bytes of a file from an offset."""
    parts = []
    while part := os.pread(fd, 1 << 20, offset):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def read_terminal(fd: int) -> bytes | None:
    """Return the data of the terminal record, if that is the last of a log; reads no other."""
    size = os.fstat(fd).st_size
    if size < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(os.pread(fd, _LENGTH.size, size - _LENGTH.size))
    start = size - _LENGTH.size - length
    if start < 0:
        return None
    for record, _ in unpack(read_all(fd, start)):
        return record.data if record.kind == TERMINAL else None
    return None


def has_end(fd: int) -> bool:
    """Return whether a log has its terminal record, and no damaged one before it, where a follower would wait."""
    if read_terminal(fd) is None:
        return False
    kinds = [record.kind for record, _ in unpack(read_all(fd))]
    return TERMINAL in kinds


def append(fd: int, data: bytes) -> None:
    """Append bytes to a log, all or nothing.

    Raises:
        OSError: the disk is full, or something else prevents it.
    """
    written = os.write(fd, data)
    if written != len(data):
        # A part would hide what follows from all readers.
        os.ftruncate(fd, os.fstat(fd).st_size - written)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def is_deleted(fd: int) -> bool:
    """Return whether the file has no name any more."""
    return os.fstat(fd).st_nlink == 0


def lock(fd: int) -> bool:
    """Lock a log as its producer. Returns whether nobody else has it."""
    return _lock(fd, fcntl.LOCK_EX, 1)


def lock_again(fd: int) -> bool:
    """Lock the log of a producer that seems dead. Waits for processes that only check it."""
    return _lock(fd, fcntl.LOCK_EX, _TRIES)


def has_producer(fd: int) -> bool:
    """Return whether a producer has the log locked."""
    if not _lock(fd, fcntl.LOCK_SH, 1):
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def _lock(fd: int, kind: int, tries: int) -> bool:
    for number in range(tries):
        if number:
            time.sleep(_PAUSE)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
            return True
    return False
