"""The AI SDK's transport resumes an answer after a reload, and `EventSource` goes on behind its last event id."""

from __future__ import annotations

import json
import threading
from importlib.util import find_spec

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.resumable import ResumableStreams
from tests.conformance.clients import ONE_SECONDS, node, require_clients
from tests.support.require import require
from tests.support.web_servers import serving_wsgi

WORDS = [f"word-{number};" for number in range(20)]
CHAT = "live/1"


def test_clients_resume_an_answer() -> None:
    require_clients()
    require(find_spec("flask"), "flask is not installed")
    import flask

    from assistant_stream_ce.responses.flask import UIMessageStreamResponse

    streams, may_go_on = ResumableStreams(), threading.Event()
    app = flask.Flask("resume")

    def run(controller: RunController) -> None:
        for word in WORDS[:10]:
            controller.append_text(word)
        may_go_on.wait(ONE_SECONDS)
        for word in WORDS[10:]:
            controller.append_text(word)

    @app.get("/chat/<path:chat_id>/stream")
    def resume(chat_id: str) -> flask.Response:
        return UIMessageStreamResponse(streams.follow(thread=chat_id))

    @app.get("/events/<path:chat_id>")
    def events(chat_id: str) -> flask.Response:
        last = flask.request.headers.get("last-event-id")
        return UIMessageStreamResponse(streams.follow(thread=chat_id, after=last), event_ids=True)

    @app.get("/go")
    def go() -> str:
        may_go_on.set()
        return ""

    with streams, serving_wsgi(app) as url:
        stream = streams.start(create_run(run), thread=CHAT)
        with node("resume.mjs", url) as process:
            output, _ = process.communicate(timeout=ONE_SECONDS)
        found = json.loads(output)
        may_go_on.set()
    shown = {"nothing": None, "texts": WORDS, "id": stream.message_id}
    assert found["transports"] == dict.fromkeys(("5", "6", "7"), shown)
    deltas = [json.loads(data) for identifier, data in found["events"] if identifier is not None]
    assert [delta["delta"] for delta in deltas if delta["type"] == "text-delta"] == WORDS
