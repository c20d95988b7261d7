"""Schemas of AG-UI's events. The real client judges them in tests/conformance/test_strict_decoders.py."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.serialization.ag_ui.schema import check_event
from assistant_stream_ce.serialization.framing import FrameError


@pytest.mark.parametrize(
    "event",
    [
        {"type": "RUN_STARTED", "threadId": "t", "runId": "r"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "a", "timestamp": 1, "unknown": None},
        {"type": "STATE_DELTA", "delta": [{"op": "add", "path": "/a", "value": None}, {"op": "new"}]},
        {"type": "CUSTOM", "name": "n", "value": None},
    ],
)
def test_events_that_the_client_accepts(event: dict[str, Any]) -> None:
    check_event(event["type"], event)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"type": "NEW"}, "its type 'NEW' is unknown"),
        ({"type": "RUN_STARTED", "threadId": "t"}, "runId"),
        ({"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": 5}, "delta"),
        ({"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "a", "timestamp": 0.5}, "timestamp"),
        ({"type": "STATE_DELTA", "delta": [{"op": "remove", "path": "a"}]}, "path"),
        ({"type": "STATE_DELTA", "delta": ["add"]}, "'op'"),
    ],
)
def test_events_at_which_the_client_fails(event: dict[str, Any], message: str) -> None:
    with pytest.raises(FrameError, match=message):
        check_event(event["type"], event)
