"""Starlette's response under every kind of server: it always detects a disconnect, and cleans up.

Most tests drive the response by hand, as an ASGI server does: that reaches every version of the specification.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import fastapi
import pytest
import starlette_compress
import trio
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from assistant_stream_ce import (
    AssistantStream,
    RunController,
    RunResult,
    StreamUsageError,
    TextDeltaChunk,
    aaccumulate,
    create_run,
)
from assistant_stream_ce.responses.starlette import (
    AGUIResponse,
    AssistantStreamResponse,
    AssistantTransportResponse,
    DataStreamResponse,
    OpenAIStreamResponse,
    PlainTextResponse,
    UIMessageStreamResponse,
)
from assistant_stream_ce.serialization import DataStreamEncoder
from tests.support.asgi import Client
from tests.support.kinds import CALLBACK_KINDS, as_kind
from tests.support.require import require

SPECS = ("2.1", "2.3", "2.4", "2.5")


class Quiet:
    """A callback that appends a text and waits, and how it ended."""

    def __init__(self, kind: str) -> None:
        self.course: list[str] = []
        self.ended = threading.Event()
        self._kind = kind

    def stream(self) -> Any:
        return create_run(self._wait if self._kind == "def" else self._sleep, on_finish=self._finish)

    def _wait(self, controller: RunController) -> None:
        controller.append_text("a")
        controller.cancelled_event.wait_sync(30)
        self.course.append("learned")

    async def _sleep(self, controller: RunController) -> None:
        controller.append_text("a")
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.01)
            self.course.append("learned")

    def _finish(self, result: RunResult) -> None:
        self.course.append(result.reason)
        self.ended.set()

    async def expect_cancelled(self) -> None:
        assert await asyncio.to_thread(self.ended.wait, 5)
        assert self.course == ["learned", "cancelled"]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("spec", SPECS)
async def test_a_disconnect_from_a_quiet_stream_is_detected(kind: str, spec: str) -> None:
    client, quiet = Client(spec), Quiet(kind)
    calling = asyncio.ensure_future(client.call(DataStreamResponse(quiet.stream())))
    await client.got_text.wait()
    client.left.set()
    started = time.monotonic()
    await calling
    assert time.monotonic() - started < 1
    await quiet.expect_cancelled()


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("after close")])
async def test_a_send_that_raises_is_a_disconnect(
    kind: str, spec: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    client, quiet = Client(spec), Quiet(kind)
    client.send_error = error
    await client.call(DataStreamResponse(quiet.stream()))
    await quiet.expect_cancelled()
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
async def test_a_blocked_send_does_not_hide_a_disconnect(kind: str) -> None:
    client, quiet = Client(), Quiet(kind)

    async def send(message: Any) -> None:
        if message.get("body"):
            client.got_text.set()
            await asyncio.sleep(30)

    response = DataStreamResponse(quiet.stream())
    calling = asyncio.ensure_future(response(client.scope, client.receive, send))
    await client.got_text.wait()
    client.left.set()
    await calling
    await quiet.expect_cancelled()


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("scope_of", ["anyio", "asyncio"])
async def test_a_cancelled_scope_cleans_up(kind: str, scope_of: str) -> None:
    client, quiet = Client(), Quiet(kind)
    response = DataStreamResponse(quiet.stream())
    if scope_of == "anyio":
        async with anyio.create_task_group() as group:
            group.start_soon(client.call, response)
            await client.got_text.wait()
            group.cancel_scope.cancel()
    else:
        calling = asyncio.ensure_future(client.call(response))
        await client.got_text.wait()
        calling.cancel()
        await asyncio.wait([calling])
        assert calling.cancelled()
    await quiet.expect_cancelled()


async def test_a_failing_start_is_an_error_and_cleans_up() -> None:
    client, results = Client(), []

    async def send(message: Any) -> None:
        raise ValueError("bad header")

    response = DataStreamResponse(create_run(lambda controller: None, on_finish=results.append))
    with pytest.raises(ValueError, match="bad header"):
        await response(client.scope, client.receive, send)
    assert results == [RunResult("cancelled")]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_start_that_the_connection_refuses_is_a_disconnect(method: str) -> None:
    client, results = Client("2.4", method), []

    async def send(message: Any) -> None:
        raise ConnectionResetError

    response = DataStreamResponse(create_run(lambda controller: None, on_finish=results.append))
    await response(client.scope, client.receive, send)
    assert results == [RunResult("cancelled")]


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("spec", SPECS)
async def test_a_server_made_by_hand_may_never_wait_and_say_little(kind: str, spec: str) -> None:
    client = Client(spec)
    # All that Starlette's own streams read.
    scope = {"type": "http", "asgi": client.scope["asgi"]}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    def append(controller: RunController) -> None:
        controller.append_text("a")

    async def append_async(controller: RunController) -> None:
        await asyncio.sleep(0)
        controller.append_text("a")

    await DataStreamResponse(create_run(append if kind == "def" else append_async))(scope, receive, client.send)
    assert client.body == b'0:"a"\n'


async def test_head_never_starts_the_run() -> None:
    client, results, started = Client(method="HEAD"), [], []
    await client.call(DataStreamResponse(create_run(started.append, on_finish=results.append)))
    assert not started
    assert results == [RunResult("cancelled")]
    assert [message["type"] for message in client.sent] == ["http.response.start", "http.response.body"]
    assert client.body == b""


async def test_a_disconnect_before_the_first_byte() -> None:
    client, results = Client(), []

    async def sleep(controller: RunController) -> None:
        await asyncio.sleep(30)

    client.left.set()
    await client.call(DataStreamResponse(create_run(sleep, on_finish=results.append)))
    assert [result.reason for result in results] == ["cancelled"]


@pytest.mark.parametrize("leaves", [False, True])
async def test_the_background_task_runs_also_after_a_disconnect(leaves: bool) -> None:
    client, ran = Client(), []
    if leaves:
        client.left.set()

    def run(controller: RunController) -> None:
        controller.cancelled_event.wait_sync(30 if leaves else 0)

    await client.call(DataStreamResponse(create_run(run), background=BackgroundTask(lambda: ran.append(True))))
    assert ran == [True]


def test_status_headers_and_body() -> None:
    def respond(request: Any) -> Any:
        stream = create_run(lambda controller: controller.append_text("hé"))
        return DataStreamResponse(stream, status_code=201, headers={"X-A": "1", "cache-control": "no-store"})

    with TestClient(Starlette(routes=[Route("/", respond, methods=["POST"])])) as client:
        response = client.post("/")
    assert response.status_code == 201
    assert response.text == '0:"hé"\n'
    assert response.headers["x-a"] == "1"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-vercel-ai-data-stream"] == "v1"
    assert "content-length" not in response.headers


def test_fastapi_endpoints_of_both_kinds() -> None:
    app = FastAPI()

    async def run(controller: RunController) -> None:
        controller.append_text("a")

    @app.post("/async")
    async def chat_async() -> AssistantTransportResponse:
        return AssistantTransportResponse(create_run(run))

    @app.post("/def")
    def chat() -> OpenAIStreamResponse:
        return OpenAIStreamResponse(create_run(run), model="m", include_usage=True)

    @app.post("/generic")
    def generic() -> AssistantStreamResponse:
        return AssistantStreamResponse(create_run(run), DataStreamEncoder(), status=202)

    @app.post("/ui")
    def ui() -> UIMessageStreamResponse:
        return UIMessageStreamResponse(create_run(run), message_id="m1")

    @app.post("/ag-ui")
    def ag_ui() -> AGUIResponse:
        return AGUIResponse(create_run(run), thread_id="t", run_id="r")

    @app.post("/plain")
    async def plain() -> PlainTextResponse:
        return PlainTextResponse(create_run(run))

    with TestClient(app) as client:
        assert client.post("/ui").text.startswith('data: {"type":"start","messageId":"m1"}\n\n')
        assert client.post("/ui").headers["x-vercel-ai-ui-message-stream"] == "v1"
        assert client.post("/ag-ui").text.startswith('data: {"type":"RUN_STARTED","threadId":"t","runId":"r"}\n\n')
        assert client.post("/plain").text == "a"
        assert client.post("/async").text.endswith("data: [DONE]\n\n")
        assert '"usage"' in client.post("/def").text
        assert client.post("/generic").status_code == 202


async def never(request: Any, call_next: Callable[..., Any]) -> Any:
    return await call_next(request)


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize(
    "middleware", [[Middleware(BaseHTTPMiddleware, dispatch=never)], [Middleware(GZipMiddleware)]], ids=["base", "gzip"]
)
async def test_behind_middleware_the_stream_is_incremental_and_leaving_is_noticed(kind: str, middleware: Any) -> None:
    client, quiet = Client(), Quiet(kind)
    client.scope["headers"] = [(b"accept-encoding", b"gzip")]

    def respond(request: Any) -> Any:
        return DataStreamResponse(quiet.stream())

    app = Starlette(routes=[Route("/", respond, methods=["POST"])], middleware=middleware)
    calling = asyncio.ensure_future(client.call(app))
    await asyncio.wait_for(client.got_text.wait(), 5)
    client.left.set()
    await calling
    await quiet.expect_cancelled()


async def test_a_middleware_may_wrap_the_body_iterator() -> None:
    client = Client()
    response = DataStreamResponse(create_run(lambda controller: controller.append_text("a")))
    inner = response.body_iterator

    async def shout() -> Any:
        async for data in inner:
            yield data.upper()

    response.body_iterator = shout()
    await client.call(response)
    assert client.body == b'0:"A"\n'


def fast_api_client() -> TestClient:
    app = FastAPI()

    @app.post("/async-yield", response_class=DataStreamResponse)
    async def async_yield() -> Any:
        yield TextDeltaChunk("a")
        yield TextDeltaChunk("b")

    @app.post("/yield", response_class=UIMessageStreamResponse, status_code=201)
    def sync_yield() -> Any:
        yield TextDeltaChunk("a")

    @app.post("/raise", response_class=DataStreamResponse)
    def sync_raise() -> Any:
        yield TextDeltaChunk("a")
        raise ValueError("boom")

    @app.post("/return", response_class=DataStreamResponse)
    def return_stream() -> Any:
        return create_run(lambda controller: controller.append_text("a"))

    @app.post("/async-return", response_class=DataStreamResponse)
    async def async_return_stream() -> Any:
        return create_run(lambda controller: controller.append_text("a"))

    @app.post("/no-class")
    async def no_class():  # type: ignore[no-untyped-def] - FastAPI encodes it in another way
        return create_run(lambda controller: controller.append_text("a"))

    @app.post("/response", response_class=OpenAIStreamResponse)
    def return_response() -> Any:
        return OpenAIStreamResponse(create_run(lambda controller: controller.append_text("a")))

    return TestClient(app)


def test_fastapi_streams_what_an_endpoint_with_response_class_yields() -> None:
    major, minor = map(int, fastapi.__version__.split(".")[:2])
    require((major, minor) >= (0, 134), "FastAPI before 0.134 calls endpoints that yield as others")
    client = fast_api_client()
    response = client.post("/async-yield")
    assert (response.text, response.headers["x-vercel-ai-data-stream"]) == ('0:"a"\n0:"b"\n', "v1")
    response = client.post("/yield")
    assert response.status_code == 201
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert '"delta":"a"' in response.text
    assert response.text.endswith("data: [DONE]\n\n")
    assert client.post("/raise").text == '0:"a"\n3:"boom"\n'


@pytest.mark.parametrize("path", ["/return", "/async-return", "/no-class"])
def test_a_stream_that_is_returned_to_fastapi_is_a_clear_error(path: str) -> None:
    with pytest.raises((ValueError, StreamUsageError), match=r"return DataStreamResponse\(stream\)"):
        fast_api_client().post(path)


@pytest.mark.parametrize(
    ("path", "status", "media_type"),
    [
        ("/async-yield", "200", "text/plain"),
        ("/yield", "201", "text/event-stream"),
        ("/response", "200", "text/event-stream"),
    ],
)
def test_fastapi_documents_the_media_type(path: str, status: str, media_type: str) -> None:
    operation = fast_api_client().get("/openapi.json").json()["paths"][path]["post"]
    assert operation["responses"][status]["content"] == {media_type: {"schema": {"type": "string"}}}


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_response_on_trio_is_a_clear_error_and_ends_the_run(kind: str) -> None:
    quiet = Quiet(kind)

    async def chat(request: Any) -> Any:
        return DataStreamResponse(quiet.stream())

    app = Starlette(routes=[Route("/", chat)])
    with pytest.raises(StreamUsageError, match=r"do not support trio.*on asyncio"):
        TestClient(app, backend="trio").get("/")
    assert quiet.ended.wait(10)


@pytest.mark.parametrize(
    "read",
    [anext, AssistantStream.apeek, AssistantStream.aclose, aaccumulate, lambda stream: anext(aiter(stream))],
    ids=["anext", "apeek", "aclose", "aaccumulate", "async for"],
)
def test_a_stream_read_on_trio_is_a_clear_error(read: Callable[[Any], Any]) -> None:
    async def main() -> None:
        with pytest.raises(StreamUsageError, match=r"do not support trio.*on asyncio"):
            await read(create_run(lambda controller: controller.append_text("a")))

    trio.run(main)


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("end", ["streams", "is replaced"])
def test_the_status_may_depend_on_the_first_chunk(kind: str, end: str) -> None:
    reasons: list[str] = []
    ended = threading.Event()

    def fail(controller: RunController) -> None:
        raise PermissionError("too many requests")

    def finish(result: RunResult) -> None:
        reasons.append(result.reason)
        ended.set()

    async def chat(request: Any) -> Any:
        stream = create_run(as_kind(kind, fail), on_finish=finish)
        response = DataStreamResponse(stream)
        try:
            await stream.apeek()
        except PermissionError as error:
            if end == "is replaced":
                return JSONResponse({"detail": str(error)}, 429)
            response.status_code = 429
        return response

    response = TestClient(Starlette(routes=[Route("/", chat)])).get("/")
    assert response.status_code == 429
    assert response.text == ('3:"too many requests"\n' if end == "streams" else '{"detail":"too many requests"}')
    assert ended.wait(10)
    assert reasons == ["failed"]


@pytest.mark.parametrize("way", ["the endpoint raises", "it is replaced"])
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
def test_a_response_that_is_dropped_calls_on_finish(kind: str, way: str) -> None:
    quiet = Quiet(kind)

    async def chat(request: Any) -> Any:
        response = DataStreamResponse(quiet.stream())
        if way == "the endpoint raises":
            raise HTTPException(400)
        return JSONResponse({"status": response.status_code})

    TestClient(Starlette(routes=[Route("/", chat)])).get("/")
    gc.collect()
    assert quiet.ended.wait(10)
    assert "learned" not in quiet.course


@pytest.fixture
def _text_is_not_compressed() -> Iterator[None]:
    # The advice of docs/fastapi.rst.
    starlette_compress.remove_compress_type("text/plain")
    yield
    starlette_compress.add_compress_type("text/plain")


@pytest.mark.usefixtures("_text_is_not_compressed")
@pytest.mark.parametrize("middleware", [GZipMiddleware, starlette_compress.CompressMiddleware])
@pytest.mark.parametrize("response_class", [DataStreamResponse, PlainTextResponse])
async def test_compressing_middleware_leaves_the_stream_alone(middleware: Any, response_class: Any) -> None:
    client = Client()
    client.scope["headers"] = [(b"accept-encoding", b"gzip, br, zstd")]
    step = asyncio.Semaphore(0)
    client.on_data = lambda data: step.release()

    async def run(controller: RunController) -> None:
        for number in range(3):
            controller.append_text(f"word {number}")
            await asyncio.wait_for(step.acquire(), 10)

    def respond(request: Any) -> Any:
        return response_class(create_run(run))

    app = Starlette(routes=[Route("/", respond, methods=["POST"])], middleware=[Middleware(middleware, minimum_size=1)])
    await client.call(app)
    assert client.headers[b"content-encoding"] == b"identity"
    assert [number for number in range(3) if f"word {number}".encode() in client.body] == [0, 1, 2]
