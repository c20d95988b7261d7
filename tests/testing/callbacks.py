"""Callbacks, and ways to call a pair, that several tests of the testing helpers use."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from assistant_stream_ce import RunController
from assistant_stream_ce.integrations.httpx import abort
from assistant_stream_ce.testing import Disconnect, ScriptedModel, aread_and_leave, read_and_leave
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS

each_kind = pytest.mark.parametrize("kind", CALLBACK_KINDS)
each_reader = pytest.mark.parametrize("reader", READER_KINDS)

#: Seconds; a timeout that is meant to expire.
SOON = 0.2


def in_world(reader: str, function: Callable[..., Any], pair: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a function in a thread, or its pair for coroutines in an event loop."""
    return function(*args, **options) if reader == "for" else asyncio.run(pair(*args, **options))


def leave(reader: str, *args: Any, **options: Any) -> Disconnect:
    """Call `read_and_leave`, or its pair in an event loop."""
    left: Disconnect = in_world(reader, read_and_leave, aread_and_leave, *args, **options)
    return left


def send_all(controller: RunController) -> None:
    controller.append_reasoning("The user ")
    controller.append_reasoning("asks.")
    controller.append_text("Let me look. ")
    with controller.add_tool_call("get_weather", "a") as call:
        call.append_args_text('{"city":')
        controller.add_tool_call("search", "b", args={"q": 1})
        call.append_args_text(' "Paris"}')
        call.set_response({"celsius": 21}, artifact="map", is_error=True)
    controller.add_tool_result("old", None)
    controller.state["n"] = 1
    controller.state["text"] += "b"
    controller.with_parent_id("a").append_text("Sunny.")


def blocks_in_a_thread(release: threading.Event) -> Callable[[RunController], None]:
    def run(controller: RunController) -> None:
        controller.append_text("a")
        release.wait(20)  # here it hangs

    return run


async def never_completes(controller: RunController) -> None:
    async def ask() -> None:
        await asyncio.get_running_loop().create_future()  # here it hangs

    await ask()


def never_ends(controller: RunController) -> None:
    while True:
        controller.append_text("and ")  # here it hangs


def model_callback(kind: str, model: ScriptedModel, *, aborts: bool = True) -> Any:
    """Return a callback that sends the texts of a model; it keeps editing one list of messages."""

    def run(controller: RunController) -> None:
        messages = [{"role": "user"}]
        for text in model(messages, temperature=0):
            controller.append_text(text)
        messages.append({"role": "assistant"})

    async def run_async(controller: RunController) -> None:
        messages = [{"role": "user"}]
        async for text in await model(messages, temperature=0):
            controller.append_text(text)
        messages.append({"role": "assistant"})

    def run_with_abort(controller: RunController) -> None:
        answer = model()
        controller.on_cancel(lambda: abort(answer))
        for text in answer:
            controller.append_text(text)

    return run_async if kind == "async def" else run_with_abort if aborts else run


def patient(kind: str) -> Any:
    """Return a callback that sends two texts and waits for the cancellation."""

    def run(controller: RunController) -> None:
        controller.append_text("a")
        controller.append_text("b")
        controller.cancelled_event.wait_sync(20)

    async def run_async(controller: RunController) -> None:
        controller.append_text("a")
        controller.append_text("b")
        await controller.cancelled_event.wait()

    return run if kind == "def" else run_async
