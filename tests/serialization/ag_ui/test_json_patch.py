"""JSON patches follow RFC 6902, and their state operations have the same effect on a copy of the document."""

from __future__ import annotations

import contextlib
import copy
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant_stream_ce.chunks import Operation
from assistant_stream_ce.serialization.ag_ui.json_patch import PatchedDocument
from assistant_stream_ce.serialization.framing import FrameError
from assistant_stream_ce.state.operations import apply
from tests.conformance.clients import Job, decode_all, require_clients

STATE = {"a": {"b": 1, "c": [1, 2, 3]}, "l": [{"x": 1}, {"x": 2}], "t": "text", "constructor": {"y": [1, 2]}}


def op(word: str, path: str, **fields: Any) -> dict[str, Any]:
    return {"op": word, "path": path, **{name.rstrip("_"): value for name, value in fields.items()}}


def edit(path: list[str], value: Any) -> Operation:
    return {"type": "set", "path": path, "value": value}


def patched(state: Any, patch: list[dict[str, Any]]) -> tuple[Any, list[Operation]]:
    document = PatchedDocument(copy.deepcopy(state), 0)
    document.patch(copy.deepcopy(patch))
    return document.value, document.operations()


def edited(state: Any, operations: list[Operation]) -> Any:
    state = copy.deepcopy(state)
    for operation in operations:
        state = apply(state, operation)
    return state


@pytest.mark.parametrize(
    ("patch", "wanted"),
    [
        ([op("add", "/a/d", value=5)], [edit(["a", "d"], 5)]),
        ([op("add", "/a/b", value=None)], [edit(["a", "b"], None)]),
        ([op("replace", "/a/b", value=[])], [edit(["a", "b"], [])]),
        ([op("replace", "/l/1/x", value=5)], [edit(["l", "1", "x"], 5)]),
        ([op("add", "", value=5)], [edit([], 5)]),
        ([op("replace", "", value=5)], [edit([], 5)]),
        ([op("remove", "")], [edit([], None)]),
        ([op("add", "/l/-", value=5), op("add", "/l/3", value=6)], [edit(["l", "2"], 5), edit(["l", "3"], 6)]),
        ([op("add", "/l/0", value=5)], [edit(["l"], [5, {"x": 1}, {"x": 2}])]),
        ([op("remove", "/l/0")], [edit(["l"], [{"x": 2}])]),
        ([op("remove", "/l/0"), op("remove", "/l/0"), op("add", "/l/-", value=1)], [edit(["l"], [1])]),
        ([op("remove", "/a/b")], [edit(["a"], {"c": [1, 2, 3]})]),
        ([op("remove", "/a/c/1"), op("remove", "/a/b")], [edit(["a"], {"c": [1, 3]})]),
        ([op("remove", "/a/c/1"), op("replace", "/a", value=5)], [edit(["a"], 5)]),
        (
            [op("remove", "/a/c/1"), op("replace", "/a", value={"c": [7]})],
            [edit(["a"], {"c": [7]})],
        ),
        ([op("move", "/a/d", from_="/a/c/0")], [edit(["a", "c"], [2, 3]), edit(["a", "d"], 1)]),
        ([op("move", "/a/b", from_="/a/b")], []),
        ([op("copy", "/a/d", from_="/a/c")], [edit(["a", "d"], [1, 2, 3])]),
        ([op("test", "/a/c", value=[1.0, 2, 3])], []),
        ([op("new", "/a")], []),
        # Keys that clients refuse in the path of a state operation.
        ([op("add", "/constructor/z", value=1)], [edit([], {**STATE, "constructor": {"y": [1, 2], "z": 1}})]),
        ([op("remove", "/constructor/y/0")], [edit([], {**STATE, "constructor": {"y": [2]}})]),
    ],
)  # fmt: skip
def test_operations_of_a_patch(patch: list[dict[str, Any]], wanted: list[Operation]) -> None:
    state, operations = patched(STATE, patch)
    assert operations == wanted
    assert edited(STATE, operations) == state


