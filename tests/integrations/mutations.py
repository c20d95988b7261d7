"""Event sequences with one thing wrong: a field that is missing or has another value, an event too few or too many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Strange:
    """A value that is no JSON."""


#: What takes the place of a field or of a whole event.
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2.5,
    float("nan"),
    10**30,
    "x",
    "",
    b"\xff",
    [],
    [None],
    ["x"],
    [[]],
    {},
    {"type": "later"},
    {"x": None},
    Strange(),
)

_DELETED: Any = object()


def mutations(events: list[Any], values: tuple[Any, ...] = VALUES) -> Iterator[tuple[str, list[Any]]]:
    """Yield sequences that differ from one in one thing, each with its description."""
    for index, event in enumerate(events):
        before, after = events[:index], events[index + 1 :]
        yield f"without event {index}", before + after
        yield f"event {index} twice", [*before, event, event, *after]
        yield f"event {index} at the end", [*before, *after, event]
        yield f"event {index} first", [event, *before, *after]
        yield f"ends after event {index}", [*before, event]
        if after:
            yield f"event {index} after the next", [*before, after[0], event, *after[1:]]
        for value in values:
            yield f"{value!r:.40} before event {index}", [*before, value, *events[index:]]
        for path, changed in _changed(event, (*values, _DELETED)):
            yield f"event {index}{path}", [*before, changed, *after]


def _changed(value: Any, values: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """Yield each copy of a value that differs in the value of one place, with the path of the place."""
    if not isinstance(value, (dict, list, tuple)):
        return
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        for other in values:
            yield f"[{key!r}] = {'deleted' if other is _DELETED else repr(other)[:40]}", _copy(value, key, other)
        for path, item in _changed(value[key], values):
            yield f"[{key!r}]{path}", _copy(value, key, item)


def _copy(value: Any, key: Any, item: Any) -> Any:
    """Return a copy of a dict, list or tuple with another item."""
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    if item is _DELETED:
        del copy[key]
    else:
        copy[key] = item
    return tuple(copy) if isinstance(value, tuple) else copy
