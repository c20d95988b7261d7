"""One response class for Django that streams under both handlers, from both kinds of views, behind middleware."""

from __future__ import annotations

import asyncio
import gc
import gzip
import importlib.util
import sqlite3
import subprocess
import sys
import threading
import zlib
import zoneinfo
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import django
import pytest
from asgiref.local import Local
from asgiref.sync import SyncToAsync, async_to_sync, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient as DjangoAsyncClient
from django.test import Client as DjangoClient
from django.test import override_settings
from django.urls import get_script_prefix, get_urlconf, path, reverse, set_urlconf
from django.utils import timezone, translation

from assistant_stream_ce import AssistantStream, RunController, RunResult, create_run
from assistant_stream_ce.responses.django import (
    AGUIResponse,
    AssistantStreamResponse,
    AssistantTransportResponse,
    DataStreamResponse,
    OpenAIStreamResponse,
    PlainTextResponse,
    UIMessageStreamResponse,
)
from assistant_stream_ce.serialization import DataStreamEncoder
from assistant_stream_ce.testing import acollect, check_wire, collect
from tests.support import django_settings  # noqa: F401 - configures Django
from tests.support.asgi import Client
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind
from tests.support.require import require

GZIP = "django.middleware.gzip.GZipMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"


def async_only(get_response: Any) -> Any:
    async def middleware(request: HttpRequest) -> Any:
        return await get_response(request)

    return middleware


async_only.async_capable = True  # type: ignore[attr-defined]
async_only.sync_capable = False  # type: ignore[attr-defined]


class Steps:
    """A callback that appends a text for each step that is allowed."""

    def __init__(self) -> None:
        self.allowed = threading.Semaphore(1)
        self.results: list[RunResult] = []
        self.ended = threading.Event()

    def run(self, controller: RunController) -> None:
        for number in range(3):
            assert self.allowed.acquire(timeout=10)
            controller.append_text(str(number))

    def finish(self, result: RunResult) -> None:
        self.results.append(result)
        self.ended.set()

    def response(self) -> DataStreamResponse:
        return DataStreamResponse(create_run(self.run, on_finish=self.finish))


steps = Steps()


def view(request: HttpRequest) -> Any:
    return steps.response()


async def async_view(request: HttpRequest) -> Any:
    return steps.response()


urlpatterns = [path("def", view), path("async", async_view)]


@pytest.fixture(autouse=True)
def _fresh_steps() -> Iterator[None]:
    global steps
    steps = Steps()
    yield
    steps.allowed.release(5)


@pytest.mark.parametrize("address", ["/def", "/async"])
def test_the_responses_of_django_s_test_client_can_be_checked(address: str) -> None:
    steps.allowed.release(5)
    chunks = check_wire(DjangoClient().get(address), "data-stream")
    assert collect(chunks).text == "012"


async def test_the_bytes_of_django_s_async_test_client_can_be_checked() -> None:
    steps.allowed.release(5)
    response = await DjangoAsyncClient().get("/async")
    with pytest.raises(TypeError, match="read in a coroutine: pass its bytes"):
        check_wire(response, "data-stream")
    data = b"".join([piece async for piece in response.streaming_content])
    assert (await acollect(check_wire(data, "data-stream"))).text == "012"


def wsgi_response(address: str, **environ: str) -> Any:
    return WSGIHandler()(
        {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": address,
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "wsgi.input": BytesIO(),
            "wsgi.url_scheme": "http",
            **environ,
        },
        lambda status, headers, exc_info=None: lambda data: None,
    )


MIDDLEWARE = [[], [COMMON, GZIP], [f"{__name__}.async_only"], [GZIP, f"{__name__}.async_only"]]


@pytest.mark.parametrize("middleware", MIDDLEWARE, ids=["none", "gzip", "async", "gzip over async"])
@pytest.mark.parametrize("address", ["/def", "/async"])
def test_under_wsgi_the_body_arrives_while_the_callback_runs(address: str, middleware: list[str]) -> None:
    with override_settings(MIDDLEWARE=middleware):
        response = wsgi_response(address, HTTP_ACCEPT_ENCODING="gzip")
    is_gzip = response.headers.get("Content-Encoding") == "gzip"
    assert is_gzip == (GZIP in middleware)
    if is_gzip and not response.is_async and django.VERSION < (6, 1):
        # Django's own compression of synchronous content holds small chunks back until 6.1.
        steps.allowed.release(3)
    sent, text = b"", b""
    for data in response:
        sent += data
        text = unzipped(sent) if is_gzip else sent
        if text.endswith(b'"\n'):
            steps.allowed.release()
    response.close()
    assert text == b'0:"0"\n0:"1"\n0:"2"\n'
    assert steps.results == [RunResult("completed")]


