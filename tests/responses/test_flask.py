"""Flask's response: incremental, with the request's context in the callback, and cleaned up on the thread."""

from __future__ import annotations

import asyncio
import io
import itertools
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import flask
import flask_compress
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
def test_the_app_context_is_torn_down_again_after_the_callback(app: flask.Flask, end: str, is_async: bool) -> None:
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


class Pool:
    """A pool of connections that refuses a connection too many."""

    def __init__(self, size: int) -> None:
        self._free = threading.Semaphore(size)
        self._size = size

    def take(self) -> None:
        assert self._free.acquire(blocking=False), "the pool is empty"

    def give_back(self) -> None:
        self._free.release()


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("where", ["app", "blueprint"])
def test_teardown_request_functions_run_for_the_callback(app: flask.Flask, where: str, is_async: bool) -> None:
    pool = Pool(2)
    blueprint = flask.Blueprint("chat", __name__)
    owner: Any = app if where == "app" else blueprint

    @owner.teardown_request
    def give_back(error: BaseException | None) -> None:
        if flask.g.pop("taken", False):
            pool.give_back()

    def run(controller: RunController) -> None:
        pool.take()
        flask.g.taken = True
        controller.append_text(flask.request.path)

    async def run_async(controller: RunController) -> None:
        run(controller)

    @blueprint.post("/chat")
    def chat() -> Any:
        return DataStreamResponse(create_run(run_async if is_async else run))

    app.register_blueprint(blueprint)
    for _ in range(5):
        assert app.test_client().post("/chat").text == '0:"/chat"\n'


def sqlite_with_pop(app: flask.Flask) -> Callable[[], sqlite3.Connection]:
    """The pattern of Flask's documentation of `g`."""

    def get_db() -> sqlite3.Connection:
        if "db" not in flask.g:
            flask.g.db = sqlite3.connect(":memory:")
        return flask.g.db  # type: ignore[no-any-return]

    @app.teardown_appcontext
    def close_db(error: BaseException | None) -> None:
        db = flask.g.pop("db", None)
        if db is not None:
            db.close()

    return get_db


def sqlite_without_pop(app: flask.Flask) -> Callable[[], sqlite3.Connection]:
    """The pattern of Flask's documentation of SQLite 3."""

    def get_db() -> sqlite3.Connection:
        db = getattr(flask.g, "_database", None)
        if db is None:
            db = flask.g._database = sqlite3.connect(":memory:")
        return db

    @app.teardown_appcontext
    def close_db(error: BaseException | None) -> None:
        db = getattr(flask.g, "_database", None)
        if db is not None:
            db.close()

    return get_db


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("pattern", [sqlite_with_pop, sqlite_without_pop])
def test_a_database_in_g_works_in_the_view_and_in_the_callback(
    app: flask.Flask, pattern: Any, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    get_db = pattern(app)
    opened: list[sqlite3.Connection] = []

    def query() -> int:
        opened.append(get_db())
        (number,) = get_db().execute("select 5").fetchone()
        return int(number)

    def run(controller: RunController) -> None:
        controller.add_data([query(), flask.g.user])

    async def run_async(controller: RunController) -> None:
        run(controller)

    @app.post("/")
    def chat() -> Any:
        query()
        flask.g.user = "Ada"
        return DataStreamResponse(create_run(run_async if is_async else run))

    assert app.test_client().post("/").text == '2:[[5,"Ada"]]\n'
    assert opened[0] is not opened[1]
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError):
            connection.execute("select 5")
    assert caplog.text == ""


@pytest.mark.parametrize("reads_in_view", [False, True])
@pytest.mark.parametrize("is_async", [False, True])
def test_uploaded_files_are_open_in_the_callback_and_closed_after_it(
    app: flask.Flask, reads_in_view: bool, is_async: bool
) -> None:
    files: list[Any] = []

    def run(controller: RunController) -> None:
        files.append(flask.request.files["file"])
        controller.append_text(files[0].read().decode()[:5])

    async def run_async(controller: RunController) -> None:
        run(controller)

    @app.post("/")
    def chat() -> Any:
        if reads_in_view:
            assert flask.request.files["file"].filename == "a.txt"
        return DataStreamResponse(create_run(run_async if is_async else run))

    upload = {"file": (io.BytesIO(b"hello" * 20), "a.txt")}
    assert app.test_client().post("/", data=upload).text == '0:"hello"\n'
    assert files[0].stream.closed


