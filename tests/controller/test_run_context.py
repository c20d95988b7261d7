"""The context of a run: an ended run is reported, and the error for a state of None is explained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from assistant_stream_ce import RunController, RunEndedError, create_run
from tests.support.kinds import as_kind


def test_a_controller_outlives_its_run() -> None:
    kept: list[RunController] = []
    assert list(create_run(lambda controller: kept.append(controller))) == []
    for _ in range(2):
        with pytest.raises(RunEndedError):
            kept[0].append_text("late")


@pytest.mark.parametrize(
    "use",
    [
        lambda c: c.state["a"],
        lambda c: c.state.__setitem__("a", 1),
        lambda c: c.state.append(1),
        lambda c: c.state["a"]["b"].append(1),
        lambda c: list(c.state),
        lambda c: (lambda value: value["a"])(c.state),
        lambda c: "a" in c.state,
        lambda c: len(c.state),
        lambda c: dict(**c.state),
        lambda c: [*c.state],
    ],
)
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_the_error_for_a_state_of_none_contains_the_fix(use: Callable[[RunController], Any], kind: str) -> None:
    with pytest.raises((TypeError, AttributeError), match=r"NoneType.*pass state=\{\} to create_run"):
        list(create_run(as_kind(kind, use)))


def test_another_none_is_not_explained() -> None:
    def run(controller: RunController) -> None:
        none: Any = None
        none["a"]

    for state in ({}, None):
        with pytest.raises(TypeError, match=r"^'NoneType' object is not subscriptable$"):
            list(create_run(run, state=state))
