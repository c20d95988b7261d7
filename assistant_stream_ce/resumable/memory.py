"""Store of one process: logs in its memory."""

from __future__ import annotations

import bisect
import os
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.concurrency.waiters import ThreadWaiter
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

__all__ = ("MemoryStore",)


class _Log:
    """A log, and its producer."""

    __slots__ = ("entries", "expires", "header", "last", "producer", "run", "terminal")

    def __init__(self, header: bytes, run: str, producer: MemorySession) -> None:
        self.header = header
        self.run = run
        self.producer: MemorySession | None = producer
        self.entries: list[Entry] = []
        self.last = 0
        self.terminal: bytes | None = None
        self.expires = float("inf")


class _Data:
    """The data of one process."""

    def __init__(self) -> None:
        # Guards all fields, and those of the sessions.
        self.lock: threading.Lock = new_lock()
        self.logs: dict[StreamKey, _Log] = {}
        # With the time, by `time.monotonic`, until which each counts.
        self.summaries: dict[StreamKey, tuple[bytes, float]] = {}
        self.threads: dict[ThreadKey, tuple[str, float]] = {}
        self.stops: dict[StreamKey, float] = {}
        self.gone: dict[StreamKey, float] = {}
        self.followed: dict[StreamKey, float] = {}
        self.sessions: set[MemorySession] = set()
        #: The number of watches of all sessions.
        self.watches = 0

    def drop_expired(self) -> None:
        """Delete what is past its retention. With the lock held."""
        now = time.monotonic()
        for key in [key for key, log in self.logs.items() if log.expires < now]:
            del self.logs[key]
        self.summaries = {key: pair for key, pair in self.summaries.items() if pair[1] >= now}
        self.threads = {thread: pair for thread, pair in self.threads.items() if pair[1] >= now}
        for times in (self.stops, self.gone, self.followed):
            for key in [key for key, until in times.items() if until < now]:
                del times[key]


class MemoryStore(Store):
    """Keep streams in the memory of one process: for development, tests, and servers of one process.

    Thread-safe. A child process begins with an empty store.
    """

    looks = 1
    is_inline = True

    def __init__(self) -> None:
        self._data: dict[int, _Data] = {}

    def connect(self, worker: str, options: StoreOptions) -> StoreSession:
        """Return a session; see `Store.connect`.

        Args:
            worker: the name of the session.
            options: the settings.
        """
        # By process id: a child must not wait for a lock that its parent held at the fork.
        return MemorySession(self._data.setdefault(os.getpid(), _Data()), options)


