"""Headers, status and heartbeat of a response, for all frameworks."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from assistant_stream_ce.responses.headers import check_status, header_list, heartbeat_seconds
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
def test_other_formats_need_no_header(encoder: Encoder, kind: str) -> None:
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


@pytest.mark.parametrize(
    ("headers", "error", "message"),
    [
        (5, TypeError, "must be a dict of texts, or pairs of them, not int"),
        ("x-a: 1", TypeError, "must be a dict of texts, or pairs of them, not 'x'"),
        ({"x-a": 1}, TypeError, r"not \('x-a', 1\)"),
        ({"x-a": None}, TypeError, r"not \('x-a', None\)"),
        ({b"x-a": b"1"}, TypeError, "must be a dict of texts"),
        ([("x-a", "1", "2")], TypeError, "must be a dict of texts"),
        ({"x a": "1"}, ValueError, "a name that HTTP does not allow: 'x a'"),
        ({"": "1"}, ValueError, "a name that HTTP does not allow: ''"),
        ({"x-a": "1\r\nset-cookie: a=1"}, ValueError, "a value for x-a that HTTP does not allow"),
        ({"x-a": "1\n"}, ValueError, "a value for x-a"),
        ({"x-a": "\0"}, ValueError, "a value for x-a"),
        ({"x-a": "名前"}, ValueError, r"a value for x-a that HTTP does not allow.*encode it first"),
        ({"Content-Length": "5"}, ValueError, "must not have Content-Length"),
        ({"transfer-encoding": "chunked"}, ValueError, "must not have transfer-encoding"),
    ],
)
def test_wrong_headers_are_refused(headers: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        header_list(DataStreamEncoder(), headers)


@pytest.mark.parametrize("headers", [{"x-a": "é\t "}, [["x-a", "1"]], (pair for pair in [("x-a", "")]), {}, [], None])
def test_other_headers_are_accepted(headers: Any) -> None:
    assert header_list(DataStreamEncoder(), headers)


@pytest.mark.parametrize("status", [200, 299, 418, 503, 599, HTTPStatus.CREATED])
def test_a_status_code(status: int) -> None:
    check_status(status)
    check_status(status, allows_line=True)
    check_status(f"{int(status)} Any phrase", allows_line=True)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (True, TypeError),
        (None, TypeError),
        (200.0, TypeError),
        (b"200", TypeError),
        (100, ValueError),
        (199, ValueError),
        (600, ValueError),
        (-1, ValueError),
        (10**50, ValueError),
    ],
)
def test_a_wrong_status_is_refused(status: Any, error: type[Exception]) -> None:
    for allows_line in (False, True):
        with pytest.raises(error, match="status must be") as raised:
            check_status(status, allows_line=allows_line)
        assert len(str(raised.value)) < 200


@pytest.mark.parametrize("line", ["OK", "", "2000 OK", "200\r\nset-cookie: a=1", "100 Continue", "200 OK\n", "2"])
def test_a_wrong_status_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="status must be from 200 to 599"):
        check_status(line, allows_line=True)
    with pytest.raises(TypeError, match="status must be an int, not str"):
        check_status(line)
