"""What was said in a run, kept for the message that it adds up to."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from assistant_stream_ce.chunks import AssistantStreamChunk, UpdateStateChunk
from assistant_stream_ce.controller import RunLink
from assistant_stream_ce.errors import StreamUsageError
from assistant_stream_ce.locks import guard

if TYPE_CHECKING:
    from assistant_stream_ce.accumulator import MessageAccumulator
    from assistant_stream_ce.message import AssistantMessage

__all__ = ("FOLD_AFTER", "Recording", "message_of")

#: How many chunks are kept at most as they are, that were read.
FOLD_AFTER = 4096


def message_of(recording: Recording | None) -> AssistantMessage:
    """Return the message of a run.

    Raises:
        StreamUsageError: it is not kept.
    """
    if recording is None:
        raise StreamUsageError("the message of this run is not kept: call create_run without keep_message=False")
    return recording.message()


class Recording:
    """Keeps what was said, and folds it into a message when somebody asks, or when it has become much.

    What is said costs nothing but that its batch is kept. Everything counts that came into the channel, also what the
    reader has not read, and never will. From any thread.

    Args:
        link: of the run, before its start.
    """

    __slots__ = ("_accumulator", "_batches", "_channel", "_document", "_folded", "_is_cancelled", "_lock", "_unfolded")

    def __init__(self, link: RunLink) -> None:
        # Of these only the last one may still grow.
        self._batches: list[list[AssistantStreamChunk]] = []
        self._channel = link.channel
        self._channel.keep = self._batches.append
        # It has the state as all edits have left it.
        self._document = link.state
        # How the run ended.
        self._is_cancelled: bool | None = None
        # Guards the accumulator, and how many chunks of the first batch it has.
        self._lock = guard()
        self._accumulator: MessageAccumulator | None = None
        self._folded = 0
        # How many chunks were read since they were folded for that. The reader's own.
        self._unfolded = 0

    def end(self, *, is_cancelled: bool) -> None:
        """Take note that the callback has ended, and whether its reader had left."""
        self._is_cancelled = is_cancelled

    def note_read(self, count: int) -> None:
        """Take note that the reader has read so many chunks more, and let go of them when they have become many."""
        self._unfolded += count
        if self._unfolded > FOLD_AFTER:
            self._unfolded = 0
            with self._lock:
                self._fold()

    def message(self) -> AssistantMessage:
        """Return the message so far."""
        with self._lock:
            # Before what was said is folded: a run that ends meanwhile would else be told as whole without its last
            # words. And in this order: a channel ends before its callback only where the reader has left.
            has_ended, is_cancelled = self._channel.has_ended, self._is_cancelled
            accumulator = self._fold()
            if is_cancelled is not None or has_ended:
                accumulator.finish(is_cancelled=is_cancelled is not False)
            message = accumulator.message
        return msgspec.structs.replace(message, state=self._document.copy())

    def _fold(self) -> MessageAccumulator:
        if self._accumulator is None:
            # Here, because most programs never ask, and the import takes time.
            from assistant_stream_ce.accumulator import MessageAccumulator

            self._accumulator = MessageAccumulator()
        batches = self._batches[:]
        if batches:
            chunks = list(chain.from_iterable(batches))
            complete = batches[:-1]
            new = [chunk for chunk in chunks[self._folded :] if type(chunk) is not UpdateStateChunk]
            self._folded = len(chunks) - sum(map(len, complete))
            del self._batches[: len(complete)]
            self._accumulator.extend(new)
        return self._accumulator
