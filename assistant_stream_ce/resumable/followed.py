"""`FollowedStream`: the handle of one follower, read like an `AssistantStream`; leaving it does not cancel the run."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import threading
import time
from typing import Any, NamedTuple

from assistant_stream_ce.cancellation import Cancellation
from assistant_stream_ce.chunks import AssistantStreamChunk, ErrorChunk, UpdateStateChunk
from assistant_stream_ce.concurrency.waiters import (
    OneShotEvent,
    ThreadWaiter,
    Waiter,
    require_loop,
    resolve,
    running_loop,
)
from assistant_stream_ce.create_run import AssistantStream
from assistant_stream_ce.errors import RunFailedError, StreamUsageError
from assistant_stream_ce.jsonvalue import JSON, clone
from assistant_stream_ce.message import AssistantMessage
from assistant_stream_ce.message.accumulator import MessageAccumulator
from assistant_stream_ce.resumable.log import INTERRUPTED, Log, RemoteLog
from assistant_stream_ce.resumable.records import StreamState
from assistant_stream_ce.run.drivers import ContextFactory
from assistant_stream_ce.run.recorder import StreamHeader

# The most chunks of one read, so that a long replay does not block an event loop.
_MOST_CHUNKS = 1024

# Seconds for which a live stream may lack the chunks that its follower has read in the producer's process.
_STORE_LAG = 2.0


class _TaskWaiter:
    """A `LoopWaiter` that can wait again: for the many waits of one task."""

    __slots__ = ("_future", "_thread", "loop")

    def __init__(self) -> None:
        self.loop = require_loop()
        self._thread = threading.get_ident()
        self._future: asyncio.Future[None] = self.loop.create_future()

    def rearm(self) -> asyncio.Future[None]:
        """Return a future for the next wait, in the task's loop."""
        self._future = future = self.loop.create_future()
        return future

    def wake(self) -> bool:
        """Wake the task; see `Waiter`."""
        try:
            if threading.get_ident() != self._thread:
                self.loop.call_soon_threadsafe(resolve, self._future)
            elif not self._future.done():
                self._future.set_result(None)
        except RuntimeError:
            # The loop is closed.
            return False
        return True


class LogReader:
    """Position in a log, with the reader's end of a `Channel`. For one thread or task at a time."""

    def __init__(self, log: Log, position: int) -> None:
        self._log = log
        self.position: int = position
        self._is_closed = False
        self._is_woken = False
        self._owes_turn = False
        self._waiter: Waiter | None = None
        self._task_waiter: _TaskWaiter | None = None

    @property
    def has_ended(self) -> bool:
        """Return whether there is nothing more to read."""
        return self._is_closed or (self._log.terminal is not None and self.position >= len(self._log.chunks))

    async def get(self) -> list[AssistantStreamChunk] | None:
        """Wait in a coroutine for the next chunks; `[]` after `wake_reader`, None at the end."""
        if self._owes_turn:
            # Yield to the loop, or a fast producer would starve its other tasks.
            self._owes_turn = False
            await asyncio.sleep(0)
        self._owes_turn = True
        while not self._is_closed:
            if self._is_woken:
                self._is_woken = False
                return []
            waiter = self._task_waiter
            if waiter is None or waiter.loop is not running_loop():
                waiter = self._task_waiter = _TaskWaiter()
            self._waiter = waiter
            future = waiter.rearm()
            if self._log.add_waiter(waiter, self.position):
                self._owes_turn = False
                try:
                    if not self._is_closed:
                        await future
                except BaseException:
                    self._log.remove_waiter(waiter)
                    raise
                if self._is_woken:
                    self._log.remove_waiter(waiter)
            batch = self._take()
            if batch is None or batch:
                return batch
        return None

    def get_sync(self, timeout: float | None = None) -> list[AssistantStreamChunk] | None:
        """Wait in a thread for the next chunks; `[]` after `timeout` seconds, None at the end."""
        while not self._is_closed:
            self._waiter = waiter = ThreadWaiter()
            if self._log.add_waiter(waiter, self.position):
                try:
                    if not self._is_closed and not waiter.wait(timeout):
                        return []
                finally:
                    self._log.remove_waiter(waiter)
            batch = self._take()
            if batch is None or batch:
                return batch
        return None

    def wake_reader(self) -> None:
        """Make a waiting `get` return `[]`, for example for a heartbeat."""
        self._is_woken = True
        if self._waiter is not None:
            self._waiter.wake()

    def close(self) -> None:
        """Read no more: a waiting read returns None."""
        self._is_closed = True
        if self._waiter is not None:
            self._waiter.wake()

    def _take(self) -> list[AssistantStreamChunk] | None:
        """Return the next chunks, `[]` when none are there, None at the end."""
        if self._is_closed:
            return None
        log = self._log
        log.refresh()
        # Read before the chunks: the last one is there before it is set.
        terminal = log.terminal
        batch = log.chunks[self.position : self.position + _MOST_CHUNKS]
        self.position += len(batch)
        return None if not batch and terminal is not None else batch


