"""Recorder of a run's chunks, a channel sink that folds them into the message, and the ids of its output."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from assistant_stream_ce.chunks import UpdateStateChunk
from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.controller.run_context import RunContext
from assistant_stream_ce.errors import StreamUsageError
from assistant_stream_ce.jsonvalue import check_text
from assistant_stream_ce.state.pending import PendingUpdate

if TYPE_CHECKING:
    from assistant_stream_ce.message import AssistantMessage
    from assistant_stream_ce.message.accumulator import MessageAccumulator

#: About how many chunks are kept before they are folded into the message.
FOLD_AFTER = 4096

# Skipped, because the state is taken from the document.
_STATE = frozenset({PendingUpdate, UpdateStateChunk})


class StreamHeader(msgspec.Struct, frozen=True):
    """The ids and times that an encoder writes for a stream, so that all formats and all replays of it agree.

    Attributes:
        message_id: the id of the message.
        is_continued: whether the id was given to `create_run`: the client may have the message already.
        run_id: the id of the run; the encoder generates one if None.
        thread_id: the id of the conversation; the encoder generates one if None.
        created: when the stream was created, in Unix seconds; None if unknown.
    """

    message_id: str
    is_continued: bool = False
    run_id: str | None = None
    thread_id: str | None = None
    created: int | None = None


class MessageId:
    """The id of a run's message: given, or generated on first use, as most formats never need it. Thread-safe.

    Args:
        given: the id; None to generate one.

    Raises:
        TypeError: it is not a str.
        ValueError: it is empty.
    """

    __slots__ = ("_value", "is_given")

    def __init__(self, given: str | None = None) -> None:
        # Its only item is the id: `setdefault` is atomic, so that all threads see the same one.
        self._value: dict[str, str] = {}
        self.is_given: bool = given is not None
        if given is not None:
            self._value["id"] = check_text(given, "message_id")
            if not given:
                raise ValueError("message_id must not be empty: leave it out for a generated one")

    def __str__(self) -> str:
        value = self._value.get("id")
        return self._value.setdefault("id", f"msg_{uuid.uuid4().hex}") if value is None else value


def header_of(source: object) -> StreamHeader | None:
    """Return the header of a stream; None for any other source of chunks."""
    header = getattr(source, "header", None)
    return header if isinstance(header, StreamHeader) else None


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
        message_id: the id of the message.
    """

    __slots__ = ("_accumulator", "_channel", "_chunks", "_is_cancelled", "_lock", "_message_id", "_run_context")

    def __init__(self, run_context: RunContext, message_id: MessageId) -> None:
        self._message_id = message_id
        self._channel = run_context.channel
        self._channel.add_sink(self)
        # Holds the current state, after all edits.
        self._run_context = run_context
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
        return msgspec.structs.replace(message, id=str(self._message_id), state=self._run_context.state.copy())

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
