"""The pages' backends: FastAPI with a coroutine callback, which serves the pages too, and Flask with a plain one.

A path names the talk and the wire. Flask is on another origin than the pages, as a backend often is in development.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from fastapi import FastAPI
from flask import Flask, request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from werkzeug.wrappers import Response as WerkzeugResponse

from assistant_stream_ce import create_run
from assistant_stream_ce.chat_requests import parse_ai_sdk
from assistant_stream_ce.responses import flask, starlette
from tests.frontends.conversation import Talk

#: It lets Flask detect that a page has disconnected.
HEARTBEAT_SECONDS = 0.25


def answer(responses: ModuleType, talk: Talk, wire: str, body: dict[str, Any], *, is_coroutine: bool) -> Any:
    """Return the response to a request, in the wire that the front end reads."""
    talk.asked.append(body)
    # assistant-ui's data stream runtime posts the state of the last answer and begins each answer with none: there the
    # callback assigns it.
    state = None if wire == "data-stream" else body.get("state")
    message_id = parse_ai_sdk(body).message_id if wire == "ui-message-stream" else None
    stream = create_run(talk.callback(is_coroutine=is_coroutine), state=state, message_id=message_id)
    options: dict[str, Any] = {"heartbeat": HEARTBEAT_SECONDS}
    match wire:
        case "data-stream":
            return responses.DataStreamResponse(stream, **options)
        case "assistant-transport":
            return responses.AssistantTransportResponse(stream, **options)
        case "ui-message-stream":
            return responses.UIMessageStreamResponse(stream, **options)
        case "ag-ui":
            return responses.AGUIResponse(stream, thread_id=body["threadId"], run_id=body["runId"], **options)
    raise ValueError(wire)


def fastapi_app(talks: dict[str, Talk], pages: Path) -> FastAPI:
    """Make the app with coroutine callbacks, which serves the pages too."""
    app = FastAPI()

    @app.post("/api/{key}/{wire}")
    async def chat(key: str, wire: str, body: dict[str, Any]) -> Response:
        response: Response = answer(starlette, talks[key], wire, body, is_coroutine=True)
        return response

    app.mount("/", StaticFiles(directory=pages, html=True))
    return app


def flask_app(talks: dict[str, Talk]) -> Flask:
    """Make the app with plain callbacks; pages of every origin may ask it."""
    app = Flask(__name__)

    @app.post("/api/<key>/<wire>")
    def chat(key: str, wire: str) -> WerkzeugResponse:
        response: WerkzeugResponse = answer(flask, talks[key], wire, request.get_json(), is_coroutine=False)
        return response

    @app.after_request
    def share(response: WerkzeugResponse) -> WerkzeugResponse:
        response.headers["access-control-allow-origin"] = "*"
        response.headers["access-control-allow-headers"] = "content-type"
        return response

    return app
