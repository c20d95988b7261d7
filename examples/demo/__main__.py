"""A chat page over a blocking callback and over a coroutine, side by side.

python -m examples.demo [--port N] [--no-browser]
"""

from __future__ import annotations

import inspect
import socket
import threading
import time
import webbrowser
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException
from starlette.staticfiles import StaticFiles

from assistant_stream_ce import RunController, create_run, shutdown
from assistant_stream_ce.responses.starlette import DataStreamResponse
from examples.assistant import answer, answer_async
from examples.request_body import prompt_of

HOST = "127.0.0.1"
USUAL_PORT = 8000
REMEMBERED_RUNS = 100


@dataclass
class Run:
    """When a callback learned that its reader had left, and when it ended; in milliseconds since 1970."""

    learned_at: float | None = None
    ended_at: float | None = None

    @contextmanager
    def watching(self, controller: RunController) -> Iterator[None]:
        """Take the two times of the callback inside the block."""
        controller.on_cancel(self._learn)
        try:
            yield
        finally:
            self.ended_at = time.time() * 1000

    def _learn(self) -> None:
        self.learned_at = time.time() * 1000


def blocking(controller: RunController, prompt: str, run: Run) -> None:
    """Answer in a thread of its own."""
    with run.watching(controller):
        answer(controller, prompt)


async def coroutine(controller: RunController, prompt: str, run: Run) -> None:
    """Answer in a task."""
    with run.watching(controller):
        await answer_async(controller, prompt)


CALLBACKS = {"blocking": blocking, "coroutine": coroutine}
SOURCES = {"blocking": inspect.getsource(answer), "coroutine": inspect.getsource(answer_async)}

app = FastAPI()
runs: dict[str, Run] = {}


@app.post("/api/chat/{kind}")
async def chat(kind: str, body: dict[str, Any]) -> DataStreamResponse:
    """Answer a prompt; the page names the run, so that it can ask about it even when no answer ever came."""
    if kind not in CALLBACKS:
        raise HTTPException(404)
    run = remember(str(body.get("run_id")))
    callback = partial(CALLBACKS[kind], prompt=prompt_of(body), run=run)
    return DataStreamResponse(create_run(callback, state=body.get("state")))


def remember(run_id: str) -> Run:
    """Begin the record of a run, and forget the oldest ones."""
    while len(runs) >= REMEMBERED_RUNS:
        del runs[next(iter(runs))]
    runs[run_id] = Run()
    return runs[run_id]


@app.get("/api/runs/{run_id}")
async def run_times(run_id: str) -> Run:
    """Tell what became of a run."""
    if run_id not in runs:
        raise HTTPException(404)
    return runs[run_id]


@app.get("/api/callbacks/{kind}")
async def callback_source(kind: str) -> dict[str, str]:
    """Show the code behind a tab."""
    if kind not in SOURCES:
        raise HTTPException(404)
    return {"source": SOURCES[kind]}


app.mount("/", StaticFiles(directory=Path(__file__).parent, html=True))


class Server(uvicorn.Server):
    """Ends the runs first: uvicorn waits for its connections before it tells an application of the end."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the readers and the callbacks, then close."""
        await shutdown(timeout=1)
        await super().shutdown(sockets)


def listening_socket(port: int | None) -> socket.socket:
    """Take the port asked for; without one, the usual port or any that is free."""
    if port is not None:
        return socket.create_server((HOST, port))
    try:
        return socket.create_server((HOST, USUAL_PORT))
    except OSError:
        return socket.create_server((HOST, 0))


def main() -> None:
    """Serve the page until interrupted."""
    parser = ArgumentParser(prog="python -m examples.demo", description="Serve the demo's chat page.")
    parser.add_argument("--port", type=int, help=f"default: {USUAL_PORT}, or a free one when that is taken")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    options = parser.parse_args()
    try:
        listener = listening_socket(options.port)
    except OSError as error:
        parser.error(str(error))
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    print(f"The demo is at {url} (stop it with Ctrl-C)", flush=True)
    if not options.no_browser:
        # In a thread: some browsers hold the caller until they are closed.
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    with suppress(KeyboardInterrupt):
        Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
