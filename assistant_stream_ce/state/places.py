"""Where a dict or list of the state is: known by the object itself, so that it is found again when it has moved."""

from __future__ import annotations

from typing import Any, TypeAlias

from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.state.operations import Path, show

#: Of an item in a dict, or in a list.
Key: TypeAlias = str | int


class Place:
    """A dict or list in the state, and how it was reached.

    Its fields are for this package; they are underscored because `StateProxy`, which users see, is one.
    """

    __slots__ = ("_above", "_key", "_node", "_path", "_version")

    _node: JSON
    # None for the root.
    _above: Place | None
    # Where it was in the dict or list above when it was last looked for.
    _key: Key
    # Its path as it was in that version of the state.
    _path: Path
    _version: int

    def name(self, key: object = None) -> str:
        """Return how error messages name it, or something in it."""
        segments = [] if key is None else [str(key)]
        place = self
        while place._above is not None:
            segments.append(str(place._key))
            place = place._above
        return show(segments[::-1])


def path_of(place: Place, root: JSON) -> Path:
    """Return where a place is now. With the state's lock held.

    Raises:
        StateError: it is no longer part of the state.
    """
    segments: list[str] = []
    inner = place
    while (above := inner._above) is not None:
        if not has_item(above._node, inner._key) or above._node[inner._key] is not inner._node:
            index = _search(above._node, inner._node, inner._key)
            if index == -1:
                raise _gone(place)
            inner._key = index
        segments.append(str(inner._key))
        inner = above
    if root is not inner._node:
        raise _gone(place)
    return tuple(segments[::-1])


def has_item(container: JSON, key: Key) -> bool:
    """Return whether a dict has a key, or a list an index."""
    return key in container if type(container) is dict else isinstance(key, int) and key < len(container)


def item_index(place: Place, key: Any) -> int:
    """Return the index of an item of a list, counted from the start.

    Raises:
        IndexError: there is no such item.
    """
    length = len(place._node)
    if not -length <= key < length:
        raise IndexError(f"{place.name()} has {length} items: no index {key}")
    index: int = key % length
    return index


def _search(container: JSON, node: JSON, last: Key) -> int:
    """Return the index of an item that was moved in its list, or -1. Dicts do not move what they hold."""
    if type(container) is dict or not isinstance(last, int):
        return -1
    # Outwards from where it was, because most have moved by one.
    for distance in range(max(last, len(container) - last) + 1):
        for index in (last - distance, last + distance):
            if 0 <= index < len(container) and container[index] is node:
                return index
    return -1


def _gone(place: Place) -> StateError:
    return StateError(f"{place.name()} was removed or replaced: take a fresh reference from controller.state")
