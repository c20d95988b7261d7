"""Threads and coroutines edit one state: no edit is lost or duplicated, and every waiter is woken."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
import time
from typing import Any

import pytest

from assistant_stream_ce import RunCancelled, RunController, StateError, create_run
from assistant_stream_ce.state import StateDocument
from assistant_stream_ce.state.operations import apply
from assistant_stream_ce.testing import SlowReader
from tests.support.recorded_state import Recorded, set_
from tests.support.require import counts_references


def in_another_thread(action: Any) -> None:
    thread = threading.Thread(target=action)
    thread.start()
    thread.join()


def test_an_assigned_text_does_not_extend_a_concurrently_assigned_one() -> None:
    state = Recorded({"status": ""}).state
    if not state["status"]:
        in_another_thread(lambda: state.update(status="queued"))
        state["status"] = "done"
    assert state == {"status": "done"}


@pytest.mark.parametrize("start", ["", "a"])
def test_concurrent_appends_during_an_addition_are_kept(start: str) -> None:
    recorded = Recorded({"text": start, "name": "N"})
    state = recorded.state

    def more() -> str:
        in_another_thread(lambda: recorded.document.append_text(("text",), "X"))
        return str(state["name"])

    state["text"] += more()
    assert state["text"] == start + "XN"
    assert recorded.operations[-1] == {"type": "append-text", "path": ["text"], "value": "N"}


@pytest.mark.parametrize("start", ["", "a"])
def test_an_addition_to_a_text_that_was_not_assigned_changes_nothing(start: str) -> None:
    recorded = Recorded({"text": start})
    text = recorded.state["text"]
    for more in "bcd":
        text += more
    assert text == start + "bcd"
    assert type(text) is str
    assert recorded.state == {"text": start}
    assert recorded.operations == []


def test_a_text_that_was_added_to_nothing_is_a_plain_text_for_others() -> None:
    recorded = Recorded({"text": ""})
    text = recorded.state["text"]
    text += "b"
    recorded.state["text"] = "a"
    recorded.state["text"] = "b"
    assert recorded.state == {"text": "b"}
    copied = pickle.loads(pickle.dumps(text))
    assert (copied, type(copied)) == ("b", str)


async def test_coroutines_add_to_one_text_while_they_wait() -> None:
    async def token(text: str) -> str:
        await asyncio.sleep(0)
        return text

    async def run(controller: RunController) -> None:
        async def add(text: str) -> None:
            for _ in range(3):
                controller.state["text"] += await token(text)

        await asyncio.gather(add("a"), add("b"))
        seen.append(controller.state["text"])

    seen: list[str] = []
    async for _ in create_run(run, state={"text": ""}):
        pass
    assert sorted(seen[0]) == list("aaabbb")


def test_adding_to_a_list_that_moves_concurrently_changes_no_other_item() -> None:
    recorded = Recorded({"rows": [[0]]})
    rows = recorded.state["rows"]

    def more() -> list[int]:
        in_another_thread(lambda: rows.insert(0, ["new"]))
        return [1]

    rows[0] += more()
    assert rows == [["new"], [0, 1]]


def test_a_group_does_not_deadlock_with_a_reader_that_a_waiting_coroutine_blocks() -> None:
    entered, tried = threading.Event(), threading.Event()

    async def read() -> int:
        def group(controller: RunController) -> None:
            with controller.edit_state() as state:
                entered.set()
                assert tried.wait(10)
                for number in range(20):
                    state[str(number)] = number

        async def run(controller: RunController) -> None:
            work = asyncio.create_task(asyncio.to_thread(group, controller))
            await asyncio.to_thread(entered.wait)
            controller.append_text("full")
            tried.set()
            controller.state["from the loop"] = True
            await work

        return len([chunk async for chunk in create_run(run, state={}, max_pending=1)])

    assert asyncio.run(asyncio.wait_for(read(), 20)) == 3


@pytest.mark.parametrize(
    "edit",
    [
        lambda state: state["list"].append("x" * 10_000),
        lambda state: state["list"].insert(0, "x" * 10_000),
        lambda state: state.update(a="x" * 10_000, b=[]),
        lambda state: state["new"].append("x" * 10_000),
    ],
    ids=["append", "insert", "update", "in what is sent anyway"],
)
def test_a_thread_waits_when_its_edits_are_not_read(edit: Any) -> None:
    """Also when they are merged into an operation that waits already."""
    count = 0

    def run(controller: RunController) -> None:
        nonlocal count
        controller.state["new"] = []
        while count < 10_000:
            edit(controller.state)
            count += 1

    with SlowReader(run, state={"list": []}, max_pending=16) as reader:
        next(reader)
        reader.wait_until_held()
    assert count < 200


def test_a_dict_is_copied_atomically() -> None:
    state = Recorded({"dict": {str(number): number for number in range(50)}}).state
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            state["dict"].pop("25", None)
            state["dict"]["25"] = 25

    disturber = threading.Thread(target=disturb)
    disturber.start()
    for _ in range(200):
        state["copy"] = state["dict"]
        state["in a list"] = [state["dict"]]
    stop.set()
    disturber.join()
    assert len(state["copy"]) in (49, 50)


def test_a_sort_whose_key_edits_the_list_fails_as_for_a_list() -> None:
    state = Recorded({"list": [2, 1]}).state
    with pytest.raises(ValueError, match="modified during sort"):
        state["list"].sort(key=lambda value: state["list"].append(0) or value)


def test_a_sort_ends_although_another_thread_appends_at_each_step() -> None:
    state = Recorded({"list": [3, 2, 1]}).state
    asked, appended, stop = threading.Semaphore(0), threading.Semaphore(0), threading.Event()

    def append() -> None:
        while asked.acquire() and not stop.is_set():
            state["list"].append(0)
            appended.release()

    def key(value: int) -> int:
        asked.release()
        # In vain when all others wait for the sort.
        appended.acquire(timeout=0.05)
        return value

    appender = threading.Thread(target=append)
    appender.start()
    state["list"].sort(key=key)
    stop.set()
    asked.release()
    appender.join()
    assert sorted(state["list"])[-3:] == [1, 2, 3]


def test_user_code_runs_without_the_lock() -> None:
    state = Recorded({"list": [1, 2, 3], "dict": {}}).state

    class Curious:
        def __index__(self) -> int:
            return len(state["list"]) - 3

    assert state["list"][Curious()] == 1
    assert state["list"].pop(Curious()) == 1
    state["list"].append(4)
    del state["list"][: Curious()]
    state["list"][Curious()] = 5
    state["list"].insert(Curious(), 6)
    with pytest.raises(TypeError, match="keys must be text"):
        state.pop(state["dict"])


def test_a_state_does_not_grow_deeper_than_can_be_sent() -> None:
    recorded = Recorded({})
    node = recorded.state
    with pytest.raises(StateError, match="nested more than 200 deep"):
        for _ in range(1000):
            node = node.setdefault("a", {})
    recorded.take()


def test_nothing_is_edited_after_a_group_that_could_not_be_sent() -> None:
    seen: list[Any] = []
    inside, left = threading.Event(), threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        with pytest.raises(RunCancelled), controller.edit_state() as state:
            state["x"] = 1
            inside.set()
            assert left.wait(10)
        with pytest.raises(RunCancelled):
            controller.state["y"] = 2
        seen.append(controller.state.value())

    results: list[Any] = []
    with create_run(run, state={}, on_finish=results.append) as stream:
        next(iter(stream))
        assert inside.wait(10)
        stream.cancel()
        left.set()
    while not results:
        time.sleep(0.001)
    assert seen == [{"x": 1}]


@counts_references
def test_an_ended_run_leaves_nothing_to_the_garbage_collector() -> None:
    def run(controller: RunController) -> None:
        state = controller.state
        for number in range(50):
            state["list"].append({"n": number})
            state["list"][-1]["n"] += 1
            state["text"] += "x"
            state["dict"][str(number)] = [number]

    def garbage() -> int:
        gc.collect()
        list(create_run(run, state={"list": [], "text": "", "dict": {}}))
        return gc.collect()

    gc.disable()
    try:
        # A thread of an earlier test may end meanwhile; what a run leaves is there each time.
        assert any(garbage() == 0 for _ in range(3))
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "operation",
    [
        {"type": "set", "path": ["a"]},
        {"type": "set", "path": "abc", "value": 1},
        {"type": "set", "path": None, "value": 1},
        [],
        5,
        None,
    ],
)
def test_a_value_that_is_not_an_operation_is_rejected(operation: Any) -> None:
    document: StateDocument = Recorded({"a": 1}).document
    with pytest.raises(TypeError, match="state operation"):
        document.apply([operation])


def test_operations_of_another_stream_are_not_sent_twice_after_a_read_in_between() -> None:
    recorded = Recorded({"text": "a"}, merges=True)
    recorded.state["text"] = "b"
    asked = []

    def is_newest(chunk: object) -> bool:
        asked.append(chunk)
        # Taken in the middle of the next edit.
        return len(asked) == 1

    recorded.is_newest = is_newest  # type: ignore[method-assign]
    recorded.document.apply([{"type": "append-text", "path": ["text"], "value": "c"}])
    assert recorded.state == {"text": "bc"}
    client = {"text": "a"}
    for operation in recorded.operations:
        client = apply(client, operation)
    assert client == {"text": "bc"}


def test_several_items_join_a_pending_update() -> None:
    recorded = Recorded({}, merges=True)
    for number in range(3):
        recorded.state.update(n=number, m=number)
    recorded.state["new"] = []
    recorded.state["new"].extend([1, 2])
    assert recorded.updates == [[set_(["n"], 2), set_(["m"], 2), set_(["new"], [1, 2])]]