class _Report:
    """What a follower raises at the end."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._was_raised = False

    @property
    def error(self) -> BaseException | None:
        terminal = self._log.terminal
        if terminal is None or self._was_raised:
            return None
        if self._log.error is not None:
            return self._log.error
        if terminal.state in ("failed", "interrupted"):
            return RunFailedError(terminal.error or INTERRUPTED)
        return None

    @error.setter
    def error(self, error: None) -> None:
        self._was_raised = True

    @property
    def error_chunk(self) -> AssistantStreamChunk | None:
        last = self._log.chunks[-1:]
        return last[0] if last and isinstance(last[0], ErrorChunk) else None

    def raise_error(self) -> None:
        """Raise the exception for the reader, once."""
        error = self.error
        self._was_raised = True
        try:
            if error is not None:
                raise error
        finally:
            # Its traceback refers to this frame: avoid a cycle.
            del error


class _Context(NamedTuple):
    channel: LogReader
    cancellation: Cancellation


class _NoHooks:
    cancel_callbacks_done = None


class _Following:
    """What a stream and its readers need of a run, for a run that somebody else drives.

    Its end is that the follower has left, or has read everything.
    """

    lost_reader_policy = "continue"
    close_seconds = 0.0
    deadline = 0.0
    creator = None
    is_cancelled = False
    hooks = _NoHooks()
    logs_errors = True

    def __init__(self, log: Log, position: int) -> None:
        self.log = log
        self.channel = LogReader(log, position)
        self.run_context = _Context(self.channel, Cancellation())
        self.report = _Report(log)
        self.ended = OneShotEvent()
        self.was_cancelled_by_parent = False

    @property
    def needs_reader(self) -> bool:
        """Whether somebody is to know that the follower leaves."""
        return not self.ended.is_set() and self.log.terminal is None

    def start(self, loop: object) -> None:
        """Do nothing: the run has started."""

    def adopt(self, child: Any) -> None:
        """Do nothing: no callback runs here."""

    def on_reader_lost(self) -> None:
        """Leave."""
        if self.ended.set():
            self.channel.close()
            self.log.leave()

    def cancel_with_parent(self) -> None:
        """Leave, because the run that reads the stream was cancelled."""
        self.was_cancelled_by_parent = True
        self.on_reader_lost()

    def cancel(self) -> None:
        """Leave."""
        self.on_reader_lost()

    def abandon_later(self) -> None:
        """Do nothing: no callback is left behind."""


class FollowedStream(AssistantStream):
    """A running or ended stream of `ResumableStreams`, read like the `AssistantStream` that `create_run` returns.

    Every follower reads all chunks, or those behind its cursor, at its own pace. Closing it, dropping it or losing its
    client is leaving: the run goes on. At the end it raises what the callback raised, in the process of the callback,
    and `RunFailedError` in others and where the run was interrupted; nothing where it was stopped.
    """

    __slots__ = ("_after", "_following", "_is_producer")

    def __init__(self, log: Log, after: int, *, is_producer: bool) -> None:
        self._following = _Following(log, after)
        self._after = after
        self._is_producer = is_producer
        super().__init__(self._following)  # type: ignore[arg-type]

    @property
    def stream_id(self) -> str:
        """The id, with which other requests and processes follow and stop the stream."""
        return self._following.log.key.stream_id

    @property
    def is_producer(self) -> bool:
        """Whether this call of `start` has begun the run; False for every other follower."""
        return self._is_producer

    @property
    def message_id(self) -> str:
        """The id of the message, the same for each follower."""
        return self._following.log.header.message_id

    @property
    def header(self) -> StreamHeader:
        """The ids and the time that encoders write, the same for each follower."""
        header = self._following.log.header
        return StreamHeader(
            header.message_id, header.is_continued, header.run_id, header.thread_id, int(header.created)
        )

    @property
    def initial_state(self) -> JSON:
        """A plain copy of the state with which the run began."""
        return clone(self._following.log.header.state)

    @property
    def skipped(self) -> list[AssistantStreamChunk]:
        """The chunks before the cursor, which this follower does not read."""
        return self._following.log.chunks[: self._after]

    def response_headers(self, encoder: Any) -> dict[str, str]:
        """Return the headers that a response of this stream has besides the encoder's.

        assistant-ui finds the stream again by the first, and shows a replay as such up to the length in the second.

        Args:
            encoder: the encoder of the response, with which nothing was encoded that the client gets.
        """
        headers = {"x-resumable-stream-id": self.stream_id}
        if not self._is_producer:
            headers["aui-replay-content-length"] = str(self._replay_length(copy.deepcopy(encoder)))
        return headers

    def _replay_length(self, encoder: Any) -> int:
        log = self._following.log
        log.refresh()
        frames: list[bytes] = []
        has_ended = log.terminal is not None
        encoder.encode_all(log.chunks[self._after :], frames)
        if has_ended:
            frames += (encoder.interrupt() if self.was_interrupted else b"", encoder.finish())
        return sum(map(len, frames))

    @property
    def is_cancelled(self) -> bool:
        """Whether the run was stopped or interrupted."""
        return self._following.log.state in ("stopped", "interrupted")

    @property
    def was_interrupted(self) -> bool:
        """Whether the run was stopped or interrupted: encoders then end their format as an interrupted answer."""
        return self.is_cancelled

    @property
    def message(self) -> AssistantMessage:
        """The output so far as a message, whatever was read; after the end of the stream, the whole one.

        Raises:
            StreamUsageError: the run was created with `keep_message=False`, in this process.
        """
        log = self._following.log
        log.refresh()
        message = log.message()
        if message is None:
            raise StreamUsageError("the message of this run is not kept: call create_run without keep_message=False")
        return message

    @property
    def state(self) -> JSON:
        """A plain copy of the state as far as the stream was read."""
        log = self._following.log
        accumulator = MessageAccumulator(state=log.header.state)
        read = log.chunks[: self._following.channel.position]
        accumulator.extend(chunk for chunk in read if type(chunk) is UpdateStateChunk)
        return clone(accumulator.message.state)

    @property
    def reason(self) -> StreamState | None:  # type: ignore[override]
        """How the run ended, in the words of `StreamStatus.state`; None while it has not."""
        terminal = self._following.log.terminal
        return None if terminal is None else terminal.state

    def cancel(self) -> None:
        """Leave, like `close`; `ResumableStreams.stop` cancels the run."""
        self._following.on_reader_lost()

    def bind(self, factory: ContextFactory | None = None) -> contextvars.Context:
        """Return the context of this call: the callback has begun already, in the context of `start`.

        Args:
            factory: not used, for the same reason.
        """
        return contextvars.copy_context()


def followed_behind(log: Log, after: int, *, may_wait: bool) -> FollowedStream | None:
    """Return a follower behind a cursor, of a log that was joined.

    Args:
        log: the log.
        after: the number of chunks to skip.
        may_wait: whether to wait, blocking, for chunks that the cursor has seen but the store has not got yet.
    """
    log.refresh()
    if may_wait and isinstance(log, RemoteLog):
        _wait_for_chunks(log, after)
    count = len(log.chunks)
    if after > count:
        after = 0
    if after and after == count and log.terminal is not None:
        log.leave()
        return None
    return FollowedStream(log, after, is_producer=False)


def _wait_for_chunks(log: RemoteLog, count: int) -> None:
    deadline = time.monotonic() + _STORE_LAG
    while (found := len(log.chunks)) < count and log.terminal is None and (left := deadline - time.monotonic()) > 0:
        waiter = ThreadWaiter()
        if log.add_waiter(waiter, found):
            waiter.wait(left)
            log.remove_waiter(waiter)
