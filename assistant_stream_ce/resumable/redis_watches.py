"""What one `RedisStore` session watches: logs of other producers, and the inbox of its own process.

One blocking XREAD covers them all. It is interrupted, by an entry in the inbox, when the set of logs has changed.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.resumable.records import Entry
from assistant_stream_ce.resumable.redis_scripts import LAST
from assistant_stream_ce.resumable.store import Event, StreamKey, ThreadKey

if TYPE_CHECKING:
    from assistant_stream_ce.resumable.redis_connections import Commands, Reader
    from assistant_stream_ce.resumable.redis_names import Names

# Entries of one stream that one reply brings.
_COUNT: Final = 512

# With more watches than this, reads are at least so many seconds apart: one reply then brings many entries.
_FEW: Final = 8
_PACE: Final = 0.004

# Seconds between two looks at a log that waits for its repair.
_REPAIR: Final = 0.25


def fields_of(item: Any) -> dict[bytes, bytes]:
    """Return the fields of an entry of a Redis stream."""
    pairs = item[1]
    return dict(zip(pairs[::2], pairs[1::2], strict=True))


def epoch_of(item: Any) -> bytes:
    """Return the epoch in the id of an entry."""
    epoch: bytes = item[0].partition(b"-")[0]
    return epoch


def number_of(item: Any) -> int:
    """Return the number in the id of an entry."""
    return int(item[0].partition(b"-")[2])


class WatchedLog:
    """A log, read up to some entry.

    Args:
        epoch: its epoch; None if it is not known yet.
        after: the number of the last chunk that was read.
        run: the run; None for any.
    """

    __slots__ = ("after", "epoch", "heard", "held_until", "missing_since", "run")

    def __init__(self, epoch: bytes | None, after: int, run: bytes | None = None) -> None:
        self.epoch: bytes | None = epoch
        self.after: int = after
        self.run: bytes | None = run
        self.heard: float = time.monotonic()
        # While entries are missing in the log; 0 otherwise.
        self.held_until: float = 0.0
        self.missing_since: float | None = None

    def id_of(self, number: int) -> bytes:
        """Return the id of the entry with a number."""
        return b"%s-%d" % (self.epoch, number)

    def is_of_other_run(self, page: Sequence[Any]) -> bool:
        """Return whether the log was deleted: a mark or another run's entries have come."""
        return any(epoch_of(item) != self.epoch for item in page)

    def has_gap(self, page: Sequence[Any]) -> bool:
        """Return whether the log has lost entries before the first of these."""
        fields = fields_of(page[0])
        return b"n" in fields and number_of(page[0]) - int(fields[b"n"]) > self.after

    def take(self, page: Iterable[Any], entries: list[Entry]) -> bytes | None:
        """Add the entries to a list. Returns the bytes of the terminal entry, if it is among them."""
        for item in page:
            fields, number = fields_of(item), number_of(item)
            if number == LAST:
                return fields[b"e"]
            entries.append(Entry(number, int(fields[b"n"]), fields[b"c"]))
            self.after = number
        return None


