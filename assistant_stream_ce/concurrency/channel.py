"""The channel between the one that runs and the one that reads. The only importer of janus.

Any number of threads and coroutines put; exactly one reader, a thread or a coroutine, gets. What
makes it fast is an *open batch*: a producer appends to the batch that is waiting already, and the reader takes
a batch whole, which closes it. Only a batch that is full goes through the janus queue, to make room for the next. So a
burst costs one lock and one `list.append` a chunk, and the reader one wake-up and one write a batch.

Three rules keep it right:

- Everything is decided under one lock, the passage of a batch into janus included. Were the batch
  filled under one lock and queued under another, two threads could meet in between and a batch
  could overtake its predecessor.
- The newest batch is always the open one until it is taken. So "no open batch" means "nothing
  waits", and a producer that must not block has a place to append to even when the queue is full.
- No foreign code is called while the lock is held, and nothing under it waits but for room.

Waiting for a batch is done outside janus, on an alarm: a future that the producer resolves directly when it
shares the reader's loop, or a lock that it releases. Waiting inside janus costs a task, a
`call_soon_threadsafe` and an asyncio lock for each put.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import janus

from assistant_stream_ce.concurrency.gevent import guard, is_gevent

__all__ = ("Alarm", "Channel", "TaskAlarm", "ThreadAlarm", "in_event_loop", "running_loop")

T = TypeVar("T")

# The bound is split into this many batches: few enough that a burst is cheap, many enough that a
# reader who takes one chunk at a time holds only an eighth more than the bound.
_BATCHES = 8


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that the calling thread is running at this moment, if any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def in_event_loop() -> bool:
    """Return whether the calling thread is running an event loop at this moment, and so must not block."""
    return running_loop() is not None


class Alarm(Protocol):
    """What wakes one sleeper, once."""

    def ring(self) -> bool:
        """Wake the sleeper, from any thread; return false when it can never wake, because its loop is closed."""


class ThreadAlarm:
    """Wakes one sleeping thread. To be used again only after it has rung, so that a late ring disturbs nobody."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        # Held until the ring.
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> bool:
        """Wake the thread."""
        self._lock.release()
        return True

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until the ring, at most `timeout` seconds; return whether it rang."""
        return self._lock.acquire(True, -1 if timeout is None else timeout)


class TaskAlarm:
    """Wakes one sleeping coroutine. Made by the coroutine itself, inside its loop."""

    __slots__ = ("_future", "_loop", "_thread")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def ring(self) -> bool:
        """Wake the coroutine: directly from its own loop's thread, through the loop from another."""
        if self._loop.is_closed():
            return False
        if threading.get_ident() == self._thread:
            _resolve(self._future)
            return True
        try:
            self._loop.call_soon_threadsafe(_resolve, self._future)
        except RuntimeError:
            # Closed meanwhile.
            return False
        return True

    async def wait(self) -> None:
        """Sleep until the ring."""
        await self._future


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Channel(Generic[T]):
    """A bounded, batched way from many producers to one reader.

    Args:
        max_pending: about how many chunks may wait before producers do.
        refuse: called, outside the lock, for each item that comes after the end. It raises, or
            returns to have the item discarded.
        lose_reader: called, outside the lock, when the reader's loop turns out to be closed.
        settle: called, outside the lock, once the reader has taken items that may have been extended after
            they were put, and before it reads them, see `is_unsettled`; also when much is kept, see `start_keeping`.
    """

    def __init__(
        self,
        max_pending: int,
        refuse: Callable[[], None],
        lose_reader: Callable[[], None],
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        self._batch_size = max(1, max_pending // _BATCHES)
        self._most_batches = max_pending // self._batch_size
        self._refuse = refuse
        self._lose_reader = lose_reader
        self._settle_items = settle
        #: Set by a producer before it puts an item that it may extend later.
        self.is_unsettled = False
        # Guards every field below, and the order of what enters the queue.
        self._lock = guard()
        # Where threads wait for room. Like the queue below it is made when it is first needed: most runs need
        # neither, and both together take 10 KB.
        self._room: threading.Condition | None = None
        # The full batches, and how many.
        self._queue: janus.SyncQueue[list[T]] | None = None
        self._queued = 0
        self._queued_items = 0
        # What has left the open batch, if that is to be kept. The items alone: to keep the lists would cost 2 us
        # for each chunk on a server with a hundred threads, most of them the garbage collector's.
        self._kept: list[T] | None = None
        self._most_kept = 0
        #: The newest batch while it waits, and the places left in it: below 0 after a heavy item, 0 without a batch.
        #: To read one of them takes no lock; see `is_newest`.
        self.open_batch: list[T] | None = None
        self.space = 0
        # How many of these places are beyond the bound: lent to a coroutine, which must not block.
        self._lent = 0
        self._ended = False
        self._nudged = False
        # What wakes the reader: a future of its loop, or a thread's alarm.
        self._alarm: asyncio.Future[None] | ThreadAlarm | None = None
        self._blocked = 0
        self._draining: list[TaskAlarm] = []
        # What rings when a producer begins to wait for room.
        self._watchers: list[Alarm] = []
        # Of the reader alone; `_owes_turn` after a `get` that did not have to wait, and so let nobody else run.
        self._reader_thread = 0
        self._owes_turn = False
        # To make a new alarm for each sleep would cost 0.2 us, several times that on a busy server. But a lock of
        # gevent's may still be about to wake somebody, long after another thread has released it.
        self._idle_alarm: ThreadAlarm | None = None
        self._is_gevent = is_gevent()

    # --- the producers' end ---

    def put(self, item: T, weight: int = 1, *, may_block: bool = True) -> None:
        """Append an item. A worker thread waits while the channel is full; a coroutine never does.

        Args:
            item: what to send.
            weight: how many places it takes; a long text counts as several.
            may_block: false while the caller holds a lock that a coroutine may want; see `wait_for_room`.
        """
        lock = self._lock
        # Here, in the hottest place, a `with` statement would cost 0.09 us of 0.29.
        lock.acquire()
        try:
            batch = self.open_batch
            if batch is not None and self.space > 0:
                batch.append(item)
                self.space -= weight
                return
            # Where nothing waits there is room.
            if batch is not None and may_block and self._is_full():
                self._wait_while_full()
            accepted = not self._ended
            alarm = self._append(item, weight) if accepted else None
        finally:
            lock.release()
        if alarm is not None and not self._ring(alarm):
            self._lose_reader()
        if not accepted:
            self._refuse()

    def is_newest(self, item: T) -> bool:
        """Return whether an item waits, with none behind it, in a batch that has room.

        Without the lock: it may be taken in the very next moment. So its producer must be able to hold up
        `settle`, which its reader calls first.
        """
        batch = self.open_batch
        return batch is not None and batch[-1] is item and self.space > 0

    def charge(self, weight: int) -> None:
        """Count so many places more for the newest batch, whose items have grown."""
        with self._lock:
            self.space -= weight

    def admit(self) -> None:
        """Wait for room, as `put` would, and refuse if the channel has ended."""
        # As in `wait_for_room`. There is no space after the end either.
        if self.space <= 0:
            self.wait_for_room()
            self.refuse_after_end()

    def refuse_after_end(self) -> None:
        """Refuse, as `put` would, if the channel has ended."""
        if self._ended:
            self._refuse()

    def wait_for_room(self) -> None:
        """Block a worker thread while the channel is full; return at once in a coroutine."""
        # A look without the lock, to spare it: a wrong answer lets one item more in, or is corrected under the lock.
        if self.space <= 0 and self._is_full():
            with self._lock:
                self._wait_while_full()

    async def drain(self) -> None:
        """Wait in a coroutine, on any loop, while the channel is full."""
        while True:
            with self._lock:
                if self._ended:
                    break
                if not self._is_full():
                    return
                alarm = TaskAlarm()
                self._draining.append(alarm)
                self._wake_watchers()
            await alarm.wait()
        # Nothing waits for room any more: a callback that loops on must still meet its cancellation here.
        await asyncio.sleep(0)

    @property
    def has_ended(self) -> bool:
        """Return whether `finish` or `close` was called."""
        return self._ended

    def finish(self, last: T | None = None) -> None:
        """End the channel: the reader still gets all that was put, and `last` if there is one, then the end."""
        with self._lock:
            first = self._append(last, 1) if last is not None and not self._ended else None
            reader = self._end(immediate=False) or first
        self._wake(reader)

    def close(self) -> None:
        """End the channel for a reader who has left: what waits is dropped, and all who sleep wake."""
        with self._lock:
            self._queued = self._queued_items = 0
            if self.open_batch is not None:
                self._keep(self.open_batch)
                self.open_batch = None
            reader = self._end(immediate=True)
        self._wake(reader)

    # --- the reader's end ---

    async def get(self) -> list[T] | None:
        """Wait in a coroutine for the next batch; `[]` after a nudge, `None` at the end."""
        if self._owes_turn:
            # A fast thread could keep this loop busy for ever: let its other tasks run in between.
            self._owes_turn = False
            await asyncio.sleep(0)
        self._owes_turn = True
        self._reader_thread = threading.get_ident()
        lock = self._lock
        while True:
            # As in `put`.
            lock.acquire()
            try:
                # As `_take` would find out, without the call: mostly a model's reader is the faster one.
                if self.open_batch is not None or self._queued or self._ended or self._nudged:
                    self._nudged = False
                    batch = self._take()
                    break
                self._alarm = alarm = asyncio.get_running_loop().create_future()
            finally:
                lock.release()
            self._owes_turn = False
            await alarm
        if self.is_unsettled:
            self._settle()
        return batch

    def get_sync(self, timeout: float | None = None) -> list[T] | None:
        """Wait in a thread for the next batch; `[]` after `timeout` seconds, `None` at the end."""
        self._reader_thread = threading.get_ident()
        lock = self._lock
        while True:
            # As in `put`.
            lock.acquire()
            try:
                # As in `get`.
                if self.open_batch is not None or self._queued or self._ended:
                    batch = self._take()
                    break
                self._alarm = alarm = self._idle_alarm or ThreadAlarm()
                self._idle_alarm = None
            finally:
                lock.release()
            if not alarm.wait(timeout):
                # The alarm stays: a late ring wakes nobody, and the next sleep replaces it.
                return []
            if not self._is_gevent:
                self._idle_alarm = alarm
        if self.is_unsettled:
            self._settle()
        return batch

    def nudge(self) -> None:
        """Make a waiting `get` return `[]`: time has passed and the reader has something to do."""
        with self._lock:
            self._nudged = True
            alarm, self._alarm = self._alarm, None
        self._wake(alarm)

    # --- for who looks on ---

    def start_keeping(self, most: int) -> None:
        """Keep all items for `take_kept`, which is to be called, and so is `settle`, when they are more than `most`."""
        self._kept = []
        self._most_kept = most

    @property
    def keeps_too_much(self) -> bool:
        """Whether more is kept than is wanted. For `settle`."""
        return self._kept is not None and len(self._kept) > self._most_kept

    def take_kept(self) -> tuple[list[T], list[T]]:
        """Return the items that have come since the last call, also those that nobody has read.

        Returns:
            Those that are kept no longer, and those that the next call returns again, before any other.
        """
        with self._lock:
            kept, self._kept = self._kept or [], []
            return kept, list(self.open_batch or ())

    @property
    def waiting(self) -> int:
        """How many items wait for the reader."""
        with self._lock:
            return self._queued_items + len(self.open_batch or ())

    @property
    def is_held(self) -> bool:
        """Whether a producer waits for room."""
        # A thread that was woken counts as blocked until it runs.
        return self._is_full() and (self._blocked > 0 or bool(self._draining))

    def watch(self, watcher: Alarm) -> None:
        """Have an alarm ring, once, when a producer waits for room, or when the channel has ended."""
        with self._lock:
            self._watchers.append(watcher)
            if self.is_held or self._ended:
                self._wake_watchers()

    # --- with the lock held ---

    def _is_full(self) -> bool:
        return self.space <= self._lent and self._queued >= self._most_batches - 1 and self.open_batch is not None

    def _wait_while_full(self) -> None:
        # A loop must not block, and the reader's own thread would wait for itself.
        if in_event_loop() or threading.get_ident() == self._reader_thread:
            return
        if self._room is None:
            self._room = threading.Condition(self._lock)
        self._blocked += 1
        self._wake_watchers()
        try:
            while self._is_full() and not self._ended:
                self._room.wait()
        finally:
            self._blocked -= 1

    def _append(self, item: T, weight: int) -> asyncio.Future[None] | ThreadAlarm | None:
        """Append to the open batch or open a new one; return the alarm to ring."""
        if self.open_batch is not None:
            is_overfull = self.space <= 0 and self._is_full()
            if is_overfull:
                # By a producer that must not block. To come here for each of its items would double what they cost.
                self._lent += self._batch_size
                self.space += self._batch_size
            if is_overfull or self.space > 0:
                self.open_batch.append(item)
                self.space -= weight
                return None
            self._queue_open()
        self.open_batch = [item]
        self.space = self._batch_size - weight
        self._lent = 0
        alarm, self._alarm = self._alarm, None
        return alarm

    def _queue_open(self) -> None:
        assert self.open_batch is not None
        if self._queue is None:
            self._queue = janus.Queue[list[T]](self._most_batches).sync_q
        self._queue.put_nowait(self.open_batch)
        self._keep(self.open_batch)
        self._queued += 1
        self._queued_items += len(self.open_batch)
        self.open_batch = None
        self.space = 0

    def _take(self) -> list[T] | None:
        """Return the oldest batch, `[]` when none waits, None at the end."""
        if self._queued and self._queue is not None:
            batch = self._queue.get_nowait()
            self._queued -= 1
            self._queued_items -= len(batch)
        elif self.open_batch is not None:
            batch = self.open_batch
            self.open_batch = None
            self.space = 0
            self._keep(batch)
        else:
            return None if self._ended else []
        if self._blocked:
            self._wake_blocked()
        if self._draining:
            self._wake_draining()
        return batch

    def _end(self, *, immediate: bool) -> asyncio.Future[None] | ThreadAlarm | None:
        """End the channel; return the alarm to ring."""
        self._ended = True
        # The open batch is still read, but takes no more.
        self.space = 0
        if self._queue is not None:
            self._queue.shutdown(immediate)
        self._wake_blocked()
        self._wake_draining()
        self._wake_watchers()
        alarm, self._alarm = self._alarm, None
        return alarm

    def _keep(self, batch: list[T]) -> None:
        if self._kept is not None:
            self._kept += batch
            if len(self._kept) > self._most_kept:
                self.is_unsettled = True

    def _wake_blocked(self) -> None:
        if self._room is not None:
            self._room.notify_all()

    def _wake_draining(self) -> None:
        for sleeper in self._draining:
            sleeper.ring()
        self._draining.clear()

    def _wake_watchers(self) -> None:
        for watcher in self._watchers:
            watcher.ring()
        self._watchers.clear()

    # --- without the lock ---

    def _settle(self) -> None:
        # Cleared first: what is put meanwhile sets it again.
        self.is_unsettled = False
        self._settle_items()

    def _wake(self, alarm: asyncio.Future[None] | ThreadAlarm | None) -> None:
        if alarm is not None:
            self._ring(alarm)

    def _ring(self, alarm: asyncio.Future[None] | ThreadAlarm) -> bool:
        """Wake the reader: directly in its own thread. Return false when it never wakes: its loop is closed."""
        if isinstance(alarm, ThreadAlarm):
            return alarm.ring()
        try:
            if threading.get_ident() != self._reader_thread:
                alarm.get_loop().call_soon_threadsafe(_resolve, alarm)
            elif alarm.done():
                return not alarm.get_loop().is_closed()
            else:
                alarm.set_result(None)
        except RuntimeError:
            return False
        return True
