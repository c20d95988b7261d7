"""Names of the files of a `FileStore`, and their deletion when they are past their retention.

<directory>/<owner>/<id>.log        the log of a stream
<directory>/<owner>/<id>.summary    what is kept of it
<directory>/<owner>/<id>.gone       it was deleted
<directory>/<owner>/<id>.seen       it is followed until the time of the file
<directory>/<owner>/<hash>.thread   the id of a thread's newest stream, until the time of the file
<directory>/stops/<owner>.<id>      it is to stop
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from assistant_stream_ce.resumable import file_log
from assistant_stream_ce.resumable.store import StoreOptions, StreamKey, ThreadKey

# Seconds after which a temporary file has no writer any more.
_TEMPORARY = 60.0


class Paths:
    """Names of files, and small files that are written whole.

    Args:
        directory: the directory of the store.
        worker: the name of the session.
    """

    def __init__(self, directory: Path, worker: str) -> None:
        self.directory = directory
        self.stops: Path = directory / "stops"
        self._worker = worker
        self._numbers = itertools.count()

    def of(self, key: StreamKey, kind: str) -> Path:
        """Return the path of a stream's file of a kind."""
        return self.directory / key.owner / f"{key.stream_id}.{kind}"

    def stop(self, key: StreamKey) -> Path:
        """Return the path of a request to stop."""
        return self.stops / f"{key.owner}.{key.stream_id}"

    def key_of_stop(self, name: str) -> StreamKey:
        """Return the stream that a name in the directory of requests means."""
        owner, _, stream_id = name.partition(".")
        return StreamKey(owner, stream_id)

    def thread(self, thread: ThreadKey) -> Path:
        """Return the path of a thread pointer."""
        return self.directory / thread.owner / f"{thread.thread}.thread"

    def of_name(self, name: StreamKey | ThreadKey) -> Path:
        """Return the path that is there when a stream or thread is."""
        return self.thread(name) if isinstance(name, ThreadKey) else self.of(name, "log")

    def temporary(self) -> Path:
        """Return the path of a new file, to be renamed; outside the directories that are watched."""
        # Somebody may have deleted the directory: its live streams are then written anew.
        with contextlib.suppress(FileExistsError):
            self.directory.mkdir(mode=0o700, parents=True)
        return self.directory / f"{self._worker}.{next(self._numbers)}.tmp"

    def write(self, path: Path, data: bytes, until: float | None = None) -> None:
        """Write a small file, which appears whole.

        Args:
            path: its path.
            data: its content.
            until: its time, in Unix seconds; None for now.
        """
        temporary = self.temporary()
        temporary.write_bytes(data)
        if until is not None:
            os.utime(temporary, (until, until))
        self.place(lambda: os.rename(temporary, path), path)

    def extend(self, path: Path, data: bytes, until: float) -> None:
        """Set the time of a small file, unless it has another content.

        Args:
            path: its path.
            data: the content.
            until: its time, in Unix seconds.
        """
        # By the descriptor: another process may give the name to a new file meanwhile.
        with opened(path) as fd:
            if fd is not None and file_log.read_all(fd) == data:
                os.utime(fd, (until, until))

    def place(self, place: Callable[[], object], path: Path) -> None:
        """Give a file its name; its directory is made, also if `sweep` removes an empty one meanwhile."""
        while True:
            with contextlib.suppress(FileExistsError):
                path.parent.mkdir(mode=0o700)
            with contextlib.suppress(FileNotFoundError):
                place()
                return

    def sweep(self, options: StoreOptions) -> None:
        """Delete what is past its retention, unless another process is at it."""
        fd = os.open(self.directory, os.O_RDONLY)
        try:
            if file_log.lock(fd):
                self._sweep(options)
                fcntl.flock(fd, fcntl.LOCK_UN)
        finally:
            os.close(fd)

    def _sweep(self, options: StoreOptions) -> None:
        ages = {
            "summary": options.retention + options.message_retention,
            "gone": options.gone_retention,
            "seen": 0.0,
            "thread": 0.0,
            "tmp": _TEMPORARY,
        }
        for path in self._files():
            kind = path.name.rpartition(".")[2]
            # What cannot be read or deleted keeps nothing else from being deleted.
            with contextlib.suppress(OSError):
                if kind == "log" and path.parent != self.stops:
                    drop_log(path, lambda fd, path=path: _is_over(fd, path, options))  # type: ignore[misc]
                elif path.parent == self.stops:
                    if age(path) > options.stop_retention and not self._is_live(path.name):
                        path.unlink(missing_ok=True)
                elif age(path) > ages.get(kind, float("inf")):
                    path.unlink(missing_ok=True)
        for directory in self.directory.iterdir():
            if directory != self.stops:
                # Only an empty one can be removed.
                with contextlib.suppress(OSError):
                    directory.rmdir()

    def _files(self) -> Iterator[Path]:
        for path in self.directory.iterdir():
            if path.is_dir():
                # Another user's: `lost+found`, where the directory is a file system of its own.
                with contextlib.suppress(OSError):
                    yield from path.iterdir()
            else:
                yield path

    def _is_live(self, name: str) -> bool:
        with opened(self.of(self.key_of_stop(name), "log")) as fd:
            return fd is not None and file_log.read_terminal(fd) is None


def _is_over(fd: int, path: Path, options: StoreOptions) -> bool:
    if file_log.has_producer(fd):
        return False
    return age(path) > (options.live_retention if file_log.read_terminal(fd) is None else options.retention)


def drop_log(path: Path, is_over: Callable[[int], bool]) -> None:
    """Delete a log that is over and has no producer.

    Args:
        path: its path.
        is_over: returns whether the file of a descriptor is over.
    """
    with opened(path) as fd:
        # Locked, because a racing process may have deleted it and begun a new log with the name.
        if fd is not None and is_over(fd) and file_log.lock_again(fd) and not file_log.is_deleted(fd):
            path.unlink(missing_ok=True)


def age(path: Path) -> float:
    """Return how many seconds ago a file was written; infinity for none."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


@contextlib.contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int | None]:
    """Open a file, and close it again; None where there is none."""
    try:
        fd = os.open(path, flags)
    except FileNotFoundError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)
