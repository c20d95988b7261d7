"""A chat page over a blocking callback, a coroutine, and answers that survive a reload and are stopped from any tab.

python -m examples.demo [--port N] [--no-browser]
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from fastapi import FastAPI, Response
from starlette.staticfiles import StaticFiles

from assistant_stream_ce import AssistantStream, RunController, RunResult, create_run
from assistant_stream_ce.responses.starlette import (
    AGUIResponse,
    AssistantTransportResponse,
    DataStreamResponse,
    OpenAIStreamResponse,
    PlainTextResponse,
    UIMessageStreamResponse,
)
from assistant_stream_ce.resumable import ResumableStreams
from examples.assistant import answer, answer_async
from examples.local_server import listen, local_options, serve_asgi

REMEMBERED_RUNS = 100
# Seconds to wait for the end of a run that was stopped.
WAIT_SECONDS = 5

FormatName: TypeAlias = Literal["data-stream", "assistant-transport", "ui-message-stream", "ag-ui", "openai", "text"]
RESPONSES: dict[FormatName, Callable[[AssistantStream | None], Response]] = {
    "data-stream": DataStreamResponse,
    "assistant-transport": AssistantTransportResponse,
    "ui-message-stream": UIMessageStreamResponse,
    "ag-ui": AGUIResponse,
    "openai": OpenAIStreamResponse,
    "text": PlainTextResponse,
}

app = FastAPI()
streams = ResumableStreams()


@dataclass
class Question:
    """What the page posts. The page names the run, so that it can ask about one that it has stopped."""

    prompt: str
    run_id: str
    state: Any = None


@dataclass
class End:
    """How a run ended, and when it was cancelled and ended, in milliseconds since 1970."""

    reason: str = "running"
    cancelled_at: float | None = None
    ended_at: float | None = None
    has_ended: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Take the time of the cancellation."""
        self.cancelled_at = self.cancelled_at or time.time() * 1000

    def finish(self, result: RunResult) -> None:
        """Take the time of the end, and its reason."""
        if result.reason in ("cancelled", "abandoned"):
            # The thread of `on_cancel` may be later than that of the callback.
            self.cancel()
        self.reason, self.ended_at = result.reason, time.time() * 1000
        self.has_ended.set()


ends: dict[str, End] = {}


def observe(run_id: str) -> End:
    """Begin the record of a run, and forget the oldest ones."""
    while len(ends) >= REMEMBERED_RUNS:
        del ends[next(iter(ends))]
    return ends.setdefault(run_id, End())


# --- The code of the tabs, which the page shows ---


@app.post("/api/chat/blocking/{format_name}")
def chat(question: Question, format_name: FormatName) -> Response:
    """Answer from blocking code. A disconnect cancels it."""
    return RESPONSES[format_name](blocking(question))


@app.post("/api/chat/coroutine/{format_name}")
async def chat_async(question: Question, format_name: FormatName) -> Response:
    """Answer from a coroutine. A disconnect cancels it."""
    return RESPONSES[format_name](coroutine(question))


@app.post("/api/streams/{format_name}")
def start(question: Question, format_name: FormatName) -> Response:
    """Answer. The run continues when its readers leave."""
    stream = streams.start(blocking(question), question.run_id)
    return RESPONSES[format_name](stream)


@app.get("/api/streams/{run_id}/{format_name}")
def follow(run_id: str, format_name: FormatName) -> Response:
    """Send an answer from its beginning, to any tab; status 204 without one."""
    stream = streams.follow(run_id, wait=1)
    return RESPONSES[format_name](stream)


@app.delete("/api/streams/{run_id}")
def stop(run_id: str) -> bool:
    """Stop an answer, from any tab."""
    return streams.stop(run_id)


def blocking(question: Question) -> AssistantStream:
    """Run a blocking callback, in a thread of its own."""
    end = observe(question.run_id)

    def run(controller: RunController) -> None:
        controller.on_cancel(end.cancel)
        answer(controller, question.prompt)

    return create_run(run, state=question.state, on_finish=end.finish)


def coroutine(question: Question) -> AssistantStream:
    """Run a coroutine, in a task."""
    end = observe(question.run_id)

    async def run(controller: RunController) -> None:
        controller.on_cancel(end.cancel)
        await answer_async(controller, question.prompt)

    return create_run(run, state=question.state, on_finish=end.finish)


TABS: dict[str, tuple[Callable[..., Any], ...]] = {
    "blocking": (chat, blocking, answer),
    "coroutine": (chat_async, coroutine, answer_async),
    "resumable": (start, follow, blocking),
    "shared": (start, follow, stop),
}


# --- What the page asks about ---


@app.get("/api/tabs/{name}")
def source(name: str) -> str:
    """Return the code of a tab."""
    return "\n\n".join(inspect.getsource(function) for function in TABS[name])


@app.get("/api/runs/{run_id}")
def end_of(run_id: str) -> dict[str, object] | None:
    """Return how and when a run ended, once it has; null for an unknown one."""
    found = ends.get(run_id)
    if found is None:
        return None
    found.has_ended.wait(WAIT_SECONDS)
    return {"reason": found.reason, "cancelled_at": found.cancelled_at, "ended_at": found.ended_at}


app.mount("/", StaticFiles(directory=Path(__file__).parent, html=True))


def main() -> None:
    """Serve the page until interrupted."""
    options = local_options("examples.demo", "Serve the demo's chat page.").parse_args()
    listener = listen(options, "The demo")
    serve_asgi(app, listener)


if __name__ == "__main__":
    main()
