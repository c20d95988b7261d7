"""Bounded multi-producer, single-consumer channel with backpressure, between a run and its reader.

Any number of threads and coroutines put; one reader, a thread or a coroutine, gets. It is fast because of the *open
batch*: a producer appends to the batch that is already waiting, and the reader takes a batch whole, which closes it.
Only a full batch is moved to the queue, and a new one is opened. So a burst costs one lock and one `list.append` per
chunk, and the reader one wake-up and one write per batch.

Three invariants:

- One lock guards everything, including the move of a batch into the queue. If a batch were filled under one lock and
  queued under another, it could overtake its predecessor between the two.
- The newest batch is always the open one until it is taken. So "no open batch" means "nothing waits", and a
  producer that must not block has a batch to append to even when the queue is full.
- No user code runs under the lock, and nothing waits while holding it.

janus, which no other module imports, only stores the full batches. This module's lock replaces janus's, whose
`threading.Condition` a Ctrl-C can leave locked; its waiters replace janus's, which cost a task, a
`call_soon_threadsafe` and an asyncio lock for each put.

A signal handler or another thread may raise an exception at any line. Therefore locks are taken only by `with`, and a
waiter stays registered until it was woken.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import janus

from assistant_stream_ce.concurrency.gevent import is_gevent, new_lock
from assistant_stream_ce.concurrency.sink import ChunkSink, PendingItem
from assistant_stream_ce.concurrency.waiters import LoopWaiter, ThreadWaiter, Waiter, resolve, running_loop

T = TypeVar("T")

# The bound is split into so many batches: a burst is cheap, and a reader of single chunks holds an eighth more.
_BATCHES = 8


class _BatchQueue(janus.Queue[list[Any]]):
    """The full batches, guarded by the channel's lock."""

    def __init__(self, maxsize: int) -> None:
        super().__init__(maxsize)
        # Both refer back to the queue: only the cycle collector would free it, once for each run.
        del self._sync_queue, self._async_queue

    def _init(self, maxsize: int) -> None:
        self.batches: deque[list[Any]] = deque()


