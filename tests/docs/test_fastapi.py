"""Checks of docs/fastapi.rst."""

from assistant_stream_ce import create_run
from assistant_stream_ce.serialization.data_stream import DataStreamResponse
from tests.docs.clients import post
from tests.docs.runner import Document

doc = Document("docs/fastapi.rst")
page = doc.page


@doc.after("def blocking(")
def check_both_kinds_of_callback() -> None:
    assert DataStreamResponse is page.DataStreamResponse
    for path in ("/chat", "/blocking"):
        assert post(page.app, path, {"prompt": "Hello there"}).text == '0:"Hello "\n0:"there "\n'


@doc.after("def greetings(")
def check_status_headers_and_finish() -> None:
    reply = post(page.app, "/greeting")
    assert (reply.status, reply.text) == (201, '0:"Good "\n0:"evening"\n')
    assert reply.headers == {
        "content-type": "text/plain; charset=utf-8",
        "x-accel-buffering": "no",
        "x-vercel-ai-data-stream": "v1",
        "access-control-expose-headers": "x-vercel-ai-data-stream",
        "cache-control": "no-store",
        "content-encoding": "identity",
    }
    assert page.finished == ["greeting"]


@doc.after("def yielding(")
def check_endpoint_yields_chunks() -> None:
    reply = post(page.app, "/yielding")
    assert (reply.status, reply.text) == (200, '0:"Good "\n0:"morning"\n')


@doc.before("def limited(")
def check_openapi() -> None:
    operation = page.app.openapi()["paths"]["/yielding"]["post"]
    assert list(operation["responses"]["200"]["content"]) == ["text/plain"]


@doc.after("def limited(")
def check_status_by_the_first_chunk() -> None:
    reply = post(page.app, "/limited", {"prompt": ""})
    assert (reply.status, reply.text) == (429, '3:"Too many requests."\n')


@doc.after("def patient(")
def check_disconnect_cancels() -> None:
    assert post(page.app, "/patient", leave_after=1).text == '0:"One moment. "\n'
    assert page.log == ["cleaned up", "cancelled", "background"]


@doc.after("def traced(")
def check_context_variables() -> None:
    assert post(page.app, "/traced").text == '0:"request-7"\n'


@doc.before("def endpoint(")
def check_middleware_and_head() -> None:
    from fastapi.middleware.gzip import GZipMiddleware
    from starlette.middleware.base import BaseHTTPMiddleware

    async def pass_on(request, call_next):
        return await call_next(request)

    for wrapped in (GZipMiddleware(page.app, minimum_size=1), BaseHTTPMiddleware(page.app, pass_on)):
        page.log.clear()
        reply = post(wrapped, "/patient", headers={"accept-encoding": "gzip"}, leave_after=1)
        assert reply.pieces[0] == b'0:"One moment. "\n'
        assert {"cleaned up", "cancelled"} <= set(page.log)

    started = []

    @page.app.api_route("/any", methods=["GET", "HEAD"])
    async def any_method():
        return page.DataStreamResponse(
            create_run(started.append, on_finish=lambda result: page.log.append(result.reason))
        )

    page.log.clear()
    reply = post(page.app, "/any", method="HEAD")
    assert (reply.text, started, page.log) == ("", [], ["cancelled"])
    assert reply.headers["x-vercel-ai-data-stream"] == "v1"


@doc.after("def endpoint(")
def check_starlette_route() -> None:
    assert post(page.app, "/chat", {"prompt": "Hi"}).text == '0:"Hi"\n'


@doc.after("def test_chat(")
def check_example_test_passes() -> None:
    page.test_chat()


test_fastapi = doc.test()
