"""Check that the cost of work grows no faster than its input, by counting instead of timing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def steps_of(work: Callable[[], Any]) -> int:
    """Return how many lines a piece of work executes, each turn of a loop included, and how many functions it calls."""
    count = 0

    def trace(_frame: Any, _event: str, _argument: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    def profile(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "c_call"

    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
        sys.settrace(None)
    return count


def assert_linear(work: Callable[[Any], Any], make: Callable[[int], Any] = int, *, few: int = 20) -> None:
    """Check that work on ten times as much takes at most eleven times as many steps.

    Args:
        work: the work.
        make: returns its argument for a number of items, which is not counted.
        few: the smaller number.
    """
    inputs = [make(number) for number in (few // 4, few, 10 * few)]
    # What is imported or cached on first use is not counted.
    work(inputs[0])
    small, large = (steps_of(lambda one=one: work(one)) for one in inputs[1:])  # type: ignore[misc]
    assert large < 11 * small
