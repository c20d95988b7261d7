"""The chat back end with Flask."""

from __future__ import annotations

import secrets
from typing import Any

from chat import SECRET_KEY, log_in, respond, resumable_state, resume, stop, stored
from flask import Flask, Response, request, session
from store import Thread, threads
from werkzeug.exceptions import HTTPException

from assistant_stream_ce.chat_requests import RequestError
from assistant_stream_ce.responses import flask as responses

app = Flask(__name__, static_folder="page", static_url_path="")
app.secret_key = SECRET_KEY
app.config.update(MAX_CONTENT_LENGTH=20_000_000, SESSION_COOKIE_SAMESITE="Lax")
app.json.sort_keys = False  # type: ignore[attr-defined]  # a reloaded tool result looks as before


@app.before_request
def check_user() -> None:
    """Refuse requests without a login or, where they change something, without the token of the session."""
    if not request.path.startswith("/api/threads"):
        return
    if "user" not in session:
        raise RequestError("Please log in.", 401)
    token = request.headers.get("x-csrftoken", "")
    if request.method == "POST" and not secrets.compare_digest(token.encode(), session["csrf"].encode()):
        raise RequestError("Please reload the page.", 403)


# The front ends show the body as the error, so it is a plain text.
@app.errorhandler(RequestError)
def show_request_error(error: RequestError) -> Response:
    return Response(str(error), error.status, mimetype="text/plain")


@app.errorhandler(HTTPException)
def show_http_error(error: HTTPException) -> Response:
    return Response(error.description, error.code, mimetype="text/plain")


@app.post("/api/login")
def login() -> dict[str, Any]:
    session.update(user=log_in(request.get_data()), csrf=secrets.token_urlsafe())
    return show_session()


@app.get("/api/session")
def show_session() -> dict[str, Any]:
    return {"csrf": session.get("csrf"), "threads": threads(session.get("user"))}


@app.get("/api/threads/<thread>/<front_end>")
def history(thread: str, front_end: str) -> dict[str, Any]:
    return stored(front_end, Thread(session["user"], thread))


@app.post("/api/threads/<thread>/<front_end>")
def chat(thread: str, front_end: str) -> Any:
    return respond(responses, front_end, Thread(session["user"], thread), request.get_data())


@app.route("/api/threads/<thread>/<front_end>/stream", methods=["GET", "POST"])
def open_answer(thread: str, front_end: str) -> Any:
    return resume(responses, front_end, Thread(session["user"], thread))


@app.post("/api/threads/<thread>/<front_end>/state")
def state_of_open_answer(thread: str, front_end: str) -> Any:
    return resumable_state(Thread(session["user"], thread)) or ("", 204)


@app.post("/api/threads/<thread>/<front_end>/stop")
def stop_answer(thread: str, front_end: str) -> dict[str, bool]:
    return {"stopped": stop(Thread(session["user"], thread))}


@app.get("/")
def page() -> Response:
    return app.send_static_file("index.html")
