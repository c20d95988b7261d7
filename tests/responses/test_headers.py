"""Headers and heartbeat are decided in one place for every framework."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.responses.headers import header_list, heartbeat_seconds
from assistant_stream_ce.serialization import (
    AssistantTransportEncoder,
    DataStreamEncoder,
    Encoder,
    PlainTextEncoder,
    UIMessageStreamEncoder,
)


def test_the_data_stream_is_recognised_by_its_header_on_any_origin() -> None:
    assert header_list(DataStreamEncoder(), None) == [
        ("content-type", "text/plain; charset=utf-8"),
        ("cache-control", "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
        ("x-vercel-ai-data-stream", "v1"),
        ("access-control-expose-headers", "x-vercel-ai-data-stream"),
    ]


def test_the_ui_message_stream_is_recognised_by_its_header() -> None:
    headers = dict(header_list(UIMessageStreamEncoder(), None))
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert headers["access-control-expose-headers"] == "x-vercel-ai-ui-message-stream"


@pytest.mark.parametrize(
    ("encoder", "kind"), [(AssistantTransportEncoder(), "text/event-stream"), (PlainTextEncoder(), "text/plain")]
)
def test_other_formats_need_no_header_of_their_own(encoder: Encoder, kind: str) -> None:
    assert dict(header_list(encoder, None)) == {
        "content-type": f"{kind}; charset=utf-8",
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
    }


@pytest.mark.parametrize(
    "extra", [{"Cache-Control": "no-store", "X-Trace": "1"}, [("Cache-Control", "no-store"), ("X-Trace", "1")]]
)
def test_extra_headers_replace_those_of_the_same_name(extra: Any) -> None:
    headers = header_list(AssistantTransportEncoder(), extra)
    assert headers == [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("x-accel-buffering", "no"),
        ("Cache-Control", "no-store"),
        ("X-Trace", "1"),
    ]


@pytest.mark.parametrize(("heartbeat", "seconds"), [(True, 15.0), (False, None), (2, 2.0), (0.5, 0.5)])
def test_heartbeat(heartbeat: Any, seconds: float | None) -> None:
    assert heartbeat_seconds(heartbeat) == seconds


@pytest.mark.parametrize(
    ("heartbeat", "error"), [(0, ValueError), (-1, ValueError), (float("nan"), ValueError), ("1", TypeError)]
)
def test_a_wrong_heartbeat_is_refused(heartbeat: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="heartbeat must be"):
        heartbeat_seconds(heartbeat)
