"""References into a state: valid after a move, invalid after a removal; texts record additions."""

from __future__ import annotations

import copy
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from assistant_stream_ce import StateError
from assistant_stream_ce.state.nodes import LONG_TEXT, StateText
from tests.support.plain import applied
from tests.support.recorded_state import Recorded


def start() -> dict[str, Any]:
    return {"n": 1, "t": "ab", "e": "", "l": [1, 2], "d": {"k": [{"x": 1}]}}


@pytest.mark.parametrize(
    "replace",
    [
        "state['d'] = 1",
        "state['d'] = {'k': [{'x': 1}]}",
        "del state['d']",
        "state['d']['k'].clear()",
        "state['d']['k'][0] = 'x'",
        "state['d']['k'].pop()",
        "state.clear()",
        "document.set_root({'d': {'k': [{'x': 1}]}})",
        "document.apply([{'type': 'set', 'path': ['d', 'k'], 'value': []}])",
    ],
)
@pytest.mark.parametrize(
    "use", ["inner['x'] = 2", "inner['x']", "len(inner)", "inner.pop('x')", "list(inner)", "inner == {}", "inner | {}"]
)
def test_a_reference_to_what_was_removed_or_replaced_fails_clearly(replace: str, use: str) -> None:
    recorded = Recorded(start())
    state = recorded.state
    inner = state["d"]["k"][0]
    exec(replace, {"state": state, "document": recorded.document})
    now = recorded.document.root[0]
    with pytest.raises(StateError, match=r"state\.d\.k\.0 was removed or replaced: take a fresh reference"):
        exec(use, {"inner": inner})
    assert recorded.document.root[0] is now


@pytest.mark.parametrize(
    "move",
    [
        "items.insert(0, 'new')",
        "items.pop(0)",
        "items.reverse()",
        "items.sort(key=lambda item: -item['n'])",
        "items[:1] = []",
        "del items[0]",
        "items[0:0] = [1, 2]",
        "items *= 2",
        "items.remove({'n': 0})",
        "items.append(1)",
    ],
)
def test_a_reference_stays_right_when_others_move_what_it_refers_to(move: str) -> None:
    recorded, expected = Recorded({"items": [{"n": 0}, {"n": 1}, {"n": 2}]}), [{"n": 0}, {"n": 1}, {"n": 2}]
    items = recorded.state["items"]
    middle, expected_middle = items[1], expected[1]
    exec(move, {"items": items})
    if move != "items *= 2":
        exec(move, {"items": expected})
    else:
        # A plain list would hold the very same dicts twice.
        expected += copy.deepcopy(expected)
    middle["n"] = expected_middle["n"] = 9
    assert items.value() == expected
    replayed: Any = {"items": [{"n": 0}, {"n": 1}, {"n": 2}]}
    for operation in recorded.operations:
        replayed = applied(replayed, operation)
    assert replayed == {"items": expected}


def test_a_text_that_was_read_is_a_str_except_for_in_place_addition() -> None:
    recorded = Recorded({"t": "ab"})
    text = recorded.state["t"]
    assert type(text) is StateText
    assert text == "ab"
    assert type(text + "c") is str
    recorded.state["t"] += "c"
    assert recorded.operations == [{"type": "append-text", "path": ["t"], "value": "c"}]


LONG = "x" * (LONG_TEXT + 1)


def long_state() -> dict[str, Any]:
    return {"t": LONG, "l": [LONG], "d": {"t": LONG}}


@pytest.mark.parametrize("merges", [False, True])
@pytest.mark.parametrize(
    ("place", "path"), [("state['t']", ["t"]), ("state['l'][-1]", ["l", "0"]), ("state['d']['t']", ["d", "t"])]
)
def test_addition_to_a_long_text_sends_only_what_is_added(place: str, path: list[str], merges: bool) -> None:
    recorded, expected = Recorded(long_state(), merges=merges), long_state()
    for edit in (f"{place} += 'é'", f"{place} += ''", f"{place} += {place}[:2]"):
        exec(edit, {"state": recorded.state})
        exec(edit, {"state": expected})
    assert recorded.state == expected
    replayed: Any = long_state()
    for operation in recorded.operations:
        assert operation["type"] == "append-text"
        assert operation["path"] == path
        assert len(operation["value"]) <= 3
        replayed = applied(replayed, operation)
    assert replayed == expected


