"""The state of one run: the value, the lock that guards it, and the edits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from threading import get_ident
from typing import Any, TypeVar

from assistant_stream_ce.chunks import Operation
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import ATOMS, JSON, NotPlainError, clone, copy_plain, plain
from assistant_stream_ce.state import operations as ops
from assistant_stream_ce.state.operations import Path, show
from assistant_stream_ce.state.outbox import Outbox, Outlet
from assistant_stream_ce.state.places import Key, Place, has_item, path_of

__all__ = ("StateDocument",)

T = TypeVar("T")


class StateDocument:
    """Holds the state and turns each edit into the smallest operations that say it.

    Every method may be called from any thread; each edit is atomic, and operations leave in the order in which the
    edits happened. Values are copied in and out. An edit that raises has changed nothing.

    Args:
        value: where the state starts, as the front end has it already.
        outlet: takes the operations.
    """

    def __init__(self, value: JSON, outlet: Outlet) -> None:
        self._wait_for_room = outlet.wait_for_room
        # Guards every field below and all of the value. Held for moments only, so that a reader's loop may wait for it.
        self._lock = threading.Lock()
        # The only item is the state: so the root has a container, as everything else.
        self._root: list[JSON] = [plain(value, "state")]
        #: Counts the edits that may have moved or removed a dict or list.
        self.version = 0
        self._outbox = Outbox(outlet, self._root)
        # The thread that holds edits together, or 0, and how deep. Others wait until it is over.
        self._group_thread = 0
        self._group_depth = 0
        self._group_over: threading.Condition | None = None
        #: The text that each thread has read last, and where: `state["text"] += more` reads, adds, and then assigns,
        #: and what others append in between must not be lost.
        self.texts_read: dict[int, tuple[JSON, Key, str]] = {}

    # --- reading ---

    def root(self) -> JSON:
        """Return the state itself, which only the document may change. To read one item takes no lock."""
        root = self._root[0]
        if type(root) is str:
            self.texts_read[get_ident()] = (self._root, 0, root)
        return root

    def check(self, place: Place) -> None:
        """Raise if a place is no longer part of the state.

        Raises:
            StateError: it is not.
        """
        with self._lock:
            path = path_of(place, self._root[0])
            if ops.is_safe(path):
                place._path, place._version = path, self.version

    def value(self, place: Place) -> JSON:
        """Return a plain copy of what is at a place."""
        with self._lock:
            return clone(place._node)

    def is_root(self, place: Place) -> bool:
        """Return whether a place is the whole state."""
        return self._root[0] is place._node

    # --- editing ---

    @contextmanager
    def edit(self) -> Generator[None]:
        """Hold several edits together: others wait until the end, and all travel in one chunk."""
        if self._group_thread != get_ident():
            self._wait_for_room()
        with self._lock:
            self._await_turn()
            self._begin_group()
        try:
            yield
        finally:
            with self._lock:
                self._end_group()

    def set_root(self, value: object) -> None:
        """Replace the whole state; a text that extends the one there travels as `append-text`."""
        new = plain(value, "state")
        self._wait_for_room()
        with self._lock:
            self._await_turn()
            self._write(self._root, 0, (), new)

    def set_item(self, place: Place, key: Key, value: object) -> None:
        """Put a value into a dict, or in place of an item of a list; a longer text travels as `append-text`.

        Raises:
            IndexError: there is no such item in the list.
        """
        new = value if type(value) in ATOMS else _plain(value, place, key)
        self._wait_for_room()
        with self._lock:
            if self._group_thread:
                self._await_turn()
            path = place._path if place._version == self.version else self._path(place)
            container = place._node
            if type(container) is list:
                key = _index(place, key)
            self._write(container, key, (*path, str(key)), new)

    def set_default(self, place: Place, key: str, value: object) -> JSON:
        """Put a value into a dict unless the key is there; return the item itself."""
        new = _plain(value, place, key)
        self._wait_for_room()
        with self._lock:
            self._await_turn()
            path = self._path(place)
            if key not in place._node:
                self._write(place._node, key, (*path, key), new)
            return place._node[key]

    def append_text(self, path: Path, text: str) -> None:
        """Extend the text at a path.

        Raises:
            StateError: there is no text.
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, not {type(text).__name__}")
        more: str = plain(text)
        self._wait_for_room()
        with self._lock:
            self._await_turn()
            container, key = ops.locate_text(self._root, path)
            if more:
                self._forget_text()
                spot = self._outbox.open(path)
                ops.extend_text(container, key, more)
                self._outbox.note_text(spot, more)

    def append(self, place: Place, value: object) -> None:
        """Append a value to a list: one `set` behind the end."""
        new = _plain(value, place, len(place._node))
        self._wait_for_room()
        with self._lock:
            if self._group_thread:
                self._await_turn()
            path = place._path if place._version == self.version else self._path(place)
            self._append(place._node, path, new)

    def extend(self, place: Place, values: Iterable[object]) -> None:
        """Append values to a list, one `set` behind the end for each."""
        end = len(place._node)
        new = [_plain(value, place, end + offset) for offset, value in enumerate(values)]
        with self._edits_of(place, len(new)) as path:
            for value in new:
                self._append(place._node, path, value)

    def insert(self, place: Place, index: int, value: object) -> None:
        """Insert into a list; only at its end the wire has a word for that."""
        new = _plain(value, place, index)
        with self._edits_of(place) as path:
            items = place._node
            if index >= len(items):
                self._append(items, path, new)
            else:
                self._rewrite(path, lambda: items.insert(index, new))

    def assign_slice(self, place: Place, index: slice, values: Iterable[object]) -> None:
        """Replace some items of a list, and append what is more at its end; or else send it again whole."""
        new: list[JSON] = _plain(list(values), place)
        with self._edits_of(place, len(new)) as path:
            items = place._node
            span = range(*index.indices(len(items)))
            is_end = span.step == 1 and max(span.start, span.stop) == len(items)
            if len(span) == len(new) or (is_end and len(span) < len(new)):
                for i, value in zip(span, new, strict=False):
                    self._write(items, i, (*path, str(i)), value)
                for value in new[len(span) :]:
                    self._append(items, path, value)
            else:
                self._rewrite(path, lambda: items.__setitem__(index, new))

    def update(self, place: Place, items: Mapping[str, object]) -> None:
        """Put several values into a dict."""
        new = {key: _plain(value, place, key) for key, value in items.items()}
        with self._edits_of(place, len(new)) as path:
            ops.check(tuple(new))
            for key, value in new.items():
                self._write(place._node, key, (*path, key), value)

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
        """Bring a list into another order; return false, changing nothing, if it holds other items by now.

        Args:
            place: the list.
            before: its items, as `snapshot` returned them.
            order: the present indexes, in their new order.
        """
        with self._edits_of(place) as path:
            items = place._node
            if len(items) != len(before) or any(a is not b for a, b in zip(items, before, strict=True)):
                return False
            self._rewrite(path, lambda: items.__setitem__(slice(None), [before[i] for i in order]))
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
        with self.edit(), self._lock:
            self._forget_text()
            self.version += 1
            undo: list[tuple[JSON, Key, list[JSON]]] = []
            try:
                for operation in checked:
                    container, key, value = ops.resolve(self._root, operation)
                    undo.append((container, key, [container[key]] if has_item(container, key) else []))
                    ops.assign(container, key, value)
            except StateError:
                for container, key, before in reversed(undo):
                    _restore(container, key, before)
                raise
            for operation in checked:
                spot = self._outbox.open(tuple(operation["path"]))
                if operation["type"] == "set":
                    self._outbox.note_set(spot)
                elif operation["value"]:
                    self._outbox.note_text(spot, operation["value"])

    def flush(self) -> None:
        """Let no later edit join those that wait. In a group it does nothing."""
        with self._lock:
            self._outbox.close()

    def settle(self) -> None:
        """Fill the operations that were put. For the reader, once it has taken them and before it reads them."""
        with self._lock:
            self._outbox.seal()

    # --- with the lock held ---

    def _await_turn(self) -> None:
        """Wait while another thread holds edits together."""
        while self._group_thread and self._group_thread != get_ident():
            if self._group_over is None:
                self._group_over = threading.Condition(self._lock)
            self._group_over.wait()

    def _begin_group(self) -> None:
        if not self._group_depth:
            self._outbox.begin_group()
            self._group_thread = get_ident()
        self._group_depth += 1

    def _end_group(self) -> None:
        self._group_depth -= 1
        if not self._group_depth:
            self._group_thread = 0
            if self._group_over is not None:
                self._group_over.notify_all()
            self._outbox.end_group()

    @contextmanager
    def _edits_of(self, place: Place, count: int = 1) -> Generator[Path]:
        """Hold the lock for so many edits of a place, which travel together; a single one may join those that wait."""
        with self.edit() if count > 1 else nullcontext():
            if self._group_thread != get_ident():
                self._wait_for_room()
            with self._lock:
                self._await_turn()
                yield self._path(place)

    def _path(self, place: Place) -> Path:
        if place._version != self.version:
            path = path_of(place, self._root[0])
            ops.check(path)
            place._path, place._version = path, self.version
        return place._path

    def _forget_text(self) -> None:
        if self.texts_read:
            # What this thread has read is old now.
            self.texts_read.pop(get_ident(), None)

    def _write(self, container: JSON, key: Key, path: Path, new: JSON) -> None:
        """Put a value in place of an item, or into a dict."""
        if key in ops.UNSAFE_KEYS:
            ops.check(path)
        current = container.get(key) if type(container) is dict else container[key]
        read = self.texts_read.pop(get_ident(), None) if self.texts_read else None
        spot = self._outbox.open(path)
        if type(new) is str and type(current) is str:
            if read is not None and read[2] is not current and read[0] is container and read[1] == key:
                new = _extended_meanwhile(read[2], current, new)
            # An empty text is extended by every text; to say so would save nothing.
            if current and len(new) > len(current) and new.startswith(current):
                container[key] = new
                self._outbox.note_text(spot, new[len(current) :])
                return
        container[key] = new
        self._outbox.note_set(spot)
        if type(current) is dict or type(current) is list:
            self.version += 1

    def _append(self, items: list[JSON], path: Path, new: JSON) -> None:
        self._forget_text()
        spot = self._outbox.open(path)
        items.append(new)
        self._outbox.note_item(spot, len(items) - 1)

    def _rewrite(self, path: Path, change: Callable[[], T]) -> T:
        self._forget_text()
        spot = self._outbox.open(path)
        result = change()
        self.version += 1
        self._outbox.note_set(spot)
        return result


def _plain(value: object, place: Place, key: Key | None = None) -> JSON:
    try:
        return copy_plain(value)
    except NotPlainError:
        return plain(value, place.name(key))


def _index(place: Place, key: Any) -> int:
    """Return the index of an item that is there, counted from the start."""
    length = len(place._node)
    if not -length <= key < length:
        raise IndexError(f"{place.name()} has {length} items: no index {key}")
    index: int = key % length
    return index


def _extended_meanwhile(read: str, current: str, new: str) -> str:
    """Return what a thread assigns that has extended a text, when others have extended it since it was read."""
    if current.startswith(read) and new.startswith(read):
        return current + new[len(read) :]
    return new


def _restore(container: JSON, key: Key, before: list[JSON]) -> None:
    if before:
        container[key] = before[0]
    else:
        del container[key]
