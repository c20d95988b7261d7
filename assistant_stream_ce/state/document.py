"""The state of one run: the value, the lock that guards it, and the edits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from threading import get_ident
from typing import Any, TypeVar

from assistant_stream_ce.chunks import Operation
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, NotPlainError, clone, copy_plain, plain, weight
from assistant_stream_ce.locks import guard
from assistant_stream_ce.state import operations as ops
from assistant_stream_ce.state.operations import Path, show
from assistant_stream_ce.state.outbox import Outbox, Outlet
from assistant_stream_ce.state.places import Key, Place, has_item, item_index, path_of
from assistant_stream_ce.state.texts import Sums

__all__ = ("StateDocument",)

T = TypeVar("T")

# Containers in containers; a value in them may be as deep again.
_DEEPEST = 200


class StateDocument:
    """Holds the state and turns each edit into the smallest operations that say it.

    Every method may be called from any thread; each edit is atomic, and operations leave in the order in which the
    edits happened. Values are copied in, and mostly out. An edit that raises has changed nothing.

    Args:
        value: where the state starts, as the front end has it already.
        outlet: takes the operations.
    """

    def __init__(self, value: JSON, outlet: Outlet) -> None:
        self._outlet = outlet
        # Guards every field below and all of the value. Held for moments only, so that a reader's loop may wait for it.
        self._lock = guard()
        #: The only item is the state: so the root has a container, as everything else. Only the document may change it.
        #: To read one item of it takes no lock.
        self.root: list[JSON] = [plain(value, "state")]
        #: Counts the edits that may have moved or removed a dict or list.
        self.version = 0
        #: The look-alikes of dicts and lists that were read since then, by the identity of what they stand for.
        self.proxies: dict[int, Any] = {}
        # They refer to this document, so the run gives them up at its end: no cycle is left.
        self._most_proxies = 64
        self._outbox = Outbox(outlet, self.root)
        # The thread that holds edits together, or 0, and how deep. Others wait until it is over.
        self._group_thread = 0
        self._group_depth = 0
        self._group_over: threading.Condition | None = None
        # Waits for room before the lock is taken.
        self._admit = outlet.admit
        # Where `append_text` was last: the path, the version then, the container and the key.
        self._newest_text: tuple[Path | None, int, JSON, Key] = (None, 0, None, 0)
        #: The newest `+=` of each thread on a text that was read here.
        self.sums: Sums = {}

    def end(self) -> None:
        """Let go of what only serves speed: the run is over."""
        self._most_proxies = 0
        self.proxies.clear()

    # --- reading ---

    def keep(self, proxy: Place) -> None:
        """Keep a look-alike for the next one who reads what it stands for."""
        if len(self.proxies) >= self._most_proxies:
            self.proxies.clear()
        if self._most_proxies:
            self.proxies[id(proxy._node)] = proxy

    def refresh(self, place: Place) -> None:
        """Find a place again.

        Raises:
            StateError: it is no longer part of the state.
        """
        with self._lock:
            path = path_of(place, self.root[0])
            if ops.is_safe(path):
                place._path, place._version = path, self.version

    def value(self, place: Place) -> JSON:
        """Return a plain copy of what is at a place.

        Raises:
            StateError: it is no longer part of the state.
        """
        with self._lock:
            path_of(place, self.root[0])
            return clone(place._node)

    def copy(self) -> JSON:
        """Return a plain copy of the state."""
        with self._lock:
            return clone(self.root[0])

    def item(self, place: Place, key: Any) -> JSON:
        """Return an item itself, after any edit that goes on; see `root`."""
        with self._lock:
            return place._node[key]

    # --- editing ---
    # Each of these raises `StateError` where a front end could not apply the edit or the place has gone, `TypeError`
    # for what is not JSON, and `RunCancelled` or `RunEndedError` when nothing can be sent any more.

    @contextmanager
    def edit(self) -> Generator[None]:
        """Hold several edits together: others wait until the end, and all travel in one chunk."""
        self._admit()
        with self._lock:
            self._await_turn()
            if not self._group_depth:
                self._outbox.hold(in_new_chunk=True)
                self._group_thread = get_ident()
                self._admit = self._admit_others
            self._group_depth += 1
        try:
            yield
        finally:
            with self._lock:
                self._group_depth -= 1
                if not self._group_depth:
                    self._group_thread = 0
                    self._admit = self._outlet.admit
                    if self._group_over is not None:
                        self._group_over.notify_all()
                    self._outbox.release()

    def set_root(self, value: object) -> None:
        """Replace the whole state; a text that extends the one there travels as `append-text`."""
        new = plain(value, "state")
        self._admit()
        with self._lock:
            self._await_turn()
            if not (self.sums and self._add(self.root, 0, 0, None, value, new)):
                self._write(self.root, 0, None, new)

    def set_item(self, place: Place, key: Key, value: object) -> None:
        """Put a value into a dict, or in place of an item of a list; a longer text travels as `append-text`.

        Raises:
            IndexError: there is no such item in the list.
        """
        new = _plain(value, place, key)
        self._admit()
        with self._lock:
            if self._group_thread:
                self._await_turn()
            path = place._path if place._version == self.version else self._path(place)
            container = place._node
            index = item_index(place, key) if type(container) is list else key
            if not (self.sums and self._add(container, index, key, path, value, new)):
                self._write(container, index, path, new)

    def set_default(self, place: Place, key: str, value: object) -> JSON:
        """Put a value into a dict unless the key is there; return the item itself, see `root`."""
        new = _plain(value, place, key)
        with self._edits_of(place) as path:
            if key not in place._node:
                self._write(place._node, key, path, new)
            return place._node[key]

    def append_text(self, path: Path, text: str) -> None:
        """Extend the text at a path."""
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, not {type(text).__name__}")
        more = text if type(text) is str else str.__str__(text)
        self._admit()
        with self._lock:
            if self._group_thread:
                self._await_turn()
            container, key = self._text_place(path)
            if more:
                if not self._outbox.reopen(container, key):
                    self._outbox.open(path, container, key)
                ops.extend_text(container, key, more)
                self._outbox.note_text(more)

    def append(self, place: Place, value: object) -> None:
        """Append a value to a list: one `set` behind the end."""
        new = _plain(value, place, len(place._node))
        self._admit()
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
                    self._write(items, i, path, value)
                for value in new[len(span) :]:
                    self._append(items, path, value)
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
                self._write(place._node, key, path, value)

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

    def flush(self) -> None:
        """Let no later edit join those that wait. In a group it does nothing."""
        with self._lock:
            self._outbox.close()

    def settle(self) -> None:
        """Fill the operations that were put. For the reader, once it has taken them and before it reads them."""
        with self._lock:
            self._outbox.seal()

    def _admit_others(self) -> None:
        # They wait for a group, so its own thread must not wait for the reader.
        if self._group_thread != get_ident():
            self._outlet.admit()

    # --- with the lock held ---

    def _await_turn(self) -> None:
        """Wait while another thread holds edits together."""
        while self._group_thread and self._group_thread != get_ident():
            if self._group_over is None:
                self._group_over = threading.Condition(self._lock)
            self._group_over.wait()

    @contextmanager
    def _edits_of(self, place: Place, count: int = 1) -> Generator[Path]:
        """Take the lock for so many edits of a place, which travel together; return its path."""
        self._admit()
        with self._lock:
            self._await_turn()
            path = self._path(place)
            with self._held_together() if count > 1 else nullcontext():
                yield path

    @contextmanager
    def _held_together(self) -> Generator[None]:
        self._outbox.hold(in_new_chunk=False)
        try:
            yield
        finally:
            self._outbox.release()

    def _path(self, place: Place) -> Path:
        if place._version != self.version:
            path = path_of(place, self.root[0])
            ops.refuse_unsafe(path)
            if len(path) > _DEEPEST:
                raise StateError(f"{place.name()[:60]}... is nested more than {_DEEPEST} deep: keep the state flatter")
            place._path, place._version = path, self.version
        return place._path

    def _text_place(self, path: Path) -> tuple[JSON, Key]:
        """Return the container of a text and the key in it; at once for the path that was asked for last."""
        known, version, container, key = self._newest_text
        if path == known and version == self.version and type(container[key]) is str:
            return container, key
        container, key = ops.locate_text(self.root, path)
        self._newest_text = (path, self.version, container, key)
        return container, key

    def _add(self, container: JSON, index: Key, key: Key, path: Path | None, value: object, new: JSON) -> bool:
        """Append to a text whose sum with more is assigned; return false where that is not what is assigned."""
        added = self.sums.pop(get_ident(), None)
        if added is None or added[0] is not value:
            return False
        _, more, (read_in, read_at, read) = added
        if read_in is not container or read_at != key:
            return False
        current = container.get(index) if type(container) is dict else container[index]
        if type(current) is not str:
            return False
        if not self._outbox.reopen(container, index):
            self._open(container, index, path)
        container[index] = new if current is read else current + more
        if current:
            self._outbox.note_text(more)
        else:
            self._outbox.note_set(len(more))
        return True

    def _write(self, container: JSON, key: Key, path: Path | None, new: JSON) -> None:
        """Put a value in place of an item, or into a dict.

        Args:
            container: the dict or list.
            key: of the item.
            path: of the container; None if that is what holds the root.
            new: the value.
        """
        current = container.get(key) if type(container) is dict else container[key]
        if not self._outbox.reopen(container, key):
            self._open(container, key, path)
        container[key] = new
        if type(new) is not str:
            self._outbox.note_set(weight(new))
        elif type(current) is str and len(new) > len(current) > 0 and new.startswith(current):
            # To an empty text, to say it in this way would save nothing.
            self._outbox.note_text(new[len(current) :])
        else:
            self._outbox.note_set(len(new))
        if type(current) is dict or type(current) is list:
            self._move()

    def _open(self, container: JSON, key: Key, path: Path | None) -> None:
        """Announce the edit of an item of a dict or list with that path."""
        if key in ops.UNSAFE_KEYS:
            ops.refuse_unsafe((*(path or ()), str(key)))
        self._outbox.open(() if path is None else (*path, str(key)), container, key)

    def _append(self, items: list[JSON], path: Path, new: JSON) -> None:
        if not self._outbox.reopen(items, None):
            self._outbox.open(path, items)
        items.append(new)
        self._outbox.note_item(len(items) - 1, weight(new))

    def _rewrite(self, path: Path, change: Callable[[], T], characters: int = 0) -> T:
        self._outbox.open(path)
        result = change()
        self._move()
        self._outbox.note_set(characters)
        return result

    def _move(self) -> None:
        """Take note that dicts or lists may have been moved or removed."""
        self.version += 1
        self.proxies.clear()

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
            self._outbox.open(tuple(operation["path"]))
            if operation["type"] == "set":
                self._outbox.note_set(weight(operation["value"]))
            elif operation["value"]:
                self._outbox.note_text(operation["value"])


def _plain(value: object, place: Place, key: Key | None = None) -> JSON:
    try:
        return copy_plain(value)
    except NotPlainError:
        return plain(value, place.name(key))


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
