"""The operations on state that formats carry: `set` a value at a path, `append-text` to a text. Pure data.

A path is a list of text segments; list indexes are decimal. Front ends apply operations strictly: one that they cannot
apply ends their stream. Therefore `locate` raises for every path that they would reject.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from assistant_stream_ce.chunks import Operation
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, clone, list_index, plain

#: A path in the state; `()` is the root.
Path: TypeAlias = tuple[str, ...]

#: Policy of `apply` for a path that does not exist.
MissingPolicy: TypeAlias = Literal["raise", "create", "ignore"]

#: Segments at which clients end the stream, as they guard against prototype pollution.
UNSAFE_KEYS = frozenset({"__proto__", "constructor", "prototype"})

# Error messages show no more of a path.
_MAX_SHOWN = 200


def set_value(path: Path, value: JSON) -> Operation:
    """Return the operation that sets the value at a path."""
    return {"type": "set", "path": list(path), "value": value}


def append_text(path: Path, text: str) -> Operation:
    """Return the operation that extends the text at a path."""
    return {"type": "append-text", "path": list(path), "value": text}


def checked(operation: Operation) -> Operation:
    """Return an operation of another stream, validated and with plain values.

    Raises:
        TypeError: it is not an operation.
    """
    if not isinstance(operation, Mapping) or not {"type", "path", "value"} <= operation.keys():
        raise TypeError(f"a state operation must be a dict with type, path and value, not {operation!r:.100}")
    path = operation["path"]
    if isinstance(path, str) or not isinstance(path, Sequence):
        raise TypeError(f"the path of a state operation must be a list of texts, not {path!r:.100}")
    segments = [str(segment) for segment in path]
    return {"type": operation["type"], "path": segments, "value": plain(operation["value"], show(segments))}


def is_safe(path: Path) -> bool:
    """Return whether front ends accept operations at a path."""
    return UNSAFE_KEYS.isdisjoint(path)


def refuse_unsafe(path: Path) -> None:
    """Check that front ends accept a path.

    Raises:
        StateError: it has an unsafe segment.
    """
    if not is_safe(path):
        raise StateError(
            f"{show(path)} would end the front end's stream: use other keys than __proto__, constructor and prototype"
        )


def item_path(path: Path | None, key: str | int) -> Path:
    """Return the path of an item from that of its container; None is the container of the root.

    Raises:
        StateError: front ends reject it.
    """
    if path is None:
        return ()
    if key in UNSAFE_KEYS:
        refuse_unsafe((*path, str(key)))
    return (*path, str(key))


def show(path: Sequence[str]) -> str:
    """Return a path for error messages: `state.messages.0.text`, shortened."""
    text = ".".join(("state", *(segment[:_MAX_SHOWN] for segment in path[: _MAX_SHOWN // 2])))
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def lookup(root: JSON, path: Sequence[str]) -> JSON:
    """Return the value at a path, not copied.

    Raises:
        StateError: there is nothing at the path.
    """
    node = root
    for depth, segment in enumerate(path):
        if type(node) is dict and segment in node:
            node = node[segment]
        elif type(node) is list and (index := list_index(segment)) is not None and index < len(node):
            node = node[index]
        else:
            raise StateError(
                f"{show(path[: depth + 1])} does not exist (any more): {show(path[:depth])} is {_kind(node)}. "
                "Set it first, or take a fresh reference from controller.state"
            )
    return node


def locate(root: list[JSON], path: Path) -> tuple[JSON, str | int]:
    """Return the container of a path, and the key or index in it that may be set.

    Args:
        root: the state as the only item of a list, so that the root has a container too.
        path: the path.

    Raises:
        StateError: a front end could not set a value there.
    """
    if not path:
        return root, 0
    refuse_unsafe(path)
    container, segment = lookup(root[0], path[:-1]), path[-1]
    if type(container) is dict:
        return container, segment
    if type(container) is list and (index := list_index(segment)) is not None and index <= len(container):
        return container, index
    raise StateError(
        f"cannot set {show(path)}: {show(path[:-1])} is {_kind(container)}. Only a dict takes new keys, "
        "and a list takes an index up to its length"
    )


def assign(container: JSON, key: str | int, value: JSON) -> None:
    """Set an item of a container; an index one past the end appends."""
    if type(container) is list and key == len(container):
        container.append(value)
    else:
        container[key] = value


def extend_text(container: JSON, key: str | int, more: str) -> None:
    """Extend a text in its container, in place if nothing else refers to it."""
    text = container[key]
    # CPython extends a text in place if a local name is its only reference, so the container drops it before.
    container[key] = None
    text += more
    container[key] = text


def locate_text(root: list[JSON], path: Path) -> tuple[JSON, str | int]:
    """Return the container of a text and the key or index in it.

    Raises:
        StateError: there is no text at the path, or a front end could not extend it.
    """
    try:
        container, key = locate(root, path)
        text = container[key]
    except (StateError, LookupError):
        # Its message is more precise about what is missing.
        lookup(root[0], path)
        raise
    if type(text) is not str:
        raise StateError(f"cannot append text to {show(path)}: it is {_kind(text)}. Set it to a text first")
    return container, key


def resolve(root: list[JSON], operation: Operation) -> tuple[JSON, str | int, JSON]:
    """Return the container, the key and the new value of an operation, without applying it.

    Args:
        root: the state as the only item of a list.
        operation: the operation; its value is plain and not copied.

    Raises:
        StateError: a front end could not apply it.
    """
    path, value = tuple(operation["path"]), operation["value"]
    if operation["type"] == "set":
        return (*locate(root, path), value)
    if operation["type"] != "append-text":
        raise StateError(f"unknown state operation {operation['type']!r:.100}: use 'set' or 'append-text'")
    if type(value) is not str:
        raise StateError(f"cannot append {_kind(value)} to the text {show(path)}")
    container, key = locate_text(root, path)
    return container, key, container[key] + value


def apply(root: JSON, operation: Operation, missing: MissingPolicy = "raise") -> JSON:
    """Apply one operation in place, as a front end does; return the root, which a `set` may replace.

    Args:
        root: the state.
        operation: the operation; its value is copied.
        missing: "raise" as strict front ends do; "create" to let a `set` create the missing dicts on its path;
            "ignore" to do so too, to append where an index is beyond the end of a list, and to skip operations that
            cannot be applied, as front ends do when they resume a stream.

    Raises:
        StateError: the operation cannot be applied. Nothing has changed then.
    """
    holder = [root]
    try:
        _apply(holder, operation, missing)
    except StateError:
        if missing != "ignore":
            raise
    return holder[0]


def _apply(holder: list[JSON], operation: Operation, missing: MissingPolicy) -> None:
    path, value = tuple(operation["path"]), operation["value"]
    if operation["type"] == "append-text" and type(value) is str:
        extend_text(*locate_text(holder, path), value)
    elif operation["type"] == "set" and missing != "raise":
        refuse_unsafe(path)
        container, key, rest = _deepest(holder, path, is_lenient=missing == "ignore")
        for segment in reversed(rest):
            value = {segment: value}
        assign(container, key, clone(value))
    else:
        container, key, value = resolve(holder, operation)
        assign(container, key, clone(value))


def _deepest(holder: list[JSON], path: Path, *, is_lenient: bool) -> tuple[JSON, str | int, Path]:
    """Return the last container on a path that exists, the key in it, and the path below that.

    Raises:
        StateError: a value on the path is not a container, or does not accept the key.
    """
    container: JSON = holder
    key: str | int = 0
    for depth, segment in enumerate(path):
        node = _item(container, key)
        if node is None:
            return container, key, path[depth:]
        if type(node) is dict:
            container, key = node, segment
            continue
        index = list_index(segment) if type(node) is list else None
        if index is None or (index > len(node) and not is_lenient):
            raise StateError(f"cannot set {show(path)}: {show(path[:depth])} is {_kind(node)}")
        container, key = node, min(index, len(node))
    return container, key, ()


def _item(container: JSON, key: str | int) -> JSON:
    try:
        return container[key]
    except LookupError:
        return None


def _kind(value: JSON) -> str:
    if type(value) is list:
        return f"a list of {len(value)}"
    return "None" if value is None else f"a {type(value).__name__}"
