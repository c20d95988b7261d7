"""JSON patches (RFC 6902), and what they change in the words of state operations, which only set and append."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from assistant_stream_ce.chunks import Operation
from assistant_stream_ce.jsonvalue import JSON, clone, weight
from assistant_stream_ce.serialization.framing import FrameError
from assistant_stream_ce.state.operations import UNSAFE_KEYS, Path, set_value

__all__ = ("Document",)

# Of an index that any list could have.
_MOST_DIGITS = 16

# As deep as JSON may be where it is read.
_DEEPEST = 200

_Undo: TypeAlias = Callable[[], object]


class Document:
    """A JSON document that patches change.

    Args:
        value: what it holds; it belongs to the document from now on.
        most_copied: how much the `copy` operations of all patches may copy, in bytes of JSON; 0 for any amount. A few
            of them could else make a document of any size.
    """

    def __init__(self, value: JSON, most_copied: int) -> None:
        # As the only item of a list, so that the root has a container too.
        self._holder = [value]
        self._most_copied = most_copied
        self._copied = 0

    def replace(self, value: JSON) -> None:
        """Put another value in its place, which belongs to the document from now on."""
        self._holder[0] = value

    def value(self) -> JSON:
        """Return a copy of what it holds."""
        return clone(self._holder[0])

    def patch(self, patch: list[dict[str, JSON]]) -> list[Operation]:
        """Change the document as a patch says; return state operations that change a copy of it in the same way.

        Each `add` and `replace` that sets a value becomes a `set`. For what operations cannot say (a removal, an
        insertion into a list) the container that changed is set anew, once for the whole patch.

        Args:
            patch: the changes; those of an unknown kind are left out.

        Raises:
            FrameError: it does not fit. The document is as it was.
        """
        change = _Change(self._holder, self.copied)
        try:
            for operation in patch:
                change.make(operation)
        except FrameError:
            change.undo()
            raise
        return change.operations()

    def copied(self, value: JSON) -> JSON:
        """Count a value that is copied inside of the document.

        Raises:
            FrameError: it is too much.
        """
        self._copied += weight(value)
        if 0 < self._most_copied < self._copied:
            raise FrameError(f"the patches have copied more than {self._most_copied:,} bytes")
        return value


class _Change:
    """A patch that is being applied."""

    def __init__(self, holder: list[JSON], copied: Callable[[JSON], JSON]) -> None:
        self._holder = holder
        self._copied = copied
        self._undo: list[_Undo] = []
        self._sets: list[tuple[Path, JSON]] = []
        # The containers that are to be set anew, in order.
        self._renewed: dict[Path, None] = {}

    def make(self, operation: dict[str, JSON]) -> None:
        word = operation.get("op")
        if word not in ("add", "remove", "replace", "move", "copy", "test"):
            return
        path = _parsed(operation.get("path"))
        match word:
            case "add":
                self._add(path, _value(operation))
            case "replace":
                self._replace(path, _value(operation))
            case "remove":
                self._remove(path)
            case "move":
                source = _parsed(operation.get("from"))
                value = self._get(source)
                if source != path:
                    self._remove(source)
                    self._add(path, value)
            case "copy":
                # Cloned first, as it may hold the place where it is put.
                self._add(path, clone(self._copied(self._get(_parsed(operation.get("from"))))))
            case "test":
                if not _same(self._get(path), _value(operation)):
                    raise FrameError(f"the test of {_show(path)} fails")

    def undo(self) -> None:
        """Take everything back."""
        for step in reversed(self._undo):
            step()

    def operations(self) -> list[Operation]:
        """Return what has changed. What a renewed container holds is told with it."""
        sets = [set_value(path, value) for path, value in self._sets if not self._is_renewed(path, len(path))]
        for path in self._renewed:
            if not self._is_renewed(path, len(path) - 1):
                try:
                    sets.append(set_value(path, clone(self._get(path))))
                except FrameError:
                    # It has gone since, with a container that was set.
                    continue
        return sets

    def _is_renewed(self, path: Path, deepest: int) -> bool:
        return any(path[:depth] in self._renewed for depth in range(deepest + 1))

    def _add(self, path: Path, value: JSON) -> None:
        container, key = self._locate(path, value)
        if type(container) is not list or not path:
            self._assign(container, key, clone(value))
            self._note_set(path, value)
            return
        index = len(container) if key == "-" else _index(key)
        if index > len(container):
            raise FrameError(f"{_show(path)} is beyond the end of the list")
        if index == len(container):
            self._note_set((*path[:-1], str(index)), value)
        else:
            self._renew(path[:-1])
        container.insert(index, clone(value))
        self._undo.append(lambda: container.pop(index))

    def _replace(self, path: Path, value: JSON) -> None:
        self._get(path)
        container, key = self._locate(path, value)
        if type(container) is list and path:
            key = _index(key)
        self._assign(container, key, clone(value))
        self._note_set(path, value)

    def _remove(self, path: Path) -> None:
        removed = self._get(path)
        if not path:
            self._assign(self._holder, 0, None)
            self._note_set(path, None)
            return
        container, key = self._locate(path)
        if type(container) is list:
            index = _index(key)
            del container[index]
            self._undo.append(lambda: container.insert(index, removed))
        else:
            del container[key]
            self._undo.append(lambda: container.__setitem__(key, removed))
        self._renew(path[:-1])

    def _assign(self, container: JSON, key: str | int, value: JSON) -> None:
        if type(container) is dict and key not in container:
            self._undo.append(lambda: container.pop(key))
        else:
            before = container[key]
            self._undo.append(lambda: container.__setitem__(key, before))
        container[key] = value

    def _note_set(self, path: Path, value: JSON) -> None:
        if _sayable(path) == path:
            self._sets.append((path, clone(value)))
        else:
            self._renew(path[:-1])

    def _renew(self, path: Path) -> None:
        self._renewed[_sayable(path)] = None

    def _get(self, path: Path) -> JSON:
        node = self._holder[0]
        for segment in path:
            if type(node) is dict and segment in node:
                node = node[segment]
            elif type(node) is list and segment != "-" and _index(segment) < len(node):
                node = node[_index(segment)]
            else:
                raise FrameError(f"there is nothing at {_show(path)}")
        return node

    def _locate(self, path: Path, value: JSON = None) -> tuple[JSON, JSON]:
        """Return the container of a path, and the last segment of it, for a value that is to be put there."""
        if not _is_within(value, _DEEPEST - len(path)):
            raise FrameError(f"{_show(path)} would be nested more than {_DEEPEST} deep")
        if not path:
            return self._holder, 0
        container = self._get(path[:-1])
        if type(container) is not dict and type(container) is not list:
            raise FrameError(f"nothing can be put at {_show(path)}")
        return container, path[-1]


def _sayable(path: Path) -> Path:
    """Return the path up to a key that the clients of operations refuse."""
    for depth, segment in enumerate(path):
        if segment in UNSAFE_KEYS:
            return path[:depth]
    return path


def _parsed(pointer: JSON) -> Path:
    """Return the segments of a JSON pointer (RFC 6901)."""
    if not isinstance(pointer, str) or (pointer and pointer[0] != "/"):
        raise FrameError("a path must be a JSON pointer")
    path = tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    if "__proto__" in path:
        raise FrameError("__proto__ is no key for state")
    return path


def _value(operation: dict[str, JSON]) -> JSON:
    if "value" not in operation:
        raise FrameError("an operation has no value")
    return operation["value"]


def _index(segment: str) -> int:
    is_index = segment.isascii() and segment.isdigit() and (segment[0] != "0" or segment == "0")
    if not is_index or len(segment) > _MOST_DIGITS:
        raise FrameError(f"{segment[:40]!r} is no position in a list")
    return int(segment)


def _same(one: JSON, other: JSON) -> bool:
    """Return whether two values are equal as JSON, where true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _is_within(value: JSON, depth: int) -> bool:
    """Return whether a value is nested at most so deep."""
    if depth < 0:
        return False
    items = value.values() if type(value) is dict else value if type(value) is list else ()
    return all(_is_within(item, depth - 1) for item in items if type(item) in (dict, list))


def _show(path: Path) -> str:
    return repr("/" + "/".join(path))[:100]
