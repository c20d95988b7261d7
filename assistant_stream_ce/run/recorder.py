"""What was said in a run, kept for the message that it adds up to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from assistant_stream_ce.chunks import UpdateStateChunk
from assistant_stream_ce.concurrency.gevent import guard
from assistant_stream_ce.controller.run_controller import RunLink
from assistant_stream_ce.errors import StreamUsageError

if TYPE_CHECKING:
    from assistant_stream_ce.message import AssistantMessage
    from assistant_stream_ce.message.accumulator import MessageAccumulator

__all__ = ("FOLD_AFTER", "Recording", "message_of")

#: About how many chunks are kept as they are.
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

    Everything counts that came into the channel, also what the reader has not read, and never will. From any thread.

    Args:
        link: of the run, before its start.
    """

    __slots__ = ("_accumulator", "_channel", "_document", "_folded", "_is_cancelled", "_lock")

    def __init__(self, link: RunLink) -> None:
        self._channel = link.channel
        self._channel.start_keeping(FOLD_AFTER)
        link.fold = self.fold
        # It has the state as all edits have left it.
        self._document = link.state
        # How the run ended.
        self._is_cancelled: bool | None = None
        # Guards the accumulator, and how many of the chunks that the channel keeps are folded into it already.
        self._lock = guard()
        self._accumulator: MessageAccumulator | None = None
        self._folded = 0

    def end(self, *, is_cancelled: bool) -> None:
        """Take note that the callback has ended, and whether its reader had left."""
        self._is_cancelled = is_cancelled

    def fold(self) -> None:
        """Fold what was said, and let go of it."""
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
            from assistant_stream_ce.message.accumulator import MessageAccumulator

            self._accumulator = MessageAccumulator()
        kept, waiting = self._channel.take_kept()
        chunks = (kept + waiting)[self._folded :]
        self._folded = len(waiting)
        self._accumulator.extend([chunk for chunk in chunks if type(chunk) is not UpdateStateChunk])
        return self._accumulator
