"""What the wire can say about state: `set` a value at a path, `append-text` to a text. Pure data.

A path is a list of text segments, list positions as decimal text. The front ends apply operations
strictly: one that they cannot apply ends their stream. So `locate` refuses here, with the path in
the message, whatever they would refuse there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from assistant_stream_ce.chunks import Operation
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, clone

__all__ = ("Path", "append_text", "apply", "assign", "locate", "lookup", "set_value", "show")

#: A place in the state; `()` is the root.
Path: TypeAlias = tuple[str, ...]

# The clients guard against prototype pollution and end the stream at such a segment.
_UNSAFE_KEYS = frozenset({"__proto__", "constructor", "prototype"})


def set_value(path: Path, value: JSON) -> Operation:
    """Return the operation that puts a value at a path.

    Raises:
        StateError: front ends refuse the path.
    """
    return {"type": "set", "path": _segments(path), "value": value}


def append_text(path: Path, text: str) -> Operation:
    """Return the operation that extends the text at a path.

    Raises:
        StateError: front ends refuse the path.
    """
    return {"type": "append-text", "path": _segments(path), "value": text}


def show(path: Sequence[str]) -> str:
    """Return how error messages name a path: `state.messages.0.text`."""
    return ".".join(("state", *path))


def lookup(root: JSON, path: Sequence[str]) -> JSON:
    """Return the value at a path, not copied.

    Raises:
        StateError: there is nothing at the path.
    """
    node = root
    for depth, segment in enumerate(path):
        if type(node) is dict and segment in node:
            node = node[segment]
        elif type(node) is list and segment.isascii() and segment.isdigit() and int(segment) < len(node):
            node = node[int(segment)]
        else:
            raise StateError(
                f"{show(path[: depth + 1])} does not exist (any more): {show(path[:depth])} is {_kind(node)}. "
                "Set it first, or take a fresh reference from controller.state"
            )
    return node


def locate(root: JSON, path: Path) -> tuple[JSON, str | int]:
    """Return the container of a path and the key or index in it, where a value may be put.

    Raises:
        StateError: a front end could not put a value there.
    """
    container, segment = lookup(root, path[:-1]), path[-1]
    if type(container) is dict:
        return container, segment
    if type(container) is list and segment.isascii() and segment.isdigit() and int(segment) <= len(container):
        return container, int(segment)
    raise StateError(
        f"cannot set {show(path)}: {show(path[:-1])} is {_kind(container)}. Only a dict takes new keys, "
        "and a list takes an index up to its length"
    )


def assign(container: JSON, key: str | int, value: JSON) -> None:
    """Put a value into a container; an index one past the end appends."""
    if type(container) is list and key == len(container):
        container.append(value)
    else:
        container[key] = value


def apply(root: JSON, operation: Operation) -> JSON:
    """Apply one operation as a front end does, in place; return the root, which a `set` may replace.

    Raises:
        StateError: a front end could not apply it. Nothing has changed then.
    """
    path, value = tuple(_segments(tuple(operation["path"]))), clone(operation["value"])
    if operation["type"] == "append-text":
        current = lookup(root, path)
        if type(current) is not str or type(value) is not str:
            raise StateError(f"cannot append text to {show(path)}: it is {_kind(current)}. Set it to a text first")
        value = current + value
    elif operation["type"] != "set":
        raise StateError(f"unknown state operation {operation['type']!r}: use 'set' or 'append-text'")
    if not path:
        return value
    assign(*locate(root, path), value)
    return root


def _segments(path: Path) -> list[str]:
    if not _UNSAFE_KEYS.isdisjoint(path):
        raise StateError(
            f"{show(path)} would end the front end's stream: __proto__, constructor and prototype are no keys for state"
        )
    return list(path)


def _kind(value: JSON) -> str:
    if type(value) is list:
        return f"a list of {len(value)}"
    return "None" if value is None else f"a {type(value).__name__}"
