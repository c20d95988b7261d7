"""What one `FileStore` session watches: logs of other producers, and the requests to stop its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable
from typing import Final

from assistant_stream_ce.resumable import file_log
from assistant_stream_ce.resumable.file_notices import Notices
from assistant_stream_ce.resumable.file_paths import Paths
from assistant_stream_ce.resumable.records import Entry
from assistant_stream_ce.resumable.store import Event, StreamKey, ThreadKey

# Seconds between two looks at the producers where the kernel sends no notices.
_LOOK: Final = 0.5


class _Log:
    """A log that is watched, read up to some entry; None for any run."""

    def __init__(self, fd: int, after: int, run: str | None) -> None:
        self.fd = fd
        self.offset = 0
        self.after = after
        self.run = run
        self.is_of_other_run = False
        self.watch = -1

    def read(self) -> tuple[list[Entry], bytes | None]:
        """Return the entries that have come, and the bytes of the terminal entry once it is there."""
        data = file_log.read_all(self.fd, self.offset)
        entries: list[Entry] = []
        terminal = None
        begin = self.offset
        for record, position in file_log.unpack(data):
            self.offset = begin + position
            if record.kind == file_log.HEADER:
                self.run, expected = record.header[1], self.run
                if expected not in (None, self.run):
                    self.is_of_other_run = True
                    return [], None
            elif record.kind == file_log.TERMINAL:
                terminal = record.data
            elif record.last > self.after:
                entries.append(record.entry)
                self.after = record.last
        return entries, terminal


class Watches:
    """The watches of one session. Used by the thread that polls, but for `wake`.

    Args:
        paths: the names of files.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._notices = Notices()
        #: Make `poll` return, from any thread.
        self.wake: Callable[[], None] = self._notices.wake
        self._logs: dict[StreamKey, _Log] = {}
        self._keys: dict[int, StreamKey] = {}
        # What has to be read.
        self._due: set[StreamKey] = set()
        self._stops = self._notices.add(str(paths.stops), is_directory=True)
        self._next_look = 0.0
        self._expected: set[StreamKey | ThreadKey] = set()
        # The watched directories of owners.
        self._owners: dict[int, str] = {}
        self._events: list[Event] = []

    def add(self, key: StreamKey, after: int, run: str | None = None) -> None:
        """Watch a log, of one run or of any."""
        self.remove(key)
        try:
            fd = os.open(self._paths.of(key, "log"), os.O_RDONLY)
        except FileNotFoundError:
            fd = -1
        log = self._logs[key] = _Log(fd, after, run)
        if fd >= 0:
            self._add_notices(key, log)
        self._due.add(key)

    def _add_notices(self, key: StreamKey, log: _Log) -> None:
        # By the descriptor, because another log may have the name by now.
        log.watch = self._notices.add(f"/proc/self/fd/{log.fd}")
        self._keys[log.watch] = key

    def remove(self, key: StreamKey) -> None:
        """End a watch."""
        log = self._logs.pop(key, None)
        if log is not None and log.fd >= 0:
            self._keys.pop(log.watch, None)
            self._notices.remove(log.watch)
            os.close(log.fd)

    def expect(self, names: Collection[StreamKey | ThreadKey]) -> None:
        """Report what begins; see `StoreSession.expect`."""
        new, self._expected = set(names) - self._expected, set(names)
        owners = {name.owner for name in names}
        for watch, owner in list(self._owners.items()):
            if owner not in owners:
                del self._owners[watch]
                self._notices.remove(watch)
        for owner in owners - set(self._owners.values()):
            self._watch_owner(owner)
        # After that, so that none is missed between the two.
        self._events += self._started(new)

    def _watch_owner(self, owner: str) -> None:
        path = self._paths.directory / owner
        path.mkdir(mode=0o700, exist_ok=True)
        self._owners[self._notices.add(str(path), is_directory=True)] = owner

    def _started(self, names: Iterable[StreamKey | ThreadKey]) -> list[Event]:
        return [Event(StreamKey(*name), "started") for name in names if self._paths.of_name(name).exists()]

    def _handle_owner(self, watch: int, name: str) -> list[Event]:
        """Return the events of a new name in a watched directory, or of a directory that was removed as empty."""
        owner = self._owners[watch]
        if name:
            key = StreamKey(owner, name.rpartition(".")[0])
            return self._started(each for each in self._expected if each == key)
        del self._owners[watch]
        self._watch_owner(owner)
        return self._started(self._expected)

    def close(self) -> None:
        """End all watches."""
        for key in list(self._logs):
            self.remove(key)
        self._notices.close()

    def poll(self, timeout: float, produced: Collection[StreamKey]) -> list[Event]:
        """Wait for events; see `StoreSession.poll`.

        Args:
            timeout: seconds.
            produced: the streams that this session produces.
        """
        deadline = time.monotonic() + timeout
        while True:
            events, self._events = self._events, []
            events += [event for key in self._take_due() for event in self._read(key)]
            now = time.monotonic()
            notices, is_woken = self._notices.wait(0.0 if events else deadline - now)
            for watch, name, is_closed in notices:
                if watch is None:
                    self._due |= self._logs.keys()
                    events += self._all_stops(produced) + self._started(self._expected)
                elif watch == self._stops:
                    # Only if it is there still: a notice may be of an earlier stream with this id.
                    events += self._all_stops({self._paths.key_of_stop(name)} & set(produced))
                elif watch in self._owners:
                    events += self._handle_owner(watch, name)
                elif (key := self._keys.get(watch)) is not None:
                    self._due.add(key)
                    if is_closed:
                        events.append(Event(key, "look"))
            if self._notices.must_look:
                events += self._look(produced)
            if events or is_woken or time.monotonic() >= deadline:
                return [*events, *(event for key in self._take_due() for event in self._read(key))]

    def _take_due(self) -> set[StreamKey]:
        due, self._due = self._due, set()
        return due

    def _look(self, produced: Collection[StreamKey]) -> list[Event]:
        """Do what notices of the kernel would have brought."""
        self._due |= self._logs.keys()
        events = self._all_stops(produced) + self._started(self._expected)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK
            events += [Event(key, "look") for key in self._logs]
        return events

    def _all_stops(self, produced: Collection[StreamKey]) -> list[Event]:
        return [Event(key, "stop") for key in list(produced) if self._paths.stop(key).exists()]

    def _read(self, key: StreamKey) -> list[Event]:
        log = self._logs.get(key)
        if log is None:
            return []
        entries, terminal = ([], None) if log.fd < 0 else log.read()
        if entries or terminal is not None:
            if terminal is not None:
                self.remove(key)
            return [Event(key, "arrived", entries, terminal)]
        if log.fd >= 0 and not log.is_of_other_run and not file_log.is_deleted(log.fd):
            return []
        self.remove(key)
        if log.fd >= 0 and not log.is_of_other_run and self._paths.of(key, "log").exists():
            # Its producer has written it anew, or another run has the id.
            self.add(key, log.after, log.run)
            return []
        return [Event(key, "deleted" if self._paths.of(key, "gone").exists() else "missing")]