class Channel(Generic[T]):
    """Carries items from many producers to one reader, in batches.

    Args:
        max_pending: the capacity in slots, approximately: producers wait while it is used up. An item takes as many
            slots as its weight, usually one.
        on_closed: called for each item put after the end: raise, or return to drop it.
        on_reader_lost: called when the loop of the waiting reader turns out to be closed.
    """

    def __init__(self, max_pending: int, on_closed: Callable[[], object], on_reader_lost: Callable[[], object]) -> None:
        self._batch_size = max(1, max_pending // _BATCHES)
        self._most_batches: float = max_pending // self._batch_size
        self._on_closed = on_closed
        self._on_reader_lost = on_reader_lost
        # Guards every field below, and the order of what enters the queue.
        self._lock = new_lock()
        # Created on first use, because it takes 10 KB.
        self._queue: _BatchQueue | None = None
        #: The newest batch while it waits, and its free capacity: below 0 after a heavy item, never above 0 without a
        #: batch. Reading one of them needs no lock; see `is_newest`.
        self.open_batch: list[Any] | None = None
        self.capacity: int = 0
        # Slots beyond the bound that were lent to coroutines, which must not block.
        self._lent = 0
        # The loops on which producers must not block: every loop, or those of `add_producer_loops`.
        self._producer_loops: tuple[asyncio.AbstractEventLoop, ...] | None = None
        #: Whether `finish` or `close` was called.
        self.has_ended: bool = False
        self._is_detached = False
        #: Whether `on_closed` is called for each item though the channel has not ended.
        self.is_refusing = False
        #: Whether a `PendingItem` was put.
        self.carries_pending: bool = False
        self._is_woken = False
        # The waiting reader: a future of its loop, or another waiter.
        self._reader: asyncio.Future[None] | Waiter | None = None
        # Such a future that will wake as soon as its loop runs.
        self._woken_reader: asyncio.Future[None] | None = None
        # Producers that wait for capacity, in order of arrival.
        self._producers: deque[Waiter] = deque()
        self._watchers: list[Waiter] = []
        # The number of items of the open batch that the sinks have received.
        self._sinks: list[ChunkSink] = []
        self._sunk = 0
        self._is_sink_due = False
        # Used by the reader alone; `_owes_turn` after a `get` that did not wait, and so let no other task run.
        self._reader_thread = 0
        self._owes_turn = False
        # Reused, because a new one costs 0.2 us. But a gevent lock may wake its waiter long after its release.
        self._idle_waiter: ThreadWaiter | None = None
        self._is_gevent = is_gevent()

    # --- the producers' end ---

    def add_producer_loops(self, *loops: asyncio.AbstractEventLoop) -> None:
        """Name the run's own loops. Producers on any other loop block from now on, as producers in a thread do."""
        self._producer_loops = (*(self._producer_loops or ()), *loops)

    def put(self, item: T, weight: int = 1, may_block: bool = True) -> None:
        """Append an item. A worker thread blocks while the channel is full; a coroutine never does.

        Args:
            item: the item to send.
            weight: the slots that it takes; a long text takes several.
            may_block: False while the caller holds a lock that a coroutine may want; see `wait_for_capacity`.
        """
        try:
            with self._lock:
                if self.capacity > 0:
                    self.open_batch.append(item)  # type: ignore[union-attr]
                    self.capacity -= weight
                    return
                if self.open_batch is None and not (self.has_ended or self._is_detached or self.is_refusing):
                    # Inlined from `_append`, as the usual case of a reader that waits.
                    self._sunk = self._lent = 0
                    self.open_batch = [item]
                    self.capacity = self._batch_size - weight
                    must_wait, accepted = False, True
                else:
                    must_wait = may_block and self.open_batch is not None and self._must_wait()
                    accepted = must_wait or self._append(item, weight)
            if must_wait:
                accepted = self._wait_while_full(item, weight)
            reader = self._reader
            if accepted and type(reader) is ThreadWaiter:
                reader.wake()
            elif not accepted:
                self._on_closed()
            elif self._is_detached:
                self._process(self._sinks)
            elif reader is not None and not self._wake_reader():
                self._on_reader_lost()
        except BaseException:
            self._wake_reader()
            raise

    def put_pending(self, item: PendingItem, weight: int) -> None:
        """Append an item that may be extended as long as `is_newest` holds. Never blocks."""
        self.carries_pending = True
        self.put(item, weight, may_block=False)  # type: ignore[arg-type]

    def is_newest(self, item: object) -> bool:
        """Return whether an item waits, with none behind it, in a batch that has capacity.

        Does not take the lock: the reader may take the item right after, and resolves it only then.
        """
        batch = self.open_batch
        return batch is not None and batch[-1] is item and self.capacity > 0

    def add_weight(self, weight: int) -> None:
        """Add to the weight of the newest batch, whose items have grown by this many slots."""
        with self._lock:
            self.capacity -= weight

    def check_open(self) -> None:
        """Call `on_closed`, as `put` would, if the channel has ended."""
        if self.has_ended or self.is_refusing:
            self._on_closed()

    def wait_for_capacity(self) -> None:
        """Block a worker thread while the channel is full; return at once in a coroutine."""
        # Checked without the lock, for speed: a stale result admits one more item, or is corrected under the lock.
        if self.capacity <= 0 and self._is_full():
            self._wait_while_full(None, 0)
            # This caller may put nothing, so it passes the wake-up on: only an item that is put leads to the next one.
            if self.open_batch is None:
                self._pass_on(None)

    async def drain(self) -> None:
        """Wait in a coroutine, on any loop, while the channel is full."""
        while self._is_full():
            waiter = LoopWaiter()
            try:
                with self._lock:
                    if not self._is_full():
                        return
                    self._enqueue(waiter)
                await waiter.wait()
            except asyncio.CancelledError:
                self._pass_on(waiter)
                raise
            self._pass_on(None)
        if self.has_ended:
            # No wait is needed any more, but a callback in a loop must still receive its cancellation here.
            await asyncio.sleep(0)

    def finish(self, last: T | None = None) -> None:
        """End the channel: the reader gets all waiting items, then `last` if given, then the end. Idempotent."""
        with self._lock:
            if last is not None and not self.has_ended:
                self._append(last, 1)
            sinks = self._end()
        self._process(sinks)

    def close(self) -> None:
        """End the channel after a disconnect: drop the waiting items and wake every waiter. Idempotent."""
        with self._lock:
            # Dropped after the lock is released, because destructors of the items may run user code.
            dropped = self._queue, self.open_batch
            sinks = self._end()
            self._queue = self.open_batch = None
        del dropped
        self._process(sinks)

    def detach(self) -> None:
        """Continue without a reader: from now on only the sinks receive items, and no producer waits. Idempotent."""
        if self._most_batches == float("inf"):
            return
        with self._lock:
            dropped = self._queue, self.open_batch
            self._write_to_sinks()
            self._is_detached = True
            self.capacity = 0
            self._queue = self.open_batch = None
            self._wake_producers(len(self._producers))
        del dropped
        self._process(self._sinks)

    # --- the reader's end ---

    async def get(self) -> list[T] | None:
        """Wait in a coroutine for the next batch; `[]` after `wake_reader`, None at the end."""
        if self._owes_turn:
            # Yield to the loop, or a fast producer would starve its other tasks.
            self._owes_turn = False
            await asyncio.sleep(0)
        self._owes_turn = True
        self._reader_thread = threading.get_ident()
        while True:
            with self._lock:
                if self.open_batch is not None or self.has_ended or self._is_woken:
                    self._is_woken = False
                    self._reader = None
                    batch = self._take()
                    break
                waiter: asyncio.Future[None] = asyncio.Future()
                self._reader = waiter
            self._owes_turn = False
            await waiter
        return self._finished(batch) if self.carries_pending or self._is_sink_due else batch

    def get_sync(self, timeout: float | None = None) -> list[T] | None:
        """Wait in a thread for the next batch; `[]` after `timeout` seconds, None at the end."""
        self._reader_thread = threading.get_ident()
        while True:
            with self._lock:
                if self.open_batch is not None or self.has_ended:
                    self._reader = None
                    batch = self._take()
                    break
                self._reader = waiter = self._idle_waiter or ThreadWaiter()
                self._idle_waiter = None
            if not waiter.wait(timeout):
                # The waiter stays registered: a late wake-up is harmless, and the next wait replaces it.
                return []
            if not self._is_gevent:
                self._idle_waiter = waiter
        return self._finished(batch) if self.carries_pending or self._is_sink_due else batch

    def start_taking(self, reader: Waiter) -> None:
        """Have the items read by `take` alone: the reader is woken for each new batch; no producer waits for it."""
        self._reader, self._most_batches = reader, float("inf")

    def take(self) -> list[T] | None:
        """Return the next batch without waiting: `[]` when none waits, None at the end. One thread at a time."""
        with self._lock:
            batch = self._take()
        return self._finished(batch) if self.carries_pending or self._is_sink_due else batch

    def wake_reader(self) -> None:
        """Make a waiting `get` return `[]`, for example for a heartbeat."""
        with self._lock:
            self._is_woken = True
            self._wake_reader()

    # --- recording and introspection ---

    def add_sink(self, sink: ChunkSink) -> None:
        """Add a sink, which receives every item. Call it before the first `put`."""
        self._sinks.append(sink)

    def flush_sinks(self) -> None:
        """Write the items of the open batch to the sinks at once."""
        with self._lock:
            self._write_to_sinks()

    @property
    def waiting(self) -> int:
        """Return how many items wait for the reader."""
        with self._lock:
            batches = self._queue.batches if self._queue is not None else ()
            return sum(map(len, batches)) + len(self.open_batch or ())

    @property
    def is_blocking(self) -> bool:
        """Return whether a producer waits for capacity."""
        return self._is_full() and bool(self._producers)

    def watch(self, watcher: Waiter) -> None:
        """Wake a waiter, once, when a producer waits for capacity, or when the channel has ended."""
        with self._lock:
            self._watchers.append(watcher)
            if self.is_blocking or self.has_ended:
                self._wake_watchers()

    # --- with the lock held ---

    def _is_full(self) -> bool:
        if self.capacity > self._lent or self.open_batch is None or self.has_ended:
            return False
        return (0 if self._queue is None else len(self._queue.batches)) >= self._most_batches - 1

    def _must_wait(self) -> bool:
        # The reader's own thread would wait for itself.
        if not self._is_full() or threading.get_ident() == self._reader_thread:
            return False
        loop, own = running_loop(), self._producer_loops
        return loop is None or (own is not None and loop not in own)

    def _enqueue(self, waiter: Waiter) -> None:
        """Let a producer wait for capacity."""
        self._producers.append(waiter)
        self._wake_watchers()

    def _append(self, item: T, weight: int) -> bool:
        """Append to the open batch or open a new one; return False after the end."""
        if self.has_ended or self.is_refusing:
            return False
        if self._is_detached:
            for sink in self._sinks:
                if sink.write([item]):
                    self._is_sink_due = True
            return True
        if self.open_batch is not None:
            is_overfull = self.capacity <= 0 and self._is_full()
            if is_overfull:
                # A producer that must not block borrows a whole batch: to do so for each item would double its cost.
                self._lent += self._batch_size
                self.capacity += self._batch_size
            if is_overfull or self.capacity > 0:
                self.open_batch.append(item)
                self.capacity -= weight
                return True
            self._queue_open_batch()
        self._sunk = self._lent = 0
        self.open_batch = [item]
        self.capacity = self._batch_size - weight
        return True

    def _queue_open_batch(self) -> None:
        assert self.open_batch is not None
        self._write_to_sinks()
        if self._queue is None:
            self._queue = _BatchQueue(0)
        batches = self._queue.batches
        # An earlier call that was interrupted here may have queued it.
        if not batches or batches[-1] is not self.open_batch:
            batches.append(self.open_batch)

    def _take(self) -> list[Any] | None:
        """Return the oldest batch, `[]` when none waits, None at the end."""
        if self._producers:
            self._wake_producers(self._batch_size)
        batch = self._queue.batches.popleft() if self._queue is not None and self._queue.batches else None
        if batch is None or batch is self.open_batch:
            if self.open_batch is None:
                return None if self.has_ended else []
            self._write_to_sinks()
            batch = self.open_batch
            self.capacity = 0
            self.open_batch = None
        return batch

    def _end(self) -> list[ChunkSink]:
        """End the channel; return the sinks, which receive no more items."""
        self._wake_reader()
        self.has_ended = True
        # The open batch is still read, but accepts no more items.
        self.capacity = 0
        self._wake_producers(len(self._producers))
        self._wake_watchers()
        self._write_to_sinks()
        sinks, self._sinks = self._sinks, []
        return sinks

    def _write_to_sinks(self) -> None:
        if self._sinks and self.open_batch is not None:
            items = self.open_batch[self._sunk :] if self._sunk else self.open_batch
            self._sunk = len(self.open_batch)
            for sink in self._sinks:
                if sink.write(items):
                    self._is_sink_due = True

    def _wake_producers(self, count: int) -> None:
        # One for each free slot. A coroutine whose loop is closed uses none.
        while self._producers and count > 0:
            if self._producers[0].wake():
                count -= 1
            self._producers.popleft()

    def _wake_watchers(self) -> None:
        while self._watchers:
            self._watchers[-1].wake()
            self._watchers.pop()

    # --- without the lock ---

    def _wake_reader(self) -> bool:
        """Wake the reader if it waits: directly in its own thread. Return False if its loop is closed."""
        # It stays registered until it runs, so that an interrupted call can be repeated.
        reader = self._reader
        if reader is None:
            return True
        if not isinstance(reader, asyncio.Future):
            return reader.wake()
        try:
            if threading.get_ident() == self._reader_thread:
                if not reader.done():
                    reader.set_result(None)
                    return True
            elif reader is not self._woken_reader:
                reader.get_loop().call_soon_threadsafe(resolve, reader)
                # Once each: it costs a system call, during which the reader takes a batch that is not full.
                self._woken_reader = reader
                return True
            return not reader.get_loop().is_closed()
        except RuntimeError:
            return False

    def _wait_while_full(self, item: T | None, weight: int) -> bool:
        """Block while the channel is full, then append an item if there is one, as `_append` does."""
        waiter = ThreadWaiter()
        try:
            while True:
                with self._lock:
                    if not self._must_wait():
                        return item is None or self._append(item, weight)
                    self._enqueue(waiter)
                waiter.wait()
        except BaseException:
            self._pass_on(waiter)
            raise

    def _pass_on(self, waiter: Waiter | None) -> None:
        """Wake the next producer in place of one that does not use the free capacity."""
        with self._lock:
            if waiter in self._producers:
                self._producers.remove(waiter)  # type: ignore[arg-type]
            elif not self._is_full():
                self._wake_producers(1)

    def _process(self, sinks: list[ChunkSink]) -> None:
        if self._is_sink_due:
            # Cleared first: a concurrent write sets it again.
            self._is_sink_due = False
            for sink in sinks:
                sink.process()

    def _finished(self, batch: list[Any] | None) -> list[Any] | None:
        """Resolve the pending items of a batch; let the sinks work."""
        self._process(self._sinks)
        if batch and self.carries_pending:
            return [item.resolve() if isinstance(item, PendingItem) else item for item in batch]
        return batch
