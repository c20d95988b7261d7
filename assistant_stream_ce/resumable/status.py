"""What `ResumableStreams.status` returns."""

from __future__ import annotations

import datetime

import msgspec

from assistant_stream_ce.jsonvalue import JSON, clone
from assistant_stream_ce.message import AssistantMessage
from assistant_stream_ce.resumable.records import Header, StreamState
from assistant_stream_ce.resumable.store import StreamKey


class StreamStatus(msgspec.Struct, frozen=True):
    """What is known of a stream.

    Attributes:
        state: "running", or how it ended: "completed", "failed", "stopped" (by `stop`, or because nobody followed it),
            "interrupted" (its process was killed, or has ended).
        stream_id: its id.
        message_id: the id of its message.
        message: the message, once the stream has ended; None before, or if the run keeps none.
        initial_state: the state with which the run began.
        chunks: the number of chunks so far.
        started_at: when the run began.
    """

    state: StreamState
    stream_id: str
    message_id: str
    message: AssistantMessage | None
    initial_state: JSON
    chunks: int
    started_at: datetime.datetime

    @classmethod
    def of(
        cls, key: StreamKey, header: Header, state: StreamState, chunks: int, message: AssistantMessage | None
    ) -> StreamStatus:
        """Return the status of a stream."""
        started = datetime.datetime.fromtimestamp(header.created, datetime.UTC)
        return cls(state, key.stream_id, header.message_id, message, clone(header.state), chunks, started)
