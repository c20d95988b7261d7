"""What `controller.state` returns: look-alikes of dict and list whose edits become operations.

A proxy holds a path, not a value: it reads and edits what is at that path now. Scalars and texts are
returned as they are; `state["text"] += "more"` works because Python assigns the sum back, and the
document sees that it extends the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping, MutableSequence
from typing import Any, ClassVar, Self, SupportsIndex, overload

from assistant_stream_ce.jsonvalue import JSON, plain
from assistant_stream_ce.state.document import StateDocument
from assistant_stream_ce.state.operations import Path, show

__all__ = ("StateDict", "StateList", "StateProxy", "proxy")


class StateProxy:
    """What dict and list proxies share: a document and a path in it. From any thread."""

    __slots__ = ("_document", "_path")

    #: The plain type that the proxy stands for.
    kind: ClassVar[type]

    #: Proxies change, so they have no hash, like the dict and list they stand for.
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, document: StateDocument, path: Path) -> None:
        self._document = document
        self._path = path

    def value(self) -> JSON:
        """Return a plain copy of what is here now, for `json.dumps`, for storage, for keeps."""
        return self._document.read(self._path)

    def is_at(self, document: StateDocument, path: Path) -> bool:
        """Return whether this proxy stands for that very place."""
        return self._document is document and self._path == path

    def copy(self) -> JSON:
        """Return a plain copy, as `value` does."""
        return self.value()

    def clear(self) -> None:
        """Make the dict or list empty."""
        self._document.rewrite(self._path, self.kind, lambda items: items.clear())

    def __len__(self) -> int:
        return self._document.length(self._path, self.kind)

    def __eq__(self, other: object) -> bool:
        return bool(self.value() == (other.value() if isinstance(other, StateProxy) else other))

    def __repr__(self) -> str:
        return repr(self.value())

    def __copy__(self) -> JSON:
        return self.value()

    def __deepcopy__(self, memo: object) -> JSON:
        return self.value()

    def _get(self, key: str | int) -> Any:
        return proxy(self._document, (*self._path, str(key)), self._document.peek(self._path, self.kind, key))

    def _is_at(self, key: str | int, value: object) -> bool:
        # `state["list"] += [1]` edits the list and then assigns the proxy back to its own place.
        return isinstance(value, StateProxy) and value.is_at(self._document, (*self._path, str(key)))


class StateDict(StateProxy, MutableMapping[str, Any]):
    """A dict in the state."""

    __slots__ = ()
    kind = dict

    def __getitem__(self, key: str) -> Any:
        return self._get(str(key))

    def __setitem__(self, key: str, value: object) -> None:
        if not self._is_at(key, value):
            self._document.set((*self._path, str(key)), value)

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def __contains__(self, key: object) -> bool:
        return self._document.contains(self._path, str(key))

    def __iter__(self) -> Iterator[str]:
        return iter(self._document.keys(self._path))

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a key and return its value, or `default` when it is missing."""
        if default and key not in self:
            return default[0]
        return self._document.rewrite(self._path, dict, lambda items: items.pop(str(key)))

    def popitem(self) -> tuple[str, Any]:
        """Remove the newest key; return it with its value."""
        item: tuple[str, Any] = self._document.rewrite(self._path, dict, lambda items: items.popitem())
        return item

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
    kind = list

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        length = len(self)
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(length))]
        if not -length <= index < length:
            raise IndexError(f"{show(self._path)} has {length} items: no index {index}")
        return self._get(index % length)

    def __setitem__(self, index: int | slice, value: Any) -> None:
        if isinstance(index, slice):
            self._rewrite_slice(index, value)
        elif not self._is_at(index, value):
            self._document.set_item(self._path, index, value)

    def __delitem__(self, index: int | slice) -> None:
        def delete(items: list[JSON]) -> None:
            del items[index]

        self._document.rewrite(self._path, list, delete)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def __add__(self, other: Iterable[Any]) -> list[Any]:
        return [*self.value(), *other]

    def __radd__(self, other: Iterable[Any]) -> list[Any]:
        return [*other, *self.value()]

    def __mul__(self, times: SupportsIndex) -> Any:
        return self.value() * times

    __rmul__ = __mul__

    def __imul__(self, times: SupportsIndex) -> Self:
        def repeat(items: list[JSON]) -> None:
            items *= times

        self._document.rewrite(self._path, list, repeat)
        return self

    def append(self, value: Any) -> None:
        """Append a value: one `set` behind the end."""
        self._document.extend(self._path, (value,))

    def extend(self, values: Iterable[Any]) -> None:
        """Append values: one `set` behind the end for each."""
        self._document.extend(self._path, list(values))

    def insert(self, index: int, value: Any) -> None:
        """Insert a value; the list is sent again whole, because the wire has no word for it."""
        self._document.insert(self._path, index, value)

    def pop(self, index: int = -1) -> Any:
        """Remove an item and return its value."""
        return self._document.rewrite(self._path, list, lambda items: items.pop(index))

    def remove(self, value: Any) -> None:
        """Remove the first item that equals a value."""
        wanted = plain(value)
        self._document.rewrite(self._path, list, lambda items: items.remove(wanted))

    def reverse(self) -> None:
        """Reverse the list in place."""
        self._document.rewrite(self._path, list, lambda items: items.reverse())

    def sort(self, *, key: Callable[[Any], Any] | None = None, reverse: bool = False) -> None:
        """Sort the list; `key` gets plain values, and is called again if another thread edits meanwhile."""
        while True:
            items = self.value()
            if self._document.replace_if(self._path, items, sorted(items, key=key, reverse=reverse)):
                return

    def _rewrite_slice(self, index: slice, values: Iterable[Any]) -> None:
        new = plain(list(values), "values")

        def replace(items: list[JSON]) -> None:
            items[index] = new

        self._document.rewrite(self._path, list, replace)


def proxy(document: StateDocument, path: Path, value: JSON) -> Any:
    """Return a proxy for the container at a path, or the value itself when it is none."""
    if type(value) is dict:
        return StateDict(document, path)
    if type(value) is list:
        return StateList(document, path)
    return value
