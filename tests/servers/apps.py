"""The apps that the servers serve: one for each framework, together under `asgi` and `wsgi`.

The first part of the path names the framework, the second the behaviour of the run. The garbage collector is off, so
that nothing but the code itself lets go of anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

import django
import flask
import psutil
import structlog
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from werkzeug.wrappers import Response as WerkzeugResponse

from assistant_stream_ce import create_run
from assistant_stream_ce.responses import django as django_responses
from assistant_stream_ce.responses import flask as flask_responses
from assistant_stream_ce.responses import starlette as starlette_responses
from assistant_stream_ce.responses import wsgi as wsgi_responses
from assistant_stream_ce.run import loops
from assistant_stream_ce.run.run import Run
from tests.servers.callbacks import FOLDER, make_stream, note, released, tracer
from tests.servers.shutting_down import lifespan

gc.disable()

#: What a view sleeps between its queries.
TICK_SECONDS = 0.01

DATABASE = str(FOLDER / "database")

settings.configure(
    SECRET_KEY="tests",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    LOGGING_CONFIG=None,
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE, "CONN_MAX_AGE": 600}},
)
django.setup()

from tests.servers import models  # noqa: E402


def heartbeat(options: Mapping[str, str]) -> float:
    """Return the seconds that the client asks for."""
    return float(options.get("heartbeat", 0.5))


@contextlib.contextmanager
def view_of(options: Mapping[str, str]) -> Iterator[None]:
    """Surround a view as tracing and logging middleware does."""
    run = options["run"]
    with tracer.start_as_current_span("view") as span, structlog.contextvars.bound_contextvars(request=run):
        note(run, "view", trace=format(span.get_span_context().trace_id, "032x"))
        yield


def stats(loop: asyncio.AbstractEventLoop | None) -> dict[str, Any]:
    """Return what a leak would make grow."""
    process = psutil.Process()
    running = [one for one in (loop, loops._this_process().loop) if one is not None]
    return {
        "pid": process.pid,
        "threads": process.num_threads(),
        "fds": process.num_fds(),
        "memory": process.memory_info().rss,
        "tasks": sum(len(asyncio.all_tasks(one)) for one in running),
        "runs": sum(type(one) is Run for one in gc.get_objects()),
        "collects": gc.isenabled(),
        "collections": sum(generation["collections"] for generation in gc.get_stats()),
        "connections": sum(one.path == DATABASE for one in process.open_files()),
    }


# --- Starlette -------------------------------------------------------------------------------------


async def starlette_stream(request: Request) -> Response:
    """Stream a run."""
    with view_of(request.query_params):
        stream = make_stream(request.path_params["name"], request.query_params)
        return starlette_responses.DataStreamResponse(stream, heartbeat=heartbeat(request.query_params))


async def starlette_stats(request: Request) -> Response:
    """Answer with what a leak would make grow, after a collection if it is wanted."""
    if "collect" in request.query_params:
        gc.collect()
    return JSONResponse(stats(asyncio.get_running_loop()))


def starlette_ping(request: Request) -> Response:
    """Answer from a thread of anyio's pool."""
    return JSONResponse({})


async def starlette_look_up(request: Request) -> Response:
    """Answer after a look-up of a name in asyncio's default executor."""
    await asyncio.get_running_loop().getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    return JSONResponse({})


async def starlette_release(request: Request) -> Response:
    """Let go all runs that hold."""
    released.set()
    return JSONResponse({})


asgi_app = Starlette(
    routes=[
        Route("/stats", starlette_stats),
        Route("/ping", starlette_ping),
        Route("/look-up", starlette_look_up),
        Route("/release", starlette_release),
        Route("/starlette/{name}", starlette_stream),
    ],
    lifespan=lifespan,
)


# --- Django ----------------------------------------------------------------------------------------


def django_stream(request: HttpRequest, name: str) -> HttpResponseBase:
    """Stream a run, under either handler."""
    with view_of(request.GET):
        return django_responses.DataStreamResponse(make_stream(name, request.GET), heartbeat=heartbeat(request.GET))


def django_words(request: HttpRequest) -> HttpResponse:
    """Use the ORM in the view, as other requests do; return how long its thread had to wait."""
    started = last = time.monotonic()
    longest = 0.0
    while last - started < float(request.GET["seconds"]):
        time.sleep(TICK_SECONDS)
        count = models.Word.objects.count()
        now = time.monotonic()
        last, longest = now, max(longest, now - last - TICK_SECONDS)
    return HttpResponse(json.dumps({"words": count, "longest": longest}))


urlpatterns = [path("django-words", django_words), path("django/<name>", django_stream)]
django_asgi = get_asgi_application()
django_wsgi = get_wsgi_application()


# --- Flask -----------------------------------------------------------------------------------------

flask_app = flask.Flask("served")


@flask_app.get("/flask/<name>")
def flask_stream(name: str) -> WerkzeugResponse:
    """Stream a run."""
    flask.g.run = flask.request.args["run"]
    with view_of(flask.request.args):
        return flask_responses.DataStreamResponse(
            make_stream(name, flask.request.args), heartbeat=heartbeat(flask.request.args)
        )


@flask_app.get("/flask-plain")
def flask_plain() -> dict[str, str]:
    """Answer at once."""
    flask.g.run = flask.request.args["run"]
    return {"run": flask.g.run}


@flask_app.teardown_appcontext
def note_teardown(error: BaseException | None) -> None:
    """Note the end of an app context."""
    note(flask.g.run, "teardown", app=flask.current_app.name)


# --- Plain WSGI ------------------------------------------------------------------------------------


def plain_app(environ: dict[str, Any], start_response: Any) -> Any:
    """Stream a run."""
    options = dict(pair.split("=") for pair in environ["QUERY_STRING"].split("&"))
    with view_of(options):
        stream = make_stream(environ["PATH_INFO"].rpartition("/")[2], options)
        response = wsgi_responses.DataStreamResponse(stream, heartbeat=heartbeat(options))
    return response(environ, start_response)


def stats_app(environ: dict[str, Any], start_response: Any) -> Any:
    """Answer with what a leak would make grow."""
    start_response("200 OK", [("content-type", "application/json")])
    return [json.dumps(stats(None)).encode()]


# --- Together --------------------------------------------------------------------------------------


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Serve Starlette and Django."""
    app: Any = django_asgi if scope.get("path", "").startswith("/django") else asgi_app
    await app(scope, receive, send)


WSGI_APPS: dict[str, Any] = {"plain": plain_app, "flask": flask_app, "django": django_wsgi, "stats": stats_app}


def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
    """Serve Flask, Django and plain WSGI."""
    first = environ["PATH_INFO"].split("/")[1].partition("-")[0]
    return WSGI_APPS[first](environ, start_response)


async def _say_one_word(controller: Any) -> None:
    controller.append_text("before the fork")


if "SERVERS_RUN_AT_IMPORT" in os.environ:
    # A shared loop in the parent of preloaded workers.
    assert list(create_run(_say_one_word))
