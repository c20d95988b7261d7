"""Edits that the reader has not taken yet, merged to the fewest operations with the same result.

Only *where* something was set is noted, and its value is read when the update is resolved: however often a place is
edited until then, it is sent once. So the places of an update lie side by side, never one inside another, and
they can be sent in the order in which they were first touched. Texts that only grew are noted as what was appended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from assistant_stream_ce.chunks import Operation, UpdateStateChunk
from assistant_stream_ce.concurrency.sink import PendingItem
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, clone, weight
from assistant_stream_ce.state import operations as ops
from assistant_stream_ce.state.operations import Path

T = TypeVar("T")

#: The kinds of edits: put a value somewhere, extend a text, append to a list.
SET, TEXT, ITEM = "set", "text", "item"

_CONTAINERS = frozenset({dict, list})

# The characters that take one slot of the channel's capacity.
_SLOT = 1024

# How far an update may grow before its weight is added: 16 slots.
_CREDIT = 16 * _SLOT


class UpdateSink(Protocol):
    """Where updates are sent: what the state needs of the channel.

    Called with the state's lock held, but for `wait_for_capacity`. Only that blocks.
    """

    @property
    def open_batch(self) -> Sequence[object] | None:
        """The newest items that wait, if others may still follow in their batch."""

    @property
    def capacity(self) -> int:
        """How many slots are left in it."""

    def wait_for_capacity(self) -> None:
        """Return when more may be sent, which may block a thread."""

    def check_open(self) -> None:
        """Raise if nothing can be sent any more."""

    def put_pending(self, item: PendingItem, weight: int) -> None:
        """Send an update that takes so many slots."""

    def is_newest(self, item: object) -> bool:
        """Return whether an item waits, with none behind it, and may take more."""

    def add_weight(self, weight: int) -> None:
        """Count so many slots more for what waits."""


class PendingNode:
    """A place of the state, as far as an update is concerned with it or with something inside it."""

    __slots__ = ("first_new", "inside", "path", "position", "texts")

    def __init__(self) -> None:
        #: Known once it was looked for.
        self.path: Path = ()
        #: The nodes inside it, by their segments; None for none, as mostly.
        self.inside: dict[str, PendingNode] | None = None
        #: The position of its operation, or None when it has none.
        self.position: int | None = None
        #: What was appended to the text here, if that is all.
        self.texts: list[str] | None = None
        #: The first of the items that were appended to the list here, if that is all; each is sent by itself.
        self.first_new: int | None = None

    @property
    def is_set(self) -> bool:
        """Whether all of it is sent."""
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
        self.is_sent = False
        #: How large it is: the characters of all edits, also of those that are not sent by themselves, and as many as
        #: a slot has for each operation.
        self.size = 0
        #: The slots that were counted for it, and the size above which more are to be counted. At once at first.
        self.charged = 0
        self.limit = -1

    def resolve(self) -> UpdateStateChunk:
        """Return the operations, with the values as they are at the first call."""
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
        """Return the node of a path; None where an edit need not be noted, because all around it is sent anyway."""
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
        """Note that the value at a node was replaced, or changed in a way that no operation describes."""
        position = self._forget_inside(node) if node.inside else len(self._order)
        if node.position is not None:
            self._order[node.position] = None
            position = min(position, node.position)
            node.texts = node.first_new = None
        if position == len(self._order):
            self._add(node)
        else:
            # It replaces the first operation inside it: what was appended to a list later depends on that position.
            self._order[position] = node
            node.position = position

    def start_text(self, node: PendingNode) -> list[str]:
        """Return where to note what is appended to the text at a node, which was not edited yet."""
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
        """Write the operations, with the values as they are now."""
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
                # The edit was interrupted between its note and itself, by an exception from a signal or another thread.
                continue
            if node.first_new is None:
                operations.append(ops.set_value(path, clone(value)))
                continue
            # As `set_value`, without its call: 0.05 us of 1.3 for each item that is appended.
            operations += [
                {"type": "set", "path": [*path, str(index)], "value": clone(item)}
                for index, item in enumerate(value[node.first_new :], node.first_new)
            ]
        self.chunk = UpdateStateChunk(operations)
        # A recorder may keep it for long.
        self._buffer = self._root.inside = None
        self._order = []
        return self.chunk

    def uncounted(self) -> int:
        """Return about how many characters were rendered beyond those that were counted."""
        operations = self.chunk.operations if self.chunk is not None else ()
        return max(0, sum(_SLOT + weight(operation["value"]) for operation in operations) - self.size)

    def _add(self, node: PendingNode) -> None:
        # In this order: an exception in between must not leave a node that seems to be sent.
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
    """Merges edits and sends them. Every method but `resolve` with the state's lock held; none blocks.

    Each edit is noted before it happens: if that raises, it must not happen. To resolve an update takes the lock
    too, so by then it has happened.

    Args:
        sink: takes the updates.
        root: the state as the only item of a list.
        lock: the state's.
    """

    __slots__ = ("_container", "_key", "_kind", "_lock", "_root", "_sink", "_step", "_texts", "_update", "holds")

    def __init__(self, sink: UpdateSink, root: list[JSON], lock: threading.Lock) -> None:
        self._sink = sink
        self._root = root
        self._lock = lock
        # The newest update, as long as others may be merged into it.
        self._update: PendingUpdate | None = None
        #: How many hold what is noted: it stays in one chunk, and is sent at the end.
        self.holds = 0
        # Of the newest edit: the dict or list, the key, and what was done. Then how much one more takes, beside its
        # characters.
        self._container: JSON = None
        self._key: object = None
        self._kind = SET
        self._step = 0
        # Where more of the text that was extended is noted; None where it need not be.
        self._texts: list[str] | None = None

    def join(self, container: JSON, key: Any, kind: str, size: int, new: JSON, total: Any = None) -> bool:
        """Do an edit if it repeats the newest one, which still waits; return False if it must be noted by itself.

        The same is done to the same place once more. Any other edit ends this, so whatever was found out for the newest
        one is still true: that the place is part of the state, that front ends take it, and that no other thread
        groups edits.

        Args:
            container: the dict or list that is edited.
            key: of the item in it, or None for a new one.
            kind: what is done.
            size: how large `new` is.
            new: the value, or by what the text is extended.
            total: the pending append that is assigned, if it is one.
        """
        update = self._update
        if (
            container is not self._container
            or key != self._key
            or kind is not self._kind
            or update is None
            # As in `Channel.is_newest`, without the call: 0.05 us of 0.7 for a text in the state.
            or (batch := self._sink.open_batch) is None
            or batch[-1] is not update
            or self._sink.capacity <= 0
        ):
            return False
        if kind is SET:
            if type(container[key]) in _CONTAINERS:
                # It has to be forgotten where dicts and lists are.
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
        """Note that a value is put somewhere.

        Args:
            path: of the value.
            characters: how large the new value is.
            container: where it is put, if that may be joined, and the key there.
            key: see `container`.

        Raises:
            BaseException: nothing can be sent any more.
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
        """Note that a list gets a new item at its end; see `set`."""
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
        """Keep what is noted from now on in one chunk, and send it at the end: at `release`.

        Args:
            in_new_chunk: whether the reader may go on meanwhile. If not, what waits may be extended.
        """
        update = self._update
        if not self.holds and (in_new_chunk or update is None or not self._is_open(update)):
            self._renew()
        self.holds += 1

    def release(self, holds: int) -> None:
        """Go back to an earlier number of holds; send what was held if nothing holds it any more."""
        self.holds = holds
        if self._update is not None and not self._update.is_empty:
            self._send(self._update)

    @contextmanager
    def held(self, count: int) -> Generator[None]:
        """Keep so many edits in one chunk, which may be the one that waits."""
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
        """Let no later edit join what waits: render it, with the state as it is now."""
        update = self._update
        if update is not None and update.is_sent:
            self._update = self._container = None
            if update.chunk is None:
                update.render(self._root[0])
            # It waits on with copies of values that nobody has counted.
            if slots := update.uncounted() >> 10:
                self._sink.add_weight(slots)

    def _open(self) -> PendingUpdate:
        """Return the update that takes the next edit."""
        update = self._update
        if update is None or not (self.holds or self._is_open(update)):
            update = self._renew()
        return update

    def _note(
        self, update: PendingUpdate, characters: int, container: JSON, key: object, kind: str, step: int = 0
    ) -> None:
        """Remember the edit that was noted, and send it."""
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
            # Forgotten if it is refused.
            self._update = None
            self._sink.put_pending(update, slots)
            update.is_sent = True
            self._update = update
        update.charged += slots
        update.limit = update.size + _CREDIT
