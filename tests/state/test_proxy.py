"""Proxies behave like dicts, lists and texts, and each edit is sent as the smallest operations."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from collections.abc import Callable, MutableMapping, MutableSequence
from typing import Any

import pytest

from assistant_stream_ce import RunController, StateError, UpdateStateChunk, create_run
from assistant_stream_ce.state import StateDict, StateList
from assistant_stream_ce.state.operations import apply
from tests.support.kinds import as_kind, read
from tests.support.recorded_state import Recorded, append, set_

# Edits of {"n": 1, "t": "ab", "e": "", "l": [1, 2], "d": {"k": [{"x": 1}]}} as statements, with what they send.
EDITS: dict[str, list[dict[str, Any]]] = {
    "state['n'] = 5": [set_(["n"], 5)],
    "state['n'] += 5": [set_(["n"], 6)],
    "state['new'] = None": [set_(["new"], None)],
    "state['t'] = 'x'": [set_(["t"], "x")],
    "state['t'] += 'cd'": [append(["t"], "cd")],
    "state['t'] = 'abc'": [append(["t"], "c")],
    "state['t'] = 'a'": [set_(["t"], "a")],
    "state['e'] += 'cd'": [set_(["e"], "cd")],
    "state['d']['k'][0]['x'] = 2": [set_(["d", "k", "0", "x"], 2)],
    "state['d']['k'][-1]['y'] = {'z': [1]}": [set_(["d", "k", "0", "y"], {"z": [1]})],
    "state['l'].append(3)": [set_(["l", "2"], 3)],
    "state['l'].extend([3, 4])": [set_(["l", "2"], 3), set_(["l", "3"], 4)],
    "state['l'] += [3, 4]": [set_(["l", "2"], 3), set_(["l", "3"], 4)],
    "state['l'] += []": [],
    "state['l'] *= 1": [],
    "del state['l'][5:]": [],
    "state['l'].sort()": [],
    "state['l'] *= 0": [set_(["l"], [])],
    "state['l'] *= 2": [set_(["l"], [1, 2, 1, 2])],
    "state['l'][0] = 9": [set_(["l", "0"], 9)],
    "state['l'][-1] = 9": [set_(["l", "1"], 9)],
    "state['l'].insert(2, 3)": [set_(["l", "2"], 3)],
    "state['l'].insert(0, 3)": [set_(["l"], [3, 1, 2])],
    "state['l'].pop()": [set_(["l"], [1])],
    "state['l'].pop(0)": [set_(["l"], [2])],
    "state['l'].remove(1)": [set_(["l"], [2])],
    "state['l'].reverse()": [set_(["l"], [2, 1])],
    "state['l'].sort(reverse=True)": [set_(["l"], [2, 1])],
    "state['l'].clear()": [set_(["l"], [])],
    "del state['l'][0]": [set_(["l"], [2])],
    "del state['l'][:]": [set_(["l"], [])],
    "state['l'][0:1] = [7, 8]": [set_(["l"], [7, 8, 2])],
    "state['l'][0:2] = [7, 8]": [set_(["l"], [7, 8])],
    "state['d']['k'][:] = ['one']": [set_(["d", "k", "0"], "one")],
    "state['l'][1:] = [7, 8, 9]": [set_(["l", "1"], 7), set_(["l", "2"], 8), set_(["l", "3"], 9)],
    "state['l'][9:] = [7, 8]": [set_(["l", "2"], 7), set_(["l", "3"], 8)],
    "state['l'][::-1] = [7, 8]": [set_(["l"], [8, 7])],
    "state['l'][1:1] = [7]": [set_(["l"], [1, 7, 2])],
    "state['l'][1:] = []": [set_(["l"], [1])],
    "state['l'] = state['l']": [],
    "state['l'].sort(key=lambda n: -n)": [set_(["l"], [2, 1])],
    "state['l'].extend(state['l'])": [set_(["l", "2"], 1), set_(["l", "3"], 2)],
    "del state['l'][::2]": [set_(["l"], [2])],
    "del state['d']['k'][0]['x']": [set_(["d", "k", "0"], {})],
    "state['d'].pop('k')": [set_(["d"], {})],
    "state['d'].pop('missing', 1)": [],
    "state['d'].popitem()": [set_(["d"], {})],
    "state['d'].clear()": [set_(["d"], {})],
    "state['d'].update(a=1, b=2)": [set_(["d", "a"], 1), set_(["d", "b"], 2)],
    "state['d'].setdefault('a', 1)": [set_(["d", "a"], 1)],
    "state['d'].setdefault('k', 1)": [],
    "state['d'].setdefault('a', []).append(1)": [set_(["d", "a"], []), set_(["d", "a", "0"], 1)],
    "state['d'].update([('a', 1)], b=2)": [set_(["d", "a"], 1), set_(["d", "b"], 2)],
    "state['d'] |= {'a': 1}": [set_(["d", "a"], 1)],
    "state['copy'] = state['d']": [set_(["copy"], {"k": [{"x": 1}]})],
    "state['l'].append(state['d']['k'])": [set_(["l", "2"], [{"x": 1}])],
    "state['d'], state['l'] = state['l'], state['d']": [set_(["d"], [1, 2]), set_(["l"], {"k": [{"x": 1}]})],
    "state['gone'] = [gone for gone in [state['l']] if state.pop('l')]": [
        set_([], {"n": 1, "t": "ab", "e": "", "d": {"k": [{"x": 1}]}}),
        set_(["gone"], [[1, 2]]),
    ],
    "state[5] = 'five'": [set_(["5"], "five")],
}


def start() -> dict[str, Any]:
    return {"n": 1, "t": "ab", "e": "", "l": [1, 2], "d": {"k": [{"x": 1}]}}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_does_what_it_does_to_plain_values_and_sends_little(edit: str) -> None:
    recorded, expected = Recorded(start()), start()
    exec(edit, {"state": recorded.state})
    exec(edit.replace("state[5]", "state['5']"), {"state": expected})
    assert recorded.operations == EDITS[edit]
    assert recorded.state.value() == expected
    replayed: Any = start()
    for operation in recorded.operations:
        replayed = apply(replayed, operation)
    assert replayed == expected


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda s: s["n"], 1),
        (lambda s: s["t"].upper(), "AB"),
        (lambda s: s["l"], [1, 2]),
        (lambda s: s["l"][-1], 2),
        (lambda s: s["l"][0:2], [1, 2]),
        (lambda s: list(s["l"]), [1, 2]),
        (lambda s: len(s["l"]), 2),
        (lambda s: 2 in s["l"], True),
        (lambda s: s["l"].index(2), 1),
        (lambda s: s["l"].count(2), 1),
        (lambda s: list(reversed(s["l"])), [2, 1]),
        (lambda s: s["l"] + [3], [1, 2, 3]),
        (lambda s: [0] + s["l"], [0, 1, 2]),
        (lambda s: s["l"] * 2, [1, 2, 1, 2]),
        (lambda s: 2 * s["l"], [1, 2, 1, 2]),
        (lambda s: s["l"].copy(), [1, 2]),
        (lambda s: s["d"].copy(), {"k": [{"x": 1}]}),
        (lambda s: {"a": 1} | s["d"], {"a": 1, "k": [{"x": 1}]}),
        (lambda s: list(s), ["n", "t", "e", "l", "d"]),
        (lambda s: "d" in s, True),
        (lambda s: "x" in s, False),
        (lambda s: s.get("x", 5), 5),
        (lambda s: s["d"].get("k")[0]["x"], 1),
        (lambda s: list(s["d"].keys()), ["k"]),
        (lambda s: list(s["d"].values()), [[{"x": 1}]]),
        (lambda s: list(s["d"].items()), [("k", [{"x": 1}])]),
        (lambda s: s["d"] | {"a": 1}, {"k": [{"x": 1}], "a": 1}),
        (lambda s: repr(s["d"]), "{'k': [{'x': 1}]}"),
        (lambda s: bool(s["d"]), True),
        (lambda s: s["d"] == s["d"], True),
        (lambda s: s["d"] == {"k": 1}, False),
        (lambda s: copy.deepcopy(s["d"]), {"k": [{"x": 1}]}),
        (lambda s: copy.copy(s["l"]), [1, 2]),
        (lambda s: pickle.loads(pickle.dumps(s["d"])), {"k": [{"x": 1}]}),
        (lambda s: list(reversed(s)), ["d", "l", "e", "t", "n"]),
        (lambda s: s["l"] < [1, 3], True),
        (lambda s: s["l"] >= s["l"], True),
        (lambda s: sorted([s["l"], [0]]), [[0], [1, 2]]),
        (lambda s: s["l"].index(2, 1), 1),
        (lambda s: s["d"]["k"].index({"x": 1}), 0),
        (lambda s: {"x": 1} in s["d"]["k"], True),
        (lambda s: [1] in s["d"]["k"], False),
        (lambda s: [] in s, False),
        (lambda s: s["l"][::-1], [2, 1]),
        (lambda s: isinstance(s["t"], str), True),
        (lambda s: json.dumps([s["t"], "".join([s["t"]])]), '["ab", "ab"]'),
        (lambda s: [type(t) for t in (copy.copy(s["t"]), s["t"] + "c", pickle.loads(pickle.dumps(s["t"])))], [str] * 3),
        (lambda s: s.get(object(), 5), 5),
        (lambda s: s.keys() & {"n", "x"}, {"n"}),
        (lambda s: _matched(s["d"]), "a dict of a list of a dict with 1"),
        (lambda s: s.value(), start()),
    ],
)
def test_a_read_gives_what_the_plain_value_gives(read: Callable[[Any], object], expected: object) -> None:
    recorded = Recorded(start())
    assert read(recorded.state) == expected
    assert recorded.operations == []


def _matched(value: Any) -> str:
    match value:
        case {"k": [{"x": int(x)}, *_]}:
            return f"a dict of a list of a dict with {x}"
    return "nothing"


def test_proxies_are_what_they_stand_for() -> None:
    state = Recorded(start()).state
    assert isinstance(state, StateDict)
    assert isinstance(state, MutableMapping)
    assert isinstance(state["l"], StateList)
    assert isinstance(state["l"], MutableSequence)
    assert isinstance(state["d"]["k"][0], StateDict)
    assert isinstance(next(iter(state["d"]["k"])), StateDict)
    with pytest.raises(TypeError, match="unhashable"):
        hash(state)


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        ("state['missing']", KeyError, "missing"),
        ("del state['missing']", KeyError, "missing"),
        ("state['missing'] += 'x'", KeyError, "missing"),
        ("state['missing']['x'] = 1", KeyError, "missing"),
        ("state['l'][2]", IndexError, "state.l has 2 items: no index 2"),
        ("state['l'][2] = 1", IndexError, "no index 2"),
        ("state['l'][-3] = 1", IndexError, "no index -3"),
        ("state['l'].pop(9)", IndexError, ""),
        ("state['l'].remove(9)", ValueError, ""),
        ("state['l'].index(9)", ValueError, ""),
        ("state['l']['0']", TypeError, ""),
        ("state['l']['0'] = 1", TypeError, ""),
        ("state['l'].insert('0', 1)", TypeError, ""),
        ("state['l'][::2] = [1, 2, 3]", ValueError, "size"),
        ("state['l'].append(state['l'].sort)", TypeError, "not JSON"),
        ("state[object()] = 1", TypeError, "not JSON"),
        ("state['d'].update(a=1, prototype=2)", StateError, "prototype"),
        ("state['d'].update(a=1, b=object())", TypeError, r"state\.d\.b is not JSON"),
        ("state['d']['k'].sort(key=lambda x: 1 / 0)", ZeroDivisionError, ""),
        ("state['n']['x'] = 1", TypeError, ""),
        ("state['t'] += 1", TypeError, ""),
        ("state['x'] = object()", TypeError, r"state\.x is not JSON"),
        ("state['l'].append({'a': object()})", TypeError, r"state\.l\.2\.a is not JSON"),
        ("state['l'][0:1] = [object()]", TypeError, "not JSON"),
        ("state['x'] = {1: 1, '1': 2}", TypeError, "two keys"),
        ("state['__proto__'] = 1", StateError, "state.__proto__"),
        ("state['d']['constructor'] = 1", StateError, "state.d.constructor"),
        ("state['d']['k'][0]['prototype'] = {}", StateError, "state.d.k.0.prototype"),
        ("state['d'].update(prototype=1)", StateError, "prototype"),
        ("state.extend([1])", AttributeError, "extend"),
    ],
)
def test_invalid_edits_raise_and_change_nothing(edit: str, error: type[Exception], message: str) -> None:
    recorded = Recorded(start())
    with pytest.raises(error, match=message or None):
        exec(edit, {"state": recorded.state})
    assert recorded.state.value() == start()
    assert recorded.operations == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("missing",), "state.missing does not exist"),
        (("n",), "state.n: it is a int"),
        (("l",), "state.l: it is a list"),
        (("l", "2"), "state.l.2 does not exist"),
        (("t", "x"), "state.t.x does not exist"),
        (("l", "-1"), "state.l.-1 does not exist"),
        (("l", "²"), "does not exist"),
        (("l", "01"), "state.l.01 does not exist"),
        (("l", "9" * 5000), "does not exist"),
        (("__proto__",), "does not exist"),
    ],
)
def test_text_is_appended_only_to_text(path: tuple[str, ...], message: str) -> None:
    recorded = Recorded(start())
    with pytest.raises(StateError, match=message):
        recorded.document.append_text(path, "x")
    assert recorded.state.value() == start()
    assert recorded.operations == []


def test_a_value_is_copied_in_and_out() -> None:
    recorded = Recorded({})
    value: dict[str, Any] = {"list": []}
    recorded.state["a"] = value
    value["list"].append(1)
    recorded.state["a"]["list"].append(2)
    out = recorded.state.value()
    out["a"]["list"].append(3)
    assert recorded.state.value() == {"a": {"list": [2]}}
    assert recorded.operations == [set_(["a"], {"list": []}), set_(["a", "list", "0"], 2)]


def test_the_root_starts_as_none_and_can_be_replaced() -> None:
    seen: list[Any] = []

    async def run(controller: RunController) -> None:
        seen.append(controller.state)
        controller.state = {"a": 1}
        controller.state["a"] += 1
        controller.state = [1]
        controller.state += [2]
        controller.state = "text"
        seen.append(controller.state)
        controller.state += " and more"

    # On one loop, so that the reader cannot take an update between two edits.
    (chunk,) = read("async for", create_run(run))
    assert seen == [None, "text"]
    assert isinstance(chunk, UpdateStateChunk)
    assert chunk.operations == [set_([], "text and more")]


def test_the_caller_s_state_is_never_changed_and_not_sent() -> None:
    state = {"messages": [{"text": "hi"}]}

    def run(controller: RunController) -> None:
        controller.state["messages"][0]["text"] += "!"
        controller.state["messages"].append({})

    (chunk,) = read("async for", create_run(as_kind("async def", run), state=state))
    assert state == {"messages": [{"text": "hi"}]}
    assert isinstance(chunk, UpdateStateChunk)
    assert chunk.operations == [append(["messages", "0", "text"], "!"), set_(["messages", "1"], {})]


def test_threads_edit_one_list_and_their_own_keys_without_a_loss() -> None:
    """What the client replays is what the server holds: 8 threads, unique items."""

    def run(controller: RunController) -> None:
        def edit(name: int) -> None:
            for number in range(200):
                controller.state["all"].append([name, number])
                controller.state["own"][str(name)] = number
                controller.append_state_text(["text", name], "x")

        threads = [threading.Thread(target=edit, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        held.append(controller.state.value())

    held: list[Any] = []
    initial = {"all": [], "own": {}, "text": [""] * 8}
    replayed: Any = copy.deepcopy(initial)
    for chunk in create_run(run, state=initial):
        assert isinstance(chunk, UpdateStateChunk)
        for operation in chunk.operations:
            replayed = apply(replayed, operation)
    assert replayed == held[0]
    assert sorted(replayed["all"]) == [[name, number] for name in range(8) for number in range(200)]
    assert replayed["own"] == {str(name): 199 for name in range(8)}
    assert replayed["text"] == ["x" * 200] * 8


@pytest.mark.parametrize("edit", ["sort", "insert", "reverse", "remove"])
def test_an_edit_of_the_whole_list_loses_no_other_edit(edit: str) -> None:
    recorded = Recorded({"list": []})
    items = recorded.state["list"]
    done = threading.Event()

    def disturb() -> None:
        while not done.is_set():
            if edit == "sort":
                items.sort(key=lambda item: -item)
            elif edit == "insert":
                items.insert(0, -1)
            elif edit == "reverse":
                items.reverse()
            else:
                items.append(-1)
                items.remove(-1)

    disturber = threading.Thread(target=disturb)
    disturber.start()
    for number in range(100):
        items.append(number)
    done.set()
    disturber.join()
    assert sorted(item for item in items if item >= 0) == list(range(100))


@pytest.mark.parametrize("times", [10**15, 10**18, 10**30])
def test_a_list_that_is_multiplied_too_often_fails_at_once_and_stays(times: int) -> None:
    recorded = Recorded({"l": [1, {"x": 2}], "t": "ab"})
    for key in ("l", "t"):
        with pytest.raises((MemoryError, OverflowError)):
            recorded.state[key] *= times
    assert recorded.state == {"l": [1, {"x": 2}], "t": "ab"}
    assert recorded.operations == []


@pytest.mark.parametrize("edit", [lambda items: items.remove("q" * 10**6), lambda items: items.index("q" * 10**6)])
def test_the_error_for_a_missing_item_does_not_quote_a_long_one(edit: Callable[[Any], Any]) -> None:
    def run(controller: RunController) -> None:
        with pytest.raises(ValueError, match="is not in list") as caught:
            edit(controller.state)
        assert len(str(caught.value)) < 200

    assert list(create_run(run, state=["a"])) == []