@pytest.mark.parametrize(
    "edit",
    [
        "text = state['t']; assert isinstance(text, str); text += 'a'; state['t'] = text",
        "state['t'] = state['t'] + 'a'",
        "state['t'] *= 2",
        "state['t'] %= ()",
        "state['d']['t'] += [state['t'], 'a'][1]",
        "state['t'] += Named('a')",
        "a = state['t']; state['t'] += 'b'; assert len(state['t']) == len(a) + 1",
    ],
)
def test_a_long_text_is_used_like_a_str(edit: str) -> None:
    class Named(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "another text"

    recorded, expected = Recorded(long_state()), long_state()
    exec(edit, {"state": recorded.state, "Named": Named})
    exec(edit, {"state": expected, "Named": Named})
    assert recorded.state == expected
    assert type(recorded.document.root[0]["t"]) is str


@pytest.mark.parametrize("more", [1, None, b"bytes", ["a"]])
def test_what_is_no_text_is_not_added_to_a_long_one(more: object) -> None:
    recorded = Recorded(long_state())
    with pytest.raises(TypeError, match="can only concatenate str"):
        recorded.state["t"] += more
    with pytest.raises(TypeError):
        recorded.state["t"] -= more
    assert recorded.operations == []
    assert recorded.state == long_state()


def test_what_adds_itself_to_a_text_gets_a_str() -> None:
    class Adds:
        def __radd__(self, other: str) -> str:
            return other[:2] + "!" * isinstance(other, str)

    recorded = Recorded(long_state())
    recorded.state["t"] += Adds()
    assert recorded.state["t"] == "xx!"


def test_a_long_text_that_is_replaced_during_the_addition_is_extended_or_refused() -> None:
    recorded = Recorded(long_state())
    state = recorded.state

    def replace(value: object) -> str:
        state["t"] = value
        return "b"

    state["t"] += replace("a")
    assert state["t"] == "ab"
    state["t"] = LONG
    with pytest.raises(StateError, match=r"cannot append text to state\.t: it is a int"):
        state["t"] += replace(1)
    assert state["t"] == 1


def test_addition_to_a_long_text_copies_nothing() -> None:
    recorded = Recorded({"t": "x" * 600_000}, merges=True)
    # The first one copies the text that the caller may still have.
    recorded.state["t"] += "y"
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            recorded.state["t"] += "y"
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most - before < 700_000
    assert len(recorded.state["t"]) == 600_021


DICT = {"a": 1, "b": [2], "c": {"d": 3}}

VIEWS: list[Callable[[Any], Any]] = [lambda d: d.keys(), lambda d: d.values(), lambda d: d.items()]


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_the_items_of_a_plain_dict_in_both_orders(view: Callable[[Any], Any]) -> None:
    ours, plain = view(Recorded(DICT).state), view(DICT)
    assert list(ours) == list(plain)
    assert list(reversed(ours)) == list(reversed(plain))
    assert len(ours) == 3
    assert all(item in ours for item in plain)


def test_keys_and_items_are_sets() -> None:
    state = Recorded(DICT).state
    assert state.keys() | {"x"} == {"a", "b", "c", "x"}
    assert state.items() & {("a", 1), ("a", 2)} == {("a", 1)}


@pytest.mark.parametrize("order", [iter, reversed])
@pytest.mark.parametrize("view", VIEWS[1:])
def test_a_key_that_is_removed_while_a_view_is_read_is_left_out(
    view: Callable[[Any], Any], order: Callable[[Any], Any]
) -> None:
    state = Recorded(DICT).state
    reading = order(view(state))
    next(reading)
    state.clear()
    assert list(reading) == []