def unzipped(data: bytes) -> bytes:
    """Return what a client has of a gzip stream so far; asynchronous content is a member for each piece."""
    text = b""
    while data:
        member = zlib.decompressobj(31)
        text += member.decompress(data)
        data = member.unused_data
    return text


def asgi_client(address: str, method: str = "GET") -> Client:
    return Client(method=method, path=address, headers=((b"accept-encoding", b"gzip"),))


@pytest.mark.parametrize("middleware", MIDDLEWARE, ids=["none", "gzip", "async", "gzip over async"])
@pytest.mark.parametrize("address", ["/def", "/async"])
async def test_under_asgi_the_body_arrives_while_the_callback_runs(address: str, middleware: list[str]) -> None:
    client = asgi_client(address)
    client.on_data = lambda data: steps.allowed.release()
    with override_settings(MIDDLEWARE=middleware):
        await client.call(ASGIHandler())
    text = client.body
    if GZIP in middleware:
        assert client.headers[b"content-encoding"] == b"gzip"
        text = gzip.decompress(text)
    assert text == b'0:"0"\n0:"1"\n0:"2"\n'
    assert steps.results == [RunResult("completed")]


@pytest.mark.parametrize("middleware", MIDDLEWARE, ids=["none", "gzip", "async", "gzip over async"])
@pytest.mark.parametrize("address", ["/def", "/async"])
async def test_under_asgi_a_disconnect_is_detected(address: str, middleware: list[str]) -> None:
    client = asgi_client(address)
    with override_settings(MIDDLEWARE=middleware):
        calling = asyncio.ensure_future(client.call(ASGIHandler()))
        await asyncio.wait_for(client.got_text.wait(), 10)
        client.left.set()
        steps.allowed.release(0 + 1)
        await calling
    assert await asyncio.to_thread(steps.ended.wait, 10)
    assert [result.reason for result in steps.results] in (["cancelled"], ["abandoned"])


def test_a_closed_wsgi_response_cancels_the_run() -> None:
    response = wsgi_response("/def")
    assert next(iter(response)) == b'0:"0"\n'
    steps.allowed.release()
    response.close()
    assert steps.ended.wait(10)
    assert steps.results[0].reason == "cancelled"


def test_a_response_that_was_never_read_never_starts() -> None:
    response = wsgi_response("/def")
    response.close()
    assert steps.results == [RunResult("cancelled")]


def test_status_and_headers() -> None:
    response = DataStreamResponse(create_run(lambda c: None), status=418, reason="Tea", headers={"X-A": "1"})
    assert (response.status_code, response.reason_phrase) == (418, "Tea")
    assert response["X-A"] == "1"
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Cache-Control"] == "no-cache, no-transform"
    assert response.streaming
    response.close()


def test_the_other_names() -> None:
    def say(controller: RunController) -> None:
        controller.append_text("a")

    assert b"".join(AssistantTransportResponse(create_run(say))).endswith(b"data: [DONE]\n\n")
    assert b'"model":"m"' in b"".join(OpenAIStreamResponse(create_run(say), model="m"))
    assert b"".join(AssistantStreamResponse(create_run(say), DataStreamEncoder())) == b'0:"a"\n'
    ui = UIMessageStreamResponse(create_run(say), message_id="m1")
    assert ui["x-vercel-ai-ui-message-stream"] == "v1"
    assert b"".join(ui).startswith(b'data: {"type":"start","messageId":"m1"}\n\n')
    assert b'"RUN_FINISHED"' in b"".join(AGUIResponse(create_run(say), run_id="r"))
    assert b"".join(PlainTextResponse(create_run(say))) == b"a"


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("end", ["returns", "raises", "is cancelled"])
def test_connections_that_the_callback_opened_are_closed(
    end: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings["default"], "NAME", str(tmp_path / "database"))
    opened: list[Any] = []

    def query() -> None:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        opened.append(connection.connection)

    def finish(controller: RunController) -> None:
        controller.append_text("a")
        if end == "raises":
            raise ValueError("boom")

    def run(controller: RunController) -> None:
        query()
        finish(controller)
        if end == "is cancelled":
            controller.cancelled_event.wait_sync(30)

    async def run_async(controller: RunController) -> None:
        await sync_to_async(query)()
        finish(controller)
        if end == "is cancelled":
            await asyncio.sleep(30)

    stream = create_run(run if kind == "def" else run_async)
    response = DataStreamResponse(stream)
    content = iter(response)
    assert next(content).startswith(b'0:"a"\n')
    if end != "is cancelled":
        list(content)
    response.close()
    assert stream._run.ended.wait_sync(10)
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        opened[0].total_changes  # noqa: B018 - the question is whether it may be asked


