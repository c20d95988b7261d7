"""Apps whose answers are resumable, for workers that share a store: `wsgi` in Flask, `asgi` in Starlette.

`RESUMABLE_PLACE` is the URL of Redis or a directory, `RESUMABLE_DRAIN` the seconds that live runs get at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from assistant_stream_ce import AssistantStream, RunController, create_run
from assistant_stream_ce.responses import flask as flask_responses
from assistant_stream_ce.responses import starlette as starlette_responses
from assistant_stream_ce.resumable import ResumableStreams
from tests.resumable.worker import store_at

DRAIN = float(os.environ.get("RESUMABLE_DRAIN", "0"))

streams = ResumableStreams(store_at(os.environ["RESUMABLE_PLACE"]), lease=30.0, drain_seconds=DRAIN)


def say(controller: RunController, number: int) -> None:
    """Send one chunk or several."""
    controller.append_text(f"word-{number};")
    if number % 10 == 0:
        controller.append_reasoning(f"thought {number}")
        controller.state["count"] = number
        with controller.add_tool_call("search", f"call-{number}") as call:
            call.append_args_text("{}")
            call.set_response([number])


def create(words: int, pause: float, *, is_async: bool) -> AssistantStream:
    """Create a run that says so many words."""

    def run(controller: RunController) -> None:
        for number in range(words):
            say(controller, number)
            controller.cancelled_event.wait_sync(pause)

    async def arun(controller: RunController) -> None:
        for number in range(words):
            say(controller, number)
            await asyncio.sleep(pause)

    return create_run(arun if is_async else run, state={"count": 0})


# --- Flask ---

wsgi = flask.Flask(__name__)


def _pid() -> dict[str, str]:
    return {"x-pid": str(os.getpid())}


@wsgi.get("/stats")
def stats() -> dict[str, Any]:
    """Return the process."""
    return {"pid": os.getpid()}


@wsgi.get("/<any(start, follow):what>/<wire>/<name>")
def answer(what: str, wire: str, name: str) -> flask.Response:
    """Begin or follow an answer, on a wire."""
    if what == "start":
        query = flask.request.args
        stream = streams.start(create(int(query["words"]), float(query["pause"]), is_async=False), name)
        return getattr(flask_responses, f"{wire}Response")(stream, headers=_pid())  # type: ignore[no-any-return]
    found = streams.follow(name, wait=5.0)
    return getattr(flask_responses, f"{wire}Response")(found, headers=_pid())  # type: ignore[no-any-return]


@wsgi.get("/begin/<name>")
def begin(name: str) -> dict[str, Any]:
    """Begin an answer that nobody follows yet."""
    query = flask.request.args
    streams.start(create(int(query["words"]), float(query["pause"]), is_async=False), name).close()
    return {"pid": os.getpid()}


@wsgi.get("/stop/<name>")
def stop(name: str) -> dict[str, Any]:
    """Stop an answer."""
    return {"stopped": streams.stop(name)}


# --- Starlette ---


async def _stats(request: Request) -> JSONResponse:
    return JSONResponse({"pid": os.getpid()})


async def _start(request: Request) -> Any:
    words, pause = int(request.query_params["words"]), float(request.query_params["pause"])
    stream = await streams.astart(create(words, pause, is_async=True), request.path_params["name"])
    return getattr(starlette_responses, f"{request.path_params['wire']}Response")(stream, headers=_pid())


async def _follow(request: Request) -> Any:
    stream = await streams.afollow(request.path_params["name"], wait=5.0)
    return getattr(starlette_responses, f"{request.path_params['wire']}Response")(stream, headers=_pid())


async def _begin(request: Request) -> JSONResponse:
    words, pause = int(request.query_params["words"]), float(request.query_params["pause"])
    await (await streams.astart(create(words, pause, is_async=True), request.path_params["name"])).aclose()
    return JSONResponse({"pid": os.getpid()})


async def _stop(request: Request) -> JSONResponse:
    return JSONResponse({"stopped": await streams.astop(request.path_params["name"])})


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    yield
    await streams.adrain(DRAIN)


asgi = Starlette(
    routes=[
        Route("/stats", _stats),
        Route("/start/{wire}/{name}", _start),
        Route("/follow/{wire}/{name}", _follow),
        Route("/begin/{name}", _begin),
        Route("/stop/{name}", _stop),
    ],
    lifespan=_lifespan,
)
