"""Proxies of the dicts and lists in the state, as `controller.state` returns them: their edits become operations.

A proxy belongs to one dict or list, and stays valid when that is moved in its list. Numbers, booleans and None are
returned unchanged, and texts as a `str` that supports `+=`; see `StateText`.
"""

from __future__ import annotations

import sys
from collections.abc import (
    Callable,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    MutableMapping,
    MutableSequence,
    ValuesView,
)
from operator import index as as_index
from typing import Any, ClassVar, Self, SupportsIndex, overload

from assistant_stream_ce.errors import shorten
from assistant_stream_ce.jsonvalue import JSON, Copyable, clone, key_text
from assistant_stream_ce.state.document import StateDocument
from assistant_stream_ce.state.nodes import (
    LONG_TEXT,
    Key,
    NodeRef,
    StateItems,
    StateKeys,
    StateText,
    StateValues,
    TextSum,
    is_augmented,
    item_index,
    read_text,
)
from assistant_stream_ce.state.operations import UNSAFE_KEYS, Path


class StateProxy(NodeRef, Copyable):
    """Base of the dict and list proxies. Thread-safe.

    Every use of a proxy whose dict or list was removed or replaced raises `StateError`, except that it can be assigned
    elsewhere: `items[0], items[1] = items[1], items[0]` does so.
    """

    __slots__ = ("_document", "_is_assigned_back", "_key_read")

    #: Mutable and therefore unhashable, like dict and list.
    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __init__(
        self,
        document: StateDocument,
        node: JSON,
        above: NodeRef | None = None,
        key: Key = 0,
        path: Path = (),
        version: int = -1,
        key_read: object = 0,
    ) -> None:
        self._document = document
        self._node = node
        self._above = above
        self._key = key
        self._path = path
        self._version = version
        # `state["list"] += [1]` edits the list and then assigns it to the key that it was read from.
        self._key_read = key_read
        self._is_assigned_back = False

    def value(self) -> JSON:
        """Return a deep copy as plain Python data, for example for `json.dumps`."""
        return self._document.value(self)

    def _last_value(self) -> JSON:
        """Return a deep copy as `value` does, or of the last content after it was removed or replaced."""
        return self._document.last_value(self)

    def copy(self) -> JSON:
        """Return a deep copy as plain Python data, like `value`."""
        return self.value()

    def clear(self) -> None:
        """Remove all items."""
        self._document.rewrite(self, lambda items: items.clear())

    def __len__(self) -> int:
        self._check()
        return len(self._node)

    def __eq__(self, other: object) -> bool:
        return bool(self.value() == _value(other))

    def __repr__(self) -> str:
        return repr(self.value())

    def __reduce__(self) -> tuple[Any, ...]:
        # For `copy`, `deepcopy` and `pickle`: copies are plain data.
        value = self.value()
        return type(value), (value,)

    def _check(self) -> None:
        if self._version != self._document.version:
            self._document.refresh(self)

    def _item(self, key: Any, key_read: object) -> Any:
        # The version is read first: if something moves afterwards, the item searches its path again.
        version = self._version
        # No lock: reading one item is atomic in the interpreter.
        value = self._node[key]
        proxy = self._document.proxies.get(id(value)) if key == key_read else None
        return self._read(value, key, key_read, version) if proxy is None else proxy

    def _read(self, value: JSON, key: Any, key_read: object, version: int) -> Any:
        """Return an item for the user: a proxy, a `StateText` or a plain value.

        Args:
            value: the item itself.
            key: its key or index.
            key_read: the key or index in the user's expression, such as -1.
            version: the version of this proxy before the item was read.
        """
        document = self._document
        if value is None:
            # Or another thread is extending the text right now.
            value = document.item(self, key)
        kind = type(value)
        if kind is str:
            return read_text(self._node, key_read, value, document.pending_appends)
        if kind is dict or kind is list:
            if key in UNSAFE_KEYS:
                version = -1
            proxy = _PROXIES[kind](document, value, self, key, (*self._path, str(key)), version, key_read)
            if key == key_read:
                document.keep(proxy)
            return proxy
        return value

    def _proxy(self, value: JSON, key: Key) -> Any:
        kind = _PROXIES.get(type(value))
        return value if kind is None else kind(self._document, value, self, key, key_read=key)

    def _is_assigned_to(self, node: JSON, key: object) -> bool:
        """Return whether an assignment puts this back where it is, or where `+=` and the like have read it."""
        was_edited, self._is_assigned_back = self._is_assigned_back, False
        if was_edited and key == self._key_read and (self._above is None or self._above._node is node):
            return True
        try:
            return node[key] is self._node
        except LookupError:
            return False