class Watches:
    """The watches of one session. Used by the thread that polls, but for `remember`, `add_events` and `request_repair`.

    Args:
        commands: for short commands.
        reader: for the blocking read.
        names: the names of keys.
        worker: the name of the session.
        lease: seconds; see `StoreOptions`.
    """

    def __init__(self, commands: Commands, reader: Reader, names: Names, worker: str, lease: float) -> None:
        self._commands = commands
        self._reader = reader
        self._names = names
        self._lease = lease
        self._worker = worker
        self._inbox = names.inbox(worker).encode()
        self._inbox_cursor = b"0-0"
        self._logs: dict[StreamKey, WatchedLog] = {}
        # What is expected, by its Redis key, with the cursor behind what was reported.
        self._expected: dict[bytes, tuple[StreamKey, bytes]] = {}
        # The logs that the active read covers.
        self._reading: dict[bytes, StreamKey] = {}
        self._has_new = False
        self._is_interrupted = False
        self._sent = 0.0
        self._next_look = 0.0
        # Guards the two fields below.
        self._lock = new_lock()
        self._events: list[Event] = []
        self._epochs: dict[StreamKey, tuple[bytes, bytes]] = {}

    def remember(self, key: StreamKey, run: bytes, epoch: bytes) -> None:
        """Keep the epoch of a log that was read, for its watch. Thread-safe."""
        with self._lock:
            self._epochs[key] = run, epoch
            if len(self._epochs) > 1000:
                # Read, and never watched.
                del self._epochs[next(iter(self._epochs))]

    def add_events(self, events: Iterable[Event]) -> None:
        """Have `poll` return these events. Thread-safe."""
        with self._lock:
            before = len(self._events)
            self._events.extend(events)
            has_new = len(self._events) > before
        if has_new:
            self._reader.wake()

    def add(self, key: StreamKey, after: int, run: str | None = None) -> None:
        """Watch a log, of one run or of any."""
        wanted = None if run is None else run.encode()
        with self._lock:
            found, epoch = self._epochs.pop(key, (None, None))
        self._logs[key] = WatchedLog(epoch if wanted in (None, found) else None, after, wanted)
        self._has_new = True

    def remove(self, key: StreamKey) -> None:
        """End a watch. The active read goes on; its entries are dropped."""
        self._logs.pop(key, None)

    def expect(self, names: Collection[StreamKey | ThreadKey]) -> None:
        """Report what begins; see `StoreSession.expect`."""
        before, self._expected = self._expected, {}
        for name in names:
            key = self._names.note(name) if isinstance(name, ThreadKey) else self._names.of(name)
            self._expected[key.encode()] = before.get(key.encode(), (StreamKey(*name), b"0-0"))
        self._has_new = self._has_new or not self._expected.keys() <= before.keys()

    def request_repair(self, key: StreamKey) -> None:
        """Ask the producer of a log to write it anew. Thread-safe."""
        (page,) = self._run(("XRANGE", self._names.of(key), "-", "+", "COUNT", 1))
        worker = fields_of(page[0]).get(b"o") if page else None
        if worker is not None:
            self._run(*self._names.letter(worker.decode(), "repair", key))

    def poll(self, timeout: float) -> list[Event]:
        """Wait for events; see `StoreSession.poll`."""
        deadline = time.monotonic() + timeout
        while True:
            now = time.monotonic()
            if now >= self._next_look:
                self._look(now)
            if events := self._take_events():
                return events
            if not self._reader.is_reading:
                if now >= self._sent + self._pace():
                    self._send(now)
            elif self._has_new and not self._is_interrupted:
                self._run(*self._names.letter(self._worker, "poke", StreamKey("_", "_")))
                self._is_interrupted = True
            until = min(deadline, self._next_look)
            if not self._reader.is_reading:
                until = min(until, self._sent + self._pace())
            reply, is_woken = self._reader.wait(until - now)
            if reply is not None:
                self._is_interrupted = False
                self._handle(reply)
            if events := self._take_events():
                return events
            if is_woken or time.monotonic() >= deadline:
                return []

    def _pace(self) -> float:
        return _PACE if len(self._reading) > _FEW else 0.0

    def _run(self, *commands: Sequence[Any]) -> list[Any]:
        return self._commands.run_checked(*commands)

    def _take_events(self) -> list[Event]:
        with self._lock:
            events, self._events = self._events, []
        return events

    def _report(self, event: Event) -> None:
        with self._lock:
            self._events.append(event)

    def _send(self, now: float) -> None:
        unknown = [key for key, log in self._logs.items() if log.epoch is None]
        if unknown:
            pages = self._run(*(("XRANGE", self._names.of(key), "-", "+", "COUNT", 1) for key in unknown))
            for key, page in zip(unknown, pages, strict=True):
                fields = fields_of(page[0]) if page else {}
                if b"h" in fields and self._logs[key].run in (None, fields[b"r"]):
                    self._logs[key].epoch = epoch_of(page[0])
                elif b"h" in fields or b"d" in fields:
                    del self._logs[key]
                    # The mark of a deletion, or another run.
                    self.add_events([Event(key, "deleted" if b"d" in fields else "missing")])
        self._has_new = False
        self._reading = {}
        cursors = {name: cursor for name, (_, cursor) in self._expected.items()}
        cursors[self._inbox] = self._inbox_cursor
        for key, log in self._logs.items():
            if log.epoch is not None and log.held_until <= now:
                name = self._names.of(key).encode()
                self._reading[name] = key
                cursors[name] = log.id_of(log.after)
        self._is_interrupted = False
        self._sent = now
        self._reader.send("COUNT", _COUNT, "STREAMS", *cursors, *cursors.values())

    def _handle(self, reply: Iterable[Any]) -> None:
        for name, page in reply:
            if name == self._inbox:
                self._inbox_cursor = page[-1][0]
                self._handle_requests(list(_requests(page)))
            elif name in self._reading:
                if (log := self._logs.get(key := self._reading[name])) is not None:
                    self._handle_log(key, log, page)
            elif name in self._expected:
                self._expected[name] = self._expected[name][0], page[-1][0]
                self._report(Event(self._expected[name][0], "started"))

    def _handle_requests(self, events: Sequence[Event]) -> None:
        stops = [event.key for event in events if event.kind == "stop"]
        # One that is not there any more was for an earlier run with this id.
        found = self._run(*(("EXISTS", self._names.of(key, "stop")) for key in stops)) if stops else []
        gone = {key for key, is_there in zip(stops, found, strict=True) if not is_there}
        for event in events:
            if event.key not in gone:
                self._report(event)

    def _handle_log(self, key: StreamKey, log: WatchedLog, page: Sequence[Any]) -> None:
        log.heard = time.monotonic()
        log.missing_since = None
        if log.is_of_other_run(page):
            # The mark of a deletion; otherwise an entry of another run, or of the log that was written anew.
            self._end(key, "deleted" if any(b"d" in fields_of(item) for item in page) else "missing")
        elif log.has_gap(page):
            log.held_until = log.heard + _REPAIR
            self._next_look = min(self._next_look, log.held_until)
            self.request_repair(key)
        else:
            entries: list[Entry] = []
            terminal = log.take(page, entries)
            self._report(Event(key, "arrived", entries, terminal))
            if terminal is not None:
                del self._logs[key]

    def _end(self, key: StreamKey, kind: Literal["missing", "deleted"] = "missing") -> None:
        del self._logs[key]
        self._report(Event(key, kind))

    def _look(self, now: float) -> None:
        """Look whether silent logs are still there; XREAD waits for keys that do not exist, too."""
        self._next_look = now + self._lease / 2
        for log in self._logs.values():
            if log.held_until > now:
                self._next_look = min(self._next_look, log.held_until)
            elif log.held_until:
                log.held_until = 0.0
                self._has_new = True
        silent = [(key, log) for key, log in self._logs.items() if log.heard <= now - self._lease / 2]
        if not silent:
            return
        found = iter(self._run(*(command for key, log in silent for command in self._questions(key, log))))
        for key, log in silent:
            is_there, is_gone, older = next(found), next(found), next(found)
            if older:
                self._end(key)
            elif is_there:
                log.missing_since = None
            elif is_gone:
                self._end(key, "deleted")
            elif log.missing_since is None:
                # Lost, but its producer may write it anew.
                log.missing_since = now
            elif now - log.missing_since > 2 * self._lease:
                self._end(key)

    def _questions(self, key: StreamKey, log: WatchedLog) -> Iterator[Sequence[Any]]:
        """Return the commands that ask for a log, its deletion, and a log of a machine whose clock is behind."""
        name = self._names.of(key)
        yield "EXISTS", name
        yield "EXISTS", self._names.of(key, "gone")
        # XREAD never returns entries that are older than its cursor.
        yield "XRANGE", name, "-", b"(%s-0" % (log.epoch or b"1"), "COUNT", 1


def _requests(page: Iterable[Any]) -> Iterator[Event]:
    """Return the events of the entries of an inbox."""
    for item in page:
        fields = fields_of(item)
        owner, _, stream_id = fields.get(b"i", b"").decode(errors="replace").partition(":")
        kind = fields.get(b"k")
        if kind == b"stop":
            yield Event(StreamKey(owner, stream_id), "stop")
        elif kind == b"repair":
            yield Event(StreamKey(owner, stream_id), "repair")
