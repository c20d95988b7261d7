"""The reader of an engine: a thread that gets what other processes have stored, and requests to stop runs of this one.

One thread for all streams, whatever their number. It also looks for producers that have died, ends their streams, and
announces the followers of this process where a producer wants to know.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from assistant_stream_ce.concurrency.waiters import ThreadWaiter
from assistant_stream_ce.errors import StoreUnavailableError
from assistant_stream_ce.resumable.log import DELETED, LOST, LocalLog, RemoteLog
from assistant_stream_ce.resumable.store import Event, StreamKey, ThreadKey
from assistant_stream_ce.resumable.threads import EngineThread
from assistant_stream_ce.run.logger import logger

if TYPE_CHECKING:
    from assistant_stream_ce.resumable.engine import Engine

T = TypeVar("T")

# Seconds between two looks for a stream that has not begun, with a store that does not report its start.
_WAIT_STEP = 0.05

# Seconds for which followers are announced, and between two announcements.
_PRESENCE = 3.0
_ANNOUNCE_EVERY = 1.0

# Seconds that a wait for events lasts when nothing else is due.
_IDLE = 60.0

# Seconds between two calls that bring something, so that one call brings the entries of many streams.
_PACE = 0.002


class Reading(EngineThread):
    """The reader of one engine. All methods without `_` are thread-safe."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, "assistant-stream-reader")
        # Guarded by the lock.
        self._requests: list[RemoteLog] = []
        self._suspects: set[StreamKey] = set()
        # The stream or thread that each caller waits for, by an object of the caller's own.
        self._waiting: dict[object, tuple[StreamKey | ThreadKey, ThreadWaiter]] = {}
        self._pause: ThreadWaiter | None = None
        # Used by the thread alone, times by `time.monotonic`.
        self._watched: dict[StreamKey, RemoteLog] = {}
        self._expected: set[StreamKey | ThreadKey] = set()
        self._is_notified = True
        # How many runs had begun when the events came.
        self._begun = 0
        # Streams with lost entries, which are read again at each look until they are whole.
        self._broken: dict[StreamKey, float] = {}
        # When each producer was first missing.
        self._missing: dict[StreamKey, float] = {}
        self._due: set[StreamKey] = set()
        self._look_at = 0.0
        self._announce_at = 0.0

    # --- from any thread ---

    def watch(self, log: RemoteLog) -> None:
        """Get what is stored of a stream from now on."""
        with self._lock:
            if log not in self._requests:
                self._requests.append(log)
        self.ensure_thread()
        self.poke()

    def on_unfollowed(self, log: RemoteLog) -> None:
        """Stop watching a stream that nobody in this process follows."""
        engine = self._engine
        with engine.lock:
            if not log.followers and engine.remotes.get(log.key) is log:
                del engine.remotes[log.key]
        self.poke()

    def suspect(self, key: StreamKey) -> None:
        """Check again a producer that was missing once."""
        with self._lock:
            self._suspects.add(key)
        self.ensure_thread()
        self.poke()

    def wait_for_start(self, name: StreamKey | ThreadKey, look: Callable[[], T | None], seconds: float) -> T | None:
        """Wait until a stream has begun. Blocks.

        Args:
            name: the stream, or the thread whose newest one is meant.
            look: returns what is wanted of it, or None while it is not there.
            seconds: the most seconds to wait.

        Returns:
            The result of `look`.
        """
        deadline, waiting = time.monotonic() + seconds, object()
        try:
            while True:
                # Noted before the look, so that no start is missed.
                waiter = self._note_waiting(waiting, name)
                found = look()
                left = deadline - time.monotonic()
                if found is not None or left <= 0:
                    return found
                waiter.wait(left if self._is_notified else min(_WAIT_STEP, left))
        finally:
            with self._lock:
                self._waiting.pop(waiting, None)
            self.poke()

    def _note_waiting(self, waiting: object, name: StreamKey | ThreadKey) -> ThreadWaiter:
        with self._lock:
            is_new = waiting not in self._waiting
            self._waiting[waiting] = name, (waiter := ThreadWaiter())
        if is_new:
            self.ensure_thread()
            self.poke()
        return waiter

    def wake_waiting(self, name: StreamKey | None = None) -> None:
        """Wake the callers that wait for a stream to begin; all of them without a name."""
        with self._lock:
            for expected, waiter in self._waiting.values():
                if name is None or expected == name:
                    waiter.wake()

    def poke(self) -> None:
        """Have the thread look at what there is to do."""
        with self._lock:
            if not self._is_running:
                return
            if self._pause is not None:
                self._pause.wake()
        self._engine.session.wake()

    # --- the thread ---

    def _work(self) -> None:
        while self._has_work():
            try:
                self._apply_requests()
                events = self._engine.session.poll(self._seconds_to_wait())
                self._begun = self._engine.begun
                self._handle_all(events)
                self._look()
                self._announce()
                self._retry_seconds = 0.0
                if events:
                    ThreadWaiter().wait(_PACE)
            except StoreUnavailableError as error:
                self._wait_for_store(error)
            except Exception as error:
                # A fault of the store's code must not end the thread, on which all streams depend.
                logger.exception("the store of resumable streams failed")
                self._wait_for_store(error)

    def _has_work(self) -> bool:
        with self._lock:
            engine = self._engine
            if self._is_stopped or not (engine.logs or engine.remotes or self._suspects or self._waiting):
                self._is_running = False
                return False
            return True

    def _wait_for_store(self, error: Exception) -> None:
        self._count_failure(error)
        # A producer that is missing after this may only have had no store.
        self._missing.clear()
        with self._lock:
            if self._is_stopped:
                return
            self._pause = pause = ThreadWaiter()
        pause.wait(self._retry_seconds)
        with self._lock:
            self._pause = None

    def _seconds_to_wait(self) -> float:
        engine, now = self._engine, time.monotonic()
        due = now + _IDLE
        if engine.remotes or self._suspects:
            due = min(due, max(self._look_at, now))
        if any(log.header.needs_followers for log in list(engine.remotes.values())):
            due = min(due, max(self._announce_at, now))
        return 0.0 if self._due else due - now

    def _apply_requests(self) -> None:
        with self._lock:
            requests, self._requests = self._requests, []
            expected = {name for name, _ in self._waiting.values()}
        session, remotes = self._engine.session, self._engine.remotes
        for log in requests:
            if remotes.get(log.key) is log and self._watched.get(log.key) is not log:
                self._watch(log)
                self._look_at = min(self._look_at, time.monotonic() + self._look_every)
        for key in [key for key in self._watched if key not in remotes]:
            session.unwatch(key)
            self._forget(key)
        if expected != self._expected:
            self._is_notified = session.expect(expected)
            self._expected = expected
            if not self._is_notified:
                self.wake_waiting()

    def _watch(self, log: RemoteLog) -> None:
        self._engine.session.watch_run(log.key, log.count, log.header.run)
        self._watched[log.key] = log

    def _forget(self, key: StreamKey) -> None:
        self._watched.pop(key, None)
        self._broken.pop(key, None)
        self._missing.pop(key, None)

    def _handle_all(self, events: Iterable[Event]) -> None:
        """Handle events, which come only once: an exception at one is raised after the others."""
        failure = None
        for event in events:
            try:
                self._handle(event)
            except Exception as error:
                failure = error
        if failure is not None:
            raise failure

    def _handle(self, event: Event) -> None:
        engine, key = self._engine, event.key
        if event.kind == "arrived":
            log = self._watched.get(key)
            if log is not None and engine.remotes.get(key) is log:
                self._missing.pop(key, None)
                self._extend(log, event)
        elif event.kind == "missing":
            if self._watched.pop(key, None) is not None:
                self._broken[key] = time.monotonic()
                self._look_at = 0.0
        elif event.kind == "deleted":
            if (log := self._watched.get(key)) is not None:
                log.end(DELETED)
                self._end(log)
        elif event.kind == "look":
            self._due.add(key)
        elif event.kind == "started":
            self.wake_waiting(key)
        elif (local := self._claim(key)) is not None:
            if event.kind == "stop":
                engine.stop_local(local)
            else:
                local.needs_reseed = True
                engine.writing.mark(local)

    def _claim(self, key: StreamKey) -> LocalLog | None:
        """Return the run that a request is for; note a request whose run has no log yet."""
        engine = self._engine
        with engine.lock:
            local = engine.logs.get(key)
            if local is not None and local.number <= self._begun:
                return local
            engine.unclaimed += 1
        if local is not None:
            # It began after the request had come, which may be for an earlier run with this id: the store knows.
            engine.writing.renew_soon(at_once=True)
        return None

    def _extend(self, log: RemoteLog, event: Event) -> None:
        """Append what has arrived; at a gap, ask for a repair and hold the rest."""
        try:
            is_whole = log.extend(event.entries)
        except ValueError as error:
            logger.warning("stream %s has chunks that this version does not know: %s", log.key.stream_id, error)
            self._end(log)
            return
        if not is_whole:
            self._engine.session.unwatch(log.key)
            self._watched.pop(log.key, None)
            self._broken.setdefault(log.key, time.monotonic())
            self._engine.command(lambda: self._engine.session.request_repair(log.key))
        elif event.terminal is not None:
            self._end(log, event.terminal)

    def _end(self, log: RemoteLog, terminal: bytes | None = None) -> None:
        """End a log as its terminal entry has it, or as interrupted."""
        with self._engine.lock:
            if self._engine.remotes.get(log.key) is log:
                del self._engine.remotes[log.key]
        if log.key in self._watched:
            self._engine.session.unwatch(log.key)
        self._forget(log.key)
        try:
            if terminal is not None:
                log.end_as_stored(terminal)
        except ValueError as error:
            logger.warning("stream %s has an end that this version does not know: %s", log.key.stream_id, error)
        # Idempotent.
        log.end(LOST)

    @property
    def _look_every(self) -> float:
        return self._engine.options.lease / 4

    def _look(self) -> None:
        """Check for dead producers: of all streams periodically, of some at once."""
        engine, now = self._engine, time.monotonic()
        if now >= self._look_at:
            self._look_at = now + self._look_every
            with self._lock:
                self._due |= self._suspects
            self._due |= set(engine.remotes)
            for key in list(self._broken):
                self._read_again(key)
        due, self._due = self._due, set()
        if not due:
            return
        dead = engine.command(lambda: engine.session.find_dead(due))
        with self._lock:
            self._suspects -= due - dead
        for key in due:
            if key not in dead:
                self._missing.pop(key, None)
            elif engine.store.looks == 1 or now - self._missing.setdefault(key, now) >= engine.options.lease / 2:
                self._missing.pop(key, None)
                with self._lock:
                    self._suspects.discard(key)
                engine.reap(key)

    def _read_again(self, key: StreamKey) -> None:
        """Read a stream that has lost entries: it is whole again once its producer has written it anew."""
        log = self._engine.remotes.get(key)
        if log is None:
            self._forget(key)
            return
        stored = self._engine.read(key)
        header = None if stored is None else self._engine.known_header(key, stored)
        is_late = time.monotonic() - self._broken[key] > 2 * self._engine.options.lease
        if stored is not None and header is not None and header.run == log.header.run:
            entries = [entry for entry in stored.entries if entry.last > log.count]
            if not entries or entries[0].before <= log.count:
                del self._broken[key]
                self._watch(log)
                return
            is_late = is_late or stored.terminal is not None
        if header is not None and header.run != log.header.run:
            # It was deleted, and its id was begun anew.
            log.end(DELETED)
            self._end(log)
        elif is_late:
            self._end(log)
        elif stored is not None:
            self._engine.command(lambda: self._engine.session.request_repair(key))

    def _announce(self) -> None:
        engine, now = self._engine, time.monotonic()
        keys = [log.key for log in list(engine.remotes.values()) if log.header.needs_followers and log.followers]
        if keys and now >= self._announce_at:
            self._announce_at = now + _ANNOUNCE_EVERY
            engine.command(lambda: engine.session.announce(keys, _PRESENCE))
