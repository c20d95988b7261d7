"""References into the state: dicts and lists that are found again after they moved, and texts that support `+=`."""

from __future__ import annotations

from threading import get_ident
from typing import Any, TypeAlias

from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, NotPlainError, copy_plain, plain, weight
from assistant_stream_ce.state.operations import Path, show

# Numbers that need no check.
_SMALL = 1 << 53

#: Of an item in a dict, or in a list.
Key: TypeAlias = str | int

#: The newest sum that each thread has made with `+=`, and will most likely assign: the sum, what was added, the
#: container and the key that it was read at, and the text that was there.
PendingAppends: TypeAlias = dict[int, tuple[str, str, JSON, object, str]]


class NodeRef:
    """A dict or list in the state, and how it was reached. It is known by the object itself, not by its path.

    The fields are for this package; they are underscored because `StateProxy`, which users see, is a NodeRef.
    """

    __slots__ = ("_above", "_key", "_node", "_path", "_version")

    _node: JSON
    # None for the root.
    _above: NodeRef | None
    # Where it was in the dict or list above when it was last looked for.
    _key: Key
    # Its path as it was in that version of the state.
    _path: Path
    _version: int

    def name(self, key: object = None) -> str:
        """Return how error messages name it, or something in it."""
        segments = [] if key is None else [str(key)]
        ref = self
        while ref._above is not None:
            segments.append(str(ref._key))
            ref = ref._above
        return show(segments[::-1])


def path_of(ref: NodeRef, root: JSON) -> Path:
    """Return the present path of a dict or list. With the state's lock held.

    Raises:
        StateError: it is no longer part of the state.
    """
    segments: list[str] = []
    inner = ref
    while (above := inner._above) is not None:
        if not has_item(above._node, inner._key) or above._node[inner._key] is not inner._node:
            index = _search(above._node, inner._node, inner._key)
            if index == -1:
                raise _removed(ref)
            inner._key = index
        segments.append(str(inner._key))
        inner = above
    if root is not inner._node:
        raise _removed(ref)
    return tuple(segments[::-1])


def copy_in(value: object, ref: NodeRef, key: Key | None = None) -> JSON:
    """Return a plain copy of a value that is to be put there.

    Raises:
        TypeError: it is not JSON. The message gives the path.
    """
    try:
        return copy_plain(value)
    except NotPlainError:
        return plain(value, ref.name(key))


def measured(value: object, ref: NodeRef, key: Key | None) -> tuple[JSON, int]:
    """Return a plain copy of a value that is to be put there, or at the end of a list, and its weight."""
    kind = type(value)
    if kind is str:
        return value, len(value)  # type: ignore[arg-type]
    if kind is int and -_SMALL < value < _SMALL:  # type: ignore[operator]
        return value, 8
    new = copy_in(value, ref, len(ref._node) if key is None else key)
    return new, weight(new)


def has_item(container: JSON, key: Key) -> bool:
    """Return whether a dict has a key, or a list an index."""
    return key in container if type(container) is dict else isinstance(key, int) and key < len(container)


def item_index(ref: NodeRef, key: Any) -> int:
    """Return the index of an item of a list, counted from the start.

    Raises:
        IndexError: there is no such item.
    """
    length = len(ref._node)
    if not -length <= key < length:
        raise IndexError(f"{ref.name()} has {length} items: no index {key if abs(key) < 1 << 64 else 'of that size'}")
    index: int = key % length
    return index


def _search(container: JSON, node: JSON, last: Key) -> int:
    """Return the index of an item that was moved in its list, or -1. Dicts do not move their items."""
    if type(container) is dict or not isinstance(last, int):
        return -1
    # Outwards from where it was, because most have moved by one.
    for distance in range(max(last, len(container) - last) + 1):
        for index in (last - distance, last + distance):
            if 0 <= index < len(container) and container[index] is node:
                return index
    return -1


def _removed(ref: NodeRef) -> StateError:
    return StateError(f"{ref.name()} was removed or replaced: take a fresh reference from controller.state")


class _Text(str):
    """A text that is an object of its own, however short it is."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


class StateText(_Text):
    """A text as it was when it was read; a `str` but for `+=`.

    `state["text"] += more` reads the text, adds, and assigns the sum. What others append in between would be lost if
    the state did not know what was added to what.
    """

    __slots__ = ("origin",)

    #: Where it was read: the container and the key, the very text there, and the pending appends of that state.
    origin: tuple[JSON, object, str, PendingAppends]

    def __iadd__(self, more: str) -> Any:
        if type(more) is not str:
            if not isinstance(more, str):
                return NotImplemented
            more = str.__str__(more)
        container, key, text, appends = self.origin
        # To an empty text Python would add by returning the other one, which may be assigned for its own sake.
        total = text + more if text else _Text(more)
        if more:
            appends[get_ident()] = (total, more, container, key, text)
        return total


def read_text(container: JSON, key: object, text: str, appends: PendingAppends) -> StateText:
    """Return a text as it is read from a container."""
    read = StateText(text)
    read.origin = (container, key, text, appends)
    return read
