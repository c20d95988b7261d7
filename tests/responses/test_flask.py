"""Flask's response: incremental, with the request's context in the callback, and nothing left on the thread."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import flask
import pytest

from assistant_stream_ce import RunController, RunResult, create_run
from assistant_stream_ce.responses.flask import (
    AGUIResponse,
    AssistantStreamResponse,
    AssistantTransportResponse,
    DataStreamResponse,
    OpenAIStreamResponse,
    PlainTextResponse,
    UIMessageStreamResponse,
)
from assistant_stream_ce.serialization import DataStreamEncoder


@pytest.fixture
def app() -> flask.Flask:
    app = flask.Flask("shop")
    app.secret_key = "for the session"
    return app


def test_the_body_arrives_while_the_callback_runs(app: flask.Flask) -> None:
    step = threading.Semaphore(0)

    def run(controller: RunController) -> None:
        for number in range(3):
            controller.append_text(str(number))
            assert step.acquire(timeout=10)

    @app.post("/")
    def chat() -> Any:
        return DataStreamResponse(create_run(run))

    with app.test_client().post("/", buffered=False) as response:
        for number, data in enumerate(response.iter_encoded()):
            assert data == b'0:"%d"\n' % number
            step.release()


@pytest.mark.parametrize("is_async", [False, True])
def test_the_callback_sees_the_request_and_the_app(app: flask.Flask, is_async: bool) -> None:
    def run(controller: RunController) -> None:
        controller.add_data(
            [
                flask.request.path,
                flask.request.headers["X-User"],
                flask.request.get_json()["prompt"],
                flask.current_app.name,
                flask.session["cart"],
                flask.g.number,
            ]
        )

    async def run_async(controller: RunController) -> None:
        run(controller)

    @app.post("/chat")
    def chat() -> Any:
        flask.session["cart"] = "full"
        flask.g.number = 5
        return DataStreamResponse(create_run(run_async if is_async else run))

    response = app.test_client().post("/chat", headers={"X-User": "u"}, json={"prompt": "hi"})
    assert response.text == '2:[["/chat","u","hi","shop","full",5]]\n'


def test_status_and_headers(app: flask.Flask) -> None:
    @app.post("/")
    def chat() -> Any:
        return AssistantTransportResponse(create_run(lambda c: None), status=202, headers={"X-A": "1"})

    response = app.test_client().post("/")
    assert response.status_code == 202
    assert response.headers["X-A"] == "1"
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    assert "Content-Length" not in response.headers
    assert response.text == "data: [DONE]\n\n"


def test_the_other_names(app: flask.Flask) -> None:
    with app.test_request_context():
        openai = OpenAIStreamResponse(create_run(lambda c: c.append_text("a")), model="m", heartbeat=False)
        generic = AssistantStreamResponse(create_run(lambda c: c.append_text("a")), DataStreamEncoder())
        ui = UIMessageStreamResponse(create_run(lambda c: c.append_text("a")), message_id="m1")
        ag_ui = AGUIResponse(create_run(lambda c: c.append_text("a")), run_id="r")
        plain = PlainTextResponse(create_run(lambda c: c.append_text("a")))
    assert b'"model":"m"' in b"".join(openai.response)
    assert b"".join(generic.response) == b'0:"a"\n'
    assert b"".join(ui.response).startswith(b'data: {"type":"start","messageId":"m1"}\n\n')
    assert b'"RUN_FINISHED"' in b"".join(ag_ui.response)
    assert b"".join(plain.response) == b"a"


def test_head_never_starts_the_run(app: flask.Flask) -> None:
    started: list[Any] = []
    results: list[RunResult] = []

    @app.get("/")
    def chat() -> Any:
        return DataStreamResponse(create_run(started.append, on_finish=results.append))

    with app.test_client().head("/") as response:
        assert response.headers["x-vercel-ai-data-stream"] == "v1"
        assert response.data == b""
    assert not started
    assert results == [RunResult("cancelled")]


def test_a_hook_that_asks_for_the_data_gets_an_error_instead_of_draining_the_stream(app: flask.Flask) -> None:
    errors: list[str] = []

    @app.after_request
    def look(response: Any) -> Any:
        with pytest.raises(RuntimeError) as raised:
            response.get_data()
        errors.append(str(raised.value))
        return response

    @app.post("/")
    def chat() -> Any:
        return DataStreamResponse(create_run(lambda controller: controller.append_text("a")))

    assert app.test_client().post("/").text == '0:"a"\n'
    assert "passthrough" in errors[0]


def test_call_on_close_is_called_and_an_abandoned_stream_is_cancelled(app: flask.Flask) -> None:
    closed: list[bool] = []
    results: list[RunResult] = []
    ended = threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)

    def finish(result: RunResult) -> None:
        results.append(result)
        ended.set()

    @app.post("/")
    def chat() -> Any:
        response = DataStreamResponse(create_run(run, on_finish=finish))
        response.call_on_close(lambda: closed.append(True))
        return response

    with app.test_client().post("/", buffered=False) as response:
        assert next(iter(response.iter_encoded())) == b'0:"a"\n'
    assert ended.wait(10)
    assert results == [RunResult("cancelled")]
    assert closed == [True]


def test_teardown_fires_for_later_requests_after_an_abandoned_stream(app: flask.Flask) -> None:
    torn: list[str] = []

    def wait(controller: RunController) -> None:
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)

    @app.teardown_appcontext
    def tear_down(_: Any) -> None:
        torn.append("app")

    @app.post("/")
    def chat() -> Any:
        return DataStreamResponse(create_run(wait))

    @app.get("/plain")
    def plain() -> str:
        return "plain"

    client = app.test_client()
    with client.post("/", buffered=False) as response:
        next(iter(response.iter_encoded()))
    torn.clear()
    assert client.get("/plain").text == "plain"
    assert torn == ["app"]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("end", ["returns", "raises", "is cancelled"])
def test_the_app_context_is_torn_down_once_more_after_the_callback(app: flask.Flask, end: str, is_async: bool) -> None:
    torn: list[tuple[str, str]] = []
    ended = threading.Event()

    @app.teardown_appcontext
    def tear_down(error: BaseException | None) -> None:
        torn.append((flask.g.get("session", "none"), type(error).__name__))
        if "session" in flask.g:
            ended.set()

    def say(controller: RunController) -> None:
        flask.g.session = "opened by the callback"
        controller.append_text("a")

    def run(controller: RunController) -> None:
        say(controller)
        if end == "is cancelled":
            controller.cancelled_event.wait_sync(30)
            controller.append_text("b")
        elif end == "raises":
            raise ValueError("boom")

    async def run_async(controller: RunController) -> None:
        say(controller)
        if end == "is cancelled":
            await asyncio.sleep(30)
        elif end == "raises":
            raise ValueError("boom")

    @app.post("/")
    def chat() -> Any:
        return DataStreamResponse(create_run(run_async if is_async else run))

    with app.test_client().post("/", buffered=False) as response:
        assert next(iter(response.iter_encoded())).startswith(b'0:"a"\n')
        if end != "is cancelled":
            response.get_data()
    assert ended.wait(10)
    cancelled = "CancelledError" if is_async else "RunCancelled"
    error = {"returns": "NoneType", "raises": "ValueError", "is cancelled": cancelled}[end]
    assert torn == [("none", "NoneType"), ("opened by the callback", error)]


def test_a_failing_teardown_is_logged_and_the_stream_ends_well(
    app: flask.Flask, caplog: pytest.LogCaptureFixture
) -> None:
    @app.teardown_appcontext
    def tear_down(error: BaseException | None) -> None:
        if "session" in flask.g:
            raise ValueError("in teardown")

    def run(controller: RunController) -> None:
        flask.g.session = "opened"
        controller.append_text("a")

    @app.post("/")
    def chat() -> Any:
        return DataStreamResponse(create_run(run))

    assert app.test_client().post("/").text == '0:"a"\n'
    assert "the clean-up around the callback failed" in caplog.text
    assert "in teardown" in caplog.text
