"""State operations and JSON texts for oracles: written plainly, without the package."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

from tests.support.conversations import made_safe


class JSONText(str):
    """The JSON text of a value, equal to every other text of it."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def of(cls, value: Any) -> Self:
        """Return a text of what a client reads of a value; a text may have integers of any size."""
        return cls(json.dumps(made_safe(value, most=10**4300)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and json.loads(self) == json.loads(other)


def applied(root: Any, operation: Mapping[str, Any]) -> Any:
    """Apply a state operation in place, as a front end does, and return the root, which may be another one."""
    path, value = operation["path"], copy.deepcopy(operation["value"])
    if not path:
        return root + value if operation["type"] == "append-text" else value
    target = found(root, path[:-1])
    key = _key(target, path[-1])
    if operation["type"] == "append-text":
        target[key] += value
    elif isinstance(target, list) and key == len(target):
        target.append(value)
    else:
        target[key] = value
    return root


def found(root: Any, path: Sequence[str]) -> Any:
    """Return the value at a path."""
    for segment in path:
        root = root[_key(root, segment)]
    return root


def _key(target: Any, segment: str) -> Any:
    return int(segment) if isinstance(target, list) else segment
