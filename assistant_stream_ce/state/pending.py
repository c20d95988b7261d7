"""Coalesces edits that the reader has not taken yet into the fewest operations with the same result.

For a `set` only the path is noted, and its value is read when the update is resolved: however often it is edited until
then, it is sent once. So no path of an update is inside another one, and the operations can be sent in the order of
the first edits. For texts that only grew, the appended pieces are noted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from assistant_stream_ce.chunks import Operation, UpdateStateChunk
from assistant_stream_ce.concurrency.sink import PendingItem
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, clone, json_size
from assistant_stream_ce.state import operations as ops
from assistant_stream_ce.state.operations import Path

T = TypeVar("T")

#: The kinds of edits: set a value, extend a text, append to a list.
SET, TEXT, ITEM = "set", "text", "item"

_CONTAINERS = frozenset({dict, list})

# Characters per slot of the channel's capacity.
_SLOT = 1024

# Characters by which an update may grow before its weight is added: 16 slots.
_CREDIT = 16 * _SLOT


class UpdateSink(Protocol):
    """The interface of the channel for updates.

    All methods are called with the state's lock held, except `wait_for_capacity`, the only one that blocks.
    """

    @property
    def open_batch(self) -> Sequence[object] | None:
        """The open batch; None if there is none."""

    @property
    def capacity(self) -> int:
        """The free slots of the open batch."""

    def wait_for_capacity(self) -> None:
        """Wait for free capacity; blocks a worker thread."""

    def check_open(self) -> None:
        """Raise if the channel has ended."""

    def put_pending(self, item: PendingItem, weight: int) -> None:
        """Send an update with a weight in slots."""

    def is_newest(self, item: object) -> bool:
        """Return whether an item is the last one that waits, and may be extended."""

    def add_weight(self, weight: int) -> None:
        """Add to the weight of the open batch, in slots."""


class PendingNode:
    """Node of the tree of pending edits: a path that an update changes, or a prefix of one."""

    __slots__ = ("first_new", "inside", "path", "position", "texts")

    def __init__(self) -> None:
        #: Its path; set when the node is looked up.
        self.path: Path = ()
        #: Its child nodes by segment; None for none, which is the usual case.
        self.inside: dict[str, PendingNode] | None = None
        #: The position of its operation; None if it has none.
        self.position: int | None = None
        #: The pieces that were appended to the text, if it had no other edit.
        self.texts: list[str] | None = None
        #: The index of the first item that was appended to the list, if it had no other edit; each is sent by itself.
        self.first_new: int | None = None

    @property
    def is_set(self) -> bool:
        """Whether its whole value is sent."""
        return self.position is not None and self.texts is None and self.first_new is None


class PendingUpdate(PendingItem):
    """Edits that become one `UpdateStateChunk` when the reader takes them. Guarded by the state's lock."""

    __slots__ = ("_buffer", "_order", "_root", "charged", "chunk", "is_sent", "limit", "size")

    def __init__(self, buffer: UpdateBuffer) -> None:
        # None once it is resolved.
        self._buffer: UpdateBuffer | None = buffer
        self._root = PendingNode()
        self._order: list[PendingNode | None] = []
        #: None until it is resolved.
        self.chunk: UpdateStateChunk | None = None
        self.is_sent: bool = False
        #: Its size: the characters of all edits, including those that are not sent by themselves, and one slot's
        #: characters for each operation.
        self.size: int = 0
        #: The slots that were added for it, and the size above which more are added; the first edit adds at once.
        self.charged: int = 0
        self.limit: int = -1

    def resolve(self) -> UpdateStateChunk:
        """Return the chunk, with the values at the time of the first call."""
        buffer = self._buffer
        if self.chunk is None and buffer is not None:
            return buffer.resolve(self)
        assert self.chunk is not None
        return self.chunk

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not self._order

    def find(self, path: Path) -> PendingNode | None:
        """Return the node of a path; None if a container of it is sent whole, so that the edit need not be noted."""
        node = self._root
        for segment in path:
            if node.position is not None and (node.first_new is None or int(segment) >= node.first_new):
                return None
            inside = node.inside
            if inside is None:
                inside = node.inside = {}
            inner = inside.get(segment)
            if inner is None:
                inner = inside[segment] = PendingNode()
            node = inner
        if node.is_set:
            return None
        node.path = path
        return node

    def set(self, node: PendingNode) -> None:
        """Note that a node was replaced, or changed in a way that no operation describes."""
        position = self._forget_inside(node) if node.inside else len(self._order)
        if node.position is not None:
            self._order[node.position] = None
            position = min(position, node.position)
            node.texts = node.first_new = None
        if position == len(self._order):
            self._add(node)
        else:
            # It takes the position of the first operation inside it, because later appends to a list depend on that.
            self._order[position] = node
            node.position = position

    def start_text(self, node: PendingNode) -> list[str]:
        """Note that text is appended at a node without edits; return the list for the pieces."""
        texts: list[str] = []
        node.texts = texts
        self._add(node)
        return texts

    def append_item(self, node: PendingNode, index: int) -> None:
        """Note that the list at a node has a new item at its end."""
        if node.first_new is None:
            node.first_new = index
            self._add(node)
        else:
            self.size += _SLOT

    def render(self, root: JSON) -> UpdateStateChunk:
        """Build the chunk from the current values."""
        operations: list[Operation] = []
        for node in self._order:
            if node is None:
                continue
            path = node.path
            if node.texts is not None:
                operations.append(ops.append_text(path, "".join(node.texts)))
                continue
            try:
                value = ops.lookup(root, path)
            except StateError:
                # The edit was noted but not applied: an exception from a signal or another thread interrupted it.
                continue
            if node.first_new is None:
                operations.append(ops.set_value(path, clone(value)))
                continue
            # Inlined from `set_value`: the call would cost 0.05 us of 1.3 for each appended item.
            operations += [
                {"type": "set", "path": [*path, str(index)], "value": clone(item)}
                for index, item in enumerate(value[node.first_new :], node.first_new)
            ]
        self.chunk = UpdateStateChunk(operations)
        # Dropped, because a recorder may keep the update for long.
        self._buffer = self._root.inside = None
        self._order = []
        return self.chunk

    def uncounted(self) -> int:
        """Return about how many rendered characters were not counted yet."""
        operations = self.chunk.operations if self.chunk is not None else ()
        return max(0, sum(_SLOT + json_size(operation["value"]) for operation in operations) - self.size)

    def _add(self, node: PendingNode) -> None:
        # In this order, so that an exception in between does not leave a node with a position but no operation.
        self._order.append(node)
        node.position = len(self._order) - 1
        self.size += _SLOT

    def _forget_inside(self, node: PendingNode) -> int:
        """Forget all nodes inside one; return the first of their positions."""
        first = len(self._order)
        for inner in node.inside.values() if node.inside else ():
            if inner.position is not None:
                first = min(first, inner.position)
                self._order[inner.position] = None
            first = min(first, self._forget_inside(inner))
        node.inside = None
        return first


