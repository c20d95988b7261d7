"""The logs that one `FileStore` session produces: open files, which it has locked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, KeysView
from pathlib import Path

from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.resumable import file_log
from assistant_stream_ce.resumable.file_paths import Paths
from assistant_stream_ce.resumable.store import StreamKey, ThreadKey


class Produced:
    """A stream that a session produces, and its locked file.

    Args:
        run: `Header.run`.
        fd: the descriptor of the file.
        thread: the pointer of its conversation; None for none.
        last: the number of chunks in the log.
    """

    def __init__(self, run: str, fd: int, thread: ThreadKey | None, last: int = 0) -> None:
        self.run = run
        self.fd = fd
        self.thread = thread
        self.last = last


class ProducedLogs:
    """The streams that a session produces. Thread-safe.

    Args:
        paths: the names of files.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        # Guards the next two.
        self._lock = new_lock()
        self._logs: dict[StreamKey, Produced] = {}
        # Those of deleted streams whose ids have a new run. Closed by the writer, which may be using one: a descriptor
        # that is closed under it may be another log's by then.
        self._displaced: list[Produced] = []

    def keys(self) -> KeysView[StreamKey]:
        """Return the streams, as a view that changes with them."""
        return self._logs.keys()

    def find(self, key: StreamKey, run: str) -> Produced | None:
        """Return the log of a stream; None if this session does not produce that run of it."""
        with self._lock:
            produced = self._logs.get(key)
        return produced if produced is not None and produced.run == run else None

    def add(self, key: StreamKey, produced: Produced) -> None:
        """Add a log, in place of one of an earlier run."""
        with self._lock:
            if (before := self._logs.get(key)) is not None:
                self._displaced.append(before)
            self._logs[key] = produced

    def remove(self, key: StreamKey, run: str) -> None:
        """Remove the log of a run, and release its lock; does nothing for one in whose place there is another."""
        with self._lock:
            produced = self._logs.get(key)
            if produced is None or produced.run != run:
                return
            del self._logs[key]
        os.close(produced.fd)

    def close_displaced(self) -> None:
        """Close the logs in whose place there are others. Called by the writer."""
        with self._lock:
            displaced, self._displaced = self._displaced, []
        for produced in displaced:
            os.close(produced.fd)

    def close(self) -> None:
        """Close all logs: in a forked child it leaves the locks with the parent."""
        # Without the lock, which another thread of the parent may have held at the fork.
        for produced in (*self._logs.values(), *self._displaced):
            os.close(produced.fd)
        self._logs, self._displaced = {}, []

    @contextlib.contextmanager
    def new_file(self, records: Iterable[bytes]) -> Iterator[tuple[Path, int]]:
        """Write records to a temporary file and lock it, so that nobody sees a log without its lock.

        The file is closed with the block: a duplicate of its descriptor keeps the lock.
        """
        path = self._paths.temporary()
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            file_log.lock(fd)
            for record in records:
                file_log.append(fd, record)
            yield path, fd
        finally:
            os.close(fd)
            path.unlink(missing_ok=True)
