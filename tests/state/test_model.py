"""Any edits of a state have the effect that they have on a plain value, and so have the operations sent."""

from __future__ import annotations

import copy
import random
import threading
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant_stream_ce import RunController, UpdateStateChunk, create_run
from assistant_stream_ce.state.operations import apply
from tests.support.kinds import as_kind, read
from tests.support.recorded_state import Recorded
from tests.support.state_edits import Twins, value


def replayed(initial: Any, operations: list[Any]) -> Any:
    state = copy.deepcopy(initial)
    for operation in operations:
        state = apply(state, operation)
    return state


@pytest.mark.parametrize("merges", [False, True])
@settings(max_examples=300)
@given(source=st.randoms(use_true_random=False), edits=st.integers(1, 30))
def test_edits_do_what_they_do_to_plain_values(merges: bool, source: Random, edits: int) -> None:
    initial = value(source)
    recorded = Recorded(initial, merges=merges)
    document = recorded.document
    twins = Twins(lambda: recorded.state, document.set_root, document.append_text, copy.deepcopy(initial))
    for _ in range(edits):
        chance = source.random()
        if chance < 0.05:
            recorded.take()
        elif chance < 0.1:
            with recorded.document.edit(lambda: None):
                twins.edit(source)
                twins.edit(source)
        else:
            twins.edit(source)
    twins.check()
    assert replayed(initial, recorded.operations) == twins.plain


@pytest.mark.parametrize("seed", range(20))
def test_many_edits_of_a_large_state(seed: int) -> None:
    source = random.Random(seed)
    initial = {"a": [value(source) for _ in range(20)], "b": {str(i): value(source) for i in range(20)}}
    recorded = Recorded(initial, merges=seed % 2 == 0)
    document = recorded.document
    twins = Twins(lambda: recorded.state, document.set_root, document.append_text, copy.deepcopy(initial))
    for number in range(400):
        twins.edit(source)
        if number % 40 == 0:
            recorded.take()
            twins.check()
    assert replayed(initial, recorded.operations) == twins.plain


@pytest.mark.parametrize("max_pending", [1, 8, 1024])
def test_four_threads_each_edit_their_own_part(max_pending: int) -> None:
    """What is read while they edit, whenever that is, adds up to what each of them has made of its part."""
    plain: dict[str, Any] = {}

    def run(controller: RunController) -> None:
        def edit(name: str) -> None:
            source = random.Random(name)

            def put(new: Any) -> None:
                controller.state[name] = new

            def append_text(path: list[str], text: str) -> None:
                controller.append_state_text([name, *path], text)

            twins = Twins(lambda: controller.state[name], put, append_text, {})
            for _ in range(300):
                twins.edit(source)
            twins.check()
            plain[name] = twins.plain

        in_threads(edit, "abcd")
        held.append(controller.state.value())

    held: list[Any] = []
    initial: dict[str, Any] = {name: {} for name in "abcd"}
    operations = [
        operation
        for chunk in create_run(run, state=initial, max_pending=max_pending)
        if isinstance(chunk, UpdateStateChunk)
        for operation in chunk.operations
    ]
    assert held == [plain]
    assert replayed(initial, operations) == plain


def test_four_threads_edit_one_list_and_one_text() -> None:
    """Unique items: each that was put in is there, or was taken out by exactly one of them."""
    taken: list[Any] = []

    def run(controller: RunController) -> None:
        state = controller.state

        def edit(name: str) -> None:
            source = random.Random(name)
            items = state["items"]
            for number in range(200):
                item = f"{name}{number}"
                how = source.randrange(4)
                if how == 0:
                    items.insert(source.randrange(20), item)
                elif how == 1:
                    items += [item]
                else:
                    items.append(item)
                if how == 3:
                    taken.append(items.pop(source.randrange(-1, 1)))
                elif how == 2:
                    items.sort()
                state["text"] += f"{item} "
                with controller.edit_state():
                    state["count"] += 1

        in_threads(edit, "abcd")
        held.append(state.value())

    held: list[Any] = []
    initial = {"items": [], "text": "", "count": 0}
    operations = [one for chunk in create_run(run, state=initial) for one in chunk.operations]  # type: ignore[union-attr]
    everything = sorted(f"{name}{number}" for name in "abcd" for number in range(200))
    assert replayed(initial, operations) == held[0]
    assert sorted([*held[0]["items"], *taken]) == everything
    assert sorted(held[0]["text"].split()) == everything
    assert held[0]["count"] == 800


def in_threads(edit: Any, names: str) -> None:
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            edit(name)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_an_update_has_only_what_is_new() -> None:
    """The merged operations of a burst are no more, and no longer, than those of each edit by itself."""

    def run(controller: RunController) -> None:
        state = controller.state
        for number in range(50):
            state["n"] = number
            state["text"] += f"{number} "
            state["items"].insert(0, number)
            state["new"] = {"list": []}
            state["new"]["list"].append(number)
        state["grown"].append({"text": ""})
        state["grown"][-1]["text"] += "Hello"

    initial = {"n": 0, "text": "Say: ", "items": ["first"], "grown": []}
    # On one loop, so that the reader cannot take an update between two edits.
    (chunk,) = read("async for", create_run(as_kind("async def", run), state=initial))
    assert isinstance(chunk, UpdateStateChunk)
    assert chunk.operations == [
        {"type": "set", "path": ["n"], "value": 49},
        {"type": "append-text", "path": ["text"], "value": "".join(f"{number} " for number in range(50))},
        {"type": "set", "path": ["items"], "value": [*range(49, -1, -1), "first"]},
        {"type": "set", "path": ["new"], "value": {"list": [49]}},
        {"type": "set", "path": ["grown", "0"], "value": {"text": "Hello"}},
    ]
