"""Operations on state: valid and invalid ones, and each policy for missing paths."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from assistant_stream_ce.errors import StateError
from assistant_stream_ce.state.operations import append_text, apply, locate, lookup, set_value, show

STATE: dict[str, Any] = {"n": 1, "t": "ab", "l": [1, {"x": None}], "none": None}

# Operations with the state after them under "raise", "create" and "ignore"; None for an error.
CASES: list[tuple[Any, tuple[str, ...], Any, Any, Any]] = [
    (set_value, ("n",), {"n": 5}, {"n": 5}, {"n": 5}),
    (set_value, ("new",), {"new": 5}, {"new": 5}, {"new": 5}),
    (set_value, ("l", "1"), {"l": [1, 5]}, {"l": [1, 5]}, {"l": [1, 5]}),
    (set_value, ("l", "2"), {"l": [1, {"x": None}, 5]}, {"l": [1, {"x": None}, 5]}, {"l": [1, {"x": None}, 5]}),
    (set_value, ("l", "7"), None, None, {"l": [1, {"x": None}, 5]}),
    (set_value, ("l", "01"), None, None, {}),
    (set_value, ("l", "x"), None, None, {}),
    (set_value, ("a", "b"), None, {"a": {"b": 5}}, {"a": {"b": 5}}),
    (set_value, ("none", "b"), None, {"none": {"b": 5}}, {"none": {"b": 5}}),
    (set_value, ("l", "1", "x", "y"), None, {"l": [1, {"x": {"y": 5}}]}, {"l": [1, {"x": {"y": 5}}]}),
    (set_value, ("l", "2", "y"), None, {"l": [1, {"x": None}, {"y": 5}]}, {"l": [1, {"x": None}, {"y": 5}]}),
    (set_value, ("n", "b"), None, None, {}),
    (set_value, ("t", "0"), None, None, {}),
    (set_value, ("__proto__",), None, None, {}),
    (set_value, ("a", "constructor", "b"), None, None, {}),
    (append_text, ("t",), {"t": "abX"}, {"t": "abX"}, {"t": "abX"}),
    (append_text, ("missing",), None, None, {}),
    (append_text, ("n",), None, None, {}),
    (append_text, ("none",), None, None, {}),
    (append_text, ("l", "9"), None, None, {}),
    (append_text, ("a", "b"), None, None, {}),
]


@pytest.mark.parametrize(("make", "path", "raised", "created", "ignored"), CASES)
def test_missing_paths_are_rejected_created_or_ignored(
    make: Any, path: tuple[str, ...], raised: Any, created: Any, ignored: Any
) -> None:
    operation = make(path, "X" if make is append_text else 5)
    for policy, expected in (("raise", raised), ("create", created), ("ignore", ignored)):
        state = copy.deepcopy(STATE)
        if expected is None:
            with pytest.raises(StateError):
                apply(state, operation, policy)  # type: ignore[arg-type]
            assert state == STATE
        else:
            assert apply(state, operation, policy) == {**STATE, **expected}  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", ["raise", "create", "ignore"])
def test_the_root_is_replaced_and_values_are_copied(policy: Any) -> None:
    value = {"a": [1]}
    state = apply(None, set_value((), value), policy)
    value["a"].append(2)
    assert state == {"a": [1]}
    assert apply("text", append_text((), " more"), policy) == "text more"


@pytest.mark.parametrize(
    "operation",
    [{"type": "delete", "path": [], "value": 1}, {"type": "append-text", "path": ["t"], "value": 1}],
)
def test_unknown_operations_are_refused(operation: Any) -> None:
    for policy in ("raise", "create"):
        with pytest.raises(StateError):
            apply(copy.deepcopy(STATE), operation, policy)  # type: ignore[arg-type]
    assert apply(copy.deepcopy(STATE), operation, "ignore") == STATE


def test_a_lookup_names_what_is_missing() -> None:
    assert lookup(STATE, ("l", "1")) is STATE["l"][1]
    with pytest.raises(StateError, match=r"state\.l\.5 does not exist .*state\.l is a list of 2"):
        lookup(STATE, ("l", "5", "x"))
    with pytest.raises(StateError, match=r"state\.n\.x\b.*state\.n is a int"):
        locate([STATE], ("n", "x"))


@pytest.mark.parametrize("path", [("x" * 10**6,), ("x",) * 10**6, ("9" * 10**6, "y")])
def test_error_messages_shorten_paths(path: tuple[str, ...]) -> None:
    assert len(show(path)) < 300
    with pytest.raises(StateError) as raised:
        apply({}, set_value((*path, "more"), 1))
    assert len(str(raised.value)) < 1000
