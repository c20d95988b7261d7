"""Recorder of a run's chunks, a channel sink that folds them into the message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from assistant_stream_ce.chunks import UpdateStateChunk
from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.controller.run_context import RunContext
from assistant_stream_ce.errors import StreamUsageError
from assistant_stream_ce.state.pending import PendingUpdate

if TYPE_CHECKING:
    from assistant_stream_ce.message import AssistantMessage
    from assistant_stream_ce.message.accumulator import MessageAccumulator

#: About how many chunks are kept before they are folded into the message.
FOLD_AFTER = 4096

# Skipped, because the state is taken from the document.
_STATE = frozenset({PendingUpdate, UpdateStateChunk})


def message_of(recorder: MessageRecorder | None) -> AssistantMessage:
    """Return the message of a run.

    Raises:
        StreamUsageError: the run keeps no message.
    """
    if recorder is None:
        raise StreamUsageError("the message of this run is not kept: call create_run without keep_message=False")
    return recorder.message()


class MessageRecorder:
    """Sink that records the chunks of a run, and folds them into a message on request or when its limit is reached.

    It records every chunk that was put into the channel, read or not. Thread-safe.

    Args:
        run_context: the context of the run, before its start.
    """

    __slots__ = ("_accumulator", "_channel", "_chunks", "_document", "_is_cancelled", "_lock")

    def __init__(self, run_context: RunContext) -> None:
        self._channel = run_context.channel
        self._channel.add_sink(self)
        # Holds the current state, after all edits.
        self._document = run_context.state
        # Whether the run was cancelled; None until it has ended.
        self._is_cancelled: bool | None = None
        # Chunks that are not folded yet. Filled under the channel's lock, emptied under the next one; each operation is
        # atomic. Keeping whole batches would cost 2 us for each chunk on a server with a hundred threads, mostly in
        # the garbage collector.
        self._chunks: list[Any] = []
        # Guards the accumulator.
        self._lock = new_lock()
        self._accumulator: MessageAccumulator | None = None

    def end(self, *, is_cancelled: bool) -> None:
        """Record that the callback has ended, and whether the run was cancelled."""
        self._is_cancelled = is_cancelled

    def write(self, items: list[Any]) -> bool:
        """Keep a batch of chunks; see `ChunkSink`."""
        if self._channel.carries_pending:
            items = [item for item in items if type(item) not in _STATE]
        self._chunks.extend(items)
        return len(self._chunks) > FOLD_AFTER

    def process(self) -> None:
        """Fold the recorded chunks into the message; see `ChunkSink`."""
        with self._lock:
            self._fold()

    def message(self) -> AssistantMessage:
        """Return the message so far."""
        with self._lock:
            # Read before the fold: otherwise a run ending concurrently would be reported complete without its last
            # chunks. In this order, because a channel ends before its callback only after a disconnect.
            has_ended, is_cancelled = self._channel.has_ended, self._is_cancelled
            accumulator = self._fold()
            if is_cancelled is not None or has_ended:
                accumulator.finish(is_cancelled=is_cancelled is not False)
            message = accumulator.message
        return msgspec.structs.replace(message, state=self._document.copy())

    def _fold(self) -> MessageAccumulator:
        if self._accumulator is None:
            # Imported here, because most programs never need it.
            from assistant_stream_ce.message.accumulator import MessageAccumulator

            self._accumulator = MessageAccumulator()
        self._channel.flush_sinks()
        count = len(self._chunks)
        chunks = self._chunks[:count]
        del self._chunks[:count]
        self._accumulator.extend(chunks)
        return self._accumulator
