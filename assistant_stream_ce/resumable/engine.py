"""The engine of resumable streams in one process: the logs, and the commands to the store.

It has two threads, which exist only while there is work: the writer (`writing.py`) stores what the runs of this process
send, and the reader (`reading.py`) gets what other processes have stored, and requests to stop. Commands are called in
the thread of the caller, under a lock; for a coroutine in a thread of their own.
"""

from __future__ import annotations

import inspect
import os
import secrets
import socket
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from assistant_stream_ce.chunks import ErrorChunk
from assistant_stream_ce.concurrency.gevent import new_blocking_lock, new_lock
from assistant_stream_ce.errors import StoreUnavailableError, StreamUsageError
from assistant_stream_ce.message import AssistantMessage
from assistant_stream_ce.resumable.counters import Counters
from assistant_stream_ce.resumable.log import DELETED, LOST, LocalLog, Log, RemoteLog
from assistant_stream_ce.resumable.reading import Reading
from assistant_stream_ce.resumable.records import Header, Summary, decode, decode_header, encode
from assistant_stream_ce.resumable.store import Store, StoredStream, StoreOptions, StoreSession, StreamKey, ThreadKey
from assistant_stream_ce.resumable.writing import Writing
from assistant_stream_ce.run.drivers import CallScope
from assistant_stream_ce.run.hooks import Hooks
from assistant_stream_ce.run.logger import logger
from assistant_stream_ce.run.loops import EXIT_CALLS, start_thread
from assistant_stream_ce.run.run import GOODBYE, Run

T = TypeVar("T")

#: Called once for each stream whose producer died, with its id and its message.
OnInterrupted = Callable[[str, AssistantMessage | None], object]

# Seconds within which a start must have failed to be repeated.
_REPEAT_WITHIN = 1.0

# Seconds that a start waits for the end of an earlier run of its id to be stored.
_SETTLE_SECONDS = 1.0

# The most seconds until the end of a stopped run is stored: more than it has before it is abandoned.
_STOP_SECONDS = 5.0


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


class Settings(msgspec.Struct, frozen=True):
    """The settings of `ResumableStreams`."""

    lease: float
    retention: float
    message_retention: float
    max_bytes: int
    drain_seconds: float
    on_interrupted: OnInterrupted | None

    @property
    def for_store(self) -> StoreOptions:
        """The settings of the store.

        A dead producer is found after the lease of the store, at most a look later, and half a lease later again: all
        of it fits into the lease of the streams.
        """
        return StoreOptions(self.lease / 2, self.retention, self.message_retention)


