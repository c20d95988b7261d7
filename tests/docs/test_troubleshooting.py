"""Checks of docs/troubleshooting.rst."""

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
import tempfile
import threading
import time

from assistant_stream_ce import TextDeltaChunk, create_run
from assistant_stream_ce.serialization import (
    AGUIEncoder,
    AssistantTransportEncoder,
    DataStreamEncoder,
    OpenAIStreamEncoder,
    UIMessageStreamEncoder,
)
from tests.docs.clients import RecordList, post, server, table
from tests.docs.runner import Document

doc = Document("docs/troubleshooting.rst")
page = doc.page

log = RecordList()
records = log.records


@doc.after("# diagnosis.py")
def check_application_is_faster_in_the_test() -> None:
    page.SECONDS = 0.1  # the servers below read the file


@doc.after("gunicorn --threads 8 diagnosis:application")
def check_servers_stream_and_detect_disconnects() -> None:
    assert post(page.app, "/talk").text.count("word") == 5

    # A real curl receives each word at once, and the server detects that curl has gone.
    @contextlib.contextmanager
    def curl(address, path):
        command = ["curl", "-sN", f"{address}/{path}", "--json", "{}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process.stdout
            finally:
                process.kill()

    def check_server(running, bound):
        with running as (process, address):
            with curl(address, "talk") as lines:
                times = [time.monotonic() for line in lines if "word" in line]
            assert len(times) == 5
            assert times[-1] - times[0] > 3 * 0.5, times
            with curl(address, "wait") as lines:
                assert next(lines) == '0:"waiting"\n'
            left_at = time.monotonic()
            assert next(line for line in process.stdout if line.startswith("wait ")) == "wait cancelled\n"
            assert time.monotonic() - left_at < bound

    if shutil.which("curl"):
        with tempfile.TemporaryDirectory() as folder:
            gunicorn = server("docs/troubleshooting.rst", "gunicorn --threads 8 diagnosis:application", folder)
            check_server(gunicorn, bound=2 * 1 + 1)
            uvicorn = server("docs/troubleshooting.rst", "uvicorn diagnosis_asgi:app", folder)
            check_server(uvicorn, bound=1)


@doc.after("def arrivals(")
def check_test_stream_is_not_buffered() -> None:
    streamed = page.arrivals(create_run(page.talk))
    assert len(streamed) == 5
    assert streamed[-1] - streamed[0] > 3 * page.SECONDS, streamed


@doc.after("def arrivals(")
def check_buffering_client_and_gzip() -> None:
    import httpx

    async def seconds_until_first_line(application):
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            started = time.monotonic()
            async with client.stream("POST", "/talk") as reply:
                await anext(reply.aiter_lines())
            return time.monotonic() - started

    assert asyncio.run(seconds_until_first_line(page.app)) > 4 * page.SECONDS

    # An encoding that is named is left alone.
    from starlette.middleware.gzip import GZipMiddleware

    async def encoded(scope, receive, send):
        response = page.starlette.DataStreamResponse(page.diagnosis("talk"), headers={"content-encoding": "identity"})
        await response(scope, receive, send)

    reply = post(GZipMiddleware(encoded, minimum_size=1), "/talk", headers={"accept-encoding": "gzip"})
    assert reply.headers["content-encoding"] == "identity"
    assert reply.pieces[0] == b'0:"word 1"\n'


@doc.before("def count_threads(")
def check_swallowed_cancellation() -> None:
    # A coroutine that swallows CancelledError is not cancelled again, and no warning is logged.
    library = logging.getLogger("assistant_stream_ce")
    library.addHandler(log)
    library.propagate = False
    reasons, release = [], threading.Event()

    async def swallows(controller):
        controller.append_text("x")
        while not release.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                reasons.append("swallowed")

    ended = threading.Event()
    with create_run(swallows, on_finish=lambda result: (reasons.append(result.reason), ended.set())) as stream:
        next(iter(stream))
    assert reasons == ["swallowed"]
    assert not records
    release.set()
    assert ended.wait(10)
    assert reasons == ["swallowed", "cancelled"]


@doc.after("def count_threads(")
def check_threads_are_counted() -> None:
    with create_run(page.wait) as stream:
        next(iter(stream))
        assert page.count_threads()["assistant-stream-"] == 1


@doc.after("def chat(")
def check_limit_releases_its_place() -> None:
    page.places = places = threading.BoundedSemaphore(1)
    for method, leave_after in (("HEAD", None), ("POST", 1)):
        assert post(page.chat, "/", method=method, leave_after=leave_after).status == 200
    assert places.acquire(timeout=10)
    assert post(page.chat, "/").status == 503
    places.release()


@doc.before("location /chat {")
def check_table_of_first_bytes() -> None:
    encoders = (
        DataStreamEncoder(),
        UIMessageStreamEncoder(),
        AGUIEncoder(),
        AssistantTransportEncoder(),
        OpenAIStreamEncoder(completion_id="chatcmpl-1"),
    )
    for (begins, _), encoder in zip(table("troubleshooting.rst", "First bytes"), encoders, strict=True):
        assert encoder.encode(TextDeltaChunk("Hi")).decode().startswith(begins)


@doc.before("location /chat {")
def check_cors_header_and_state_error() -> None:
    from starlette.middleware.cors import CORSMiddleware

    def exposed(**options):
        wrapped = CORSMiddleware(page.app, allow_origins=["*"], **options)
        return post(wrapped, "/talk", headers={"origin": "https://front.example"}).headers[
            "access-control-expose-headers"
        ]

    assert exposed() == "x-vercel-ai-data-stream"
    assert exposed(expose_headers=["x-mine"]) == "x-mine"

    records.clear()

    def edits(controller):
        controller.append_state_text(["gone"], "x")

    reply = post(page.wsgi.DataStreamResponse(create_run(edits)), "/")
    assert reply.status == 200
    assert reply.text.startswith('3:"')
    assert [record.exc_info[0].__name__ for record in records] == ["StateError"]


@doc.before("location /chat {")
def check_debug_mode_names_the_blocking_run() -> None:
    blocked_by = []

    class KeepSlow(logging.Handler):
        def emit(self, record):
            blocked_by.append(record.getMessage())

    async def blocks(controller):
        for _ in range(3):
            controller.append_text("x")
            time.sleep(0.11)

    def in_its_thread(controller):
        for _ in range(3):
            controller.append_text("x")
            time.sleep(0.11)

    async def blocked(scope, receive, send):
        await page.starlette.DataStreamResponse(create_run(blocks))(scope, receive, send)

    async def threaded(scope, receive, send):
        await page.starlette.DataStreamResponse(create_run(in_its_thread))(scope, receive, send)

    logging.getLogger("asyncio").addHandler(KeepSlow())
    logging.getLogger("asyncio").propagate = False
    os.environ["PYTHONASYNCIODEBUG"] = "1"
    try:
        assert len(post(blocked, "/").pieces) == 1
    finally:
        del os.environ["PYTHONASYNCIODEBUG"]
    assert any("name='assistant-stream-" in line and "took 0." in line for line in blocked_by), blocked_by
    assert len(post(threaded, "/").pieces) == 3


test_troubleshooting = doc.test()
