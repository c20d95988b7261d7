"""The status of a stream."""

from __future__ import annotations

import datetime

from assistant_stream_ce.resumable.records import FORMAT, Header
from assistant_stream_ce.resumable.status import StreamStatus
from assistant_stream_ce.resumable.store import StreamKey


def test_it_has_an_aware_time_and_a_copy_of_the_state() -> None:
    header = Header(FORMAT, "r", "w", "m", "i", 1.5, state={"a": []})
    status = StreamStatus.of(StreamKey("_", "x"), header, "running", 3, None)
    assert status.started_at == datetime.datetime(1970, 1, 1, 0, 0, 1, 500_000, datetime.UTC)
    assert (status.state, status.stream_id, status.message_id, status.chunks) == ("running", "x", "m", 3)
    assert status.initial_state == {"a": []}
    assert status.initial_state is not header.state
