"""What `controller.state` returns: look-alikes of dict and list whose edits become operations.

A look-alike stands for one dict or list of the state and stays with it, also when others move it in its list. Scalars
and texts are returned as they are; `state["text"] += "more"` works because Python assigns the sum back, and the
document sees that it extends the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping, MutableSequence
from operator import index as as_index
from threading import get_ident
from typing import Any, Self, SupportsIndex, overload

from assistant_stream_ce.jsonvalue import JSON, clone, key_text, plain
from assistant_stream_ce.state.document import StateDocument
from assistant_stream_ce.state.operations import UNSAFE_KEYS, Path
from assistant_stream_ce.state.places import Key, Place

__all__ = ("StateDict", "StateList", "StateProxy", "root_proxy")


class StateProxy(Place):
    """What dict and list proxies share. From any thread.

    Every use of a proxy whose dict or list was removed or replaced raises `StateError`.
    """

    __slots__ = ("_document",)

    #: Proxies change, so they have no hash, like the dict and list they stand for.
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, document: StateDocument, node: JSON, above: Place | None, key: Key, path: Path = (), version: int = -1
    ) -> None:
        self._document = document
        self._node = node
        self._above = above
        self._key = key
        self._path = path
        self._version = version

    def value(self) -> JSON:
        """Return a plain copy of what is here now, for `json.dumps`, for storage, for keeps."""
        self._check()
        return self._document.value(self)

    def copy(self) -> JSON:
        """Return a plain copy, as `value` does."""
        return self.value()

    def clear(self) -> None:
        """Make the dict or list empty."""
        self._document.rewrite(self, lambda items: items.clear())

    def is_root_of(self, document: StateDocument) -> bool:
        """Return whether this is the whole of a state."""
        return self._document is document and document.is_root(self)

    def __len__(self) -> int:
        self._check()
        return len(self._node)

    def __eq__(self, other: object) -> bool:
        return bool(self.value() == _value(other))

    def __repr__(self) -> str:
        return repr(self.value())

    def __reduce__(self) -> tuple[Any, ...]:
        # For `copy`, `deepcopy` and `pickle`: a copy is plain.
        value = self.value()
        return type(value), (value,)

    def _check(self) -> None:
        if self._version != self._document.version:
            self._document.check(self)

    def _item(self, key: Any) -> Any:
        # No lock: to read one item is one step for the interpreter.
        value = self._node[key]
        kind = type(value)
        if kind is dict or kind is list:
            version = -1 if key in UNSAFE_KEYS else self._version
            return _PROXIES[kind](self._document, value, self, key, (*self._path, str(key)), version)
        if kind is str:
            self._document.texts_read[get_ident()] = (self._node, key, value)
        return value

    def _holds(self, key: Any, value: StateProxy) -> bool:
        # `state["list"] += [1]` edits the list and then assigns it back to its own place.
        try:
            return self._node[key] is value._node
        except LookupError:
            return False


class StateDict(StateProxy, MutableMapping[str, Any]):
    """A dict in the state. Keys become texts, as in JSON."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        # Spelled out, as this is where every edit begins.
        if self._version != self._document.version:
            self._document.check(self)
        return self._item(key if type(key) is str else key_text(key, "state"))

    def __setitem__(self, key: str, value: object) -> None:
        if type(key) is not str:
            key = key_text(key, "state")
        if not (isinstance(value, StateProxy) and self._holds(key, value)):
            self._document.set_item(self, key, value)

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def __contains__(self, key: object) -> bool:
        self._check()
        try:
            return _key(key) in self._node
        except TypeError:
            return False

    def __iter__(self) -> Iterator[str]:
        self._check()
        return iter(list(self._node))

    def __reversed__(self) -> Iterator[str]:
        self._check()
        return iter(list(self._node)[::-1])

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Put a value in unless the key is there; return the item."""
        key = _key(key)
        return _proxy(self._document, self._document.set_default(self, key, default), self, key)

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a key and return its value, or `default` when it is missing."""
        try:
            return self._document.rewrite(self, lambda items: items.pop(_key(key)))
        except KeyError:
            if default:
                return default[0]
            raise

    def popitem(self) -> tuple[str, Any]:
        """Remove the newest key; return it with its value."""
        item: tuple[str, Any] = self._document.rewrite(self, lambda items: items.popitem())
        return item

    def update(self, *others: Any, **items: Any) -> None:
        """Put the items of another mapping in, or pairs, or keywords, as one edit."""
        new = dict(*others, **items)
        self._document.update(self, {_key(key): value for key, value in new.items()})

    def __ior__(self, other: Any) -> StateDict:
        self.update(other)
        return self

    def __or__(self, other: Any) -> Any:
        return self.value() | dict(other)

    def __ror__(self, other: Any) -> Any:
        return dict(other) | self.value()


