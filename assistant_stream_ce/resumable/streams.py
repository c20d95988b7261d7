"""Public entry point of resumable streams: `ResumableStreams`, and the `StreamStatus` that it returns."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from typing import TypeVar

import msgspec

from assistant_stream_ce.concurrency.closing import ClosesBothWays
from assistant_stream_ce.concurrency.gevent import new_blocking_lock
from assistant_stream_ce.concurrency.waiters import in_event_loop, require_loop
from assistant_stream_ce.controller import validation
from assistant_stream_ce.create_run import AssistantStream
from assistant_stream_ce.errors import StoreUnavailableError, StreamUsageError, shorten
from assistant_stream_ce.resumable.arguments import (
    OnLeave,
    hashed,
    is_stream_id,
    leave_seconds,
    name_of,
    owner_hash,
    text_of,
)
from assistant_stream_ce.resumable.engine import Engine, OnInterrupted, Settings, stats_of
from assistant_stream_ce.resumable.followed import FollowedStream, followed_behind
from assistant_stream_ce.resumable.log import LocalLog, Log
from assistant_stream_ce.resumable.memory import MemoryStore
from assistant_stream_ce.resumable.records import FORMAT, Header
from assistant_stream_ce.resumable.status import StreamStatus
from assistant_stream_ce.resumable.store import Store, StreamKey, ThreadKey
from assistant_stream_ce.resumable.threads import in_thread
from assistant_stream_ce.serialization.cursor import chunks_before

T = TypeVar("T")

# Attempts to begin or to follow a stream that ends or expires between the two.
_TRIES = 5


class ResumableStreams(ClosesBothWays):
    """Streams that continue without their readers, and can be followed from anywhere. Thread-safe.

    A run is tied to no request: it has its own thread, or a task on the loop in which `astart` was awaited, or on the
    shared loop. Everyone who follows it reads every chunk, once and in order, from the first one or behind a cursor, in
    this process or another one with the same store. Leaving is not stopping.

    Guarantees: exactly one of racing `start` calls runs its callback. Each stream ends exactly once, and its followers
    learn how. A producer that is killed is noticed within `lease` and a second, with `FileStore` within a second;
    followers then get all that was stored, an error chunk and the end. While the store is away, the run and its
    followers in this process continue, and what was sent is stored later, unchanged, in order, once. Nothing is opened
    before the first use, and a child process after a fork starts anew.

    Methods that block raise `StreamUsageError` inside a running event loop; their twins with an `a` are for coroutines.

    Args:
        store: where the chunks are kept; a new `MemoryStore` if None.
        lease: seconds after which a killed producer is noticed at the latest, where the store cannot tell at once.
        retention: seconds for which an ended stream can be followed.
        message_retention: seconds for which `status` knows it after that.
        max_bytes: the most bytes of a stream in the store. The controller call beyond them raises `StreamTooLongError`.
        drain_seconds: seconds for which live runs may go on at the exit of the process, before they are interrupted.
        on_interrupted: called with the id and the message of a stream whose producer was killed, in a thread of one of
            the other processes; may be a coroutine function.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        lease: float = 15.0,
        retention: float = 600.0,
        message_retention: float = 86400.0,
        max_bytes: int = 16 * 1024 * 1024,
        drain_seconds: float = 0.0,
        on_interrupted: OnInterrupted | None = None,
    ) -> None:
        if store is not None and not isinstance(store, Store):
            raise TypeError(f"store must be a Store, for example MemoryStore(), not {type(store).__name__}")
        if on_interrupted is not None and not callable(on_interrupted):
            raise TypeError(f"on_interrupted must be callable, not {type(on_interrupted).__name__}")
        self._store = MemoryStore() if store is None else store
        self._settings = Settings(
            lease=validation.seconds(lease, "lease", is_positive=True),
            retention=validation.seconds(retention, "retention"),
            message_retention=validation.seconds(message_retention, "message_retention"),
            max_bytes=validation.positive(max_bytes, "max_bytes"),
            drain_seconds=validation.seconds(drain_seconds, "drain_seconds"),
            on_interrupted=on_interrupted,
        )
        # The lock that guards the next one, by process id: a child must not inherit a held one. Held during
        # `Store.connect`, which may be another library's code.
        self._locks: dict[int, threading.Lock] = {}
        self._engine: Engine | None = None
        self._is_closed = False

    # --- start ---

    def start(
        self,
        stream: AssistantStream,
        stream_id: str | None = None,
        *,
        thread: str | None = None,
        owner: str | None = None,
        on_leave: OnLeave = "continue",
    ) -> FollowedStream:
        """Begin a run, detached and at once, or follow the one that has the id; return when that is certain.

        Args:
            stream: what `create_run` returned, not read yet. If the id is taken its callback is never called.
            stream_id: 1 to 200 of `A-Z a-z 0-9 _ - . :`; a new random id if None.
            thread: the conversation, whose newest stream this becomes.
            owner: the user or tenant: a stream is known only with the owner of its start.
            on_leave: "continue"; or "stop", or seconds, to cancel the run when nobody follows it (for so long).

        Raises:
            StoreUnavailableError: the store is away. Nothing runs.
            StreamUsageError: the stream was read already, these streams were drained or closed, or an event loop runs.
            TypeError: an argument has a wrong type.
            ValueError: `stream_id` or `on_leave` is not one.
        """
        self._check_blocking("start")
        begin, leave = self._prepare(stream, stream_id, thread, owner, on_leave)
        return self._begin(stream, leave, begin(), None)

    async def astart(
        self,
        stream: AssistantStream,
        stream_id: str | None = None,
        *,
        thread: str | None = None,
        owner: str | None = None,
        on_leave: OnLeave = "continue",
    ) -> FollowedStream:
        """Begin a run, or follow the one that has the id; see `start`. A coroutine callback runs on this loop."""
        loop = require_loop()
        begin, leave = self._prepare(stream, stream_id, thread, owner, on_leave)
        if self._store.is_inline:
            return self._begin(stream, leave, begin(), loop)
        followed: list[FollowedStream] = []
        context = contextvars.copy_context()

        def begin_there() -> None:
            log = begin()
            try:
                # Also if the caller was cancelled meanwhile: the stream is in the store, and somebody must produce it.
                loop.call_soon_threadsafe(
                    lambda: followed.append(self._begin(stream, leave, log, loop)), context=context
                )
            except RuntimeError:
                # The loop was closed.
                if isinstance(log, LocalLog) and log.run is stream._run:
                    log.cancel("interrupted")

        await in_thread(begin_there)
        # A thread that was fast needed no wait: let the loop call what was scheduled.
        await asyncio.sleep(0)
        return followed[0]

    def _prepare(
        self, stream: AssistantStream, stream_id: str | None, thread: str | None, owner: str | None, on_leave: OnLeave
    ) -> tuple[Callable[[], Log], float | None]:
        if not isinstance(stream, AssistantStream):
            hint = "; did you mean create_run(callback)?" if callable(stream) else ""
            raise TypeError(f"stream must be an AssistantStream, not {type(stream).__name__}{hint}")
        if stream_id is not None and not isinstance(stream_id, str):
            raise TypeError(f"stream_id must be a str, not {type(stream_id).__name__}")
        if stream_id is not None and not is_stream_id(stream_id):
            raise ValueError(f"stream_id must be 1 to 200 of A-Z a-z 0-9 _ - . :, not {shorten(repr(stream_id))}")
        key = StreamKey(owner_hash(owner), secrets.token_urlsafe(16) if stream_id is None else stream_id)
        leave = leave_seconds(on_leave)
        run = stream._run
        if isinstance(stream, FollowedStream) or run.driver is not None or run.is_over() or run.is_cancelled:
            raise StreamUsageError("the stream was started or read already: call create_run again for a new one")
        header = Header(
            format=FORMAT,
            run=uuid.uuid4().hex,
            worker="",
            message_id=stream.message_id,
            run_id=uuid.uuid4().hex,
            created=time.time(),
            thread=None if thread is None else hashed(text_of(thread, "thread")),
            thread_id=uuid.uuid4().hex if thread is None else thread,
            is_continued=stream.header.is_continued,
            state=stream.state,
            needs_followers=leave is not None,
        )
        engine = self._started_engine()
        engine.check_open()
        header = msgspec.structs.replace(header, worker=engine.worker)

        def begin() -> Log:
            for _ in range(_TRIES):
                log = engine.join_local(key) or engine.begin(key, header, run) or engine.join(key)
                if log is not None:
                    return log
            raise StoreUnavailableError(
                f"stream {key.stream_id} is taken by a log that this version of the library cannot read: "
                "delete() it, or start with another id"
            )

        return begin, leave

    def _begin(
        self,
        stream: AssistantStream,
        leave: float | None,
        log: Log,
        loop: asyncio.AbstractEventLoop | None,
    ) -> FollowedStream:
        run = stream._run
        # Nobody reads it any more but the log; and where another run has the id, it is not cancelled but dropped.
        run.lost_reader_policy = "continue"
        is_producer = isinstance(log, LocalLog) and log.run is run
        stream._source.has_ended = True
        if isinstance(log, LocalLog) and is_producer:
            run.logs_errors = True
            log.leave_seconds = leave
            log.join()
            log.start(loop)
        return FollowedStream(log, 0, is_producer=is_producer)

    # --- follow ---

    def follow(
        self,
        stream_id: str | None = None,
        *,
        thread: str | None = None,
        owner: str | None = None,
        after: int | str | None = None,
        wait: float = 0.0,
    ) -> FollowedStream | None:
        """Follow a running stream, or an ended one within its `retention`; None when there is nothing to follow.

        Args:
            stream_id: its id; anything that is not an id is unknown.
            thread: the conversation whose newest stream is meant, instead of an id; until ten seconds after its end.
            owner: as in `start`.
            after: the number of chunks to skip, or a cursor as text (a `Last-Event-ID`). One that is unknown, of
                another stream or beyond the end skips nothing. At the end of an ended stream nothing is left to follow.
                One may be ahead of what the producer has stored: the call waits up to 2 seconds for these chunks.
            wait: seconds to wait for a stream that has not started.

        Raises:
            StoreUnavailableError: the store is away.
            StreamUsageError: these streams were closed, or an event loop runs.
            TypeError: an argument has a wrong type.
            ValueError: `after` or `wait` is negative.
        """
        self._check_blocking("follow")
        chunks_before(after)
        return self._follow(stream_id, thread, owner, after, validation.seconds(wait, "wait"))

    async def afollow(
        self,
        stream_id: str | None = None,
        *,
        thread: str | None = None,
        owner: str | None = None,
        after: int | str | None = None,
        wait: float = 0.0,
    ) -> FollowedStream | None:
        """Follow a stream; see `follow`."""
        seconds = validation.seconds(wait, "wait")
        chunks_before(after)
        work = functools.partial(self._follow, stream_id, thread, owner, after, seconds)
        return await self._call(work, may_wait=seconds > 0)

    def _follow(
        self, stream_id: object, thread: object, owner: str | None, after: int | str | None, wait: float
    ) -> FollowedStream | None:
        def look() -> Log | None:
            key = self._find_key(stream_id, thread, owner)
            return None if key is None else self._started_engine().join(key)

        log = look()
        if log is None and wait and (name := name_of(stream_id, thread, owner)) is not None:
            log = self._started_engine().reading.wait_for_start(name, look, wait)
        return None if log is None else followed_behind(log, after, may_wait=not self._store.is_inline)

    # --- stop, status, delete ---

    def stop(self, stream_id: str | None = None, *, thread: str | None = None, owner: str | None = None) -> bool:
        """Cancel a run, wherever it is: an ordinary cancellation, and `on_finish` gets "cancelled".

        One that comes before the `start` of its id wins for ten seconds: that run ends at once.

        Args:
            stream_id: as in `follow`.
            thread: as in `follow`.
            owner: as in `start`.

        Returns:
            Whether there was a live run.

        Raises:
            StoreUnavailableError: the store is away, and the run is not in this process.
            StreamUsageError: these streams were closed, or an event loop runs.
        """
        self._check_blocking("stop")
        return self._stop(stream_id, thread, owner)

    async def astop(self, stream_id: str | None = None, *, thread: str | None = None, owner: str | None = None) -> bool:
        """Cancel a run, wherever it is; see `stop`."""
        return await self._call(functools.partial(self._stop, stream_id, thread, owner))

    def _stop(self, stream_id: object, thread: object, owner: str | None) -> bool:
        key = self._find_key(stream_id, thread, owner)
        return key is not None and self._started_engine().stop(key)

    def status(
        self, stream_id: str | None = None, *, thread: str | None = None, owner: str | None = None
    ) -> StreamStatus | None:
        """Return what is known of a stream; None after `retention` and `message_retention`, and for an unknown one.

        Args:
            stream_id: as in `follow`.
            thread: as in `follow`.
            owner: as in `start`.

        Raises:
            StoreUnavailableError: the store is away, and the run is not in this process.
            StreamUsageError: these streams were closed, or an event loop runs.
        """
        self._check_blocking("status")
        return self._status(stream_id, thread, owner)

    async def astatus(
        self, stream_id: str | None = None, *, thread: str | None = None, owner: str | None = None
    ) -> StreamStatus | None:
        """Return what is known of a stream; see `status`."""
        return await self._call(functools.partial(self._status, stream_id, thread, owner))

    def _status(self, stream_id: object, thread: object, owner: str | None) -> StreamStatus | None:
        key = self._find_key(stream_id, thread, owner)
        if key is None:
            return None
        engine = self._started_engine()
        log: Log | None = engine.local(key)
        if log is None:
            summary = engine.read_summary(key)
            if summary is not None:
                return StreamStatus.of(key, summary.header, summary.terminal.state, summary.chunks, summary.message)
            log = engine.load(key)
        if log is None:
            return None
        log.refresh()
        message = None if log.terminal is None else log.message()
        return StreamStatus.of(key, log.header, log.state, log.count, message)

    def delete(self, stream_id: str | None = None, *, thread: str | None = None, owner: str | None = None) -> bool:
        """Delete a stream, and stop its run first; its id is free then, and its followers are at the end.

        Args:
            stream_id: as in `follow`.
            thread: as in `follow`.
            owner: as in `start`.

        Returns:
            Whether there was one.

        Raises:
            StoreUnavailableError: the store is away.
            StreamUsageError: these streams were closed, or an event loop runs.
        """
        self._check_blocking("delete")
        return self._delete(stream_id, thread, owner)

    async def adelete(
        self, stream_id: str | None = None, *, thread: str | None = None, owner: str | None = None
    ) -> bool:
        """Delete a stream; see `delete`."""
        return await self._call(functools.partial(self._delete, stream_id, thread, owner), may_wait=True)

    def _delete(self, stream_id: object, thread: object, owner: str | None) -> bool:
        key = self._find_key(stream_id, thread, owner)
        return key is not None and self._started_engine().delete(key)

    # --- the end ---

    def drain(self, timeout: float) -> bool:
        """Start no more runs, wait for those of this process, and end the rest as interrupted: before a shutdown.

        A run that is ended calls `on_finish` with "cancelled". Followers of other processes' runs go on.

        Args:
            timeout: seconds for which live runs may go on.

        Returns:
            Whether every run has ended by itself.

        Raises:
            StreamUsageError: an event loop runs.
        """
        self._check_blocking("drain")
        return self._drain(validation.seconds(timeout, "timeout"))

    async def adrain(self, timeout: float) -> bool:
        """Start no more runs, and end those of this process; see `drain`."""
        return await self._call(functools.partial(self._drain, validation.seconds(timeout, "timeout")), may_wait=True)

    def _drain(self, seconds: float) -> bool:
        return self._started_engine().drain(seconds)

    def close(self) -> None:
        """End the runs of this process as interrupted, and release the store. Idempotent.

        Raises:
            StreamUsageError: an event loop runs.
        """
        self._check_blocking("close")
        self._close()

    async def aclose(self) -> None:
        """End the runs of this process as interrupted, and release the store; see `close`."""
        await in_thread(self._close)

    def _close(self) -> None:
        with self._lock():
            engine, self._is_closed = self._engine, True
        if engine is not None and engine.pid == os.getpid():
            engine.close()

    def stats(self) -> dict[str, float]:
        """Return counters of this process, for monitoring. Never blocks.

        Now: `live` runs, of which `followed` here, `followers` of all streams, `remote` streams of other processes that
        are followed here, `waiting_bytes` for the store. Since the first use: `started` runs, stored `entries` and
        `bytes`, store `failures`, `reaped` streams of killed producers, `stopped` runs, `unstored` streams that lost
        their store. Of the last minute: `append_p50` and `append_p99`, the median and the 99th percentile of the
        seconds in which the store took new entries; 0 without a call, and with `MemoryStore`, which needs none.
        """
        engine = self._engine
        return stats_of(None if engine is None or engine.pid != os.getpid() else engine)

    # --- helpers ---

    def _lock(self) -> threading.Lock:
        number = os.getpid()
        return self._locks.get(number) or self._locks.setdefault(number, new_blocking_lock())

    def _started_engine(self) -> Engine:
        engine = self._engine
        if engine is not None and engine.pid == os.getpid() and not self._is_closed:
            return engine
        with self._lock():
            if self._is_closed:
                raise StreamUsageError("these streams were closed: make a new ResumableStreams")
            if self._engine is None or self._engine.pid != os.getpid():
                self._engine = Engine(self._store, self._settings)
            return self._engine

    async def _call(self, work: Callable[[], T], *, may_wait: bool = False) -> T:
        """Call a function that blocks, unless the store never does and it does not wait for a run."""
        return work() if self._store.is_inline and not may_wait else await in_thread(work)

    def _check_blocking(self, name: str) -> None:
        if in_event_loop():
            raise StreamUsageError(f"{name}() would block the running event loop: use `await streams.a{name}(...)`")

    def _find_key(self, stream_id: object, thread: object, owner: str | None) -> StreamKey | None:
        name = name_of(stream_id, thread, owner)
        if isinstance(name, ThreadKey):
            stream_id = self._started_engine().find_thread(name)
            return StreamKey(name.owner, stream_id) if is_stream_id(stream_id) else None
        return name
