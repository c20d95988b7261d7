"""The work that is given to every subject: the callbacks, the edits of a state, and a stand-in for the model."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

TEXT = "hello "

# --- In process: append as fast as can be ---------------------------------------------------------


async def burst(count: int, controller: Any) -> None:
    """Append without ever letting the reader run."""
    for _ in range(count):
        controller.append_text(TEXT)


async def yielding(count: int, controller: Any) -> None:
    """Let the reader run after each chunk."""
    for _ in range(count):
        controller.append_text(TEXT)
        await asyncio.sleep(0)


def blocking(count: int, controller: Any) -> None:
    """Append from a plain function."""
    for _ in range(count):
        controller.append_text(TEXT)


CALLBACKS: dict[str, Callable[[int, Any], Any]] = {"burst": burst, "yielding": yielding, "thread": blocking}


def callback(producer: str, count: int) -> Callable[[Any], Any]:
    """Return a callback that appends so many chunks."""
    return functools.partial(CALLBACKS[producer], count)


# --- A state --------------------------------------------------------------------------------------

STATE: dict[str, Any] = {"items": [], "text": "", "user": {"settings": {"theme": 0}}}

#: Where an edit makes the wire carry the whole list, lists stay as short as this.
SHORT = 20


def append(controller: Any, number: int) -> None:
    """Append to a list that grows."""
    controller.state["items"].append(number)


def add_text(controller: Any, number: int) -> None:
    """Lengthen a text that grows."""
    controller.state["text"] += TEXT


def append_state_text(controller: Any, number: int) -> None:
    """Lengthen a text that grows, by its path."""
    controller.append_state_text(["text"], TEXT)


def nested_set(controller: Any, number: int) -> None:
    """Set a number three levels down."""
    controller.state["user"]["settings"]["theme"] = number


def insert(controller: Any, number: int) -> None:
    """Insert at the front of a short list."""
    if number % SHORT == 0:
        controller.state["items"] = []
    controller.state["items"].insert(0, number)


def delete(controller: Any, number: int) -> None:
    """Delete the first of a short list."""
    if number % SHORT == 0:
        controller.state["items"] = list(range(SHORT))
    del controller.state["items"][0]


EDITS: dict[str, Callable[[Any, int], None]] = {
    "append": append,
    "text": add_text,
    "append-state-text": append_state_text,
    "nested-set": nested_set,
    "insert": insert,
    "delete": delete,
}


async def edit(name: str, producer: str, count: int, controller: Any) -> None:
    """Edit a state. A producer that is `yielding` lets the reader run after each edit, a `burst` only at the end."""
    change = EDITS[name]
    for number in range(count):
        change(controller, number)
        if producer == "yielding":
            await asyncio.sleep(0)


async def repeat(run: Callable[[], Awaitable[int]], times: int) -> int:
    """Call a coroutine function so many times; return the sum."""
    return sum([await run() for _ in range(times)])


# --- Through a server: a model that speaks --------------------------------------------------------


@dataclass(frozen=True)
class Order:
    """What a request's path asks for: `/wire/way/kind/count/milliseconds`."""

    wire: str
    #: `coroutine` or `thread`: what the model's client is used in.
    way: str
    #: `words`, `stamps` (the time of sending), `ticks` (the time at which it was due, at fixed intervals), `flood`
    #: (64 KiB each) or `quiet` (one word, then nothing).
    kind: str
    count: int
    seconds: float


def parse(path: str) -> Order:
    """Return what a path asks for."""
    wire, way, kind, count, milliseconds = path.strip("/").split("/")
    return Order(wire, way, kind, int(count), int(milliseconds) / 1000)


def text_of(kind: str, number: int) -> str:
    """Return the next text of the model."""
    if kind == "stamps":
        return f"@{time.monotonic():.7f};"
    if kind == "flood":
        # No two are the same object, so that a queue without a bound shows.
        return f"{number:<65536}"
    return TEXT


def ticks(order: Order) -> Iterator[tuple[float, str]]:
    """Return each text with the seconds until it is due. A server that is late does not have the model slow down."""
    start = time.monotonic()
    for number in range(order.count):
        due = start + number * order.seconds
        yield max(0.0, due - time.monotonic()), f"@{due:.7f};"


def speak(order: Order) -> Iterator[str]:
    """Speak as a blocking client of a model does."""
    if order.kind == "ticks":
        for seconds, text in ticks(order):
            time.sleep(seconds)
            yield text
        return
    for number in range(order.count):
        yield text_of(order.kind, number)
        if order.kind == "quiet":
            threading.Event().wait()
        if order.seconds:
            time.sleep(order.seconds)


async def speak_async(order: Order) -> AsyncIterator[str]:
    """Speak as an async client of a model does."""
    if order.kind == "ticks":
        for seconds, text in ticks(order):
            await asyncio.sleep(seconds)
            yield text
        return
    for number in range(order.count):
        yield text_of(order.kind, number)
        if order.kind == "quiet":
            await asyncio.Event().wait()
        await asyncio.sleep(order.seconds)