class Engine:
    """The streams of one process."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.pid: int = os.getpid()
        self.store = store
        self.settings = settings
        self.options: StoreOptions = settings.for_store
        self.worker: str = f"{_host()}-{self.pid}-{secrets.token_hex(6)}"
        self.session: StoreSession = store.connect(self.worker, self.options)
        self.counters: Counters = Counters()
        # One command at a time; held during its I/O.
        self.commands: threading.Lock = new_blocking_lock()
        # Guards the next six.
        self.lock: threading.Lock = new_lock()
        self.logs: dict[StreamKey, LocalLog] = {}
        self.remotes: dict[StreamKey, RemoteLog] = {}
        self.is_draining: bool = False
        self.is_closed: bool = False
        #: How many runs have begun, and how many requests came for none of them: one may be about to begin.
        self.begun: int = 0
        self.unclaimed: int = 0
        self.writing: Writing = Writing(self)
        self.reading: Reading = Reading(self)
        _engines.add(self)

    # --- start ---

    def begin(self, key: StreamKey, header: Header, run: Run) -> LocalLog | None:
        """Begin a stream in the store; return its log, or None if there is one already. Blocks."""
        thread = None if header.thread is None else ThreadKey(key.owner, header.thread)
        data = encode(header)
        self.check_open()
        unclaimed = self.unclaimed
        began = time.monotonic()
        try:
            started = self.command(lambda: self.session.start(key, data, header.run, thread))
        except StoreUnavailableError:
            # It may only have been the reply that was lost. What timed out is not repeated: the caller waits.
            if time.monotonic() - began > _REPEAT_WITHIN:
                raise
            started = self.command(lambda: self.session.start(key, data, header.run, thread))
        if started == "exists":
            return None
        encodes = not self.store.is_inline
        log = LocalLog(key, header, run, self.settings.max_bytes, self.writing.mark, encodes=encodes)
        log.on_taken = self.writing.store_at_once if self.store.is_inline else None
        log.on_unfollowed = self.writing.poke
        with self.lock:
            self.logs[key] = log
            self.begun += 1
            log.number = self.begun
            may_have_missed = unclaimed != self.unclaimed
        self.counters.started += 1
        self.writing.renew_soon(at_once=may_have_missed)
        self.reading.ensure_thread()
        if started == "stopped":
            self.stop_local(log)
        elif self.is_draining:
            log.cancel("interrupted", ErrorChunk(GOODBYE))
        return log

    def _check_not_closed(self) -> None:
        if self.is_closed:
            raise StreamUsageError("these streams were closed: make a new ResumableStreams")

    def check_open(self) -> None:
        """Check that a run may start.

        Raises:
            StreamUsageError: the streams were closed or drained.
        """
        if self.is_draining:
            raise StreamUsageError("these streams were drained or closed: start no run after drain() or close()")

    # --- follow ---

    def join(self, key: StreamKey) -> Log | None:
        """Follow a stream, of this process or another: count a follower. None where there is none. Blocks."""
        log = self._join_live(key)
        if log is not None:
            return log
        remote = self.load(key)
        if remote is None or remote.terminal is not None:
            if remote is not None:
                remote.join()
            return remote
        with self.lock:
            self._check_not_closed()
            # Another caller may have been faster. Joined under the lock, so that it is not dropped as unfollowed.
            other = self.remotes.get(key)
            if other is None or other.header.run != remote.header.run:
                self.remotes[key] = remote
            else:
                remote, other = other, None
            remote.join()
        if other is not None:
            # It was deleted, and its id was begun anew.
            other.end(DELETED)
        self.reading.watch(remote)
        return remote

    def load(self, key: StreamKey) -> RemoteLog | None:
        """Read the log of a stream that may have ended; None where there is none. Blocks."""
        stored = self.read(key)
        if stored is None or (header := self.known_header(key, stored)) is None:
            return None
        if stored.terminal is None and self.reap_if_dead(key):
            return self.load(key)
        remote = RemoteLog(key, header, self.reading.on_unfollowed)
        try:
            remote.extend(stored.entries)
            if stored.terminal is not None:
                remote.end_as_stored(stored.terminal)
        except ValueError as error:
            logger.warning("stream %s has chunks that this version does not know: %s", key.stream_id, error)
            return None
        return remote

    def local(self, key: StreamKey) -> LocalLog | None:
        """Return the log of a stream whose run is in this process; None where there is none."""
        with self.lock:
            return self.logs.get(key)

    def join_local(self, key: StreamKey) -> LocalLog | None:
        """Follow a stream whose run is in this process: count a follower. None where there is none. Blocks."""
        log = self.local(key)
        if log is not None and log.terminal is not None and not self.store.is_inline:
            # Once its end is stored, others may delete it before this process has forgotten it.
            log.settled.wait_sync(_SETTLE_SECONDS)
        with self.lock:
            log = self.logs.get(key)
            if log is not None:
                log.join()
            return log

    def _join_live(self, key: StreamKey) -> Log | None:
        with self.lock:
            log = self.logs.get(key) or self.remotes.get(key)
            if log is not None:
                log.join()
            return log

    def read(self, key: StreamKey) -> StoredStream | None:
        """Read a log from the store. Blocks."""
        if self.store.is_inline:
            # Its producer may be another engine of this process.
            for engine in list(_engines):
                is_other = engine is not self and engine.store is self.store and engine.pid == self.pid
                if is_other and (log := engine.local(key)) is not None:
                    engine.writing.share(log)
        return self.command(lambda: self.session.read(key))

    def known_header(self, key: StreamKey, stored: StoredStream) -> Header | None:
        """Return the header of a log; None, with a log line, for one of a newer version."""
        try:
            header = decode_header(stored.header)
        except ValueError as error:
            logger.warning("stream %s has a header that cannot be read: %s", key.stream_id, error)
            return None
        if header is None:
            logger.warning("stream %s was written by a newer version of this library", key.stream_id)
        return header

    def read_summary(self, key: StreamKey) -> Summary | None:
        """Return what is kept of an ended stream; None without it. Blocks."""
        data = self.command(lambda: self.session.read_summary(key))
        try:
            return None if data is None else decode(data, Summary)
        except ValueError as error:
            logger.warning("stream %s has a summary that cannot be read: %s", key.stream_id, error)
            return None

    def find_thread(self, thread: ThreadKey) -> str | None:
        """Return the id of the newest stream of a conversation. Blocks."""
        return self.command(lambda: self.session.find_thread(thread))

    # --- stop and delete ---

    def stop_local(self, log: LocalLog) -> bool:
        """Stop a run of this process; return whether this call has cancelled it."""
        is_first = log.cancel("stopped")
        self.counters.stopped += is_first
        return is_first

    def stop(self, key: StreamKey) -> bool:
        """Stop a run wherever it is; return whether there was a live one. Blocks."""
        log = self.local(key)
        if log is not None:
            return self.stop_local(log)
        is_live = self.command(lambda: self.session.stop(key))
        return is_live and not self.reap_if_dead(key)

    def delete(self, key: StreamKey) -> bool:
        """Delete a stream, a live run first. Blocks."""
        was_live = self.stop(key)
        local = self.local(key)
        if local is not None:
            local.settled.wait_sync(_STOP_SECONDS)
        elif was_live and (log := self.join(key)) is not None:
            log.ended.wait_sync(_STOP_SECONDS)
            log.leave()
        found = self.command(lambda: self.session.delete(key))
        if (left := self.local(key)) is not None:
            self.writing.forget(left)
        return found

    # --- dead producers ---

    def reap_if_dead(self, key: StreamKey) -> bool:
        """End a stream whose producer is certainly dead; let the reader check a doubtful one again later. Blocks."""
        if key not in self.command(lambda: self.session.find_dead([key])):
            return False
        if self.store.looks == 1:
            return self.reap(key)
        self.reading.suspect(key)
        return False

    def reap(self, key: StreamKey) -> bool:
        """End a stream whose producer is dead; return whether it has ended, by this call or another. Blocks."""
        stored = self.read(key)
        if stored is None or (header := self.known_header(key, stored)) is None:
            return False
        if stored.terminal is not None:
            return True
        log = RemoteLog(key, header, lambda _: None)
        try:
            log.extend(stored.entries)
        except ValueError as error:
            logger.warning("stream %s has chunks that this version does not know: %s", key.stream_id, error)
            return False
        log.end(LOST)
        summary, terminal = encode(log.summary()), encode(log.terminal)
        if not self.command(lambda: self.session.reap(key, log.count, terminal, summary, log.thread)):
            return False
        self.counters.reaped += 1
        logger.warning("stream %s was interrupted: its producer %s is gone", key.stream_id, header.worker)
        self._report_interrupted(key.stream_id, log.message())
        return True

    def _report_interrupted(self, stream_id: str, message: AssistantMessage | None) -> None:
        callback = self.settings.on_interrupted
        if callback is None:
            return

        def call() -> None:
            try:
                outcome = callback(stream_id, message)
                if inspect.isawaitable(outcome):
                    hooks = Hooks("on_interrupted", CallScope(), None, None)
                    hooks.wait_for(_awaited(outcome, stream_id), None)
            except Exception:
                logger.exception("on_interrupted of stream %s raised", stream_id)

        start_thread(call, "assistant-stream-interrupted")

    # --- the end ---

    def drain(self, seconds: float) -> bool:
        """Start no more runs, wait for the live ones, end the rest; return whether all ended by themselves. Blocks."""
        with self.lock:
            self.is_draining = True
            logs = list(self.logs.values())
        deadline = time.monotonic() + seconds
        for log in logs:
            log.run.ended.wait_sync(deadline - time.monotonic())
        rest = [log for log in logs if log.cancel("interrupted", ErrorChunk(GOODBYE))]
        deadline = time.monotonic() + _STOP_SECONDS
        for log in logs:
            log.settled.wait_sync(deadline - time.monotonic())
        return not rest

    def close(self) -> None:
        """End everything. Idempotent. Blocks."""
        self.drain(0.0)
        self.writing.stop()
        self.reading.stop()
        self.reading.wake_waiting()
        with self.commands:
            if self.is_closed:
                return
            with self.lock:
                # Nobody joins any more.
                self.is_closed = True
                logs, remotes = list(self.logs.values()), list(self.remotes.values())
            self.session.close()
        for log in logs:
            self.writing.forget(log)
        for remote in remotes:
            remote.end(LOST)

    # --- calls ---

    def command(self, call: Callable[[], T]) -> T:
        """Call a command of the store. Blocks unless the store is in memory."""
        with self.commands:
            self._check_not_closed()
            try:
                return call()
            except StoreUnavailableError:
                self.counters.failures += 1
                raise


async def _awaited(outcome: Awaitable[object], stream_id: str) -> None:
    try:
        await outcome
    except Exception:
        logger.exception("on_interrupted of stream %s raised", stream_id)


def _host() -> str:
    name = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in socket.gethostname())
    return name[:30] or "host"


def stats_of(engine: Engine | None) -> dict[str, float]:
    """Return the counters of an engine, all 0 without one."""
    logs = [] if engine is None else list(engine.logs.values())
    remotes = [] if engine is None else list(engine.remotes.values())
    counters = Counters() if engine is None else engine.counters
    return {
        "live": len(logs),
        "followed": sum(log.followers > 0 for log in logs),
        "followers": sum(log.followers for log in (*logs, *remotes)),
        "remote": len(remotes),
        "waiting_bytes": sum(log.waiting_bytes for log in logs),
        **counters.totals(),
        **counters.latencies(),
    }


def _drain_all() -> None:
    for engine in list(_engines):
        if engine.pid == os.getpid() and engine.logs:
            engine.drain(engine.settings.drain_seconds)


# Before the library's own hook, which ends all runs.
EXIT_CALLS.insert(0, _drain_all)