class StateList(StateProxy, MutableSequence[Any]):
    """A list in the state."""

    __slots__ = ()

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        self._check()
        items = self._node
        if isinstance(index, slice):
            found = list(enumerate(items))[index]
            return [_proxy(self._document, item, self, i) for i, item in found]
        length = len(items)
        if not -length <= index < length:
            raise IndexError(f"{self.name()} has {length} items: no index {index}")
        return self._item(as_index(index) % length)

    def __setitem__(self, index: int | slice, value: Any) -> None:
        if isinstance(index, slice):
            self._document.assign_slice(self, index, value)
        elif not (isinstance(value, StateProxy) and self._holds(index, value)):
            self._document.set_item(self, as_index(index), value)

    def __delitem__(self, index: int | slice) -> None:
        self._document.rewrite(self, lambda items: items.__delitem__(index))

    def __contains__(self, value: object) -> bool:
        return _value(value) in self.value()

    def __add__(self, other: Iterable[Any]) -> list[Any]:
        return [*self.value(), *other]

    def __radd__(self, other: Iterable[Any]) -> list[Any]:
        return [*other, *self.value()]

    def __iadd__(self, values: Iterable[Any]) -> Self:
        self.extend(values)
        return self

    def __mul__(self, times: SupportsIndex) -> Any:
        return self.value() * times

    __rmul__ = __mul__

    def __imul__(self, times: SupportsIndex) -> Self:
        count = as_index(times)

        def repeat(items: list[JSON]) -> None:
            # Each copy is one of its own, so that an edit of one is no edit of the others.
            more = [item for _ in range(count - 1) for item in clone(items)]
            items[:] = [*items, *more] if count > 0 else []

        self._document.rewrite(self, repeat)
        return self

    def __lt__(self, other: Any) -> bool:
        return bool(self.value() < _value(other))

    def __le__(self, other: Any) -> bool:
        return bool(self.value() <= _value(other))

    def __gt__(self, other: Any) -> bool:
        return bool(self.value() > _value(other))

    def __ge__(self, other: Any) -> bool:
        return bool(self.value() >= _value(other))

    def index(self, value: Any, *bounds: SupportsIndex) -> int:
        """Return the index of the first item that equals a value, between two bounds."""
        found: int = self.value().index(_value(value), *bounds)
        return found

    def count(self, value: Any) -> int:
        """Return how many items equal a value."""
        found: int = self.value().count(_value(value))
        return found

    def append(self, value: Any) -> None:
        """Append a value: one `set` behind the end."""
        self._document.append(self, value)

    def extend(self, values: Iterable[Any]) -> None:
        """Append values: one `set` behind the end for each."""
        self._document.extend(self, list(values))

    def insert(self, index: int, value: Any) -> None:
        """Insert a value; the list is sent again whole, because the wire has no word for it."""
        self._document.insert(self, as_index(index), value)

    def pop(self, index: int = -1) -> Any:
        """Remove an item and return its value."""
        return self._document.rewrite(self, lambda items: items.pop(index))

    def remove(self, value: Any) -> None:
        """Remove the first item that equals a value."""
        wanted = plain(value)
        self._document.rewrite(self, lambda items: items.remove(wanted))

    def reverse(self) -> None:
        """Reverse the list in place."""
        self._document.rewrite(self, lambda items: items.reverse())

    def sort(self, *, key: Callable[[Any], Any] | None = None, reverse: bool = False) -> None:
        """Sort the list; `key` gets plain values, and is called again if another thread edits meanwhile."""
        while True:
            self._check()
            before, values = self._document.snapshot(self)
            ranks = values if key is None else [key(value) for value in values]
            order = sorted(range(len(ranks)), key=ranks.__getitem__, reverse=reverse)
            if self._document.reorder(self, before, order):
                return


_PROXIES: dict[type, type[StateProxy]] = {dict: StateDict, list: StateList}


def _proxy(document: StateDocument, value: JSON, above: Place | None = None, key: Key = 0) -> Any:
    """Return a proxy for a dict or list of the state, or the value itself when it is neither."""
    kind = _PROXIES.get(type(value))
    return value if kind is None else kind(document, value, above, key)


def root_proxy(document: StateDocument) -> Any:
    """Return a proxy for the whole state, or the state itself when it is no dict or list."""
    # Before the state itself: if that is replaced in between, the proxy finds out.
    version = document.version
    root = document.root()
    kind = _PROXIES.get(type(root))
    return root if kind is None else kind(document, root, None, 0, (), version)


def _key(key: object) -> str:
    return key if type(key) is str else key_text(key, "state")


def _value(other: object) -> Any:
    return other.value() if isinstance(other, StateProxy) else other