def test_under_wsgi_coroutine_callbacks_do_not_wait_for_each_other_s_orm_calls() -> None:
    both = threading.Barrier(2)

    async def run(controller: RunController) -> None:
        await sync_to_async(both.wait)(10)
        controller.append_text("met")

    responses = [DataStreamResponse(create_run(run)) for _ in range(2)]
    readers = [threading.Thread(target=list, args=(response,)) for response in responses]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(15)
    assert not both.broken
    for response in responses:
        response.close()


@pytest.mark.parametrize("address", ["/def", "/async"])
async def test_head_never_starts_the_run(address: str) -> None:
    def call_wsgi() -> None:
        response = wsgi_response(address, REQUEST_METHOD="HEAD")
        assert list(response) == []
        response.close()

    await asyncio.to_thread(call_wsgi)
    client = asgi_client(address, "HEAD")
    await client.call(ASGIHandler())
    assert client.pieces == []
    assert client.headers[b"x-vercel-ai-data-stream"] == b"v1"
    assert steps.results == [RunResult("cancelled")] * 2
    assert steps.allowed.acquire(blocking=False)


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("reader", READER_KINDS)
def test_the_callback_has_the_view_s_language_and_time_zone(kind: str, reader: str) -> None:
    seen: list[Any] = []
    zone = zoneinfo.ZoneInfo("Europe/Paris")

    def run(controller: RunController) -> None:
        seen.extend([translation.get_language(), timezone.get_current_timezone()])

    with translation.override("fr"), timezone.override(zone):
        response = DataStreamResponse(create_run(as_kind(kind, run)))

    async def read_async() -> None:
        async for _ in response:
            pass

    if reader == "for":
        list(response)
    else:
        asyncio.run(read_async())
    response.close()
    assert seen == ["fr", zone]


def test_under_wsgi_a_coroutine_callback_of_an_async_view_may_use_sync_to_async() -> None:
    async def run(controller: RunController) -> None:
        controller.append_text(await sync_to_async(lambda: "from a thread")())

    async def respond() -> DataStreamResponse:
        return DataStreamResponse(create_run(run))

    # An async view under WSGI runs in this, and is over when the body is read.
    response = async_to_sync(respond)()
    assert b"".join(response) == b'0:"from a thread"\n'
    response.close()


