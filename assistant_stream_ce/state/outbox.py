"""The way out for edits: the newest update, as long as others may be merged into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from assistant_stream_ce.chunks import UpdateStateChunk
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.state.operations import Path
from assistant_stream_ce.state.update import PLACE, Update

__all__ = ("ITEM", "SET", "TEXT", "Outbox", "Outlet")

T = TypeVar("T")

#: What an edit does: it puts a value somewhere, extends a text, or appends to a list.
SET, TEXT, ITEM = "set", "text", "item"

# How far an update may grow before it is charged for it: 16 places.
_CREDIT = 16 * PLACE


class Outlet(Protocol):
    """Where updates go: what the state needs of the channel. Called with the state's lock held, but for `admit`.

    Only `admit` blocks.
    """

    #: Set before an update is put: before the reader reads one, it calls `StateDocument.settle`.
    is_unsettled: bool

    @property
    def open_batch(self) -> Sequence[object] | None:
        """The newest chunks that wait, if others may still follow in their batch."""

    @property
    def space(self) -> int:
        """How many places are left in it."""

    def admit(self) -> None:
        """Return when more may be sent, which may block a thread; raise when nothing can be sent any more."""

    def refuse_after_end(self) -> None:
        """Raise when nothing can be sent any more."""

    def put(self, item: UpdateStateChunk, weight: int, *, may_block: bool) -> None:
        """Send an update that takes so many places."""

    def is_newest(self, item: UpdateStateChunk) -> bool:
        """Return whether a chunk waits, with none behind it, and may take more."""

    def charge(self, weight: int) -> None:
        """Count so many places more for what waits."""


class Outbox:
    """Merges edits and sends them. Every method with the state's lock held; none blocks.

    Each edit is noted before it happens: if that raises, it must not happen. Whoever reads what is sent takes the lock
    too, so by then it has happened.

    Args:
        outlet: takes the operations.
        root: the state as the only item of a list.
    """

    __slots__ = ("_container", "_holds", "_key", "_kind", "_outlet", "_root", "_step", "_texts", "_update")

    def __init__(self, outlet: Outlet, root: list[JSON]) -> None:
        self._outlet = outlet
        self._root = root
        self._update: Update | None = None
        # How many hold what is noted: it stays in one chunk, and is sent at the end.
        self._holds = 0
        # Of the newest edit: the dict or list, the key, and what was done. Then how much one more takes, beside its
        # characters.
        self._container: JSON = None
        self._key: object = None
        self._kind = SET
        self._step = 0
        # Where more of the text that was extended is noted; None where it need not be.
        self._texts: list[str] | None = None

    def join(self, container: JSON, key: object, kind: str, characters: int, text: str | None = None) -> bool:
        """Note an edit that repeats the newest one, which still waits; return false if it must be noted by itself.

        The same is done to the same place once more. Any other edit ends this, so whatever was found out for the newest
        one is still true: that the place is part of the state, that front ends take it, and that no other thread
        holds edits together.

        Args:
            container: the dict or list that is edited.
            key: of the item in it, or None for a new one.
            kind: what is done.
            characters: how large the new value is.
            text: by what a text is extended.
        """
        update = self._update
        if (
            container is not self._container
            or key != self._key
            or kind is not self._kind
            or update is None
            # As in `Channel.is_newest`, without the call: 0.05 us of 0.7 for a text in the state.
            or (batch := self._outlet.open_batch) is None
            or batch[-1] is not update.chunk
            or self._outlet.space <= 0
        ):
            return False
        if text is not None and self._texts is not None:
            self._texts.append(text)
        update.size = size = update.size + self._step + characters
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
        spot = update.find(path)
        if spot is not None:
            update.set(spot)
        self._note(update, characters, container, key, SET)

    def extend(self, path: Path, text: str, container: JSON = None, key: object = None) -> None:
        """Note that a text is extended; see `set`."""
        update = self._open()
        spot = update.find(path)
        if spot is None:
            self._texts = None
        else:
            self._texts = update.start_text(spot) if spot.texts is None else spot.texts
            self._texts.append(text)
        self._note(update, len(text), container, key, TEXT)

    def append(self, path: Path, items: list[JSON], characters: int) -> None:
        """Note that a list gets a new item at its end; see `set`."""
        update = self._open()
        spot = update.find(path)
        if spot is not None:
            update.append_item(spot, len(items))
        self._note(update, characters, items, None, ITEM, 0 if spot is None else PLACE)

    def rewrite(self, path: Path, change: Callable[[], T], characters: int) -> T:
        """Note that a dict or list is changed in a way that the wire has no word for; see `set`.

        `change` does it, or raises before it has changed anything.
        """
        update = self._open()
        spot = update.find(path)
        result = change()
        if spot is not None:
            update.set(spot)
        self._note(update, characters, None, None, SET)
        return result

    def hold(self, *, in_new_chunk: bool) -> None:
        """Keep what is noted from now on in one chunk, and send it at the end: at `release`.

        Args:
            in_new_chunk: whether the reader may go on meanwhile. If not, what waits may be extended.
        """
        update = self._update
        if not self._holds and (in_new_chunk or update is None or not self._is_open(update)):
            self._renew()
        self._holds += 1

    def release(self) -> None:
        """Send what was held."""
        self._holds -= 1
        if self._update is not None and not self._update.is_empty:
            self._send(self._update)

    def seal(self) -> Update | None:
        """Render what is on its way: with the state as it is now, and so before the next edit that cannot join it."""
        update = self._update
        if update is None or update.chunk is None:
            return None
        self._update = self._container = None
        update.render(self._root[0])
        return update

    def close(self) -> None:
        """Render what is on its way, and waits on with copies of values that nobody has counted."""
        update = self.seal()
        if update is not None:
            self._outlet.charge(update.uncounted() >> 10)

    def _open(self) -> Update:
        """Return the update that takes the next edit."""
        update = self._update
        if update is None or not (self._holds or self._is_open(update)):
            update = self._renew()
        return update

    def _note(self, update: Update, characters: int, container: JSON, key: object, kind: str, step: int = 0) -> None:
        """Remember the edit that was noted, and send it."""
        self._container, self._key, self._kind, self._step = container, key, kind, step
        update.size += characters
        if update.size > update.limit:
            self._send(update)

    def _is_open(self, update: Update) -> bool:
        return update.chunk is None or self._outlet.is_newest(update.chunk)

    def _renew(self) -> Update:
        if self._update is not None:
            self.close()
        self._outlet.refuse_after_end()
        self._update = update = Update()
        return update

    def _send(self, update: Update) -> None:
        if self._holds:
            return
        places = (update.size >> 10) - update.charged
        if update.chunk is None:
            # Forgotten if it is refused.
            self._update = None
            self._outlet.is_unsettled = True
            chunk = UpdateStateChunk(update.operations)
            self._outlet.put(chunk, places, may_block=False)
            update.chunk = chunk
            self._update = update
        else:
            self._outlet.charge(places)
        update.charged += places
        update.limit = update.size + _CREDIT