class StateDict(StateProxy, MutableMapping[str, Any]):
    """A dict in the state. Keys become texts, as in JSON."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        document = self._document
        if self._version != document.version:
            document.refresh(self)
        if type(key) is not str:
            key = _known_key(key)
        # Inlined from `_item`, `_read` and `read_text`, to save their calls for texts and cached proxies.
        version = self._version
        value = self._node[key]
        if type(value) is str:
            if len(value) > LONG_TEXT and is_augmented(sys._getframe(1)):
                return TextSum(self, key)
            read = StateText(value)
            read.origin = (self._node, key, value, document.pending_appends)
            return read
        proxy = document.proxies.get(id(value))
        return self._read(value, key, key, version) if proxy is None else proxy

    def __setitem__(self, key: str, value: object) -> None:
        if type(key) is not str:
            key = key_text(key, "state")
        document = self._document
        if type(value) is TextSum:
            document.extend_item(self, key, value.more)
            return
        if document.pending_appends and document.assign_sum(self._node, self, key, value):
            return
        if isinstance(value, StateProxy):
            self._check()
            if value._is_assigned_to(self._node, key):
                return
        document.set_item(self, key, value)

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

    def keys(self) -> KeysView[str]:
        """Return a view of the keys."""
        return StateKeys(self)

    def values(self) -> ValuesView[Any]:
        """Return a view of the values."""
        return StateValues(self)

    def items(self) -> ItemsView[str, Any]:
        """Return a view of the keys with their values."""
        return StateItems(self)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Set an item unless the key exists; return the item."""
        key = _key(key)
        return self._proxy(self._document.set_default(self, key, default), key)

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a key and return its value, or `default` when it is missing."""
        key = _key(key)
        try:
            return self._document.rewrite(self, lambda items: items.pop(key))
        except KeyError:
            if default:
                return default[0]
            raise

    def popitem(self) -> tuple[str, Any]:
        """Remove the last key; return it with its value."""
        item: tuple[str, Any] = self._document.rewrite(self, lambda items: items.popitem())
        return item

    def update(self, *others: Any, **items: Any) -> None:
        """Set the items of a mapping, of pairs or of keywords, as one edit."""
        self._document.update(self, _text_keys(dict(*map(_value, others), **items)))

    def __ior__(self, other: Any) -> StateDict:
        self.update(other)
        self._is_assigned_back = True
        return self

    def __or__(self, other: Any) -> Any:
        return self.value() | _value(other)

    def __ror__(self, other: Any) -> Any:
        return other | self.value()


class StateList(StateProxy, MutableSequence[Any]):
    """A list in the state."""

    __slots__ = ()

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if self._version != self._document.version:
            self._document.refresh(self)
        if isinstance(index, slice):
            return [self._item(i, i) for i in range(*index.indices(len(self._node)))]
        number = as_index(index)
        position = item_index(self, number)
        value = self._node[position]
        if type(value) is str and len(value) > LONG_TEXT and is_augmented(sys._getframe(1)):
            return TextSum(self, number)
        return self._item(position, number)

    def __setitem__(self, index: int | slice, value: Any) -> None:
        if isinstance(index, slice):
            self._document.assign_slice(self, _numbers(index), _value(value))
            return
        number = as_index(index)
        document = self._document
        if type(value) is TextSum:
            document.extend_item(self, number, value.more)
            return
        if document.pending_appends and document.assign_sum(self._node, self, number, value):
            return
        if isinstance(value, StateProxy):
            self._check()
            if value._is_assigned_to(self._node, number):
                return
        document.set_item(self, number, value)

    def __delitem__(self, index: int | slice) -> None:
        if isinstance(index, slice):
            self._document.delete_slice(self, _numbers(index))
        else:
            self.pop(index)

    def __contains__(self, value: object) -> bool:
        return _value(value) in self.value()

    def __add__(self, other: list[Any]) -> list[Any]:
        added: list[Any] = self.value() + _value(other)
        return added

    def __radd__(self, other: list[Any]) -> list[Any]:
        added: list[Any] = other + self.value()
        return added

    def __iadd__(self, values: Iterable[Any]) -> Self:
        self.extend(values)
        self._is_assigned_back = True
        return self

    def __mul__(self, times: SupportsIndex) -> Any:
        return self.value() * times

    __rmul__ = __mul__

    def __imul__(self, times: SupportsIndex) -> Self:
        count = as_index(times)

        def repeat(items: list[JSON]) -> None:
            # Raises where a list would, before anything has changed.
            _ = items * count
            # Separate copies, so that an edit of one does not change the others.
            more = [item for _ in range(count - 1) for item in clone(items)]
            items[:] = [*items, *more] if count > 0 else []

        if count != 1:
            self._document.rewrite(self, repeat)
        self._is_assigned_back = True
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
        return _index(self.value(), value, *bounds)

    def count(self, value: Any) -> int:
        """Return how many items equal a value."""
        found: int = self.value().count(_value(value))
        return found

    def append(self, value: Any) -> None:
        """Append a value: one `set` at the end."""
        self._document.append(self, value)

    def extend(self, values: Iterable[Any]) -> None:
        """Append values: one `set` at the end for each."""
        self._document.extend(self, list(_value(values)))

    def insert(self, index: int, value: Any) -> None:
        """Insert a value. Except at the end, the whole list is sent again: formats have no operation for it."""
        self._document.insert(self, as_index(index), value)

    def pop(self, index: int = -1) -> Any:
        """Remove an item and return its value."""
        number = as_index(index)
        return self._document.rewrite(self, lambda items: items.pop(number))

    def remove(self, value: Any) -> None:
        """Remove the first item that equals a value."""
        while True:
            before, values = self._document.snapshot(self)
            index = _index(values, value)
            order = [i for i in range(len(values)) if i != index]
            if self._document.reorder(self, before, order):
                return

    def reverse(self) -> None:
        """Reverse the list in place."""
        self._document.rewrite(self, lambda items: items.reverse())

    def sort(self, *, key: Callable[[Any], Any] | None = None, reverse: bool = False) -> None:
        """Sort the list.

        `key` gets plain values. If another thread edits the list concurrently, the sort is repeated while others wait.

        Raises:
            ValueError: `key` edits the list.
        """
        if self._sort(key, reverse):
            return
        with self._document.edit(lambda: None):
            if not self._sort(key, reverse):
                raise ValueError("list modified during sort")

    def _sort(self, key: Callable[[Any], Any] | None, reverse: bool) -> bool:
        before, values = self._document.snapshot(self)
        ranks = values if key is None else [key(value) for value in values]
        order = sorted(range(len(ranks)), key=ranks.__getitem__, reverse=reverse)
        return self._document.reorder(self, before, order)


_PROXIES: dict[type, type[StateProxy]] = {dict: StateDict, list: StateList}


def read_root(document: StateDocument) -> Any:
    """Return the whole state: a proxy for a dict or list, or the plain value."""
    proxy = document.root_proxy
    if proxy is not None:
        return proxy
    # The version is read before the state: if that is replaced in between, the proxy notices.
    version = document.version
    root = document.root[0]
    if type(root) is str:
        return read_text(document.root, 0, root, document.pending_appends)
    kind = _PROXIES.get(type(root))
    if kind is None:
        return root
    proxy = kind(document, root, version=version)
    document.keep_root(proxy)
    return proxy


def assign_root(document: StateDocument, value: Any) -> None:
    """Replace the whole state, unless it is assigned to itself."""
    if document.pending_appends and document.assign_sum(document.root, None, 0, value):
        return
    if not (isinstance(value, StateProxy) and value._is_assigned_to(document.root, 0)):
        document.set_root(value)


def _key(key: object) -> str:
    return key if type(key) is str else key_text(key, "state")


def _known_key(key: object) -> str:
    """Return the text of a key for a lookup; raise `KeyError` if it is not valid."""
    try:
        return key_text(key, "state")
    except TypeError:
        raise KeyError(key) from None


def _text_keys(items: dict[Any, Any]) -> dict[str, Any]:
    texts = {_key(key): value for key, value in items.items()}
    if len(texts) < len(items):
        raise TypeError("two keys both become the same text in JSON: give them different names")
    return texts


def _numbers(index: slice) -> slice:
    """Return a slice of plain numbers, so that no user code runs under the lock."""
    return slice(*(None if bound is None else as_index(bound) for bound in (index.start, index.stop, index.step)))


def _index(values: list[Any], value: Any, *bounds: SupportsIndex) -> int:
    """Return `values.index(value)`; the error does not quote a long value."""
    try:
        return values.index(_value(value), *bounds)
    except ValueError:
        raise ValueError(f"{shorten(repr(value))} is not in list") from None


def _value(other: object) -> Any:
    return other.value() if isinstance(other, StateProxy) else other