package_local = Local()


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("server", ["wsgi", "asgi"])
@pytest.mark.parametrize("address", ["/def", "/async"])
async def test_the_callback_has_what_asgiref_keeps_for_the_view(
    address: str, server: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prefix of the application, the URLconf of the request, language, time zone, and a package's own values."""
    seen: list[Any] = []
    zone = zoneinfo.ZoneInfo("Europe/Paris")

    def run(controller: RunController) -> None:
        seen.append(
            [
                reverse("there"),
                get_urlconf(),
                get_script_prefix(),
                package_local.tenant,
                translation.get_language(),
                timezone.get_current_timezone(),
            ]
        )

    def respond() -> DataStreamResponse:
        # As the handler does for `request.urlconf`.
        set_urlconf(OtherURLs)
        package_local.tenant = "a"
        translation.activate("fr")
        timezone.activate(zone)
        return DataStreamResponse(create_run(as_kind(kind, run), on_finish=lambda result: run(None)))  # type: ignore[arg-type]

    monkeypatch.setattr(steps, "response", respond)
    with override_settings(FORCE_SCRIPT_NAME="/prefix"):
        if server == "wsgi":
            await asyncio.to_thread(lambda: list(wsgi_response(address)))
        else:
            await asgi_client(address).call(ASGIHandler())
    assert seen == [["/prefix/elsewhere", OtherURLs, "/prefix/", "a", "fr", zone]] * 2


class OtherURLs:
    """A URLconf of some requests only."""

    urlpatterns = (path("elsewhere", view, name="there"),)


def test_a_thread_that_served_a_loop_before_is_not_taken_for_one_under_asgi() -> None:
    async def call_back() -> bool:
        return await sync_to_async(lambda: True)()

    # asgiref marks this thread as serving the loop, and leaves the mark after the loop has ended.
    assert async_to_sync(call_back)()
    assert SyncToAsync.threadlocal.main_event_loop is not None
    steps.allowed.release(5)
    response = DjangoClient().get("/def")
    assert not response.is_async
    assert b"".join(response.streaming_content) == b'0:"0"\n0:"1"\n0:"2"\n'


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
@pytest.mark.parametrize("kind", CALLBACK_KINDS)
async def test_a_response_whose_view_raises_calls_on_finish(
    kind: str, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> DataStreamResponse:
        response = DataStreamResponse(create_run(as_kind(kind, steps.run), on_finish=steps.finish))
        if response:
            raise ValueError("boom")
        return response

    monkeypatch.setattr(steps, "response", fail)
    for address in ("/def", "/async"):
        if server == "wsgi":
            await asyncio.to_thread(wsgi_response, address)
        else:
            await asgi_client(address).call(ASGIHandler())
        assert await asyncio.to_thread(steps.ended.wait, 5)
        steps.ended.clear()
    assert [result.reason for result in steps.results] == ["cancelled"] * 2


@pytest.mark.parametrize("kind", CALLBACK_KINDS)
@pytest.mark.parametrize("server", ["wsgi", "asgi"])
async def test_the_status_may_depend_on_the_first_chunk(
    server: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    languages: list[Any] = []

    def fail(controller: RunController) -> None:
        languages.append(translation.get_language())
        raise PermissionError("too many requests")

    def make() -> tuple[AssistantStream, DataStreamResponse]:
        translation.activate("fr")
        stream = create_run(as_kind(kind, fail))
        return stream, DataStreamResponse(stream, status=429)

    def respond(request: HttpRequest) -> Any:
        stream, response = make()
        with pytest.raises(PermissionError):
            stream.peek()
        return response

    async def respond_async(request: HttpRequest) -> Any:
        stream, response = make()
        with pytest.raises(PermissionError):
            await stream.apeek()
        return response

    monkeypatch.setattr(PeekURLs, "urlpatterns", (path("def", respond), path("async", respond_async)))
    bodies = []
    with override_settings(ROOT_URLCONF=PeekURLs):
        for address in ("/def", "/async"):
            if server == "wsgi":
                bodies.append(await asyncio.to_thread(lambda address=address: b"".join(wsgi_response(address))))
            else:
                client = asgi_client(address)
                await client.call(ASGIHandler())
                bodies.append(client.body)
    assert bodies == [b'3:"too many requests"\n'] * 2
    assert languages == ["fr"] * 2


class PeekURLs:
    """The URLconf of a test."""

    urlpatterns: tuple[Any, ...] = ()


def replacing(get_response: Any) -> Any:
    def middleware(request: HttpRequest) -> Any:
        get_response(request)
        return HttpResponse("other")

    return middleware


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
@pytest.mark.parametrize("address", ["/def", "/async"])
async def test_a_response_that_middleware_replaces_calls_on_finish(address: str, server: str) -> None:
    with override_settings(MIDDLEWARE=[f"{__name__}.replacing"]):
        if server == "wsgi":
            await asyncio.to_thread(wsgi_response, address)
        else:
            await asgi_client(address).call(ASGIHandler())
    gc.collect()
    assert await asyncio.to_thread(steps.ended.wait, 5)
    assert [result.reason for result in steps.results] == ["cancelled"]


# gevent's import lock can hang when native threads and greenlets import the same module at once.
UNDER_GEVENT = """
from gevent import monkey
monkey.patch_all()
import sys
from tests.support import django_settings
from asgiref.sync import sync_to_async
from django.db import connection, models
from assistant_stream_ce import create_run
from assistant_stream_ce.responses.django import PlainTextResponse

class Word(models.Model):
    class Meta:
        app_label = "tests"
        db_table = "word"

def query():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE word (id integer)")
    return Word.objects.count()

async def answer(controller):
    controller.append_text(f"{await sync_to_async(query)()} words")

assert "django.db.backends.sqlite3.base" not in sys.modules
response = PlainTextResponse(create_run(answer))
before = set(sys.modules)
print(b"".join(response).decode(), sorted(name for name in set(sys.modules) - before if name.startswith("django")))
"""


@pytest.mark.timeout(60)
def test_under_gevent_a_query_of_a_coroutine_imports_nothing() -> None:
    require(importlib.util.find_spec("gevent"), "not installed: gevent")
    command = [sys.executable, "-c", UNDER_GEVENT]
    child = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (child.stdout, child.returncode) == ("0 words []\n", 0), child.stderr
