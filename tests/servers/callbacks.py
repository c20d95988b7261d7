"""Callbacks of the served apps, and their notes for the tests.

A note is a line of JSON at the end of a file, so it can be read while every worker of a server is busy. Its time is
the machine's monotonic clock, which is the same in the tests' process.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import httpcore  # noqa: F401 - with trio, which starts a process: under gevent only the main thread may
import httpx
import structlog
from flask import current_app, request
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from assistant_stream_ce import AssistantStream, RunCancelled, RunController, RunResult, create_run
from tests.servers.servers import ENDLESS_BYTES

FOLDER = Path(os.environ["SERVERS_FOLDER"])

#: Longer than any test waits: a callback that is not cancelled fails the test.
FOREVER = 60.0

#: A thread that makes no call for so long after its client left was given up before.
STUCK_SECONDS = 4.0

#: What the last clean-up of a coroutine awaits.
CLEANUP_SECONDS = 0.2

_notes = os.open(FOLDER / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

Note: TypeAlias = Callable[..., None]
Callback: TypeAlias = Callable[[RunController, Note, Mapping[str, str]], Any]


def note(run: str, event: str, **details: Any) -> None:
    """Write down that something happened, whole and at once."""
    line = {"run": run, "event": event, "at": time.monotonic(), "pid": os.getpid(), **details}
    os.write(_notes, json.dumps(line).encode() + b"\n")


class NotingHandler(logging.Handler):
    """Notes what the library logs, so that a traceback on stderr is always a stray one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Note a record."""
        message, error = record.getMessage(), record.exc_info
        note("", "logged", level=record.levelname, message=message, error=str(error[1]) if error else None)


class NotingSpans(SpanProcessor):
    """Notes the end of each span that belongs to a run."""

    def on_end(self, span: ReadableSpan) -> None:
        """Note a span."""
        attributes = span.attributes or {}
        note(str(attributes.get("run", "")), "span", name=span.name)


logging.getLogger("assistant_stream_ce").addHandler(NotingHandler())
logging.getLogger("assistant_stream_ce").propagate = False

_tracing = TracerProvider()
_tracing.add_span_processor(NotingSpans())
tracer = _tracing.get_tracer("served")

#: Lets go all runs that hold.
released = threading.Event()

CALLBACKS: dict[str, dict[str, Callback]] = {"def": {}, "async": {}}


def behaviour(callback: Callback) -> Callback:
    """Register a callback under its name and kind; it notes its start, its end, and its cancellation."""
    is_coroutine = inspect.iscoroutinefunction(callback)

    def begin(controller: RunController, take_note: Note) -> None:
        controller.on_cancel(functools.partial(take_note, "cancelled"))
        take_note("started", kind="async" if is_coroutine else "def")

    def run(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
        begin(controller, take_note)
        try:
            callback(controller, take_note, options)
        finally:
            take_note("ended")

    async def run_coroutine(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
        begin(controller, take_note)
        try:
            await callback(controller, take_note, options)
        finally:
            take_note("ended")

    name = callback.__name__.removesuffix("_coroutine")
    CALLBACKS["async" if is_coroutine else "def"][name] = run_coroutine if is_coroutine else run
    return callback


def make_stream(name: str, options: Mapping[str, str]) -> AssistantStream:
    """Return the stream of a behaviour: `options` has the run's name and the callback's kind."""
    take_note = functools.partial(note, options["run"])
    callback = CALLBACKS[options.get("kind", "def")][name]

    def finish(result: RunResult) -> None:
        # A hook that saves the answer.
        time.sleep(float(options.get("finish", 0)))
        take_note("finished", reason=result.reason)

    return create_run(functools.partial(callback, take_note=take_note, options=options), on_finish=finish)


# --- Disconnects -----------------------------------------------------------------------------------


def use_after_leaving(controller: RunController, take_note: Note) -> None:
    """Hold, by noting, that the next call of the controller is refused."""
    take_note("learned")
    try:
        controller.append_text("nobody hears this")
    except RunCancelled:
        take_note("refused")
        raise


@behaviour
def quiet(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    controller.append_text("word;")
    if controller.cancelled_event.wait_sync(FOREVER):
        use_after_leaving(controller, take_note)


@behaviour
async def quiet_coroutine(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    controller.append_text("word;")
    try:
        await asyncio.sleep(FOREVER)
    except asyncio.CancelledError:
        take_note("learned")
        raise
    finally:
        await asyncio.sleep(CLEANUP_SECONDS)
        take_note("cleaned")


@behaviour
def polling(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    controller.append_text("word;")
    while not controller.is_cancelled:
        time.sleep(0.1)
    use_after_leaving(controller, take_note)


@behaviour
def stuck(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    """Be in a call that nothing ends, until long after the run was given up."""
    cancelled = threading.Event()
    controller.on_cancel(cancelled.set)
    controller.append_text("word;")
    if cancelled.wait(FOREVER):
        time.sleep(STUCK_SECONDS)
        use_after_leaving(controller, take_note)


@behaviour
def talking(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    try:
        while True:
            controller.append_text("word;")
            controller.cancelled_event.wait_sync(0.05)
    except RunCancelled:
        use_after_leaving(controller, take_note)


@behaviour
async def talking_coroutine(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    try:
        while True:
            controller.append_text("word;")
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        take_note("learned")
        raise
    finally:
        await asyncio.sleep(CLEANUP_SECONDS)
        take_note("cleaned")


# --- Streaming -------------------------------------------------------------------------------------


def acknowledged(run: str) -> int:
    """Return how many words the client has acknowledged."""
    try:
        return (FOLDER / f"{run}.read").stat().st_size
    except FileNotFoundError:
        return 0


@behaviour
def in_step(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    """Say each word when the client has read the one before."""
    for number in range(int(options["words"])):
        while acknowledged(options["run"]) < number and not controller.is_cancelled:
            time.sleep(0.005)
        take_note("sent", number=number)
        controller.append_text(f"word-{number};")


@behaviour
async def in_step_coroutine(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    for number in range(int(options["words"])):
        while acknowledged(options["run"]) < number:
            await asyncio.sleep(0.005)
        take_note("sent", number=number)
        controller.append_text(f"word-{number};")


@behaviour
def paced(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    for number in range(int(options["words"])):
        controller.append_text(f"word-{number};")
        time.sleep(float(options["pause"]))


@behaviour
async def paced_coroutine(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    try:
        for number in range(int(options["words"])):
            controller.append_text(f"word-{number};")
            await asyncio.sleep(float(options["pause"]))
    finally:
        await asyncio.sleep(0)
        take_note("cleaned")


@behaviour
def raising(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    for number in range(3):
        controller.append_text(f"word-{number};")
    raise RuntimeError(f"on purpose: {options['run']}")


@behaviour
async def raising_coroutine(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    raising(controller, take_note, options)


# --- Limits ----------------------------------------------------------------------------------------

_PIECE = "x" * 1000


@behaviour
def endless(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    """Produce as fast as it goes, noting each megabyte."""
    try:
        for number in range(ENDLESS_BYTES // len(_PIECE)):
            controller.append_text(_PIECE)
            if number % 1000 == 0:
                take_note("produced", megabytes=number // 1000)
    finally:
        take_note("learned")


@behaviour
async def endless_coroutine(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    try:
        for number in range(ENDLESS_BYTES // len(_PIECE)):
            controller.append_text(_PIECE)
            await controller.drain()
            if number % 1000 == 0:
                take_note("produced", megabytes=number // 1000)
    finally:
        take_note("learned")


@behaviour
def holding(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    controller.append_text("word;")
    released.wait(FOREVER)


# --- Clients ---------------------------------------------------------------------------------------

#: One for all runs of the process, as SDKs keep one.
_client: httpx.AsyncClient | None = None


@behaviour
async def asking_coroutine(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    """Ask another server, with a client that other runs use too."""
    global _client
    _client = _client or httpx.AsyncClient(trust_env=False)
    answer = await _client.get(f"http://localhost:{options['service']}/")
    controller.append_text(answer.text)


# --- Contexts --------------------------------------------------------------------------------------


def surroundings() -> dict[str, Any]:
    """Return what the tracing and logging libraries know of the place of the call."""
    span = trace.get_current_span().get_span_context()
    return {"trace": format(span.trace_id, "032x"), **structlog.contextvars.get_contextvars()}


@behaviour
def flask(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    controller.append_text(f"{request.args['run']} {current_app.name};")


@behaviour
async def flask_coroutine(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    flask(controller, take_note, options)


@behaviour
def context(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    with tracer.start_as_current_span("run", attributes={"run": options["run"]}):
        take_note("context", **surroundings())
        controller.append_text("word;")
        if "wait" in options:
            controller.cancelled_event.wait_sync(FOREVER)
            controller.raise_if_cancelled()


@behaviour
async def context_coroutine(controller: RunController, take_note: Note, options: Mapping[str, str]) -> None:
    with tracer.start_as_current_span("run", attributes={"run": options["run"]}):
        take_note("context", **surroundings())
        controller.append_text("word;")
        if "wait" in options:
            await asyncio.sleep(FOREVER)
