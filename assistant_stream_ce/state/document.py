"""The state of one run: the value, the lock that guards it, and the way out for operations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from assistant_stream_ce.chunks import Operation
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, clone, plain
from assistant_stream_ce.state import operations as ops
from assistant_stream_ce.state.operations import Path, show

__all__ = ("StateDocument",)


class StateDocument:
    """Holds the state and turns each edit into the smallest operations that say it.

    Every method may be called from any thread; each edit is atomic, and operations leave in the order
    in which the edits happened. Values are copied in and out.

    Args:
        value: where the state starts, as the front end has it already.
        prepare: called before an edit without the lock; may wait for room, may raise to refuse.
        emit: takes the operations of an edit; called with the lock held, so it must not block. When it
            raises, the edit does not happen.
    """

    def __init__(
        self,
        value: JSON,
        prepare: Callable[[], None] = lambda: None,
        emit: Callable[[list[Operation]], None] = lambda operations: None,
    ) -> None:
        self._prepare = prepare
        self._emit = emit
        # Guards `_value` and everything inside it, and the order of operations.
        self._lock = threading.Lock()
        self._value: JSON = plain(value, "state")

    def read(self, path: Path) -> JSON:
        """Return a copy of the value at a path."""
        with self._lock:
            return clone(ops.lookup(self._value, path))

    def peek(self, path: Path, kind: type, key: str | int) -> JSON:
        """Return what one reading step finds: a scalar or text, or an empty `dict` or `list` for a container.

        Raises:
            KeyError, IndexError: as the dict or list itself would.
        """
        with self._lock:
            value = self._container(path, kind)[key]
            return type(value)() if type(value) in (dict, list) else value

    def keys(self, path: Path) -> list[str]:
        """Return the keys of the dict at a path."""
        with self._lock:
            return list(self._container(path, dict))

    def length(self, path: Path, kind: type) -> int:
        """Return the length of the container at a path."""
        with self._lock:
            return len(self._container(path, kind))

    def contains(self, path: Path, key: str) -> bool:
        """Return whether the dict at a path has a key."""
        with self._lock:
            return key in self._container(path, dict)

    def root(self) -> JSON:
        """Return the whole state if it is a scalar or text, or an empty `dict` or `list` for a container."""
        with self._lock:
            return type(self._value)() if type(self._value) in (dict, list) else self._value

    def set(self, path: Path, value: object) -> None:
        """Put a value at a path; a text that extends the one there travels as `append-text`."""
        new = plain(value, show(path))
        self._prepare()
        with self._lock:
            self._set(path, new)

    def set_item(self, path: Path, index: int, value: object) -> None:
        """Replace an item of the list at a path.

        Raises:
            IndexError: there is no such item.
        """
        new = plain(value, f"{show(path)}[{index}]")
        self._prepare()
        with self._lock:
            length = len(self._container(path, list))
            if not -length <= index < length:
                raise IndexError(f"{show(path)} has {length} items: no index {index}")
            self._set((*path, str(index % length)), new)

    def insert(self, path: Path, index: int, value: object) -> None:
        """Insert into the list at a path; only at its end the wire has a word for that."""
        new = plain(value, f"{show(path)}[{index}]")
        self._prepare()
        with self._lock:
            items = self._container(path, list)
            if index >= len(items):
                self._set((*path, str(len(items))), new)
            else:
                self._replace(path, [*items[:index], new, *items[index:]])

    def append_text(self, path: Path, text: str) -> None:
        """Extend the text at a path.

        Raises:
            StateError: there is no text.
        """
        if type(text) is not str:
            raise TypeError(f"text must be a str, not {type(text).__name__}")
        self._prepare()
        with self._lock:
            current = ops.lookup(self._value, path)
            if type(current) is not str:
                raise StateError(
                    f"cannot append text to {show(path)}: it is a {type(current).__name__}. Set it to a text first"
                )
            if not text:
                return
            self._emit([ops.append_text(path, text)])
            if path:
                ops.assign(*ops.locate(self._value, path), current + text)
            else:
                self._value = current + text

    def extend(self, path: Path, values: Iterable[object]) -> None:
        """Append values to the list at a path, one `set` behind the end for each."""
        new = [plain(value, f"{show(path)}[+{offset}]") for offset, value in enumerate(values)]
        self._prepare()
        with self._lock:
            items = self._container(path, list)
            end = len(items)
            if new:
                self._emit([ops.set_value((*path, str(end + i)), clone(value)) for i, value in enumerate(new)])
            items.extend(new)

    def rewrite(self, path: Path, kind: type, change: Callable[[JSON], JSON]) -> JSON:
        """Change a container in a way that the wire has no word for: it is sent again whole.

        Args:
            path: the container.
            kind: `dict` or `list`, which it must still be.
            change: edits a copy of the container and returns what the caller gets; called with the lock
                held, so it must not call foreign code.
        """
        self._prepare()
        with self._lock:
            new = clone(self._container(path, kind))
            result = change(new)
            self._replace(path, new)
            return result

    def replace_if(self, path: Path, old: JSON, new: JSON) -> bool:
        """Put a plain value in place of an equal one; return false, changing nothing, if it is another by now."""
        self._prepare()
        with self._lock:
            if ops.lookup(self._value, path) != old:
                return False
            self._replace(path, clone(new))
            return True

    def apply(self, operations: Sequence[Operation]) -> None:
        """Apply operations that were made elsewhere, as one edit.

        Raises:
            StateError: one of them cannot be applied. The state stays as it was.
        """
        checked: list[Operation] = [
            {"type": o["type"], "path": [str(s) for s in o["path"]], "value": plain(o["value"], show(o["path"]))}
            for o in operations
        ]
        self._prepare()
        with self._lock:
            value = clone(self._value)
            for operation in checked:
                value = ops.apply(value, operation)
            self._emit(checked)
            self._value = value

    def _set(self, path: Path, new: JSON) -> None:
        if not path:
            self._replace(path, new)
            return
        container, key = ops.locate(self._value, path)
        self._emit([_set_or_append(path, _current(container, key), new)])
        ops.assign(container, key, new)

    def _replace(self, path: Path, new: JSON) -> None:
        self._emit([ops.set_value(path, clone(new))])
        if path:
            ops.assign(*ops.locate(self._value, path), new)
        else:
            self._value = new

    def _container(self, path: Path, kind: type) -> JSON:
        value = ops.lookup(self._value, path)
        if type(value) is not kind:
            raise StateError(
                f"{show(path)} is a {type(value).__name__} now, not a {kind.__name__}: "
                "take a fresh reference from controller.state"
            )
        return value


def _current(container: JSON, key: str | int) -> JSON:
    if type(container) is dict:
        return container.get(key)
    return container[key] if key != len(container) else None


def _set_or_append(path: Path, current: JSON, new: JSON) -> Operation:
    # An empty text is extended by every text; to say so would save nothing.
    if type(new) is str and type(current) is str and current and len(new) > len(current) and new.startswith(current):
        return ops.append_text(path, new[len(current) :])
    return ops.set_value(path, clone(new))
