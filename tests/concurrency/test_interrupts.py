"""An exception from a signal or another thread, at any line, loses neither a lock nor a wake-up."""

from __future__ import annotations

import contextlib
import ctypes
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.chunks import ToolCallBeginChunk
from assistant_stream_ce.concurrency.channel import Channel
from assistant_stream_ce.concurrency.waiters import OneShotEvent
from assistant_stream_ce.controller.tool_calls import ToolCallController, ToolCallRegistry
from assistant_stream_ce.state.document import StateDocument
from assistant_stream_ce.state.proxy import read_root
from tests.support.interrupts import Interrupt, interrupted

CHANNEL = ("concurrency/channel.py", "concurrency/waiters.py", "concurrency/sink.py")
STATE = (*CHANNEL, "state/document.py", "state/pending.py", "state/nodes.py", "state/proxy.py", "state/operations.py")


class Closed(Exception):
    pass


def make(max_pending: int = 8) -> Channel[Any]:
    def on_closed() -> None:
        raise Closed

    channel: Channel[Any] = Channel(max_pending, on_closed, lambda: channel.close())
    return channel


def in_time(work: Callable[[], object], place: str) -> None:
    """Call a function in a new thread, and fail if it does not return."""
    errors: list[BaseException] = []

    def call() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive(), f"interrupted at {place}: a thread still waits"
    assert errors == [], f"interrupted at {place}"


def read_all(channel: Channel[Any]) -> list[Any]:
    items = []
    while (batch := channel.get_sync()) is not None:
        items += batch
    return items


@pytest.mark.parametrize("waiting", [0, 1, 2, 7])
def test_a_producer_is_interrupted(waiting: int) -> None:
    channel = make()

    def work() -> None:
        channel.put("interrupted")

    def prepare() -> None:
        nonlocal channel
        channel = make()
        channel.get_sync(0)
        for number in range(waiting):
            channel.put(number)

    def check() -> None:
        for number in range(waiting, 5):
            channel.put(number, may_block=False)
        channel.finish()
        items = [item for item in read_all(channel) if item != "interrupted"]
        assert items == list(range(max(waiting, 5)))

    prepare()
    for place in interrupted(work, *CHANNEL):
        in_time(check, place)
        prepare()


@pytest.mark.parametrize("end", ["finish", "close"])
def test_an_end_that_is_interrupted_can_be_repeated(end: str) -> None:
    channel = make()
    reader = threading.Thread()

    def prepare() -> None:
        nonlocal channel, reader
        channel = make()
        reader = threading.Thread(target=read_all, args=(channel,), daemon=True)
        reader.start()
        while channel._reader is None:
            time.sleep(0)

    prepare()
    for place in interrupted(lambda: getattr(channel, end)(), *CHANNEL):
        in_time(getattr(channel, end), place)
        in_time(reader.join, place)
        prepare()


def test_a_reader_that_is_interrupted_can_close() -> None:
    channel = make()
    producer = threading.Thread()

    def fill() -> None:
        with contextlib.suppress(Closed):
            for number in range(20):
                channel.put(number)

    def prepare() -> None:
        nonlocal channel, producer
        channel = make()
        producer = threading.Thread(target=fill, daemon=True)
        producer.start()
        while not channel.is_blocking:
            time.sleep(0)

    prepare()
    for place in interrupted(lambda: channel.get_sync(), *CHANNEL):
        in_time(channel.close, place)
        in_time(producer.join, place)
        prepare()


def test_an_event_that_is_interrupted_can_be_set_again() -> None:
    event = OneShotEvent()
    waiters: list[threading.Thread] = []

    def prepare() -> None:
        nonlocal event, waiters
        event = OneShotEvent()
        waiters = [threading.Thread(target=event.wait_sync, daemon=True) for _ in range(3)]
        for waiter in waiters:
            waiter.start()
        while len(event._waiters) < 3:
            time.sleep(0)

    prepare()
    for place in interrupted(lambda: event.set(), "concurrency/waiters.py"):
        in_time(event.set, place)
        for waiter in waiters:
            in_time(waiter.join, place)
        prepare()


EDITS: dict[str, Callable[[Any, StateDocument], object]] = {
    "set": lambda state, _: state.update(n=1),
    "new key": lambda state, _: state.__setitem__("new", {"a": 1}),
    "nested": lambda state, _: state["d"]["k"].__setitem__("n", 2),
    "append": lambda state, _: state["l"].append(1),
    "joined append": lambda state, _: [state["l"].append(number) for number in range(2)],
    "extend": lambda state, _: state["l"].extend([1, 2]),
    "sum": lambda state, _: state.__setitem__("t", state["t"].__iadd__("more")),
    "text": lambda _, document: [document.append_text(["t"], "more") for _ in range(2)],
    "delete": lambda state, _: state.pop("n"),
    "sort": lambda state, _: state["l"].sort(reverse=True),
    "root": lambda _, document: document.set_root({"l": [1]}),
    "apply": lambda _, document: document.apply([{"type": "set", "path": ["n"], "value": 3}]),
    "flush": lambda _, document: document.flush(),
    "end": lambda _, document: document.end(),
}


