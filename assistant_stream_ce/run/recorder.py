"""Recorder of a run's chunks, which folds them into its message."""

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

#: About how many chunks are kept as they are.
FOLD_AFTER = 4096

# The state is taken from the document.
_STATE = frozenset({PendingUpdate, UpdateStateChunk})


def message_of(recorder: MessageRecorder | None) -> AssistantMessage:
    """Return the message of a run.

    Raises:
        StreamUsageError: it is not kept.
    """
    if recorder is None:
        raise StreamUsageError("the message of this run is not kept: call create_run without keep_message=False")
    return recorder.message()


class MessageRecorder:
    """Sink that records the chunks of a run, and folds them into a message on request, or when they are many.

    Every chunk that was put into the channel counts, read or not. Thread-safe.

    Args:
        link: of the run, before its start.
    """

    __slots__ = ("_accumulator", "_channel", "_chunks", "_document", "_is_cancelled", "_lock")

    def __init__(self, link: RunContext) -> None:
        self._channel = link.channel
        self._channel.add_sink(self)
        # It has the state as all edits have left it.
        self._document = link.state
        # How the run ended.
        self._is_cancelled: bool | None = None
        # What is not folded yet. Filled under the channel's lock, emptied under the next one; each step is atomic.
        # The items alone: to keep the batches would cost 2 us for each chunk on a server with a hundred threads,
        # most of them the garbage collector's.
        self._chunks: list[Any] = []
        # Guards the accumulator.
        self._lock = new_lock()
        self._accumulator: MessageAccumulator | None = None

    def end(self, *, is_cancelled: bool) -> None:
        """Note that the callback has ended, and whether its reader had left."""
        self._is_cancelled = is_cancelled

    def write(self, items: list[Any]) -> bool:
        """Keep a batch of chunks; see `ChunkSink`."""
        self._chunks.extend(items)
        return len(self._chunks) > FOLD_AFTER

    def process(self) -> None:
        """Fold what was kept into the message; see `ChunkSink`."""
        with self._lock:
            self._fold()

    def message(self) -> AssistantMessage:
        """Return the message so far."""
        with self._lock:
            # Before the fold: otherwise a run ending concurrently would be reported complete without its last chunks.
            # And in this order: a channel ends before its callback only where the reader has left.
            has_ended, is_cancelled = self._channel.has_ended, self._is_cancelled
            accumulator = self._fold()
            if is_cancelled is not None or has_ended:
                accumulator.finish(is_cancelled=is_cancelled is not False)
            message = accumulator.message
        return msgspec.structs.replace(message, state=self._document.copy())

    def _fold(self) -> MessageAccumulator:
        if self._accumulator is None:
            # Here, because most programs never need it, and the import takes time.
            from assistant_stream_ce.message.accumulator import MessageAccumulator

            self._accumulator = MessageAccumulator()
        self._channel.flush_sinks()
        count = len(self._chunks)
        chunks = self._chunks[:count]
        del self._chunks[:count]
        self._accumulator.extend([chunk for chunk in chunks if type(chunk) not in _STATE])
        return self._accumulator
