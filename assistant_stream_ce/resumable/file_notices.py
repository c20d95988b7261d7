"""Notices of the kernel about changed files: inotify on Linux; elsewhere files are looked at every 20 ms."""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from assistant_stream_ce.resumable.waker import Waker

# Seconds between two looks where the kernel sends no notices.
_LOOK: Final = 0.02

# From <sys/inotify.h>.
_IN_MODIFY: Final = 0x2
_IN_ATTRIB: Final = 0x4
_IN_CLOSE_WRITE: Final = 0x8
_IN_MOVED_TO: Final = 0x80
_IN_CREATE: Final = 0x100
_IN_Q_OVERFLOW: Final = 0x4000
_IN_NONBLOCK: Final = os.O_NONBLOCK
_IN_CLOEXEC: Final = getattr(os, "O_CLOEXEC", 0)

_FILE: Final = _IN_MODIFY | _IN_ATTRIB | _IN_CLOSE_WRITE
_DIRECTORY: Final = _IN_CREATE | _IN_MOVED_TO | _IN_CLOSE_WRITE

_EVENT: Final = struct.Struct("iIII")


class Notice(NamedTuple):
    """A change.

    Attributes:
        watch: the number that `Notices.add` has returned; None if any file may have changed.
        name: the name of a file in a watched directory; empty for a watched file.
        is_closed: whether the file was closed by a process that could write to it.
    """

    watch: int | None
    name: str
    is_closed: bool


class Notices:
    """Waits for changes of files, and for `wake`. Used by one thread, but for `wake`."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
        self._fd = -1
        if self._libc is not None:
            # Refused where the user has too many: 128 by default.
            self._fd = self._libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._waker = Waker(self._selector)
        #: End the wait, or the next one. Thread-safe; never blocks.
        self.wake: Callable[[], None] = self._waker.wake
        if self._fd >= 0:
            self._selector.register(self._fd, selectors.EVENT_READ)
        #: Whether the kernel sends no notices of some file: all may have changed after each `wait`.
        self.must_look = self._fd < 0

    def add(self, path: str, *, is_directory: bool = False) -> int:
        """Watch a file, or the names in a directory.

        Returns:
            The number of the watch, equal for a file that is watched already; -1 if notices cannot be had.
        """
        if self._fd < 0 or self._libc is None:
            return -1
        watch: int = self._libc.inotify_add_watch(self._fd, os.fsencode(path), _DIRECTORY if is_directory else _FILE)
        if watch < 0:
            self.must_look = True
        return watch

    def remove(self, watch: int) -> None:
        """End a watch; one that has ended by itself is ignored."""
        if watch >= 0 and self._libc is not None:
            self._libc.inotify_rm_watch(self._fd, watch)

    def wait(self, timeout: float) -> tuple[list[Notice], bool]:
        """Wait for notices.

        Args:
            timeout: the most seconds.

        Returns:
            The notices; whether `wake` was called.
        """
        timeout = max(0.0, timeout)
        ready = {key.fd for key, _ in self._selector.select(min(timeout, _LOOK) if self.must_look else timeout)}
        is_woken = self._waker.fileno() in ready
        if is_woken:
            self._waker.clear()
        return list(self._read()) if self._fd in ready else [], is_woken

    def _read(self) -> Iterator[Notice]:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._fd, 1 << 16)
            position = 0
            while position < len(data):
                watch, mask, _, length = _EVENT.unpack_from(data, position)
                position += _EVENT.size
                name = os.fsdecode(data[position : position + length].rstrip(b"\0"))
                position += length
                is_closed = bool(mask & (_IN_CLOSE_WRITE | _IN_Q_OVERFLOW))
                yield Notice(None if mask & _IN_Q_OVERFLOW else watch, name, is_closed)

    def close(self) -> None:
        """Close everything."""
        self._selector.close()
        self._waker.close()
        if self._fd >= 0:
            os.close(self._fd)
