"""The writer of an engine: a thread that stores what the runs of this process send, and renews their leases.

Each round it makes one entry of all new chunks of a stream, and sends one entry for each stream in one call, so the
entries grow when the store is slow. An entry that was sent once is repeated unchanged until the store has answered.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from assistant_stream_ce.concurrency.waiters import ThreadWaiter
from assistant_stream_ce.errors import StoreUnavailableError
from assistant_stream_ce.resumable.log import LOST, LocalLog
from assistant_stream_ce.resumable.records import Summary, encode
from assistant_stream_ce.resumable.store import Append, Outcome
from assistant_stream_ce.resumable.threads import EngineThread
from assistant_stream_ce.run.logger import logger

if TYPE_CHECKING:
    from assistant_stream_ce.resumable.engine import Engine

#: Bytes that may wait for the store: of one stream, and of all.
MOST_WAITING = 8 * 1024 * 1024
MOST_WAITING_OF_ALL = 64 * 1024 * 1024

# The number of chunks in an entry of a store that never blocks; see `store_at_once`.
_INLINE_CHUNKS = 8

# Seconds between two rounds, so that a fast producer fills entries instead of waking the thread for each chunk.
_PACE = 0.001

# Seconds after which it is asked again whether another process follows a stream, and after a failed sweep.
_ASK_AGAIN = 1.0
_SWEEP_AGAIN = 60.0

# Seconds after a failure of the store in which the notes of followers in other processes may have lapsed.
_LAPSE = 4.0

_NEVER = float("inf")


class Writing(EngineThread):
    """The writer of one engine. `mark` and `poke` are thread-safe and never block."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, "assistant-stream-writer")
        # Guarded by the lock.
        self._dirty: dict[LocalLog, None] = {}
        self._waiter: ThreadWaiter | None = None
        # Times by `time.monotonic`: of the last renewal of leases and the next one, and when to sweep the store.
        self._renewed_at = 0.0
        self._renew_at = _NEVER
        self._sweeps: set[float] = {0.0} if engine.store.needs_sweep else set()
        # Used by the thread alone.
        self._retry_at = 0.0

    # --- from any thread ---

    def mark(self, log: LocalLog) -> None:
        """Note that there may be something to store."""
        if log.is_marked:
            return
        with self._lock:
            log.is_marked = True
            self._dirty[log] = None
            self._wake()

    def poke(self) -> None:
        """Wake the thread, which then checks what is due."""
        with self._lock:
            self._wake()

    def share(self, log: LocalLog) -> None:
        """Store what is new in a store that never blocks, and from now on each chunk at once."""
        log.is_shared = True
        log.refresh()
        with log.taking:
            self.store_at_once(log)

    def renew_soon(self, *, at_once: bool) -> None:
        """Schedule the renewal of a new stream's lease.

        Args:
            at_once: renew now, which also finds a request to stop.
        """
        now = time.monotonic()
        with self._lock:
            if self._renew_at == _NEVER:
                self._renewed_at = now
            due = now if at_once else now + self._engine.options.lease / 3
            if due < self._renew_at:
                self._renew_at = due
                self._wake()
        self.ensure_thread()

    def forget(self, log: LocalLog) -> None:
        """Drop a stream whose end is stored, or never will be."""
        engine = self._engine
        with engine.lock:
            if engine.logs.get(log.key) is log:
                del engine.logs[log.key]
        log.settled.set()
        self._sweep_later()
        self.poke()
        engine.reading.poke()

    def _sweep_later(self) -> None:
        """Schedule a sweep for the end of each retention of a stream that ends now, at rounded times: they stay few."""
        if not self._engine.store.needs_sweep:
            return
        options, now = self._engine.options, time.monotonic()
        with self._lock:
            for seconds in (options.retention, options.retention + options.message_retention):
                if seconds == _NEVER:
                    continue
                step = max(1.0, seconds / 20)
                self._sweeps.add((now + seconds) // step * step + step)

    def _wake(self) -> None:
        if self._waiter is not None:
            self._waiter.wake()

    def store_at_once(self, log: LocalLog) -> None:
        """Store new chunks in a store that never blocks, several at a time. With `log.taking` held."""
        if log.count - log.made < _INLINE_CHUNKS and not log.is_shared and log.terminal is None:
            # Nobody reads the store before `share` is called.
            return
        try:
            self._make_entry(log)
            while log.waiting and not log.needs_reseed:
                append = Append(log.key, log.header.run, log.waiting[0])
                self._settle(log, self._engine.session.append([append])[0])
        except StoreUnavailableError:
            self._engine.counters.failures += 1
            self.mark(log)

    # --- the thread ---

    def _work(self) -> None:
        while (dirty := self._next()) is not None:
            try:
                # First, so that the bounds hold while the store is away.
                self._make_entries(dirty)
                if time.monotonic() >= self._renew_at:
                    self._renew()
                self._store(dirty)
                self._sweep()
                self._retry_seconds = 0.0
                if dirty and not self._engine.store.is_inline:
                    ThreadWaiter().wait(_PACE)
            except StoreUnavailableError as error:
                self._wait_for_store(dirty, error)
            except Exception as error:
                # A fault of the store's code must not end the thread, on which all streams depend.
                logger.exception("the store of resumable streams failed")
                self._wait_for_store(dirty, error)
            self._cancel_unfollowed()

    def _next(self) -> list[LocalLog] | None:
        """Wait for something to do; return the streams that may have something to store, None to end the thread."""
        while True:
            now = time.monotonic()
            with self._lock:
                logs = self._engine.logs
                if self._is_stopped or not (logs or self._dirty or self._sweeps):
                    self._is_running = False
                    self._renew_at = _NEVER
                    return None
                due = self._renew_at if self._retry_at <= now else self._retry_at
                due = min([due, *(log.leave_at for log in list(logs.values()) if log.leave_at is not None)])
                due = min([due, *self._sweeps])
                if (self._dirty and self._retry_at <= now) or due <= now:
                    dirty, self._dirty = list(self._dirty), {}
                    for log in dirty:
                        log.is_marked = False
                    return dirty
                self._waiter = waiter = ThreadWaiter()
            waiter.wait(due - now)

    def _sweep(self) -> None:
        now = time.monotonic()
        with self._lock:
            due = {at for at in self._sweeps if at <= now}
        if due:
            try:
                self._engine.command(self._engine.session.sweep)
            except StoreUnavailableError as error:
                # Nobody waits for it, and what cannot be deleted must not delay what is written.
                logger.warning("expired streams cannot be deleted: %s", error)
                with self._lock:
                    self._sweeps.add(now + _SWEEP_AGAIN)
            with self._lock:
                self._sweeps -= due

    def _make_entries(self, dirty: list[LocalLog]) -> None:
        is_inline = self._engine.store.is_inline
        for log in dirty:
            log.refresh()
            if is_inline:
                with log.taking:
                    self.store_at_once(log)
            else:
                self._make_entry(log)

    def _store(self, dirty: list[LocalLog]) -> None:
        failure = self._append_all([log for log in dirty if log.waiting and not log.needs_reseed])
        for log in dirty:
            if log.needs_reseed and log.is_stored:
                self._reseed(log)
            # A follower may have taken the last chunks, and seen the end, since the entry was made.
            if log.waiting or (log.is_stored and log.terminal is not None and log.made < log.count):
                self.mark(log)
            elif (log.owes_end or log.terminal is not None) and not log.settled.is_set():
                self._finish(log)
        if failure is not None:
            raise failure

    def _append_all(self, logs: list[LocalLog]) -> StoreUnavailableError | None:
        """Append an entry to each log; return the failure if not all of them have failed.

        After a failure each is tried alone, because it may be that of one log: a file that has reached a limit.
        """
        if not self._retry_seconds:
            if logs:
                self._append(logs)
            return None
        failures = []
        for number, log in enumerate(logs):
            try:
                self._append([log])
            except StoreUnavailableError as error:
                failures.append(error)
                if len(failures) == 2 and number == 1:
                    raise
        return failures[0] if failures else None

    def _append(self, logs: list[LocalLog]) -> None:
        appends = [Append(log.key, log.header.run, log.waiting[0]) for log in logs]
        began = time.monotonic()
        outcomes = self._engine.session.append(appends)
        self._engine.counters.add_append(began)
        for log, outcome in zip(logs, outcomes, strict=True):
            self._settle(log, outcome)

    def _make_entry(self, log: LocalLog) -> None:
        try:
            log.make_entry()
        except TypeError as error:
            self._lose(log, f"a chunk cannot be stored: {error}")

    def _settle(self, log: LocalLog, outcome: Outcome) -> None:
        if outcome == "ok":
            self._engine.counters.entries += 1
            self._engine.counters.bytes += log.confirm()
        elif outcome == "fenced":
            self._on_fenced(log)
        else:
            log.needs_reseed = True
            self.mark(log)

    def _on_fenced(self, log: LocalLog) -> None:
        log.lose_store()
        logger.warning("stream %s has ended elsewhere: this process had lost its lease", log.key.stream_id)
        log.cancel("interrupted")
        self.mark(log)

    def _reseed(self, log: LocalLog) -> None:
        """Write the log anew, which was lost."""
        outcome = self._engine.session.reseed(log.key, encode(log.header), log.header.run, log.entries(), log.thread)
        log.needs_reseed = False
        if outcome == "ok":
            while log.waiting:
                log.confirm()
        elif outcome == "fenced":
            self._on_fenced(log)
        else:
            # It was deleted.
            log.lose_store()
            log.cancel("stopped")
            self.mark(log)

    def _finish(self, log: LocalLog) -> None:
        if log.owes_end or log.is_stored:
            terminal = log.terminal if log.is_stored else LOST
            assert terminal is not None
            summary = Summary(log.header, terminal, log.count, log.message())
            try:
                data = encode(summary)
            except TypeError as error:
                logger.warning("the message of stream %s cannot be stored: %s", log.key.stream_id, error)
                data = encode(Summary(log.header, terminal, log.count))
            outcome = self._engine.session.finish(log.key, log.header.run, encode(terminal), data, log.thread)
            if outcome == "missing" and log.is_stored:
                log.needs_reseed = True
                self.mark(log)
                return
            if outcome == "fenced":
                logger.warning("stream %s had ended elsewhere already", log.key.stream_id)
            log.owes_end = False
        if log.terminal is not None:
            self.forget(log)

    def _lose(self, log: LocalLog, reason: str) -> None:
        logger.error("stream %s is no longer resumable: %s", log.key.stream_id, reason)
        self._engine.counters.unstored += 1
        log.lose_store()
        log.owes_end = True

    def _wait_for_store(self, dirty: list[LocalLog], error: Exception) -> None:
        self._count_failure(error)
        self._retry_at = time.monotonic() + self._retry_seconds
        with self._lock:
            # The first thing when it is back: nobody must take a live run for dead.
            self._renew_at = self._retry_at
        total = sum(log.waiting_bytes for log in dirty)
        for log in sorted(dirty, key=lambda log: -log.waiting_bytes):
            if log.waiting_bytes > MOST_WAITING or total > MOST_WAITING_OF_ALL:
                total -= log.waiting_bytes
                self._lose(log, "its store is away, and too much of it waits")
        # What is small first: it may be stored where the rest is not.
        for log in sorted(dirty, key=lambda log: log.waiting_bytes):
            self.mark(log)

    def _renew(self) -> None:
        engine = self._engine
        with self._lock, engine.lock:
            # Before the call: a request to stop that comes during it is found by the next one.
            self._renew_at = time.monotonic() + engine.options.lease / 3 if engine.logs else _NEVER
            logs = {log.key: log for log in engine.logs.values() if log.is_stored}
        if logs:
            for key in engine.session.renew({key: log.header.run for key, log in logs.items()}):
                # Not the one that has this id by now.
                engine.stop_local(logs[key])
        now = time.monotonic()
        if now - self._renewed_at > engine.options.lease:
            # This process, or the store, was frozen: another one may have ended the streams.
            for log in logs.values():
                stored = engine.command(lambda log=log: engine.session.read(log.key, 2**62))  # type: ignore[misc]
                if stored is not None and stored.terminal is not None and log.terminal is None:
                    self._on_fenced(log)
        self._renewed_at = now

    def _cancel_unfollowed(self) -> None:
        now = time.monotonic()
        for log in list(self._engine.logs.values()):
            if log.leave_at is None or log.leave_at > now:
                continue
            try:
                is_followed = self._engine.command(
                    lambda log=log: self._engine.session.find_followed([log.key])  # type: ignore[misc]
                )
            except StoreUnavailableError:
                is_followed, self._failed_at = set(), now
            if log.followers:
                log.leave_at = None
            elif is_followed or now - self._failed_at < _LAPSE:
                log.leave_at = now + _ASK_AGAIN
            else:
                log.leave_at = None
                self._engine.stop_local(log)