def test_an_on_cancel_callback_has_contexts_and_leaves_the_callback_s_alone(app: flask.Flask) -> None:
    seen: list[Any] = []
    ended = threading.Event()

    def run(controller: RunController) -> None:
        controller.on_cancel(lambda: seen.append((flask.request.path, flask.current_app.name, flask.g.user)))
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)
        seen.append(flask.request.files["file"].read())

    @app.post("/chat")
    def chat() -> Any:
        flask.g.user = "Ada"
        flask.request.files  # noqa: B018 - parses the form
        return DataStreamResponse(create_run(run, on_finish=lambda result: ended.set()))

    upload = {"file": (io.BytesIO(b"hello"), "a.txt")}
    with app.test_client().post("/chat", data=upload, buffered=False) as response:
        next(iter(response.iter_encoded()))
    assert ended.wait(10)
    assert sorted(seen, key=str) == [("/chat", "shop", "Ada"), b"hello"]


@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_a_response_class_of_the_application_s_own_keeps_the_clean_up(app: flask.Flask, method: str) -> None:
    class OwnResponse(flask.Response):
        pass

    app.response_class = OwnResponse
    closed: list[str] = []
    results: list[RunResult] = []
    ended = threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)

    def finish(result: RunResult) -> None:
        results.append(result)
        ended.set()

    @app.route("/", methods=["POST", "HEAD"])
    def chat() -> Any:
        response = DataStreamResponse(create_run(run, on_finish=finish))
        response.call_on_close(lambda: closed.append("closed"))
        return response

    with app.test_client().open("/", method=method, buffered=False) as response:
        assert b"".join(itertools.islice(response.iter_encoded(), 1)) == (b'0:"a"\n' if method == "POST" else b"")
    assert ended.wait(10)
    assert [result.reason for result in results] == ["cancelled"]
    assert closed == ["closed"]


@pytest.mark.parametrize("way", ["the view raises", "a hook replaces it"])
def test_a_response_that_is_dropped_calls_on_finish(app: flask.Flask, way: str) -> None:
    results: list[RunResult] = []
    ended = threading.Event()

    def finish(result: RunResult) -> None:
        results.append(result)
        ended.set()

    @app.after_request
    def replace(response: Any) -> Any:
        return flask.Response("other") if way == "a hook replaces it" else response

    @app.post("/")
    def chat() -> Any:
        response = DataStreamResponse(create_run(lambda controller: None, on_finish=finish))
        if way == "the view raises":
            raise ValueError("boom")
        return response

    app.test_client().post("/")
    assert ended.wait(10)
    assert [result.reason for result in results] == ["cancelled"]


@pytest.mark.parametrize("response_class", [DataStreamResponse, AssistantTransportResponse, PlainTextResponse])
def test_flask_compress_leaves_the_stream_alone(app: flask.Flask, response_class: Any) -> None:
    app.config["COMPRESS_MIMETYPES"] = ["text/plain", "text/event-stream"]
    flask_compress.Compress(app)
    step = threading.Semaphore(0)

    def run(controller: RunController) -> None:
        for number in range(3):
            controller.append_text(f"word {number}")
            assert step.acquire(timeout=10)

    @app.post("/")
    def chat() -> Any:
        return response_class(create_run(run))

    headers = {"accept-encoding": "gzip, br"}
    with app.test_client().post("/", headers=headers, buffered=False) as response:
        for data in response.iter_encoded():
            assert b"word" in data or b"DONE" in data
            step.release()


def test_an_encoding_of_the_application_s_own_is_kept(app: flask.Flask) -> None:
    response = DataStreamResponse([], headers={"Content-Encoding": "br"})
    assert response.headers.getlist("content-encoding") == ["br"]
    response.close()


@pytest.mark.parametrize("is_async", [False, True])
def test_the_status_may_depend_on_the_first_chunk(app: flask.Flask, is_async: bool) -> None:
    torn: list[str] = []

    @app.teardown_request
    def tear_down(error: BaseException | None) -> None:
        torn.append(flask.request.path)

    def run(controller: RunController) -> None:
        if flask.request.path == "/limited":
            raise PermissionError("too many requests")
        controller.append_text("a")

    async def run_async(controller: RunController) -> None:
        run(controller)

    @app.post("/<path:path>")
    def chat(path: str) -> Any:
        stream = create_run(run_async if is_async else run)
        response = DataStreamResponse(stream)
        try:
            stream.peek()
        except PermissionError:
            response.status_code = 429
        return response

    client = app.test_client()
    response = client.post("/good")
    assert (response.status_code, response.text) == (200, '0:"a"\n')
    response = client.post("/limited")
    assert (response.status_code, response.text) == (429, '3:"too many requests"\n')
    assert torn == ["/good"] * 2 + ["/limited"] * 2
