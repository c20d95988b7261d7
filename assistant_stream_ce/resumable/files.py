"""Store in files: for several worker processes of one machine."""

from __future__ import annotations

import contextlib
import errno
import os
import time
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from assistant_stream_ce.errors import StoreUnavailableError
from assistant_stream_ce.resumable import file_log
from assistant_stream_ce.resumable.file_paths import Paths, age, drop_log, opened
from assistant_stream_ce.resumable.file_producers import Produced, ProducedLogs
from assistant_stream_ce.resumable.file_watches import Watches
from assistant_stream_ce.resumable.records import Entry
from assistant_stream_ce.resumable.store import (
    Append,
    Event,
    Outcome,
    Started,
    Store,
    StoredStream,
    StoreOptions,
    StoreSession,
    StreamKey,
    ThreadKey,
)

__all__ = ("FileStore",)


# For the hook that closes inherited files in a forked child.
_sessions: weakref.WeakSet[FileSession] = weakref.WeakSet()
_hooked: list[int] = []

# What a disk, a quota or a limit answers that is exhausted.
_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _close_inherited() -> None:
    """Close the parent's locked files in a forked child, where they would keep the locks after the parent's end."""
    for session in list(_sessions):
        if session.pid != os.getpid():
            _sessions.discard(session)
            session.close_files()


