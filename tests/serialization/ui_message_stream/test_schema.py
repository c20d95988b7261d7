"""Schemas of the frames of the UI message stream."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.serialization.framing import FrameError
from assistant_stream_ce.serialization.ui_message_stream.schema import check_frame


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("start", {}),
        ("start", {"messageId": "m"}),
        ("text-delta", {"id": "1", "delta": "a"}),
        ("tool-input-start", {"toolCallId": "c", "toolName": "n", "dynamic": True}),
        ("data-anything", {"id": "1", "data": None}),
        ("finish", {"finishReason": "stop"}),
        ("file", {"url": "data:,x", "mediaType": "a/b", "unknown": None}),
    ],
)
def test_frames_that_the_client_accepts(kind: str, fields: dict[str, Any]) -> None:
    check_frame(kind, {"type": kind, **fields})


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("new", {}, "its type 'new' is unknown"),
        ("x" * 1_000, {}, "is unknown"),
        ("text-delta", {"id": "1"}, "delta"),
        ("text-delta", {"id": 1, "delta": "a"}, "id"),
        ("start", {"messageId": None}, "messageId"),
        ("finish", {"finishReason": "unknown"}, "finishReason"),
        ("data-x", {"transient": "yes"}, "transient"),
    ],
)
def test_frames_at_which_the_client_fails(kind: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FrameError, match=message) as raised:
        check_frame(kind, {"type": kind, **fields})
    assert len(str(raised.value)) < 200
