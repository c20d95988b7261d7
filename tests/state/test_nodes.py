"""References into a state: valid after a move, invalid after a removal; texts record additions."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from assistant_stream_ce import StateError
from assistant_stream_ce.state.nodes import StateText
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