@contextlib.contextmanager
def _reported_failures() -> Iterator[None]:
    """Turn every failure of the file system into a `StoreUnavailableError`."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailableError(f"the directory of the FileStore fails: {error}") from error


class FileStore(Store):
    """Keep streams in files of a local directory: for several worker processes of one machine.

    Thread-safe. One file for each stream, locked by its producer; the kernel reports changes, and the death of a
    producer, within milliseconds. POSIX only, on a local disk or in memory (`/dev/shm`), not on a network drive.

    Args:
        directory: the directory; it is made, for this user alone, at the first use.

    Raises:
        TypeError: it is not a path.
        ValueError: it is empty.
    """

    looks = 1
    needs_sweep = True

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        if directory == "":
            raise ValueError("directory must not be empty")
        self._directory = Path(directory).absolute()

    def connect(self, worker: str, options: StoreOptions) -> StoreSession:
        """Return a session; see `Store.connect`.

        Args:
            worker: the name of the session.
            options: the settings.

        Raises:
            StoreUnavailableError: the directory cannot be made, or belongs to another user.
        """
        if not _hooked:
            # uWSGI forks without calling it; `connect` in the child does the same.
            _hooked.append(os.getpid())
            os.register_at_fork(after_in_child=_close_inherited)
        _close_inherited()
        with _reported_failures():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = self._directory.stat().st_uid
        if owner != os.geteuid():
            raise StoreUnavailableError(f"{self._directory} belongs to another user: give FileStore one of its own")
        session = FileSession(Paths(self._directory, worker), options)
        _sessions.add(session)
        return session


class FileSession(StoreSession):
    """One engine's use of a `FileStore`."""

    def __init__(self, paths: Paths, options: StoreOptions) -> None:
        self.pid: int = os.getpid()
        self._paths = paths
        self._options = options
        self._produced = ProducedLogs(paths)
        with _reported_failures():
            paths.stops.mkdir(mode=0o700, exist_ok=True)
            self._watches = Watches(paths)

    def close(self) -> None:
        """Release the locks and close the files; see `StoreSession.close`."""
        self.close_files()
        self._watches.close()

    def close_files(self) -> None:
        """Close the locked files: in a forked child it leaves the locks with the parent."""
        self._produced.close()

    # --- commands ---

    def start(self, key: StreamKey, header: bytes, run: str, thread: ThreadKey | None) -> Started:
        """Begin a stream; see `StoreSession.start`."""
        with _reported_failures():
            if self._produced.find(key, run) is None and not self._create(key, header, run, thread):
                return "exists"
            try:
                return self._announce_start(key, thread)
            except OSError:
                # The caller runs nothing then, and a locked log would have followers wait.
                self._paths.of(key, "log").unlink(missing_ok=True)
                self._produced.remove(key, run)
                raise

    def _announce_start(self, key: StreamKey, thread: ThreadKey | None) -> Started:
        for kind in ("gone", "summary"):
            self._paths.of(key, kind).unlink(missing_ok=True)
        self._point(thread, key)
        stop = self._paths.stop(key)
        if age(stop) <= self._options.stop_retention:
            return "stopped"
        # A request that was kept for an earlier run.
        stop.unlink(missing_ok=True)
        return "created"

    def _create(self, key: StreamKey, header: bytes, run: str, thread: ThreadKey | None) -> bool:
        """Make the log, locked, unless it is there."""
        path = self._paths.of(key, "log")
        with self._produced.new_file([file_log.header_record(header, run)]) as (temporary, fd):
            for _ in range(2):
                with contextlib.suppress(FileExistsError):
                    self._paths.place(lambda: os.link(temporary, path), path)
                    self._produced.add(key, Produced(run, os.dup(fd), thread))
                    return True
                drop_log(path, lambda fd: self._is_expired(fd, path))
        return False

    def _is_expired(self, fd: int, path: Path) -> bool:
        if file_log.read_terminal(fd) is not None:
            return age(path) > self._options.retention
        # A loss of power has torn the header of one that nobody could read.
        return next(file_log.unpack(file_log.read_all(fd)), None) is None

    def read(self, key: StreamKey, after: int = 0) -> StoredStream | None:
        """Read a log; see `StoreSession.read`."""
        path = self._paths.of(key, "log")
        with _reported_failures(), opened(path) as fd:
            if fd is None:
                return None
            if file_log.read_terminal(fd) is not None and age(path) > self._options.retention:
                return None
            records = [record for record, _ in file_log.unpack(file_log.read_all(fd))]
        if not records:
            return None
        entries = [record.entry for record in records if record.kind == file_log.ENTRY and record.last > after]
        terminal = records[-1].data if records[-1].kind == file_log.TERMINAL else None
        return StoredStream(records[0].header[0], entries, terminal)

    def read_summary(self, key: StreamKey) -> bytes | None:
        """Return a summary; see `StoreSession.read_summary`."""
        path = self._paths.of(key, "summary")
        with _reported_failures(), contextlib.suppress(FileNotFoundError):
            if age(path) <= self._options.retention + self._options.message_retention:
                return path.read_bytes()
        return None

    def find_thread(self, thread: ThreadKey) -> str | None:
        """Return where a thread points; see `StoreSession.find_thread`."""
        path = self._paths.thread(thread)
        with _reported_failures(), contextlib.suppress(FileNotFoundError):
            if age(path) <= 0:
                return path.read_text()
        return None

    def _point(self, thread: ThreadKey | None, key: StreamKey) -> None:
        """Point a thread at a stream; the file's time is when the pointer ends."""
        if thread is not None:
            until = time.time() + self._options.live_retention
            self._paths.write(self._paths.thread(thread), key.stream_id.encode(), until)

    def _extend_pointer(self, thread: ThreadKey | None, key: StreamKey, seconds: float) -> None:
        """Have a pointer end in so many seconds, unless it points at a newer stream."""
        if thread is not None:
            self._paths.extend(self._paths.thread(thread), key.stream_id.encode(), time.time() + seconds)

    def stop(self, key: StreamKey) -> bool:
        """Ask a producer to stop; see `StoreSession.stop`."""
        with _reported_failures(), opened(self._paths.of(key, "log")) as fd:
            if fd is not None and file_log.read_terminal(fd) is not None:
                return False
            request = self._paths.stop(key)
            self._paths.write(request, b"")
            if fd is not None and file_log.read_terminal(fd) is not None:
                # It has ended meanwhile, and the next stream with this id is not meant.
                request.unlink(missing_ok=True)
            return fd is not None

    def find_dead(self, keys: Collection[StreamKey]) -> set[StreamKey]:
        """Return the streams whose log nobody has locked; see `StoreSession.find_dead`."""
        return {key for key in keys if self._is_dead(key)}

    def _is_dead(self, key: StreamKey) -> bool:
        with _reported_failures(), opened(self._paths.of(key, "log")) as fd:
            # In this order: a producer releases the lock when it has written the end.
            return fd is not None and not file_log.has_producer(fd) and not file_log.has_end(fd)

    def reap(self, key: StreamKey, last: int, terminal: bytes, summary: bytes, thread: ThreadKey | None) -> bool:
        """End a stream whose producer is dead; see `StoreSession.reap`."""
        with _reported_failures(), opened(self._paths.of(key, "log"), os.O_RDWR | os.O_APPEND) as fd:
            if fd is None or not file_log.lock_again(fd):
                return False
            # Under the lock, which ends with the file's closing.
            found, end = file_log.Record(file_log.HEADER, 0, 0, b""), 0
            for record, position in file_log.unpack(file_log.read_all(fd)):
                found, end = record, position
            if found.kind == file_log.TERMINAL or found.last != last or file_log.is_deleted(fd):
                return False
            # A record that a loss of power has torn.
            os.ftruncate(fd, end)
            self._end(key, fd, terminal, summary, thread)
            return True

    def _end(self, key: StreamKey, fd: int, terminal: bytes, summary: bytes, thread: ThreadKey | None) -> None:
        try:
            self._paths.write(self._paths.of(key, "summary"), summary)
        except OSError as error:
            # Followers wait for the end, which often fits where the summary does not.
            if error.errno not in _NO_SPACE:
                raise
        file_log.append(fd, file_log.pack(file_log.TERMINAL, terminal))
        self._paths.stop(key).unlink(missing_ok=True)
        self._extend_pointer(thread, key, self._options.thread_retention)

    def delete(self, key: StreamKey) -> bool:
        """Delete a stream; see `StoreSession.delete`."""
        with _reported_failures():
            mark = self._paths.of(key, "gone")
            self._paths.write(mark, b"")
            found = False
            for path in (self._paths.of(key, "log"), self._paths.of(key, "summary")):
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                    found = True
            for path in (self._paths.stop(key), self._paths.of(key, "seen")):
                path.unlink(missing_ok=True)
            return found

    def announce(self, keys: Collection[StreamKey], seconds: float) -> None:
        """Note followers; see `StoreSession.announce`."""
        with _reported_failures():
            for key in keys:
                path = self._paths.of(key, "seen")
                # The file's time is when the note ends.
                if age(path) > -seconds:
                    self._paths.write(path, b"", time.time() + seconds)

    def find_followed(self, keys: Collection[StreamKey]) -> set[StreamKey]:
        """Return the streams with followers; see `StoreSession.find_followed`."""
        with _reported_failures():
            return {key for key in keys if age(self._paths.of(key, "seen")) <= 0}

    def request_repair(self, key: StreamKey) -> None:
        """Do nothing: a file loses no entries."""

    def sweep(self) -> None:
        """Delete what is past its retention; see `StoreSession.sweep`."""
        with _reported_failures():
            self._paths.sweep(self._options)

    # --- writer ---

    def append(self, appends: Sequence[Append]) -> list[Outcome]:
        """Store entries; see `StoreSession.append`."""
        self._produced.close_displaced()
        with _reported_failures():
            return [self._append(*append) for append in appends]

    def _append(self, key: StreamKey, run: str, entry: Entry) -> Outcome:
        produced = self._produced.find(key, run)
        if produced is None:
            return "fenced" if self._paths.of(key, "log").exists() else "missing"
        if file_log.is_deleted(produced.fd):
            return "missing"
        if entry.last > produced.last:
            file_log.append(produced.fd, file_log.entry_record(entry))
            produced.last = entry.last
        return "ok"

    def finish(self, key: StreamKey, run: str, terminal: bytes, summary: bytes, thread: ThreadKey | None) -> Outcome:
        """End a stream; see `StoreSession.finish`."""
        with _reported_failures():
            produced = self._produced.find(key, run)
            if produced is None:
                return self._repeated_finish(key, run, terminal)
            outcome: Outcome = "missing"
            if not file_log.is_deleted(produced.fd):
                outcome = "ok"
                self._end(key, produced.fd, terminal, summary, thread)
            self._produced.remove(key, run)
            return outcome

    def _repeated_finish(self, key: StreamKey, run: str, terminal: bytes) -> Outcome:
        with opened(self._paths.of(key, "log")) as fd:
            if fd is None:
                return "missing"
            first = next(file_log.unpack(file_log.read_all(fd)), None)
            is_own = first is not None and first[0].header[1] == run
            return "ok" if is_own and file_log.read_terminal(fd) == terminal else "fenced"

    def reseed(
        self, key: StreamKey, header: bytes, run: str, entries: Iterable[Entry], thread: ThreadKey | None
    ) -> Outcome:
        """Write a lost log anew; see `StoreSession.reseed`."""
        path = self._paths.of(key, "log")
        with _reported_failures():
            if age(self._paths.of(key, "gone")) <= self._options.gone_retention:
                return "missing"
            produced = self._produced.find(key, run)
            if path.exists() and (produced is None or file_log.is_deleted(produced.fd)):
                return "fenced"
            entries = list(entries)
            records = [file_log.header_record(header, run), *map(file_log.entry_record, entries)]
            with self._produced.new_file(records) as (temporary, fd):
                self._paths.place(lambda: os.rename(temporary, path), path)
                self._produced.add(key, Produced(run, os.dup(fd), thread, entries[-1].last if entries else 0))
            self._point(thread, key)
            return "ok"

    def renew(self, runs: Mapping[StreamKey, str]) -> set[StreamKey]:
        """Return the streams that are to stop; see `StoreSession.renew`. The kernel keeps the locks."""
        self._produced.close_displaced()
        with _reported_failures():
            for key, run in runs.items():
                produced = self._produced.find(key, run)
                if produced is not None:
                    self._extend_pointer(produced.thread, key, self._options.live_retention)
            return {key for key in runs if self._paths.stop(key).exists()}

    # --- reader ---

    def watch(self, key: StreamKey, after: int) -> None:
        """Watch a log; see `StoreSession.watch`."""
        self._watches.add(key, after)

    def watch_run(self, key: StreamKey, after: int, run: str) -> None:
        """Watch the log of a run; see `StoreSession.watch_run`."""
        self._watches.add(key, after, run)

    def unwatch(self, key: StreamKey) -> None:
        """End a watch; see `StoreSession.unwatch`."""
        self._watches.remove(key)

    def expect(self, names: Collection[StreamKey | ThreadKey]) -> bool:
        """Report what begins; see `StoreSession.expect`."""
        with _reported_failures():
            self._watches.expect(names)
        return True

    def poll(self, timeout: float) -> list[Event]:
        """Wait for events; see `StoreSession.poll`."""
        with _reported_failures():
            return self._watches.poll(timeout, self._produced.keys())

    def wake(self) -> None:
        """Make `poll` return; see `StoreSession.wake`."""
        self._watches.wake()
