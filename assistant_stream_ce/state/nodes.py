"""References into the state: dicts and lists that are found again after they moved, views, and texts with `+=`."""

from __future__ import annotations

import sys
from collections.abc import ItemsView, Iterable, Iterator, KeysView, ValuesView
from opcode import opmap
from threading import get_ident
from types import FrameType
from typing import Any, TypeAlias

from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, NotPlainError, copy_plain, json_size, plain
from assistant_stream_ce.state.operations import Path, show

# Smaller numbers need no check.
_SMALL = 1 << 53

#: The length above which copying a text costs more than finding out that `+=` needs no copy.
LONG_TEXT = 2048

# The two instructions before the subscript of an augmented assignment.
_COPIES = bytes((opmap["COPY"], 2)) * 2 if sys.implementation.name == "cpython" else None

#: The key of an item in a dict, or its index in a list.
Key: TypeAlias = str | int

#: The result of the newest `+=` of each thread, which is usually assigned next: the sum, the added text, and the
#: container, the key and the text that it was read from.
PendingAppends: TypeAlias = dict[int, tuple[str, str, JSON, object, str]]


class NodeRef:
    """Reference to a dict or list in the state, by identity: it stays valid when the path changes.

    The fields are internal to this package; they have underscores because the public `StateProxy` is a NodeRef.
    """

    __slots__ = ("_above", "_key", "_node", "_path", "_version")

    _node: JSON
    # None for the root.
    _above: NodeRef | None
    # Its last known key or index in the container above.
    _key: Key
    # Its path in that version of the state.
    _path: Path
    _version: int

    def name(self, key: object = None) -> str:
        """Return the name of it, or of an item in it, for error messages."""
        segments = [] if key is None else [str(key)]
        ref = self
        while ref._above is not None:
            segments.append(str(ref._key))
            ref = ref._above
        return show(segments[::-1])


def path_of(ref: NodeRef, root: JSON) -> Path:
    """Return the current path of a dict or list. Called with the state's lock held.

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
    """Return a plain copy of a value that is to be set at a key.

    Raises:
        TypeError: it is not JSON. The message gives the path.
    """
    try:
        return copy_plain(value)
    except NotPlainError:
        return plain(value, ref.name(key))


def measured(value: object, ref: NodeRef, key: Key | None) -> tuple[JSON, int]:
    """Return a plain copy of a value to set at a key or to append to a list, and its size."""
    kind = type(value)
    if kind is str:
        return value, len(value)  # type: ignore[arg-type]
    if kind is int and -_SMALL < value < _SMALL:  # type: ignore[operator]
        return value, 8
    new = copy_in(value, ref, len(ref._node) if key is None else key)
    return new, json_size(new)


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
    # Searched outwards from the last index, because most items have moved by one.
    for distance in range(max(last, len(container) - last) + 1):
        for index in (last - distance, last + distance):
            if 0 <= index < len(container) and container[index] is node:
                return index
    return -1


def _removed(ref: NodeRef) -> StateError:
    return StateError(f"{ref.name()} was removed or replaced: take a fresh reference from controller.state")


class StateKeys(KeysView[str]):
    """The keys, in their order or reversed."""

    __slots__ = ()

    _mapping: Any

    def __reversed__(self) -> Iterator[str]:
        keys: Iterator[str] = reversed(self._mapping)
        return keys


class StateItems(ItemsView[str, Any]):
    """The keys with their values, in their order or reversed."""

    __slots__ = ()

    _mapping: Any

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return _items(self._mapping, self._mapping)

    def __reversed__(self) -> Iterator[tuple[str, Any]]:
        return _items(self._mapping, reversed(self._mapping))


class StateValues(ValuesView[Any]):
    """The values, in the order of their keys or reversed."""

    __slots__ = ()

    _mapping: Any

    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in _items(self._mapping, self._mapping))

    def __reversed__(self) -> Iterator[Any]:
        return (value for _, value in _items(self._mapping, reversed(self._mapping)))


def _items(mapping: Any, keys: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for key in keys:
        try:
            value = mapping[key]
        except KeyError:
            # Removed meanwhile, perhaps by another thread.
            continue
        yield key, value


class _Text(str):
    """A str with its own identity: CPython shares short ones."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


class StateText(_Text):
    """A text that was read from the state: a `str` that records each `+=`.

    `state["text"] += more` reads the text, adds, and assigns the sum. With the record the assignment only appends
    `more`, so that concurrent appends of other threads are not lost.
    """

    __slots__ = ("origin",)

    #: The container and the key that it was read from, the text object there, and the state's pending appends.
    origin: tuple[JSON, object, str, PendingAppends]

    def __iadd__(self, more: str) -> Any:
        if type(more) is not str:
            if not isinstance(more, str):
                return NotImplemented
            more = str.__str__(more)
        container, key, text, appends = self.origin
        # For an empty text Python returns the other one itself, which may also be assigned for another reason.
        total = text + more if text else _Text(more)
        if more:
            appends[get_ident()] = (total, more, container, key, text)
        return total


class TextSum:
    """The value of `state[key]` inside `state[key] += more`, for a long text; only the operator sees it.

    A `str` of the text would be a copy of it for each edit, and the sum another one.
    """

    __slots__ = ("_key", "_ref", "more")

    def __init__(self, ref: NodeRef, key: Key) -> None:
        self._ref = ref
        self._key = key
        #: The text to append.
        self.more: str = ""

    def __iadd__(self, more: Any) -> Any:
        if not isinstance(more, str):
            return self._text + more
        self.more = str.__str__(more)
        return self

    def __mul__(self, times: Any) -> Any:
        return self._text * times

    def __mod__(self, values: Any) -> Any:
        return self._text % values

    @property
    def _text(self) -> JSON:
        return self._ref._node[self._key]


def is_augmented(frame: FrameType) -> bool:
    """Return whether a frame evaluates the `x[key]` of an augmented assignment such as `x[key] += more`.

    CPython's compiler copies both operands for the assignment only there. Always False in other interpreters.
    """
    if _COPIES is None:
        return False
    code, at = frame.f_code.co_code, frame.f_lasti
    while not code[at]:
        # The inline cache behind the instruction.
        at -= 2
    return code[at - 4 : at] == _COPIES


def read_text(container: JSON, key: object, text: str, appends: PendingAppends) -> StateText:
    """Return the `StateText` for a text in a container."""
    read = StateText(text)
    read.origin = (container, key, text, appends)
    return read
