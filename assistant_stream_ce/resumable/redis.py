"""Store in Redis or Valkey: for workers on several machines."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.errors import StoreUnavailableError
from assistant_stream_ce.resumable import redis_scripts as scripts
from assistant_stream_ce.resumable.arguments import text_of
from assistant_stream_ce.resumable.records import Entry
from assistant_stream_ce.resumable.redis_connections import Commands, Reader, checked, settings_of
from assistant_stream_ce.resumable.redis_names import REQUEST, Names
from assistant_stream_ce.resumable.redis_watches import WatchedLog, Watches, epoch_of, fields_of, number_of
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

__all__ = ("RedisStore",)

# Entries that one reply brings.
_PAGE: Final = 512

# Seconds of a thousand years.
_MILLENNIUM: Final = 31_556_952_000.0

# Milliseconds for which a deleted log leaves its mark.
_MARK: Final = 1_000


class RedisStore(Store):
    """Keep streams in Redis 6.2 or newer, or Valkey: for any number of workers and machines.

    Thread-safe. Each process opens at most three connections, whatever the number of streams. Keys expire by
    themselves. A cluster is not supported: a stream is read beside all others of the process on one connection.

    Args:
        url_or_client: the URL of the server, or a client or connection pool of redis-py, synchronous or not, whose
            address and credentials are used for connections of the store's own. A Sentinel client's pool finds the
            master again at each connection.
        prefix: the beginning of all keys.

    Raises:
        TypeError: `url_or_client` is something else, or `prefix` is not a str.
        MissingExtraError: redis-py is not installed.
    """

    def __init__(self, url_or_client: Any, *, prefix: str = "assistant-stream") -> None:
        self._settings = settings_of(url_or_client)
        self._prefix = text_of(prefix, "prefix")

    def connect(self, worker: str, options: StoreOptions) -> StoreSession:
        """Return a session; see `Store.connect`.

        Args:
            worker: the name of the session.
            options: the settings.
        """
        return RedisSession(self._settings, self._prefix, worker, options)


@dataclasses.dataclass
class _Produced:
    """A stream that this session produces."""

    run: str
    epoch: bytes
    thread: ThreadKey | None
    #: The value of `Commands.opened` when the log was known to be whole.
    opened: int
    #: The number of chunks that are stored.
    last: int = 0

    def id_of(self, number: int) -> bytes:
        """Return the id of an entry by its last chunk."""
        return b"%s-%d" % (self.epoch, number)


class RedisSession(StoreSession):
    """One engine's use of a `RedisStore`."""

    def __init__(self, settings: tuple[Any, dict[str, Any]], prefix: str, worker: str, options: StoreOptions) -> None:
        self._commands = Commands(*settings)
        self._reader = Reader(*settings)
        self._names = Names(prefix)
        self._worker = worker
        self._lease = _milliseconds(options.lease)
        self._live = _milliseconds(options.live_retention)
        self._retention = _milliseconds(options.retention)
        self._summary = _milliseconds(options.retention + options.message_retention)
        self._thread_retention = _milliseconds(options.thread_retention)
        self._stop = _milliseconds(options.stop_retention)
        self._gone = _milliseconds(options.gone_retention)
        # Guards the fields below, which several threads use. Never held during I/O.
        self._lock = new_lock()
        self._produced: dict[StreamKey, _Produced] = {}
        self._watches = Watches(self._commands, self._reader, self._names, worker, options.lease)

    def close(self) -> None:
        """Give up leases and close the connections; see `StoreSession.close`."""
        with contextlib.suppress(StoreUnavailableError):
            leases = [([self._names.of(key, "lease")], [run.run, ""]) for key, run in self._produced.items()]
            if leases:
                self._commands.run_script(scripts.LET_GO, *leases)
                self._commands.run(("DEL", self._names.inbox(self._worker)))
        self._reader.close()
        self._commands.close()

    # --- commands ---

    def start(self, key: StreamKey, header: bytes, run: str, thread: ThreadKey | None) -> Started:
        """Begin a stream; see `StoreSession.start`."""
        keys = [*self._names.all(key, "", "lease", "stop", "gone", "message"), self._names.inbox(self._worker)]
        arguments = [header, run, self._worker, self._lease, self._live, time.time_ns() // 1000]
        (found,) = self._commands.run_script(scripts.START, (keys, arguments))
        if not found:
            return "exists"
        epoch, is_stopped = found
        if thread is not None:
            name, note = self._names.thread(thread), self._names.note(thread)
            self._run(
                ("SET", name, key.stream_id, "PX", self._live),
                ("XADD", note, "MAXLEN", 1, "*", "i", key.stream_id),
                ("PEXPIRE", note, self._thread_retention),
            )
        with self._lock:
            self._produced[key] = _Produced(run, epoch, thread, self._commands.opened)
        return "stopped" if is_stopped else "created"

    def read(self, key: StreamKey, after: int = 0) -> StoredStream | None:
        """Read a log; see `StoreSession.read`."""
        log = self._names.of(key)
        page = self._run(("XRANGE", log, "-", "+", "COUNT", _PAGE if after == 0 else 1))[0]
        if not page or b"h" not in (fields := fields_of(page[0])):
            return None
        epoch = epoch_of(page[0])
        watched = WatchedLog(epoch, 0)
        rest = page[1:]
        if after:
            rest = page = self._run(("XRANGE", log, watched.id_of(after + 1), "+", "COUNT", _PAGE))[0]
        entries: list[Entry] = []
        while not watched.is_of_other_run(rest):
            terminal = watched.take(rest, entries)
            if terminal is not None or len(page) < _PAGE:
                break
            rest = page = self._run(("XRANGE", log, b"(" + page[-1][0], "+", "COUNT", _PAGE))[0]
        else:
            # It was deleted, and perhaps begun anew, between two pages.
            return self.read(key, after)
        if terminal is None:
            self._watches.remember(key, fields[b"r"], epoch)
        return StoredStream(fields[b"h"], entries, terminal)

    def read_summary(self, key: StreamKey) -> bytes | None:
        """Return a summary; see `StoreSession.read_summary`."""
        found: bytes | None = self._run(("GET", self._names.of(key, "message")))[0]
        return found

    def find_thread(self, thread: ThreadKey) -> str | None:
        """Return where a thread points; see `StoreSession.find_thread`."""
        found: bytes | None = self._run(("GET", self._names.thread(thread)))[0]
        return None if found is None else found.decode()

    def stop(self, key: StreamKey) -> bool:
        """Ask a producer to stop; see `StoreSession.stop`."""
        keys = self._names.all(key, "", "stop")
        (worker,) = self._commands.run_script(scripts.STOP, (keys, [REQUEST, self._stop]))
        if worker:
            # A full server refuses it: the producer finds the request when it renews its lease.
            self._commands.run(*self._names.letter(worker.decode(), "stop", key))
        return bool(worker)

    def find_dead(self, keys: Collection[StreamKey]) -> set[StreamKey]:
        """Return the streams whose lease has expired; see `StoreSession.find_dead`."""
        if not keys:
            return set()
        leases = self._run(*(("EXISTS", self._names.of(key, "lease")) for key in keys))
        suspects = [key for key, has_lease in zip(keys, leases, strict=True) if not has_lease]
        if not suspects:
            return set()
        tops = self._run(*(("XREVRANGE", self._names.of(key), "+", "-", "COUNT", 1) for key in suspects))
        return {key for key, top in zip(suspects, tops, strict=True) if top and _is_live(top[0])}

    def reap(self, key: StreamKey, last: int, terminal: bytes, summary: bytes, thread: ThreadKey | None) -> bool:
        """End a stream whose producer is dead; see `StoreSession.reap`."""
        (has_ended,) = self._commands.run_script(scripts.REAP, self._ending(key, last, terminal, summary))
        if has_ended:
            self._release_thread(key, thread)
        return bool(has_ended)

    def delete(self, key: StreamKey) -> bool:
        """Delete a stream; see `StoreSession.delete`."""
        keys = self._names.all(key, "", "lease", "stop", "gone", "message", "seen")
        (found,) = self._commands.run_script(scripts.DELETE, (keys, [self._gone, _MARK]))
        return bool(found)

    def announce(self, keys: Collection[StreamKey], seconds: float) -> None:
        """Note followers; see `StoreSession.announce`."""
        calls = [([self._names.of(key, "seen")], [_milliseconds(seconds)]) for key in keys]
        self._commands.run_script(scripts.KEEP, *calls)

    def find_followed(self, keys: Collection[StreamKey]) -> set[StreamKey]:
        """Return the streams with followers; see `StoreSession.find_followed`."""
        found = self._run(*(("EXISTS", self._names.of(key, "seen")) for key in keys))
        return {key for key, is_followed in zip(keys, found, strict=True) if is_followed}

    def request_repair(self, key: StreamKey) -> None:
        """Ask the producer to write the log anew; see `StoreSession.request_repair`."""
        self._watches.request_repair(key)

    def sweep(self) -> None:
        """Do nothing: keys expire."""

    # --- writer ---

    def append(self, appends: Sequence[Append]) -> list[Outcome]:
        """Store entries; see `StoreSession.append`."""
        commands = []
        for key, run, entry in appends:
            # Redis refuses the epoch 0 where there is a log.
            produced = self._find(key, run) or _Produced(run, b"0", None, 0)
            id_ = produced.id_of(entry.last)
            commands.append(("XADD", self._names.of(key), "NOMKSTREAM", id_, "c", entry.data, "n", entry.count))
        replies = self._commands.run(*commands)
        outcomes = [self._outcome(append, reply) for append, reply in zip(appends, replies, strict=True)]
        return self._without_holes(appends, outcomes)

    def _without_holes(self, appends: Sequence[Append], outcomes: list[Outcome]) -> list[Outcome]:
        """Return the outcomes, "missing" where a failover has lost the entry before the one that was appended."""
        opened = self._commands.opened
        stored = [
            (number, append, produced)
            for number, append in enumerate(appends)
            if outcomes[number] == "ok" and (produced := self._find(append.key, append.run)) is not None
        ]
        unsure = [one for one in stored if one[2].opened != opened]
        if unsure:
            ids = [(self._names.of(append.key), produced.id_of(produced.last)) for _, append, produced in unsure]
            found = self._run(*(("XRANGE", log, id_, id_, "COUNT", 1) for log, id_ in ids))
            for (number, _, produced), entries in zip(unsure, found, strict=True):
                produced.opened = opened
                if not entries:
                    outcomes[number] = "missing"
        for number, append, produced in stored:
            if outcomes[number] == "ok":
                produced.last = append.entry.last
        return outcomes

    def _find(self, key: StreamKey, run: str) -> _Produced | None:
        with self._lock:
            produced = self._produced.get(key)
        return produced if produced is not None and produced.run == run else None

    def _epoch_of(self, key: StreamKey, run: str) -> bytes:
        produced = self._find(key, run)
        return b"0" if produced is None else produced.epoch

    def _outcome(self, append: Append, reply: Any) -> Outcome:
        if isinstance(reply, bytes):
            return "ok"
        if reply is None:
            return "missing"
        if not str(reply).startswith("The ID specified in XADD"):
            checked(reply)
        key, run, entry = append
        top = self._run(("XREVRANGE", self._names.of(key), "+", "-", "COUNT", 1))[0]
        if not top or b"d" in fields_of(top[0]):
            return "missing"
        epoch, number = epoch_of(top[0]), number_of(top[0])
        is_stored = epoch == self._epoch_of(key, run) and entry.last <= number < scripts.LAST
        return "ok" if is_stored else "fenced"

    def finish(self, key: StreamKey, run: str, terminal: bytes, summary: bytes, thread: ThreadKey | None) -> Outcome:
        """End a stream; see `StoreSession.finish`."""
        produced = self._find(key, run)
        keys, arguments = self._ending(key, run, terminal, summary)
        arguments.append(0 if produced is None else produced.last)
        (outcome,) = self._commands.run_script(scripts.FINISH, (keys, arguments))
        if outcome == b"ok":
            self._release_thread(key, thread)
        with self._lock:
            # A repeated call may come when the id has a new run.
            if outcome != b"missing" and self._produced.get(key) is produced:
                self._produced.pop(key, None)
        return _outcome_of(outcome)

    def _ending(self, key: StreamKey, guard: object, terminal: bytes, summary: bytes) -> tuple[list[str], list[Any]]:
        keys = self._names.all(key, "", "lease", "stop", "message")
        return keys, [guard, terminal, summary, self._retention, self._summary]

    def _release_thread(self, key: StreamKey, thread: ThreadKey | None) -> None:
        if thread is not None:
            call = [self._names.thread(thread)], [key.stream_id, self._thread_retention]
            self._commands.run_script(scripts.LET_GO, call)

    def reseed(
        self, key: StreamKey, header: bytes, run: str, entries: Iterable[Entry], thread: ThreadKey | None
    ) -> Outcome:
        """Write a lost log anew; see `StoreSession.reseed`."""
        epoch = self._epoch_of(key, run)
        arguments = [
            time.time_ns() // 1000 if epoch == b"0" else epoch, header, run, self._worker, self._lease, self._live
        ]  # fmt: skip
        last, opened = 0, self._commands.opened
        for entry in entries:
            arguments += [entry.last, entry.count, entry.data]
            last = entry.last
        keys = self._names.all(key, "", "lease", "stop", "gone")
        ((outcome, used),) = self._commands.run_script(scripts.RESEED, (keys, arguments))
        if outcome == b"ok":
            if thread is not None:
                self._run(("SET", self._names.thread(thread), key.stream_id, "PX", self._live))
            with self._lock:
                self._produced[key] = _Produced(run, used, thread, opened, last)
        return _outcome_of(outcome)

    def renew(self, runs: Mapping[StreamKey, str]) -> set[StreamKey]:
        """Renew leases; see `StoreSession.renew`."""
        if not runs:
            return set()
        arguments = [self._lease, self._live]
        calls = [(self._names.all(key, "", "lease", "stop"), [run, *arguments]) for key, run in runs.items()]
        states = dict(zip(runs, self._commands.run_script(scripts.RENEW, *calls), strict=True))
        with self._lock:
            pointers = [(run.thread, key) for key, run in self._produced.items() if key in runs and run.thread]
        if pointers:
            calls = [([self._names.thread(thread)], [key.stream_id, self._live]) for thread, key in pointers]
            self._commands.run_script(scripts.LET_GO, *calls)
        # A silent producer would not notice that the server was restarted empty.
        self._watches.add_events(Event(key, "repair") for key, state in states.items() if state == b"missing")
        return {key for key, state in states.items() if state == b"stop"}

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
        self._watches.expect(names)
        return True

    def poll(self, timeout: float) -> list[Event]:
        """Wait for events; see `StoreSession.poll`."""
        return self._watches.poll(timeout)

    def wake(self) -> None:
        """Make `poll` return; see `StoreSession.wake`."""
        self._reader.wake()

    def _run(self, *commands: Sequence[Any]) -> list[Any]:
        return self._commands.run_checked(*commands)


def _milliseconds(seconds: float) -> int:
    # At least one, because Redis refuses zero; and infinity is a thousand years.
    return max(1, round(min(seconds, _MILLENNIUM) * 1000))


def _is_live(top: Any) -> bool:
    """Return whether a log with this last entry has no end, and was not deleted."""
    return number_of(top) != scripts.LAST and b"d" not in fields_of(top)


def _outcome_of(reply: bytes) -> Outcome:
    return "ok" if reply == b"ok" else "fenced" if reply == b"fenced" else "missing"
