"""A chat page over a blocking callback, over a coroutine, and over answers that survive a reload.

python -m examples.demo [--port N] [--no-browser]
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Response
from starlette.staticfiles import StaticFiles

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.responses.starlette import (
    AGUIResponse,
    AssistantTransportResponse,
    DataStreamResponse,
    OpenAIStreamResponse,
    UIMessageStreamResponse,
)
from assistant_stream_ce.resumable import FollowedStream, MemoryStore, ResumableStreams
from examples.assistant import answer, answer_async
from examples.local_server import listen, local_options, serve_asgi
from examples.request_body import prompt_of

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
STREAMS = ResumableStreams(MemoryStore())
FORMATS: dict[str, Callable[[FollowedStream], Response]] = {
    "data-stream": DataStreamResponse,
    "assistant-transport": AssistantTransportResponse,
    "ui-message-stream": UIMessageStreamResponse,
    "ag-ui": AGUIResponse,
    "openai": OpenAIStreamResponse,
}


def begin(prompt: str, state: Any, run_id: str, run: Run) -> FollowedStream:
    """Begin an answer that goes on when its reader leaves."""
    stream = create_run(partial(blocking, prompt=prompt, run=run), state=state)
    return STREAMS.start(stream, run_id)


def follow(run_id: str, format_name: str) -> Response:
    """Send an answer from its beginning, in any format."""
    stream = STREAMS.follow(run_id)
    return FORMATS[format_name](stream) if stream else Response(status_code=204)


SOURCES = {
    "blocking": inspect.getsource(answer),
    "coroutine": inspect.getsource(answer_async),
    "resumable": f"{inspect.getsource(begin)}\n\n{inspect.getsource(follow)}",
}

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


# These are not `async def`, because `start`, `follow` and `stop` block.
@app.post("/api/streams/{run_id}")
def begin_stream(run_id: str, body: dict[str, Any]) -> DataStreamResponse:
    """Begin an answer, and send it."""
    return DataStreamResponse(begin(prompt_of(body), body.get("state"), run_id, remember(run_id)))


@app.get("/api/streams/{run_id}/{format_name}")
def follow_stream(run_id: str, format_name: str) -> Response:
    """Send an answer, to any number of readers."""
    if format_name not in FORMATS:
        raise HTTPException(404)
    return follow(run_id, format_name)


@app.delete("/api/streams/{run_id}")
def stop_stream(run_id: str) -> bool:
    """Stop an answer, from any tab."""
    return STREAMS.stop(run_id)


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


def main() -> None:
    """Serve the page until interrupted."""
    options = local_options("examples.demo", "Serve the demo's chat page.").parse_args()
    listener = listen(options, "The demo")
    serve_asgi(app, listener)


if __name__ == "__main__":
    main()
