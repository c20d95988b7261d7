"""The plain WSGI response, held to PEP 3333 by the standard library's validator."""

from __future__ import annotations

import threading
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from assistant_stream_ce import RunController, RunResult, create_run
from assistant_stream_ce.responses.wsgi import (
    AGUIResponse,
    AssistantStreamResponse,
    AssistantTransportResponse,
    DataStreamResponse,
    OpenAIStreamResponse,
    PlainTextResponse,
    UIMessageStreamResponse,
)
from assistant_stream_ce.serialization import DataStreamEncoder


def call(app: Any, method: str = "POST") -> tuple[str, dict[str, str], Any]:
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "QUERY_STRING": ""}
    setup_testing_defaults(environ)
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started.append((status, dict(headers)))
        return lambda data: None

    body = validator(app)(environ, start_response)
    return (*started[0], body)


def say(controller: RunController) -> None:
    controller.append_text("a")


@pytest.mark.parametrize(
    ("make", "end"),
    [
        (DataStreamResponse, b'0:"a"\n'),
        (AssistantTransportResponse, b"data: [DONE]\n\n"),
        (OpenAIStreamResponse, b"data: [DONE]\n\n"),
        (UIMessageStreamResponse, b'data: {"type":"finish"}\n\ndata: [DONE]\n\n'),
        (lambda stream: AGUIResponse(stream, thread_id="t", run_id="r"), b'"threadId":"t","runId":"r"}\n\n'),
        (PlainTextResponse, b"a"),
        (lambda stream: AssistantStreamResponse(stream, DataStreamEncoder()), b'0:"a"\n'),
    ],
)
def test_it_is_a_valid_wsgi_application(make: Any, end: bytes) -> None:
    status, headers, body = call(make(create_run(say)))
    assert status == "200 OK"
    assert headers["x-accel-buffering"] == "no"
    assert b"".join(body).endswith(end)
    body.close()


def test_status_and_headers() -> None:
    status, headers, body = call(DataStreamResponse(create_run(say), status=418, headers=[("X-A", "1")]))
    body.close()
    assert status == "418 I'm a Teapot"
    assert headers["X-A"] == "1"
    assert DataStreamResponse(create_run(say), status="299 Fine").status == "299 Fine"
    assert DataStreamResponse(create_run(say), status=299).status == "299 Unknown"


@pytest.mark.parametrize(("headers", "encoding"), [(None, "identity"), ({"Content-Encoding": "br"}, "br")])
def test_an_encoding_keeps_compressing_middleware_from_buffering(headers: Any, encoding: str) -> None:
    response = DataStreamResponse(create_run(say), headers=headers)
    assert [value for name, value in response.headers if name.lower() == "content-encoding"] == [encoding]


def test_head_never_starts_the_run() -> None:
    started: list[Any] = []
    results: list[RunResult] = []
    status, _, body = call(DataStreamResponse(create_run(started.append, on_finish=results.append)), "HEAD")
    assert status == "200 OK"
    assert list(body) == []
    body.close()
    assert not started
    assert results == [RunResult("cancelled")]


def test_closing_the_body_early_cancels_the_run() -> None:
    results: list[RunResult] = []
    ended = threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)

    stream = create_run(run, on_finish=lambda result: (results.append(result), ended.set()))
    _, _, body = call(DataStreamResponse(stream))
    assert next(iter(body)) == b'0:"a"\n'
    body.close()
    assert ended.wait(10)
    assert results == [RunResult("cancelled")]


def test_a_framework_may_send_the_parts_itself() -> None:
    response = DataStreamResponse(create_run(say))
    assert dict(response.headers)["content-type"] == "text/plain; charset=utf-8"
    assert list(response.body) == [b'0:"a"\n']


def test_a_value_that_is_not_an_encoder_is_rejected() -> None:
    wrong: Any = "data stream"
    with pytest.raises(TypeError, match="encoder must be an Encoder"):
        AssistantStreamResponse([], wrong)
