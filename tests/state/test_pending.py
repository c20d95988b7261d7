"""Coalescing of pending edits: an edit joins the newest one only if it repeats it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from assistant_stream_ce import RunController, StateError, TextDeltaChunk, create_run
from tests.support.kinds import as_kind
from tests.support.recorded_state import Recorded, append, set_

START: dict[str, Any] = {"n": 0, "text": "a", "list": []}

# Edits of START, and what each sends the first, second and third time.
EDITS: dict[str, tuple[Callable[[Any], None], list[dict[str, Any]]]] = {
    "set": (
        lambda controller: controller.state.update(n=controller.state["n"] + 1),
        [set_(["n"], 1), set_(["n"], 2), set_(["n"], 3)],
    ),
    "set an item": (
        lambda controller: controller.state.__setitem__("n", controller.state["n"] + 1),
        [set_(["n"], 1), set_(["n"], 2), set_(["n"], 3)],
    ),
    "add to a text": (
        lambda controller: controller.state.__setitem__("text", controller.state["text"] + "b"),
        [append(["text"], "b"), append(["text"], "b"), append(["text"], "b")],
    ),
    "append to a text": (
        lambda controller: controller.append_state_text(["text"], "b"),
        [append(["text"], "b"), append(["text"], "b"), append(["text"], "b")],
    ),
    "append": (
        lambda controller: controller.state["list"].append("x"),
        [set_(["list", "0"], "x"), set_(["list", "1"], "x"), set_(["list", "2"], "x")],
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_after_other_chunks_is_sent_after_them(edit: str) -> None:
    change, operations = EDITS[edit]

    def run(controller: RunController) -> None:
        for word in "abc":
            change(controller)
            controller.append_text(word)

    chunks = list(create_run(as_kind("async def", run), state=START))
    assert chunks[1::2] == [TextDeltaChunk(word) for word in "abc"]
    assert [chunk.operations for chunk in chunks[::2]] == [[operation] for operation in operations]  # type: ignore[union-attr]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_a_chunk_that_was_read_travels_in_the_next(edit: str) -> None:
    change, operations = EDITS[edit]

    def run(controller: RunController) -> None:
        for _ in operations:
            change(controller)
            controller.flush()

    chunks = list(create_run(as_kind("async def", run), state=START))
    assert [chunk.operations for chunk in chunks] == [[operation] for operation in operations]  # type: ignore[union-attr]


def test_a_text_that_became_a_number_takes_no_more_text() -> None:
    recorded = Recorded({"text": "a"}, merges=True)
    recorded.document.append_text(["text"], "b")
    recorded.state["text"] = 1
    with pytest.raises(StateError, match="it is a int"):
        recorded.document.append_text(["text"], "c")


def test_the_path_of_a_text_leads_to_what_is_there_now() -> None:
    recorded = Recorded([{"text": "a"}], merges=True)
    first = recorded.state[0]
    recorded.document.append_text(["0", "text"], "b")
    recorded.state.insert(0, {"text": "new"})
    first["text"] += "c"
    recorded.document.append_text(["0", "text"], "er")
    assert recorded.state == [{"text": "newer"}, {"text": "abc"}]


def test_a_state_that_moves_while_a_path_is_compared_is_looked_up_anew() -> None:
    recorded = Recorded([{"text": "a"}], merges=True)

    class Segment(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            recorded.state.insert(0, {"text": "new"})
            recorded.state[1]["text"] += "c"
            return str.__eq__(self, other)

    recorded.document.append_text(["0", "text"], "b")
    recorded.document.append_text([Segment("0"), "text"], "er")
    assert recorded.state == [{"text": "newer"}, {"text": "abc"}]


def test_text_that_is_added_to_a_text_is_plain() -> None:
    class Loud(str):
        __slots__ = ()

        def __radd__(self, other: str) -> str:
            return other + self.upper()

    recorded = Recorded({"text": "", "other": "b"}, merges=True)
    state = recorded.state
    for more in (state["other"], Loud("c"), Loud("d")):
        state["text"] += more
    state["text"] += state["text"]
    assert state == {"text": "bcdbcd", "other": "b"}
    assert type(recorded.document.root[0]["text"]) is str
    assert recorded.operations == [set_(["text"], "bcdbcd")]