@pytest.mark.parametrize(
    "operation",
    [
        op("replace", "/x", value=1),
        op("remove", "/x"),
        op("remove", "/l/2"),
        op("remove", "/l/-"),
        op("replace", "/l/-", value=1),
        op("replace", "/l/2", value=1),
        op("add", "/l/3", value=1),
        op("add", "/l/01", value=1),
        op("add", "/l/x", value=1),
        op("add", "/l/-1", value=1),
        op("add", "/x/y", value=1),
        op("add", "/t/y", value=1),
        op("add", "/a/b/c", value=1),
        op("add", "/a/d"),
        op("add", "a", value=1),
        op("add", "/__proto__", value=1),
        op("move", "/a", from_="/x"),
        op("move", "/a/c/d", from_="/a/c"),
        op("copy", "/a"),
        op("test", "/a/b", value=True),
        op("test", "/a", value={"b": 1}),
        op("test", "/x", value=None),
        op("add", "/a" * 300, value=1),
        {"op": "add", "path": 5, "value": 1},
        {"op": "add", "value": 1},
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(operation: dict[str, Any]) -> None:
    document = PatchedDocument(copy.deepcopy(STATE), 0)
    before = [
        op("add", "/n", value=1),
        op("remove", "/l/0"),
        op("remove", "/a/b"),
        op("add", "/a/c/0", value=0),
        op("replace", "/t", value="other"),
        op("add", "/a/b", value=1),
        op("add", "/l/0", value={"x": 1}),
    ]
    with pytest.raises(FrameError):
        document.patch([*before, operation])
    assert document.value == STATE


def test_values_are_not_shared() -> None:
    document = PatchedDocument({"a": {}}, 0)
    values = []
    for operation in (op("add", "/a/b", value={"c": 1}), op("add", "/a/b/c", value=2), op("remove", "/a/b/c")):
        document.patch([operation])
        values += [edit["value"] for edit in document.operations()]
    document.patch([op("add", "/a/b/d", value=3)])
    assert values == [{"c": 1}, 2, {}]


def test_operations_of_several_patches_set_each_change_once() -> None:
    document = PatchedDocument({"l": list(range(5)), "t": "a"}, 0)
    for _ in range(2):
        document.patch([op("remove", "/l/0")])
        document.patch([op("replace", "/l/0", value=9)])
        document.patch([op("replace", "/t", value="b")])
    assert document.operations() == [edit(["l"], [9, 3, 4]), edit(["t"], "b")]
    assert document.operations() == []


def test_a_patch_that_does_not_fit_changes_no_operations() -> None:
    document = PatchedDocument({"a": 1}, 0)
    with pytest.raises(FrameError):
        document.patch([op("replace", "/a", value=2), op("remove", "/x")])
    assert document.operations() == []


def test_a_moved_value_is_not_copied() -> None:
    document = PatchedDocument({"a": ["x" * 1000] * 1000}, 1)
    tracemalloc.start()
    for _ in range(100):
        document.patch([op("move", "/b", from_="/a"), op("move", "/a", from_="/b")] * 10)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_copies_are_limited() -> None:
    document = PatchedDocument({"a": "x" * 100}, 10_000)
    with pytest.raises(FrameError, match="copied more than 10,000 bytes"):
        for number in range(100):
            document.patch([op("copy", f"/{number}", from_="")])
    assert len(json.dumps(document.value)) < 50_000


def test_the_depth_of_a_document_is_limited() -> None:
    document = PatchedDocument({}, 0)
    path = ""
    with pytest.raises(FrameError, match="nested more than 200 deep"):
        for _ in range(300):
            path += "/a"
            document.patch([op("add", path, value={})])
    assert document.value
    with pytest.raises(FrameError, match="nested more than 200 deep"):
        for _ in range(10):
            document.patch([op("copy", "/b", from_="")])


# --- Any patch ------------------------------------------------------------------------------------

KEYS = ["a", "b", "0", "/"]
SEGMENTS = st.sampled_from(["a", "b", "0", "1", "2", "-", "", "~0", "~1", "constructor"])
PATHS = st.lists(SEGMENTS, max_size=3).map(lambda parts: "".join(f"/{part}" for part in parts))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.just("x"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0", "/"]), inner, max_size=3)
    ),
    max_leaves=8,
)
OPERATIONS = st.builds(
    lambda word, path, source, value: {"op": word, "path": path, "from": source, "value": value},
    st.sampled_from(["add", "add", "replace", "remove", "remove", "move", "copy", "test"]),
    PATHS,
    PATHS,
    VALUES,
)


@given(state=VALUES, patch=st.lists(OPERATIONS, max_size=6))
def test_operations_have_the_effect_of_the_patch(state: Any, patch: list[dict[str, Any]]) -> None:
    document = PatchedDocument(copy.deepcopy(state), 0)
    try:
        document.patch(copy.deepcopy(patch))
    except FrameError:
        assert document.value == state
        return
    assert edited(state, document.operations()) == document.value


def test_patches_have_the_same_effect_as_in_the_client() -> None:
    require_clients()
    examples: list[tuple[Any, list[dict[str, Any]]]] = []

    @given(state=VALUES, patch=st.lists(OPERATIONS, min_size=1, max_size=4))
    def collect(state: Any, patch: list[dict[str, Any]]) -> None:
        # RFC 6902 forbids moving a value into itself; the client makes a circle of it and then never ends.
        if not any(one["op"] == "move" and one["path"].startswith(f"{one['from']}/") for one in patch):
            examples.append((state, patch))

    collect()

    def events(state: Any, patch: list[dict[str, Any]]) -> bytes:
        values: list[dict[str, Any]] = [
            {"type": "RUN_STARTED", "threadId": "t", "runId": "r"},
            {"type": "STATE_SNAPSHOT", "snapshot": state},
            {"type": "STATE_DELTA", "delta": patch},
            {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"},
        ]
        return b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)

    results = decode_all([Job("ag-ui", events(*example)) for example in examples])
    fitting = 0
    for (state, patch), result in zip(examples, results, strict=True):
        document = PatchedDocument(copy.deepcopy(state), 0)
        # The client accepts some patches that RFC 6902 forbids, such as an addition to a number, and ignores them.
        with contextlib.suppress(FrameError):
            document.patch(copy.deepcopy(patch))
            fitting += 1
            assert not result["warnings"], (state, patch)
            assert result["message"]["state"] == document.value, (state, patch)
    assert fitting > len(examples) // 10
