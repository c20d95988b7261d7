"""`FollowedStream`: the handle of one follower, read like an `AssistantStream`; leaving it does not cancel the run."""

from __future__ import annotations

import contextvars
import copy
import time
from typing import Any, NamedTuple

from assistant_stream_ce.cancellation import Cancellation
from assistant_stream_ce.chunks import AssistantStreamChunk, ErrorChunk, UpdateStateChunk
from assistant_stream_ce.concurrency.waiters import OneShotEvent, ThreadWaiter
from assistant_stream_ce.create_run import AssistantStream
from assistant_stream_ce.errors import RunFailedError, StreamUsageError
from assistant_stream_ce.jsonvalue import JSON, clone
from assistant_stream_ce.message import AssistantMessage
from assistant_stream_ce.message.accumulator import MessageAccumulator
from assistant_stream_ce.resumable.log import INTERRUPTED, Log, RemoteLog
from assistant_stream_ce.resumable.log_reader import LogReader
from assistant_stream_ce.resumable.records import StreamState
from assistant_stream_ce.run.drivers import ContextFactory
from assistant_stream_ce.run.recorder import StreamHeader
from assistant_stream_ce.serialization.cursor import chunks_before

# Seconds for which a live stream may lack the chunks that its follower has read in the producer's process.
_STORE_LAG = 2.0


class _Report:
    """The exception that a follower raises at the end; in place of a run's `Report`."""

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
    """The part of `Run` that a stream and its readers use, for a run that is driven elsewhere.

    It ends when the follower leaves, or has read everything.
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
        """Whether a stream that was dropped must be counted as left."""
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


def followed_behind(log: Log, after: int | str | None, *, may_wait: bool) -> FollowedStream | None:
    """Return a follower behind a cursor, of a log that was joined; it leaves the log if there is none.

    Args:
        log: the log.
        after: the number of chunks to skip, or a cursor.
        may_wait: whether to wait, blocking, for chunks that the cursor has seen but the store has not got yet.
    """
    try:
        before = chunks_before(after, log.header.run_id)
        log.refresh()
        if may_wait and isinstance(log, RemoteLog):
            _wait_for_chunks(log, before)
        count = len(log.chunks)
        if before > count:
            before = 0
        if not (before and before == count and log.terminal is not None):
            return FollowedStream(log, before, is_producer=False)
    except BaseException:
        log.leave()
        raise
    log.leave()
    return None


def _wait_for_chunks(log: RemoteLog, count: int) -> None:
    deadline = time.monotonic() + _STORE_LAG
    while (found := len(log.chunks)) < count and log.terminal is None and (left := deadline - time.monotonic()) > 0:
        waiter = ThreadWaiter()
        if log.add_waiter(waiter, found):
            waiter.wait(left)
            log.remove_waiter(waiter)
