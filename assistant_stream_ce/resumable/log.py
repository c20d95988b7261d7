"""The chunks of one stream in this process: one writer, many readers by index.

A follower holds a position and no queue, so a slow one costs nothing. A `LocalLog` takes the batches of a run's channel
when a follower or the engine asks for them; a `RemoteLog` gets the entries of a stream that another process produces.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from assistant_stream_ce.chunks import AssistantStreamChunk, ErrorChunk, TextDeltaChunk
from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.concurrency.waiters import OneShotEvent, Waiter
from assistant_stream_ce.message import AssistantMessage
from assistant_stream_ce.message.accumulator import MessageAccumulator
from assistant_stream_ce.resumable.records import Entry, Header, StreamState, Summary, Terminal, decode, encode
from assistant_stream_ce.resumable.store import StreamKey, ThreadKey
from assistant_stream_ce.run.run import Run

INTERRUPTED = "The answer was interrupted."

#: The end of a stream whose producer is gone, or whose chunks are.
LOST = Terminal("interrupted", INTERRUPTED, adds_error=True)

#: The end of a log that was deleted before its followers had read its own.
DELETED = Terminal("stopped")

_STATES: dict[str | None, StreamState] = {"completed": "completed", "failed": "failed"}


class Log:
    """The log of a stream. Thread-safe."""

    def __init__(self, key: StreamKey, header: Header) -> None:
        self.key = key
        self.header = header
        #: Only ever extended, except at the end by the chunk of `Terminal.adds_error`.
        self.chunks: list[AssistantStreamChunk] = []
        #: The number of chunks that are stored: those that `Terminal.adds_error` adds do not count.
        self.count: int = 0
        #: Set once, after the last chunk.
        self.terminal: Terminal | None = None
        #: The exception of the callback, in its process.
        self.error: BaseException | None = None
        #: Set with `terminal`.
        self.ended: OneShotEvent = OneShotEvent()
        # Guards the next three.
        self._lock = new_lock()
        self._is_ending = False
        self._waiters: dict[Waiter, None] = {}
        self.followers: int = 0

    @property
    def thread(self) -> ThreadKey | None:
        """The pointer of its conversation."""
        return None if self.header.thread is None else ThreadKey(self.key.owner, self.header.thread)

    @property
    def state(self) -> StreamState:
        """How the stream is, or has ended."""
        return "running" if self.terminal is None else self.terminal.state

    def refresh(self) -> None:
        """Take what the producer has sent."""

    def is_ready(self, position: int) -> bool:
        """Return whether a reader at a position has something to read, or to take."""
        return len(self.chunks) > position or self.terminal is not None

    def add_waiter(self, waiter: Waiter, position: int) -> bool:
        """Have a waiter woken when there is something behind a position; return False if there is already."""
        with self._lock:
            if self.is_ready(position):
                return False
            self._waiters[waiter] = None
            return True

    def remove_waiter(self, waiter: Waiter) -> None:
        """Forget a waiter."""
        with self._lock:
            self._waiters.pop(waiter, None)

    def wake_followers(self) -> bool:
        """Wake all waiters; return whether there were any."""
        if not self._waiters:
            return False
        with self._lock:
            found = bool(self._waiters)
            # They are removed only after they were woken, so that an interrupted call can be repeated.
            for waiter in self._waiters:
                waiter.wake()
            self._waiters.clear()
        return found

    def join(self) -> None:
        """Count a follower."""
        with self._lock:
            self.followers += 1

    def leave(self) -> None:
        """Count a follower that has left."""
        with self._lock:
            self.followers -= 1
            is_last = not self.followers
        if is_last:
            self.on_last_left()

    def on_last_left(self) -> None:
        """Handle that nobody in this process follows the stream."""

    def end(self, terminal: Terminal, error: BaseException | None = None) -> None:
        """End the log. Idempotent."""
        with self._lock:
            is_first, self._is_ending = not self._is_ending, True
        if is_first:
            if terminal.adds_error:
                self.chunks.append(ErrorChunk(terminal.error or INTERRUPTED))
            self.error = error
            self.terminal = terminal
            self.ended.set()
            self.wake_followers()

    def message(self) -> AssistantMessage | None:
        """Return the message so far."""
        accumulator = MessageAccumulator(state=self.header.state)
        terminal = self.terminal
        accumulator.extend(self.chunks[:])
        if terminal is not None:
            accumulator.finish(is_cancelled=terminal.state in ("stopped", "interrupted"))
        return with_id(accumulator.message, self.header.message_id)

    def summary(self) -> Summary:
        """Return what is kept of the ended stream."""
        assert self.terminal is not None
        return Summary(self.header, self.terminal, self.count, self.message())


class RemoteLog(Log):
    """The log of a stream that another process, or another engine, produces.

    Args:
        key: the stream.
        header: its header.
        on_unfollowed: called when the last follower has left.
    """

    def __init__(self, key: StreamKey, header: Header, on_unfollowed: Callable[[RemoteLog], object]) -> None:
        super().__init__(key, header)
        self._on_unfollowed = on_unfollowed

    def on_last_left(self) -> None:
        """Handle that nobody in this process follows the stream."""
        self._on_unfollowed(self)

    def extend(self, entries: Sequence[Entry]) -> bool:
        """Append entries; return False at a gap, before which everything was appended.

        Raises:
            ValueError: an entry has chunks that this version does not know.
        """
        for entry in entries:
            if entry.before > self.count:
                return False
            if entry.last > self.count:
                self.chunks.extend(entry.chunks[self.count - entry.before :])
                self.count: int = entry.last
        self.wake_followers()
        return True

    def end_as_stored(self, data: bytes) -> None:
        """End the log as its terminal entry has it; as interrupted if chunks before it were lost.

        Raises:
            ValueError: it is not a terminal entry.
        """
        terminal = decode(data, Terminal)
        self.end(terminal if self.count >= terminal.count else LOST)


class _OnEnd:
    """Waiter for the end of a run."""

    def __init__(self, log: LocalLog) -> None:
        self._log = log

    def wake(self) -> bool:
        """Report the end of the run to its log."""
        self._log.has_run_ended = True
        return self._log.wake()


class LocalLog(Log):
    """The log of a stream whose run is in this process, and what of it is not stored yet. A `Waiter` of the channel.

    Args:
        key: the stream.
        header: its header.
        run: the run, not started.
        max_bytes: the most bytes of its entries.
        on_news: called when there may be something to store. It must not block.
        encodes: whether entries are encoded at once; else their size is estimated.
    """

    def __init__(
        self,
        key: StreamKey,
        header: Header,
        run: Run,
        max_bytes: int,
        on_news: Callable[[LocalLog], object],
        *,
        encodes: bool,
    ) -> None:
        super().__init__(key, header)
        self.run = run
        self._max_bytes = max_bytes
        self._on_news = on_news
        self._encodes = encodes
        self._channel = run.run_context.channel
        # Guards what is taken and made into entries. Held while state updates are resolved, so a producer that holds
        # the lock of its state never waits for it.
        self.taking: threading.Lock = new_lock()
        self.has_run_ended: bool = False
        #: How the stream ends if its run is cancelled.
        self.cancelled_state: StreamState = "interrupted"
        #: Whether its entries are stored; False once it has lost its store.
        self.is_stored: bool = True
        self.needs_reseed = False
        #: Entries that are not stored, the oldest first: never changed, because an attempt may have stored them.
        self.waiting: deque[Entry] = deque()
        self.waiting_bytes: int = 0
        self.bytes: int = 0
        self.made: int = 0
        self._lasts = array("Q")
        #: Set when its end is stored, or never will be.
        self.settled: OneShotEvent = OneShotEvent()
        #: The number of the run in its engine.
        self.number: int = 0
        #: Whether another engine of this process reads it from the store.
        self.is_shared: bool = False
        #: Whether the writer has it among the streams to look at.
        self.is_marked: bool = False
        #: Whether followers elsewhere have yet to be notified that it is not resumable any more.
        self.owes_end: bool = False
        #: Seconds without followers after which the run is cancelled; None for never. And the time at which it is.
        self.leave_seconds: float | None = None
        self.leave_at: float | None = None
        #: Called when `leave_at` has been set.
        self.on_unfollowed: Callable[[], object] = lambda: None
        #: Called with `taking` held when there are new chunks or the end; for a store that never blocks.
        self.on_taken: Callable[[LocalLog], object] | None = None
        # Also of one that is cancelled before its start.
        if not run.ended.add(_OnEnd(self)):
            self.has_run_ended = True

    # --- the producer's end ---

    def wake(self) -> bool:
        """Notice a new batch, or the end. Called by producers, perhaps with the lock of the state held."""
        if not self.wake_followers() or self.on_taken is None or self.has_run_ended:
            self._on_news(self)
        return True

    def start(self, loop: Any) -> None:
        """Start the run."""
        self.run.start_detached(loop, self)

    def cancel(self, state: StreamState, last: AssistantStreamChunk | None = None) -> bool:
        """Cancel the run; return whether this call was the first and the run had not ended.

        Args:
            state: how the stream ends.
            last: a last chunk, or None.
        """
        if self.run.is_over() or self.run.is_cancelled:
            return False
        self.cancelled_state = state
        # What was sent before is still read.
        if not self.run.begin_cancel(functools.partial(self._channel.finish, last)):
            return False
        self.run.abandon_later()
        return True

    # --- the readers' end ---

    def is_ready(self, position: int) -> bool:
        """Return whether a reader at a position has something to read, or to take."""
        return self._channel.open_batch is not None or self.has_run_ended or len(self.chunks) > position

    def refresh(self) -> None:
        """Take what the producer has sent."""
        if self.terminal is not None or (self._channel.open_batch is None and not self.has_run_ended):
            return
        with self.taking:
            before = len(self.chunks)
            has_run_ended = self.has_run_ended
            batch = self._channel.take()
            while batch:
                self.chunks.extend(batch)
                batch = self._channel.take() if has_run_ended or self._channel.open_batch is not None else []
            self.count: int = len(self.chunks)
            # Another reader may have begun to wait since the batch was taken.
            self.wake_followers()
            if has_run_ended and batch is None:
                self._end()
            if self.on_taken is not None and (self.count > before or self.terminal is not None):
                self.on_taken(self)

    def _end(self) -> None:
        report = self.run.report
        error, chunk = report.error, report.error_chunk
        state = _STATES.get(report.reason, self.cancelled_state)
        if state == "interrupted" and chunk is None:
            chunk = self.chunks[-1] if self.chunks and isinstance(self.chunks[-1], ErrorChunk) else None
        text = None if chunk is None or state not in ("failed", "interrupted") else chunk.error
        is_raised = state == "failed" or isinstance(error, (SystemExit, KeyboardInterrupt))
        terminal = Terminal(state, text, adds_error=state == "interrupted" and chunk is None, count=self.count)
        self.end(terminal, error if is_raised else None)

    def join(self) -> None:
        """Count a follower."""
        super().join()
        self.leave_at = None

    def on_last_left(self) -> None:
        """Handle that nobody in this process follows the stream."""
        if self.leave_seconds is not None and self.terminal is None:
            self.leave_at = time.monotonic() + self.leave_seconds
            self.on_unfollowed()

    def message(self) -> AssistantMessage | None:
        """Return the message so far; None if the run keeps none."""
        if self.run.recorder is None:
            return None
        return with_id(self.run.recorder.message(), self.header.message_id)

    # --- the store's end ---

    def make_entry(self) -> None:
        """Make an entry of the chunks that are in none, and bound the bytes of the log. With `taking` held.

        Raises:
            TypeError: a chunk cannot be stored.
        """
        last, made = self.count, self.made
        if last == made:
            return
        chunks = self.chunks[made:last]
        if self.is_stored:
            size = self._add_entry(Entry(last, last - made, None, chunks))
        else:
            # The log grows for its local followers.
            size = sum(map(_estimate_any, chunks))
        self.made = last
        self.bytes += size
        if self.bytes > self._max_bytes and not self._channel.is_refusing and not self.run.is_over():
            self._channel.is_refusing = True
            self._channel.capacity = 0

    def _add_entry(self, entry: Entry) -> int:
        if self._encodes:
            size = len(entry.data)
            self.waiting_bytes += size
        else:
            size = sum(map(_estimate, entry.chunks))
        self.waiting.append(entry)
        self._lasts.append(entry.last)
        return size

    def confirm(self) -> int:
        """Drop the oldest waiting entry, which is stored; return its bytes."""
        entry = self.waiting.popleft()
        if not self._encodes:
            return 0
        self.waiting_bytes -= len(entry.data)
        return len(entry.data)

    def entries(self) -> Iterator[Entry]:
        """Return all entries that were made, with the numbers and bytes that they had."""
        before = 0
        for last in self._lasts:
            yield Entry(last, last - before, None, self.chunks[before:last])
            before = last

    def lose_store(self) -> None:
        """Continue for local followers only."""
        self.is_stored = False
        self.waiting.clear()
        self.waiting_bytes = 0


def _estimate(chunk: AssistantStreamChunk) -> int:
    if type(chunk) is TextDeltaChunk:
        return 32 + len(chunk.text_delta)
    return len(encode([chunk]))


def _estimate_any(chunk: AssistantStreamChunk) -> int:
    with contextlib.suppress(TypeError):
        return _estimate(chunk)
    return 0


def with_id(message: AssistantMessage, message_id: str) -> AssistantMessage:
    """Return a message with the id of its stream, unless it has one."""
    if message.id is not None:
        return message

    return msgspec.structs.replace(message, id=message_id)