def grouped(state: Any, document: StateDocument) -> None:
    with document.edit(lambda: None):
        state["n"] = 5
        with document.edit(lambda: None):
            state["l"].append(2)


@pytest.mark.parametrize("name", [*EDITS, "group"])
def test_an_edit_of_the_state_is_interrupted(name: str) -> None:
    edit = grouped if name == "group" else EDITS[name]
    channel = make()
    document = StateDocument({}, channel)

    def prepare() -> None:
        nonlocal channel, document
        channel = make()
        document = StateDocument({"n": 0, "t": "text", "l": [3, 1], "d": {"k": {}}}, channel)
        document.append_text(["t"], "!")

    def check() -> None:
        # Another thread edits, and the reader takes everything. A group that was interrupted ends with its run.
        if name == "group":
            document.end()
        read_root(document)["other"] = [1]
        document.copy()
        channel.finish()
        operations = [operation for chunk in read_all(channel) for operation in chunk.operations]
        assert operations[-1]["path"] == ["other"] or operations[-1]["path"] == []
        document.end()

    prepare()
    for place in interrupted(lambda: edit(read_root(document), document), *STATE):
        in_time(check, f"{name}, {place}")
        prepare()


def test_a_reader_is_interrupted_while_it_resolves_an_update() -> None:
    channel = make()
    document = StateDocument({}, channel)

    def prepare() -> None:
        nonlocal channel, document
        channel = make()
        document = StateDocument({"n": 0}, channel)
        read_root(document)["n"] = 1

    def flush() -> None:
        with pytest.raises(Closed):
            document.flush()

    prepare()
    for place in interrupted(lambda: channel.get_sync(), *STATE):
        in_time(channel.close, place)
        in_time(document.copy, place)
        in_time(flush, place)
        prepare()


def test_a_tool_call_is_interrupted() -> None:
    channel = make()
    calls = ToolCallRegistry(channel)

    def prepare() -> None:
        nonlocal channel, calls
        channel = make()
        calls = ToolCallRegistry(channel)
        calls.begin(ToolCallBeginChunk("other", "t"))

    def work() -> None:
        calls.begin(ToolCallBeginChunk("id", "t"))
        ToolCallController(calls, "id", "t").append_args_text("{}")
        calls.close("id")

    def check() -> None:
        calls.close_all()
        calls.begin(ToolCallBeginChunk("next", "t"))
        channel.finish()
        read_all(channel)

    prepare()
    for place in interrupted(work, *CHANNEL, "controller/tool_calls.py"):
        in_time(check, place)
        prepare()


def set_async_exception(thread: int, error: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


@pytest.mark.parametrize("seed", range(2))
def test_exceptions_from_another_thread_in_a_callback(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback is hit again and again in the middle of its calls, and goes on; its reader gets the end."""
    # One may hit a callback of the garbage collector, or the hook itself.
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    source = random.Random(seed)

    def run(controller: RunController) -> None:
        me = threading.get_ident()
        # Flags without a lock, which an exception would leave locked in this test itself.
        over: list[bool] = []
        started: list[bool] = []

        def disturb() -> None:
            while not started:
                time.sleep(0)
            for _ in range(60):
                time.sleep(0.0003 + source.random() * 0.002)
                set_async_exception(me, Interrupt)
            over.append(True)

        threading.Thread(target=disturb, daemon=True).start()
        hits = 0
        while not over:
            # All but the count of the hits is inside, and two exceptions never come so fast that one meets the count.
            try:
                while not over:
                    started.append(True)
                    for number in range(50):
                        controller.append_text("x")
                        controller.state["l"].append(number)
                        controller.state["t"] += "y"
                        with controller.edit_state() as state:
                            state["n"] = number
            except Interrupt:
                hits += 1
        for _ in range(3):
            with contextlib.suppress(Interrupt):
                for _ in range(100):
                    time.sleep(0)
        assert hits

    finished: list[str] = []

    def read() -> None:
        for _ in create_run(run, state={"l": [], "t": "", "n": 0}, max_pending=16):
            pass
        finished.append("read")

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(60)
    assert finished == ["read"]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers for signals here")
@pytest.mark.parametrize("seed", range(3))
def test_ctrl_c_while_reading(seed: int) -> None:
    """The main thread reads, and a signal raises in it at random moments: leaving always works."""
    source = random.Random(seed)

    def run(controller: RunController) -> None:
        while True:
            controller.append_text("x")
            controller.state["n"] = 1

    def raise_interrupt(*_: object) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGALRM, raise_interrupt)
    try:
        for _ in range(60):
            stream = create_run(run, state={"n": 0}, max_pending=16)
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0002 + source.random() * 0.003)
                for _ in stream:
                    pass
            except Interrupt:
                stream.cancel()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
