"""The state of one run: holds the value, and converts each edit to the smallest operations that describe it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from threading import get_ident
from typing import Any, TypeVar

from assistant_stream_ce.chunks import Operation
from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.concurrency.waiters import ThreadWaiter
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, MAX_DEPTH, check_text, clone, json_size, plain
from assistant_stream_ce.state import operations as ops
from assistant_stream_ce.state.group import EditGroup
from assistant_stream_ce.state.nodes import (
    Key,
    NodeRef,
    PendingAppends,
    copy_in,
    has_item,
    item_index,
    measured,
    path_of,
)
from assistant_stream_ce.state.operations import Path
from assistant_stream_ce.state.pending import ITEM, SET, TEXT, UpdateBuffer, UpdateSink

T = TypeVar("T")

_NO_TEXT = (None, None, 0)


class StateDocument:
    """Holds the state, and converts each edit to the smallest operations that describe it.

    Every method is thread-safe and each edit is atomic; operations are sent in the order of the edits. Values are
    copied in, and mostly out. An edit that raises has changed nothing.

    Args:
        value: the initial state, which the front end has already.
        sink: receives the updates.
    """

    def __init__(self, value: object, sink: UpdateSink) -> None:
        self._sink = sink
        # Guards every field below and the whole value. Held only briefly, so that a reader's loop may wait for it.
        self._lock = new_lock()
        #: A list whose only item is the state, so that the root has a container too. Only the document may change it.
        #: Reading one item of it needs no lock.
        self.root: list[JSON] = [plain(value, "state")]
        #: The number of edits that may have moved or removed a dict or list.
        self.version: int = 0
        #: Cached proxies of dicts and lists that were read since the last of these edits, by their identity.
        self.proxies: dict[int, Any] = {}
        #: The cached proxy of the whole state, if it was read since then.
        self.root_proxy: Any = None
        # The proxies refer to this document, so they are dropped at the end of the run: avoid a cycle.
        self._most_proxies = 64
        self._buffer = UpdateBuffer(sink, self.root, self._lock)
        # The thread that groups edits, or 0, and the depth of its groups. Other threads wait for their end.
        self._group_thread = 0
        self._group_depth = 0
        self._group_waiters: list[ThreadWaiter] = []
        # The target of the last `append_text`, if it is still valid: the path, the container and the key.
        self._newest_text: tuple[list[str] | None, JSON, Key] = _NO_TEXT
        #: The newest `+=` of each thread on a text that was read here.
        self.pending_appends: PendingAppends = {}

    def end(self) -> None:
        """Drop the caches and end every group, at the end of the run."""
        with self._lock:
            self._most_proxies = 0
            self._forget()
            self._end_group()

    # --- reading ---

    def keep(self, proxy: NodeRef) -> None:
        """Cache a proxy for the next read of its dict or list."""
        if len(self.proxies) >= self._most_proxies:
            self.proxies.clear()
        if self._most_proxies:
            self.proxies[id(proxy._node)] = proxy

    def keep_root(self, proxy: NodeRef) -> None:
        """Cache a proxy of the whole state for the next read."""
        with self._lock:
            if self._most_proxies and proxy._version == self.version:
                self.root_proxy = proxy

    def refresh(self, ref: NodeRef) -> None:
        """Update the path of a dict or list that may have moved.

        Raises:
            StateError: it is no longer part of the state.
        """
        with self._lock:
            path = path_of(ref, self.root[0])
            if ops.is_safe(path):
                ref._path, ref._version = path, self.version

    def value(self, ref: NodeRef) -> JSON:
        """Return a plain copy of a dict or list.

        Raises:
            StateError: it is no longer part of the state.
        """
        with self._lock:
            path_of(ref, self.root[0])
            return clone(ref._node)

    def last_value(self, ref: NodeRef) -> JSON:
        """Return a plain copy of a dict or list, which may be no part of the state any more."""
        with self._lock:
            return clone(ref._node)

    def copy(self) -> JSON:
        """Return a plain copy of the state."""
        with self._lock:
            return clone(self.root[0])

    def item(self, ref: NodeRef, key: Any) -> JSON:
        """Return an item itself, uncopied, after any edit in progress; see `root`."""
        with self._lock:
            return ref._node[key]

    def snapshot(self, ref: NodeRef) -> tuple[list[JSON], list[JSON]]:
        """Return the items of a list: to compare by identity only, and as copies."""
        with self._lock:
            return list(ref._node), clone(ref._node)

    # --- editing ---
    # Each of these raises `StateError` where a front end could not apply the edit or the dict or list was removed,
    # `TypeError` for values that are not JSON, and `RunCancelled` or `RunEndedError` after the end of the channel.
    #
    # The edits that stream a model's output first try to join the newest edit, which needs no capacity, no turn and no
    # path: this halves their cost.

    def set_root(self, value: object) -> None:
        """Replace the whole state; a text that extends the current one is sent as `append-text`."""
        new = plain(value, "state")
        self._edit(self._write, self.root, 0, None, new, json_size(new))

    def set_item(self, ref: NodeRef, key: Key, value: object) -> None:
        """Set an item of a dict or list; a text that extends the current one is sent as `append-text`.

        Raises:
            IndexError: there is no such item in the list.
        """
        new, size = measured(value, ref, key)
        with self._lock:
            if self._buffer.join(ref._node, key, SET, size, new):
                return
        self._edit(self._set_item, ref, key, new, size)

    def append(self, ref: NodeRef, value: object) -> None:
        """Append a value to a list: one `set` at the end."""
        new, size = measured(value, ref, None)
        with self._lock:
            if self._buffer.join(ref._node, None, ITEM, size, new):
                return
        self._edit(self._append, ref, new, size)

    def append_text(self, path: Sequence[str | int], text: str) -> None:
        """Extend the text at a path."""
        if type(text) is not str:
            text = check_text(text, "text")
        newest = known, container, key = self._newest_text
        # Compared outside the lock, because `==` of any objects in the path may run user code.
        is_known = path == known
        with self._lock:
            if is_known and newest is self._newest_text and self._buffer.join(container, key, TEXT, len(text), text):
                return
        self._edit(self._append_text, tuple(map(str, path)), text)

    def assign_sum(self, container: JSON, ref: NodeRef | None, key: Key, value: object) -> bool:
        """Handle `state[key] += text`: append the suffix. Return False if the value is not the result of such a `+=`.

        Args:
            container: the dict or list of the item; `root` for the whole state.
            ref: the reference to it; None for `root`.
            key: the key or index of the item.
            value: the assigned value.
        """
        added = self.pending_appends.pop(get_ident(), None)
        if added is None or added[0] is not value or added[2] is not container or added[3] != key:
            return False
        more = added[1]
        with self._lock:
            if self._buffer.join(container, key, TEXT, len(more), more, added):
                return True
        return self._edit(self._assign_sum, container, ref, key, added)

    def extend_item(self, ref: NodeRef, key: Key, text: str) -> None:
        """Extend the text at a key of a dict or an index of a list."""
        with self._lock:
            if self._buffer.join(ref._node, key, TEXT, len(text), text):
                return
        self._edit(self._extend_item, ref, key, text)

    def set_default(self, ref: NodeRef, key: str, value: object) -> JSON:
        """Set an item of a dict unless the key exists; return the item itself, see `root`."""
        return self._edit(self._set_default, ref, key, copy_in(value, ref, key))

    def extend(self, ref: NodeRef, values: Iterable[object]) -> None:
        """Append values to a list, one `set` at the end for each."""
        end = len(ref._node)
        self._edit(self._extend, ref, [copy_in(value, ref, end + offset) for offset, value in enumerate(values)])

    def insert(self, ref: NodeRef, index: int, value: object) -> None:
        """Insert into a list. Except at the end, the whole list is sent again."""
        self._edit(self._insert, ref, index, copy_in(value, ref, index))

    def assign_slice(self, ref: NodeRef, index: slice, values: Iterable[object]) -> None:
        """Replace some items of a list and append the rest at its end; otherwise the whole list is sent again."""
        self._edit(self._assign_slice, ref, index, copy_in(list(values), ref))

    def delete_slice(self, ref: NodeRef, index: slice) -> None:
        """Remove some items of a list."""
        self._edit(self._delete_slice, ref, index)

    def update(self, ref: NodeRef, items: Mapping[str, object]) -> None:
        """Set several items of a dict."""
        self._edit(self._update, ref, {key: copy_in(value, ref, key) for key, value in items.items()})

    def rewrite(self, ref: NodeRef, change: Callable[[Any], T]) -> T:
        """Change a dict or list in a way that no operation describes: the whole of it is sent again.

        Args:
            ref: the dict or list.
            change: changes it, and raises only before it has changed anything. Called with the lock held, so it must
                not run user code.
        """
        result: T = self._edit(self._rewrite, ref, change)
        return result

    def reorder(self, ref: NodeRef, before: Sequence[JSON], order: Sequence[int]) -> bool:
        """Reorder a list, or remove items; return False if its items have changed since `snapshot`.

        Args:
            ref: the list.
            before: its items, as `snapshot` returned them.
            order: the indexes of the items that stay, in their new order.
        """
        return bool(self._edit(self._reorder, ref, before, order))

    def apply(self, operations: Sequence[Operation]) -> None:
        """Apply operations of another stream as one edit.

        Raises:
            StateError: one of them cannot be applied. The state is unchanged.
        """
        self._edit(self._apply, [ops.checked(operation) for operation in operations])

    def flush(self) -> None:
        """Send later edits in another chunk than the pending ones. Does nothing in a group."""
        self._sink.check_open()
        with self._lock:
            self._buffer.close()

    def edit(self, read: Callable[[], T]) -> AbstractContextManager[T]:
        """Group several edits, which are sent in one chunk: edits of other threads wait for the end.

        Args:
            read: returns the value of the context manager.
        """
        return EditGroup(self, read)

    # --- taking turns ---

    def _edit(self, change: Callable[..., T], *arguments: Any) -> T:
        """Call a function with the lock held, once there is capacity and no other thread groups edits."""
        while True:
            # Other threads wait for the group, so its own thread must not wait for the reader.
            if self._sink.capacity <= 0 and self._group_thread != get_ident():
                self._sink.wait_for_capacity()
            with self._lock:
                if not self._group_thread or self._group_thread == get_ident():
                    if self._buffer.holds and not self._group_depth:
                        # Left by an edit that was interrupted.
                        self._buffer.release(0)
                    return change(*arguments)
                waiter = ThreadWaiter()
                self._group_waiters.append(waiter)
            waiter.wait()

    def _begin_group(self, group: EditGroup[Any]) -> None:
        group.depth = self._group_depth
        if not self._group_depth:
            self._group_thread = get_ident()
            self._buffer.hold(in_new_chunk=True)
        self._group_depth += 1

    def _leave_group(self, depth: int) -> None:
        with self._lock:
            self._group_depth = depth
            if not depth and self._group_thread == get_ident():
                self._end_group()

    def _end_group(self) -> None:
        is_open, self._group_thread, self._group_depth = self._group_thread, 0, 0
        while self._group_waiters:
            self._group_waiters[-1].wake()
            self._group_waiters.pop()
        if is_open:
            self._buffer.release(0)

    # --- with the lock held ---

    def _path(self, ref: NodeRef) -> Path:
        if ref._version != self.version:
            path = path_of(ref, self.root[0])
            ops.refuse_unsafe(path)
            if len(path) > MAX_DEPTH:
                raise StateError(f"{ref.name()[:60]}... is nested more than {MAX_DEPTH} deep: keep the state flatter")
            ref._path, ref._version = path, self.version
        return ref._path

    def _write(self, container: JSON, key: Key, path: Path | None, new: JSON, size: int) -> None:
        """Set an item, and note the operation for it.

        Args:
            container: the dict or list.
            key: the key or index of the item.
            path: the path of the container; None for `root`.
            new: the value.
            size: its size, in characters.
        """
        current = container.get(key) if type(container) is dict else container[key]
        # For an empty text, `append-text` would save nothing.
        if type(new) is str and type(current) is str and len(new) > len(current) > 0 and new.startswith(current):
            more = new[len(current) :]
            self._buffer.extend(ops.item_path(path, key), more, container, key)
        else:
            self._buffer.set(ops.item_path(path, key), size, container, key)
        container[key] = new
        if type(current) is dict or type(current) is list:
            self._move()

    def _set_item(self, ref: NodeRef, key: Key, new: JSON, size: int) -> None:
        container, path = ref._node, self._path(ref)
        self._write(container, item_index(ref, key) if type(container) is list else key, path, new, size)

    def _append(self, ref: NodeRef, new: JSON, size: int) -> None:
        items, path = ref._node, self._path(ref)
        self._buffer.append(path, items, size)
        items.append(new)

    def _append_text(self, path: Path, text: str) -> None:
        container, key = ops.locate_text(self.root, path)
        self._newest_text = (list(path), container, key)
        if text:
            self._buffer.extend(path, text, container, key)
            ops.extend_text(container, key, text)

    def _extend_item(self, ref: NodeRef, key: Key, text: str) -> None:
        index = item_index(ref, key) if type(ref._node) is list else key
        self._append_text(ops.item_path(self._path(ref), index), text)

    def _assign_sum(self, container: JSON, ref: NodeRef | None, key: Key, added: tuple[Any, ...]) -> bool:
        total, more, _, _, read = added
        path = None if ref is None else self._path(ref)
        if ref is not None and type(container) is list:
            key = item_index(ref, key)
        current = container.get(key) if type(container) is dict else container[key]
        if type(current) is not str:
            return False
        if current:
            self._buffer.extend(ops.item_path(path, key), more, container, key)
        else:
            self._buffer.set(ops.item_path(path, key), len(more), container, key)
        container[key] = total if current is read and type(total) is str else current + more
        return True

    def _set_default(self, ref: NodeRef, key: str, new: JSON) -> JSON:
        path = self._path(ref)
        if key not in ref._node:
            self._write(ref._node, key, path, new, json_size(new))
        return ref._node[key]

    def _extend(self, ref: NodeRef, new: list[JSON]) -> None:
        self._path(ref)
        with self._buffer.held(len(new)):
            for value in new:
                self._append(ref, value, json_size(value))

    def _insert(self, ref: NodeRef, index: int, new: JSON) -> None:
        items = ref._node
        if index >= len(items):
            self._append(ref, new, json_size(new))
        else:
            self._rewrite(ref, lambda items: items.insert(index, new), json_size(new))

    def _assign_slice(self, ref: NodeRef, index: slice, new: list[JSON]) -> None:
        items, path = ref._node, self._path(ref)
        span = range(*index.indices(len(items)))
        is_whole = len(span) == len(items) > 1
        is_end = span.step == 1 and max(span.start, span.stop) == len(items)
        with self._buffer.held(len(new)):
            if not is_whole and (len(span) == len(new) or (is_end and len(span) < len(new))):
                for i, value in zip(span, new, strict=False):
                    self._write(items, i, path, value, json_size(value))
                for value in new[len(span) :]:
                    self._append(ref, value, json_size(value))
            else:
                self._rewrite(ref, lambda items: items.__setitem__(index, new), json_size(new))

    def _delete_slice(self, ref: NodeRef, index: slice) -> None:
        self._path(ref)
        if range(*index.indices(len(ref._node))):
            self._rewrite(ref, lambda items: items.__delitem__(index))

    def _update(self, ref: NodeRef, new: dict[str, JSON]) -> None:
        path = self._path(ref)
        ops.refuse_unsafe(tuple(new))
        with self._buffer.held(len(new)):
            for key, value in new.items():
                self._write(ref._node, key, path, value, json_size(value))

    def _rewrite(self, ref: NodeRef, change: Callable[[Any], T], characters: int = 0) -> T:
        result = self._buffer.rewrite(self._path(ref), lambda: change(ref._node), characters)
        self._move()
        return result

    def _reorder(self, ref: NodeRef, before: Sequence[JSON], order: Sequence[int]) -> bool:
        self._path(ref)
        items = ref._node
        if len(items) != len(before) or any(a is not b for a, b in zip(items, before, strict=True)):
            return False
        if list(order) != list(range(len(before))):
            self._rewrite(ref, lambda items: items.__setitem__(slice(None), [before[i] for i in order]))
        return True

    def _apply(self, operations: list[Operation]) -> None:
        undo: list[tuple[JSON, Key, list[JSON]]] = []
        self._move()
        with self._buffer.held(2):
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
                    self._buffer.set(path, json_size(value))
                elif value:
                    self._buffer.extend(path, value)

    def _move(self) -> None:
        """Invalidate the cached positions: dicts and lists may have been moved or removed."""
        # Before the change, in case of an exception; after it, because another thread may have cached a proxy.
        self._forget()
        self.version += 1
        self._forget()

    def _forget(self) -> None:
        self.proxies.clear()
        self.root_proxy = None
        self._newest_text = _NO_TEXT


def _restore(container: JSON, key: Key, before: list[JSON]) -> None:
    if before:
        container[key] = before[0]
    else:
        del container[key]
