"""The chat back end with FastAPI."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Any

from chat import SECRET_KEY, log_in, respond, resumable_state, resume, stop, stored
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.sessions import SessionMiddleware
from store import Thread, threads

from assistant_stream_ce.chat_requests import RequestError
from assistant_stream_ce.responses import starlette as responses

MAX_BYTES = 20_000_000


app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key=SECRET_KEY, same_site="lax")


# The front ends show the body as the error, so it is a plain text.
@app.exception_handler(RequestError)
async def show_request_error(request: Request, error: RequestError) -> PlainTextResponse:
    return PlainTextResponse(str(error), error.status)


async def check_user(request: Request) -> str:
    """Refuse requests without a login or, where they change something, without the token of the session."""
    if "user" not in request.session:
        raise RequestError("Please log in.", 401)
    token = request.headers.get("x-csrftoken", "")
    if request.method == "POST" and not secrets.compare_digest(token.encode(), request.session["csrf"].encode()):
        raise RequestError("Please reload the page.", 403)
    return str(request.session["user"])


async def read_body(request: Request) -> bytes:
    """Read the body up to a limit, because servers have none."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise RequestError("The request is too large.", 413)
    return bytes(body)


User = Annotated[str, Depends(check_user)]
RequestBody = Annotated[bytes, Depends(read_body)]


# These are not `async def`, because SQLite blocks.
@app.post("/api/login")
def login(request: Request, body: RequestBody) -> dict[str, Any]:
    request.session.update(user=log_in(body), csrf=secrets.token_urlsafe())
    return show_session(request)


@app.get("/api/session")
def show_session(request: Request) -> dict[str, Any]:
    return {"csrf": request.session.get("csrf"), "threads": threads(request.session.get("user"))}


@app.get("/api/threads/{thread}/{front_end}")
def history(user: User, thread: str, front_end: str) -> dict[str, Any]:
    return stored(front_end, Thread(user, thread))


@app.post("/api/threads/{thread}/{front_end}", response_model=None)
def chat(user: User, thread: str, front_end: str, body: RequestBody) -> Any:
    return respond(responses, front_end, Thread(user, thread), body)


@app.api_route("/api/threads/{thread}/{front_end}/stream", methods=["GET", "POST"], response_model=None)
def open_answer(user: User, thread: str, front_end: str) -> Any:
    return resume(responses, front_end, Thread(user, thread))


@app.post("/api/threads/{thread}/{front_end}/state", response_model=None)
def state_of_open_answer(user: User, thread: str) -> Any:
    return resumable_state(Thread(user, thread)) or Response(status_code=204)


@app.post("/api/threads/{thread}/{front_end}/stop")
def stop_answer(user: User, thread: str) -> dict[str, bool]:
    return {"stopped": stop(Thread(user, thread))}


app.mount("/", StaticFiles(directory=Path(__file__).with_name("page"), html=True))
