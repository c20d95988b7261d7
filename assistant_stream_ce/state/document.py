"""The state of one run: each edit as the smallest operations that say it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import get_ident
from typing import Any, TypeVar

from assistant_stream_ce.chunks import Operation
from assistant_stream_ce.controller import validation as arguments
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, NotPlainError, clone, copy_plain, plain, weight
from assistant_stream_ce.state import operations as ops
from assistant_stream_ce.state.held import HeldState
from assistant_stream_ce.state.operations import Path, show
from assistant_stream_ce.state.pending import ITEM, SET, TEXT
from assistant_stream_ce.state.places import Key, Place, has_item, item_index

T = TypeVar("T")


class StateDocument(HeldState):
    """The state, which turns each edit into the smallest operations that say it.

    Every method may be called from any thread; each edit is atomic, and operations leave in the order in which the
    edits happened. Values are copied in, and mostly out. An edit that raises has changed nothing.
    """

    # --- editing ---
    # Each of these raises `StateError` where a front end could not apply the edit or the place has gone, `TypeError`
    # for what is not JSON, and `RunCancelled` or `RunEndedError` when nothing can be sent any more.
    #
    # The edits that a model's words make first try to join the newest one, which needs no room, no turn and no path:
    # that halves what they cost. There a `with` statement for the lock would cost 0.06 us of 0.7.

    def set_root(self, value: object) -> None:
        """Replace the whole state; a text that extends the one there travels as `append-text`."""
        new = plain(value, "state")
        self._admit()
        with self._lock:
            self._await_turn()
            self._write(self.root, 0, None, new, weight(new))

    def set_item(self, place: Place, key: Key, value: object) -> None:
        """Put a value into a dict, or in place of an item of a list; a longer text travels as `append-text`.

        Raises:
            IndexError: there is no such item in the list.
        """
        container = place._node
        try:
            new = copy_plain(value)
        except NotPlainError:
            new = plain(value, place.name(key))
        size = 8 if type(new) is int else weight(new)
        lock = self._lock
        lock.acquire()
        try:
            if self._buffer.join(container, key, SET, size):
                self._put(container, key, container[key], new)
                return
        finally:
            lock.release()
        self._admit()
        with self._lock:
            self._await_turn()
            path = self._path(place)
            self._write(container, item_index(place, key) if type(container) is list else key, path, new, size)

    def assign_sum(self, container: JSON, place: Place | None, key: Key, value: object) -> bool:
        """Append to a text whose sum with more is assigned; return false where that is not what is assigned.

        Args:
            container: the dict or list that it is assigned in; `root` for the whole state.
            place: the same, or None.
            key: of the item.
            value: what is assigned.
        """
        added = self.sums.pop(get_ident(), None)
        if added is None or added[0] is not value:
            return False
        total, more, read_in, read_at, read = added
        if read_in is not container or read_at != key:
            return False
        lock = self._lock
        lock.acquire()
        try:
            if self._buffer.join(container, key, TEXT, len(more), more):
                current = container[key]
                container[key] = total if current is read else current + more
                return True
        finally:
            lock.release()
        self._admit()
        with self._lock:
            self._await_turn()
            path = None if place is None else self._path(place)
            if place is not None and type(container) is list:
                key = item_index(place, key)
            current = container.get(key) if type(container) is dict else container[key]
            if type(current) is not str:
                return False
            if current:
                self._buffer.extend(_item_path(path, key), more, container, key)
            else:
                self._buffer.set(_item_path(path, key), len(more), container, key)
            container[key] = total if current is read and type(total) is str else current + more
        return True

    def set_default(self, place: Place, key: str, value: object) -> JSON:
        """Put a value into a dict unless the key is there; return the item itself, see `root`."""
        new = _plain(value, place, key)
        with self._edits_of(place) as path:
            if key not in place._node:
                self._write(place._node, key, path, new, weight(new))
            return place._node[key]

    def append_text(self, path: Sequence[str | int], text: str) -> None:
        """Extend the text at a path."""
        if type(text) is not str:
            text = arguments.text(text, "text")
        newest = known, container, key = self._newest_text
        # Outside the lock, because what is in a path may be anybody's.
        is_known = path == known
        lock = self._lock
        lock.acquire()
        try:
            is_known = is_known and newest is self._newest_text
            if is_known and self._buffer.join(container, key, TEXT, len(text), text):
                ops.extend_text(container, key, text)
                return
        finally:
            lock.release()
        segments = tuple(map(str, path))
        self._admit()
        with self._lock:
            if self._group_thread:
                self._await_turn()
            if not is_known or newest is not self._newest_text or type(container[key]) is not str:
                container, key = ops.locate_text(self.root, segments)
                self._newest_text = (list(segments), container, key)
            if text:
                self._buffer.extend(segments, text, container, key)
                ops.extend_text(container, key, text)

    def append(self, place: Place, value: object) -> None:
        """Append a value to a list: one `set` behind the end."""
        items = place._node
        try:
            new = copy_plain(value)
        except NotPlainError:
            new = plain(value, place.name(len(items)))
        size = 8 if type(new) is int else weight(new)
        lock = self._lock
        lock.acquire()
        try:
            if self._buffer.join(items, None, ITEM, size):
                items.append(new)
                return
        finally:
            lock.release()
        self._admit()
        with self._lock:
            self._await_turn()
            self._append(items, self._path(place), new, size)

    def extend(self, place: Place, values: Iterable[object]) -> None:
        """Append values to a list, one `set` behind the end for each."""
        end = len(place._node)
        new = [_plain(value, place, end + offset) for offset, value in enumerate(values)]
        with self._edits_of(place, len(new)) as path:
            for value in new:
                self._append(place._node, path, value, weight(value))

    def insert(self, place: Place, index: int, value: object) -> None:
        """Insert into a list; only at its end the wire has a word for that."""
        new = _plain(value, place, index)
        with self._edits_of(place) as path:
            items = place._node
            if index >= len(items):
                self._append(items, path, new, weight(new))
            else:
                self._rewrite(path, lambda: items.insert(index, new), weight(new))

    def assign_slice(self, place: Place, index: slice, values: Iterable[object]) -> None:
        """Replace some items of a list, and append what is more at its end; or else send it again whole."""
        new: list[JSON] = _plain(list(values), place)
        with self._edits_of(place, len(new)) as path:
            items = place._node
            span = range(*index.indices(len(items)))
            is_whole = len(span) == len(items) > 1
            is_end = span.step == 1 and max(span.start, span.stop) == len(items)
            if not is_whole and (len(span) == len(new) or (is_end and len(span) < len(new))):
                for i, value in zip(span, new, strict=False):
                    self._write(items, i, path, value, weight(value))
                for value in new[len(span) :]:
                    self._append(items, path, value, weight(value))
            else:
                self._rewrite(path, lambda: items.__setitem__(index, new), weight(new))

    def delete_slice(self, place: Place, index: slice) -> None:
        """Remove some items of a list."""
        with self._edits_of(place) as path:
            items = place._node
            if range(*index.indices(len(items))):
                self._rewrite(path, lambda: items.__delitem__(index))

    def update(self, place: Place, items: Mapping[str, object]) -> None:
        """Put several values into a dict."""
        new = {key: _plain(value, place, key) for key, value in items.items()}
        with self._edits_of(place, len(new)) as path:
            ops.refuse_unsafe(tuple(new))
            for key, value in new.items():
                self._write(place._node, key, path, value, weight(value))

    def rewrite(self, place: Place, change: Callable[[Any], T]) -> T:
        """Change a dict or list in a way that the wire has no word for: it is sent again whole.

        Args:
            place: what to change.
            change: gets the dict or list itself; it raises before it changes anything, or not at all. Called with the
                lock held, so it must not call foreign code.
        """
        with self._edits_of(place) as path:
            return self._rewrite(path, lambda: change(place._node))

    def snapshot(self, place: Place) -> tuple[list[JSON], list[JSON]]:
        """Return the items of a list: to compare by identity only, and as copies."""
        with self._lock:
            return list(place._node), clone(place._node)

    def reorder(self, place: Place, before: Sequence[JSON], order: Sequence[int]) -> bool:
        """Bring a list into another order, or leave items out; return false if it holds other items by now.

        Args:
            place: the list.
            before: its items, as `snapshot` returned them.
            order: the indexes of the items that stay, in their new order.
        """
        with self._edits_of(place) as path:
            items = place._node
            if len(items) != len(before) or any(a is not b for a, b in zip(items, before, strict=True)):
                return False
            if list(order) != list(range(len(before))):
                self._rewrite(path, lambda: items.__setitem__(slice(None), [before[i] for i in order]))
            return True

    def apply(self, operations: Sequence[Operation]) -> None:
        """Apply operations that were made elsewhere, as one edit.

        Raises:
            StateError: one of them cannot be applied. The state stays as it was.
        """
        checked = [_checked(operation) for operation in operations]
        self._admit()
        with self._lock:
            self._await_turn()
            with self._held_together():
                self._apply(checked)

    # --- with the lock held ---

    def _write(self, container: JSON, key: Key, path: Path | None, new: JSON, size: int) -> None:
        """Put a value in place of an item, or into a dict.

        Args:
            container: the dict or list.
            key: of the item.
            path: of the container; None if that is what holds the root.
            new: the value.
            size: its weight.
        """
        current = container.get(key) if type(container) is dict else container[key]
        # To an empty text, to say it as `append-text` would save nothing.
        if type(new) is str and type(current) is str and len(new) > len(current) > 0 and new.startswith(current):
            more = new[len(current) :]
            if not self._buffer.join(container, key, TEXT, len(more), more):
                self._buffer.extend(_item_path(path, key), more, container, key)
        else:
            self._buffer.set(_item_path(path, key), size, container, key)
        self._put(container, key, current, new)

    def _put(self, container: JSON, key: Key, current: JSON, new: JSON) -> None:
        container[key] = new
        if type(current) is dict or type(current) is list:
            self._move()

    def _append(self, items: list[JSON], path: Path, new: JSON, size: int) -> None:
        if not self._buffer.join(items, None, ITEM, size):
            self._buffer.append(path, items, size)
        items.append(new)

    def _rewrite(self, path: Path, change: Callable[[], T], characters: int = 0) -> T:
        result = self._buffer.rewrite(path, change, characters)
        self._move()
        return result

    def _apply(self, operations: list[Operation]) -> None:
        undo: list[tuple[JSON, Key, list[JSON]]] = []
        self._move()
        try:
            for operation in operations:
                container, key, value = ops.resolve(self.root, operation)
                undo.append((container, key, [container[key]] if has_item(container, key) else []))
                ops.assign(container, key, value)
        except StateError:
            for container, key, before in reversed(undo):
                _restore(container, key, before)
            raise
        for operation in operations:
            path, value = tuple(operation["path"]), operation["value"]
            if operation["type"] == "set":
                self._buffer.set(path, weight(value))
            elif value:
                self._buffer.extend(path, value)


def _plain(value: object, place: Place, key: Key | None = None) -> JSON:
    try:
        return copy_plain(value)
    except NotPlainError:
        return plain(value, place.name(key))


def _item_path(path: Path | None, key: Key) -> Path:
    """Return the path of an item in a dict or list with that path; None for what holds the root.

    Raises:
        StateError: front ends refuse it.
    """
    if path is None:
        return ()
    if key in ops.UNSAFE_KEYS:
        ops.refuse_unsafe((*path, str(key)))
    return (*path, str(key))


def _checked(operation: Operation) -> Operation:
    """Return an operation that was made elsewhere with plain values.

    Raises:
        TypeError: it is no operation.
    """
    if not isinstance(operation, Mapping) or not {"type", "path", "value"} <= operation.keys():
        raise TypeError(f"a state operation must be a dict with type, path and value, not {operation!r:.100}")
    path = operation["path"]
    if isinstance(path, str) or not isinstance(path, Sequence):
        raise TypeError(f"the path of a state operation must be a list of texts, not {path!r:.100}")
    segments = [str(segment) for segment in path]
    return {"type": operation["type"], "path": segments, "value": plain(operation["value"], show(segments))}


def _restore(container: JSON, key: Key, before: list[JSON]) -> None:
    if before:
        container[key] = before[0]
    else:
        del container[key]