class UpdateBuffer:
    """Coalesces edits into updates and sends them. All methods but `resolve` need the state's lock; none blocks.

    Each edit is noted before it is applied, and not applied if that raises. Resolving an update takes the lock, so by
    then the edit is applied.

    Args:
        sink: receives the updates.
        root: the state as the only item of a list.
        lock: the lock of the state.
    """

    __slots__ = ("_container", "_key", "_kind", "_lock", "_root", "_sink", "_step", "_texts", "_update", "holds")

    def __init__(self, sink: UpdateSink, root: list[JSON], lock: threading.Lock) -> None:
        self._sink = sink
        self._root = root
        self._lock = lock
        # The newest update, as long as edits may be merged into it.
        self._update: PendingUpdate | None = None
        #: The number of active holds, during which all edits stay in one chunk that is sent at the end.
        self.holds: int = 0
        # The newest edit: the dict or list, the key, the kind, and the size of a further one besides its characters.
        self._container: JSON = None
        self._key: object = None
        self._kind = SET
        self._step = 0
        # The list for further pieces of the extended text; None if they need not be noted.
        self._texts: list[str] | None = None

    def join(self, container: JSON, key: Any, kind: str, size: int, new: JSON, total: Any = None) -> bool:
        """Apply an edit of the same kind and target as the newest one, if that is still pending; else return False.

        Any other edit resets the target, so the checks of the newest edit still hold: the target is part of the
        state, front ends accept it, and no other thread groups edits.

        Args:
            container: the dict or list that is edited.
            key: the key of the item in it; None for a new one.
            kind: the kind of the edit.
            size: the size of `new`, in characters.
            new: the value, or the text to append.
            total: the pending append that is assigned, if it is one.
        """
        update = self._update
        if (
            container is not self._container
            or key != self._key
            or kind is not self._kind
            or update is None
            # Inlined from `Channel.is_newest`: the call would cost 0.05 us of 0.7 for a text in the state.
            or (batch := self._sink.open_batch) is None
            or batch[-1] is not update
            or self._sink.capacity <= 0
        ):
            return False
        if kind is SET:
            if type(container[key]) in _CONTAINERS:
                # Replacing a dict or list must invalidate the cached positions.
                return False
            container[key] = new
        elif kind is ITEM:
            container.append(new)
        else:
            if self._texts is not None:
                self._texts.append(new)
            if total is not None and container[key] is total[4]:
                container[key] = total[0]
            else:
                ops.extend_text(container, key, new)
        update.size = size = update.size + self._step + size
        if size > update.limit:
            self._send(update)
        return True

    def set(self, path: Path, characters: int, container: JSON = None, key: object = None) -> None:
        """Note that a value is set.

        Args:
            path: the path of the value.
            characters: the size of the new value.
            container: its dict or list, if further edits may join.
            key: its key in `container`.

        Raises:
            BaseException: the channel has ended.
        """
        update = self._open()
        node = update.find(path)
        if node is not None:
            update.set(node)
        self._note(update, characters, container, key, SET)

    def extend(self, path: Path, text: str, container: JSON = None, key: object = None) -> None:
        """Note that a text is extended; see `set`."""
        update = self._open()
        node = update.find(path)
        if node is None:
            self._texts = None
        else:
            self._texts = update.start_text(node) if node.texts is None else node.texts
            self._texts.append(text)
        self._note(update, len(text), container, key, TEXT)

    def append(self, path: Path, items: list[JSON], characters: int) -> None:
        """Note that items are appended to a list; see `set`."""
        update = self._open()
        node = update.find(path)
        if node is not None:
            update.append_item(node, len(items))
        self._note(update, characters, items, None, ITEM, 0 if node is None else _SLOT)

    def rewrite(self, path: Path, change: Callable[[], T], characters: int) -> T:
        """Note that a dict or list is changed in a way that no operation describes; see `set`.

        `change` does it, or raises before it has changed anything.
        """
        update = self._open()
        node = update.find(path)
        result = change()
        if node is not None:
            update.set(node)
        self._note(update, characters, None, None, SET)
        return result

    def hold(self, *, in_new_chunk: bool) -> None:
        """Keep all further edits in one chunk, which is sent by `release`.

        Args:
            in_new_chunk: whether to start a new chunk, so that the reader is not held up. Otherwise a pending one may
                be extended.
        """
        update = self._update
        if not self.holds and (in_new_chunk or update is None or not self._is_open(update)):
            self._renew()
        self.holds += 1

    def release(self, holds: int) -> None:
        """Restore an earlier number of holds; send the held edits at zero."""
        self.holds = holds
        if self._update is not None and not self._update.is_empty:
            self._send(self._update)

    @contextmanager
    def held(self, count: int) -> Generator[None]:
        """Keep a number of edits in one chunk, which may be the pending one."""
        holds = self.holds
        try:
            if count > 1:
                self.hold(in_new_chunk=False)
            yield
        finally:
            if count > 1:
                self.release(holds)

    def resolve(self, update: PendingUpdate) -> UpdateStateChunk:
        """Render an update that the reader has taken. Takes the lock."""
        with self._lock:
            if update is self._update:
                self._update = self._container = None
            return update.chunk or update.render(self._root[0])

    def close(self) -> None:
        """Render the pending update with the current values, so that no later edit joins it."""
        update = self._update
        if update is not None and update.is_sent:
            self._update = self._container = None
            if update.chunk is None:
                update.render(self._root[0])
            # The values that were copied for it are part of its weight now.
            if slots := update.uncounted() >> 10:
                self._sink.add_weight(slots)

    def _open(self) -> PendingUpdate:
        """Return the update for the next edit."""
        update = self._update
        if update is None or not (self.holds or self._is_open(update)):
            update = self._renew()
        return update

    def _note(
        self, update: PendingUpdate, characters: int, container: JSON, key: object, kind: str, step: int = 0
    ) -> None:
        """Record the newest edit, and send or extend the update."""
        self._container, self._key, self._kind, self._step = container, key, kind, step
        update.size += characters
        if update.size > update.limit:
            self._send(update)

    def _is_open(self, update: PendingUpdate) -> bool:
        return not update.is_sent or self._sink.is_newest(update)

    def _renew(self) -> PendingUpdate:
        self.close()
        self._sink.check_open()
        self._update = update = PendingUpdate(self)
        return update

    def _send(self, update: PendingUpdate) -> None:
        if self.holds:
            return
        slots = (update.size >> 10) - update.charged
        if update.is_sent:
            self._sink.add_weight(slots)
        else:
            # Dropped if `put_pending` raises.
            self._update = None
            self._sink.put_pending(update, slots)
            update.is_sent = True
            self._update = update
        update.charged += slots
        update.limit = update.size + _CREDIT