class MemorySession(StoreSession):
    """One engine's use of a `MemoryStore`."""

    def __init__(self, data: _Data, options: StoreOptions) -> None:
        self._data = data
        self._options = options
        # Up to which chunk each was read, and of which run; None for any.
        self._watches: dict[StreamKey, tuple[int, str | None]] = {}
        self._expected: set[StreamKey | ThreadKey] = set()
        # What `poll` has to look at, and the events that need no look.
        self._due: set[StreamKey] = set()
        self._events: list[Event] = []
        self._is_woken = False
        self._waiter: ThreadWaiter | None = None
        with data.lock:
            data.sessions.add(self)

    def close(self) -> None:
        """Give up the streams of this session; see `StoreSession.close`."""
        with self._data.lock:
            self._data.sessions.discard(self)
            for key in list(self._watches):
                self._drop_watch(key)
            for key, log in self._data.logs.items():
                if log.producer is self:
                    log.producer = None
                    if log.terminal is None:
                        self._notify(key, Event(key, "look"))

    # --- commands ---

    def start(self, key: StreamKey, header: bytes, run: str, thread: ThreadKey | None) -> Started:
        """Begin a stream; see `StoreSession.start`."""
        data = self._data
        with data.lock:
            data.drop_expired()
            log = data.logs.get(key)
            if log is not None and log.run != run:
                return "exists"
            if log is None:
                data.logs[key] = _Log(header, run, self)
                data.summaries.pop(key, None)
                data.gone.pop(key, None)
            if thread is not None:
                data.threads[thread] = (key.stream_id, float("inf"))
            for session in data.sessions:
                session._report_started({key, thread} & session._expected)
            return "stopped" if key in data.stops else "created"

    def read(self, key: StreamKey, after: int = 0) -> StoredStream | None:
        """Read a log; see `StoreSession.read`."""
        with self._data.lock:
            self._data.drop_expired()
            log = self._data.logs.get(key)
            return None if log is None else StoredStream(log.header, _entries_behind(log, after), log.terminal)

    def read_summary(self, key: StreamKey) -> bytes | None:
        """Return a summary; see `StoreSession.read_summary`."""
        with self._data.lock:
            self._data.drop_expired()
            return self._data.summaries.get(key, (None, 0.0))[0]

    def find_thread(self, thread: ThreadKey) -> str | None:
        """Return where a thread points; see `StoreSession.find_thread`."""
        with self._data.lock:
            self._data.drop_expired()
            return self._data.threads.get(thread, (None, 0.0))[0]

    def stop(self, key: StreamKey) -> bool:
        """Ask a producer to stop; see `StoreSession.stop`."""
        with self._data.lock:
            log = self._data.logs.get(key)
            if log is not None and log.terminal is not None:
                return False
            self._data.stops[key] = time.monotonic() + self._options.stop_retention
            if log is not None and log.producer is not None:
                log.producer._add(Event(key, "stop"))
            return log is not None

    def find_dead(self, keys: Collection[StreamKey]) -> set[StreamKey]:
        """Return the streams whose session was closed; see `StoreSession.find_dead`."""
        with self._data.lock:
            return {key for key in keys if _is_dead(self._data.logs.get(key))}

    def reap(self, key: StreamKey, last: int, terminal: bytes, summary: bytes, thread: ThreadKey | None) -> bool:
        """End a stream whose producer is dead; see `StoreSession.reap`."""
        with self._data.lock:
            log = self._data.logs.get(key)
            if log is None or not _is_dead(log) or log.last != last:
                return False
            self._end(key, log, terminal, summary, thread)
            return True

    def delete(self, key: StreamKey) -> bool:
        """Delete a stream; see `StoreSession.delete`."""
        data = self._data
        with data.lock:
            data.drop_expired()
            data.gone[key] = time.monotonic() + self._options.gone_retention
            data.stops.pop(key, None)
            log, summary = data.logs.pop(key, None), data.summaries.pop(key, None)
            self._notify(key)
            return log is not None or summary is not None

    def announce(self, keys: Collection[StreamKey], seconds: float) -> None:
        """Note followers; see `StoreSession.announce`."""
        until = time.monotonic() + seconds
        with self._data.lock:
            for key in keys:
                self._data.followed[key] = max(until, self._data.followed.get(key, 0.0))

    def find_followed(self, keys: Collection[StreamKey]) -> set[StreamKey]:
        """Return the streams with followers; see `StoreSession.find_followed`."""
        with self._data.lock:
            self._data.drop_expired()
            return {key for key in keys if key in self._data.followed}

    def request_repair(self, key: StreamKey) -> None:
        """Do nothing: memory loses no entries."""

    def sweep(self) -> None:
        """Delete what is past its retention."""
        with self._data.lock:
            self._data.drop_expired()

    # --- writer ---

    def append(self, appends: Sequence[Append]) -> list[Outcome]:
        """Store entries; see `StoreSession.append`."""
        with self._data.lock:
            return [self._append(*append) for append in appends]

    def _append(self, key: StreamKey, run: str, entry: Entry) -> Outcome:
        log = self._data.logs.get(key)
        if log is None:
            return "missing"
        if log.run != run or log.producer is not self:
            return "fenced"
        if entry.last > log.last:
            log.entries.append(entry)
            log.last = entry.last
            if self._data.watches:
                self._notify(key)
        return "ok"

    def finish(self, key: StreamKey, run: str, terminal: bytes, summary: bytes, thread: ThreadKey | None) -> Outcome:
        """End a stream; see `StoreSession.finish`."""
        with self._data.lock:
            log = self._data.logs.get(key)
            if log is None:
                return "missing"
            if log.run != run or (log.terminal != terminal if log.terminal else log.producer is not self):
                return "fenced"
            if log.terminal is None:
                self._end(key, log, terminal, summary, thread)
            return "ok"

    def reseed(
        self, key: StreamKey, header: bytes, run: str, entries: Iterable[Entry], thread: ThreadKey | None
    ) -> Outcome:
        """Write a lost log anew; see `StoreSession.reseed`."""
        with self._data.lock:
            self._data.drop_expired()
            log = self._data.logs.get(key)
            if log is not None and (log.run != run or log.producer is not self):
                return "fenced"
            if key in self._data.gone:
                return "missing"
            log = self._data.logs[key] = _Log(header, run, self)
            log.entries = list(entries)
            log.last = log.entries[-1].last if log.entries else 0
            if thread is not None:
                self._data.threads[thread] = (key.stream_id, float("inf"))
            self._notify(key)
            return "ok"

    def renew(self, runs: Mapping[StreamKey, str]) -> set[StreamKey]:
        """Return the streams that are to stop; see `StoreSession.renew`."""
        with self._data.lock:
            return {key for key in runs if key in self._data.stops}

    # --- reader ---

    def watch(self, key: StreamKey, after: int) -> None:
        """Watch a log; see `StoreSession.watch`."""
        self._watch(key, after, None)

    def watch_run(self, key: StreamKey, after: int, run: str) -> None:
        """Watch the log of a run; see `StoreSession.watch_run`."""
        self._watch(key, after, run)

    def _watch(self, key: StreamKey, after: int, run: str | None) -> None:
        with self._data.lock:
            self._data.watches += key not in self._watches
            self._watches[key] = after, run
            self._due.add(key)

    def unwatch(self, key: StreamKey) -> None:
        """End a watch; see `StoreSession.unwatch`."""
        with self._data.lock:
            self._drop_watch(key)

    def expect(self, names: Collection[StreamKey | ThreadKey]) -> bool:
        """Report what begins; see `StoreSession.expect`."""
        with self._data.lock:
            self._data.drop_expired()
            there = self._data.logs.keys() | self._data.threads.keys()
            self._report_started((set(names) - self._expected) & there)
            self._expected = set(names)
        return True

    def poll(self, timeout: float) -> list[Event]:
        """Wait for events; see `StoreSession.poll`."""
        for seconds in (timeout, 0.0):
            with self._data.lock:
                events = self._take_events()
                if events or self._is_woken or not seconds:
                    self._is_woken = False
                    return events
                self._waiter = waiter = ThreadWaiter()
            waiter.wait(seconds)
        return []

    def wake(self) -> None:
        """Make `poll` return; see `StoreSession.wake`."""
        with self._data.lock:
            self._is_woken = True
            self._wake()

    # --- with the lock held ---

    def _end(self, key: StreamKey, log: _Log, terminal: bytes, summary: bytes, thread: ThreadKey | None) -> None:
        now, options = time.monotonic(), self._options
        self._data.summaries[key] = (summary, now + options.retention + options.message_retention)
        log.terminal = terminal
        log.producer = None
        log.expires = now + options.retention
        self._data.stops.pop(key, None)
        if thread is not None and self._data.threads.get(thread, ("", 0.0))[0] == key.stream_id:
            self._data.threads[thread] = (key.stream_id, now + options.thread_retention)
        self._notify(key)

    def _notify(self, key: StreamKey, event: Event | None = None) -> None:
        for session in self._data.sessions:
            if key in session._watches:
                if event is not None:
                    session._events.append(event)
                session._due.add(key)
                session._wake()

    def _report_started(self, names: Iterable[StreamKey | ThreadKey | None]) -> None:
        for name in names:
            if name is not None:
                self._add(Event(StreamKey(*name), "started"))

    def _add(self, event: Event) -> None:
        self._events.append(event)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None:
            self._waiter.wake()

    def _take_events(self) -> list[Event]:
        # A request to stop that is not there any more was for an earlier run with the id.
        events = [event for event in self._events if event.kind != "stop" or event.key in self._data.stops]
        self._events = []
        due, self._due = self._due, set()
        for key in due & self._watches.keys():
            log, (after, run) = self._data.logs.get(key), self._watches[key]
            if log is None or log.run != (run or log.run):
                events.append(Event(key, "deleted" if key in self._data.gone else "missing"))
                self._drop_watch(key)
                continue
            if (entries := _entries_behind(log, after)) or log.terminal is not None:
                events.append(Event(key, "arrived", entries, log.terminal))
                self._watches[key] = log.last, log.run
            if log.terminal is not None:
                self._drop_watch(key)
        return events

    def _drop_watch(self, key: StreamKey) -> None:
        if self._watches.pop(key, None) is not None:
            self._data.watches -= 1


def _is_dead(log: _Log | None) -> bool:
    return log is not None and log.terminal is None and log.producer is None


def _entries_behind(log: _Log, after: int) -> list[Entry]:
    low = bisect.bisect_right(log.entries, after, key=lambda entry: entry.last)
    return log.entries[low:]
