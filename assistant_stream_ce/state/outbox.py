"""The way out for edits: the newest update, as long as others may be merged into it."""

from __future__ import annotations

from typing import Protocol

from assistant_stream_ce.chunks import Operation
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.state.operations import Path
from assistant_stream_ce.state.update import Spot, Update

__all__ = ("Outbox", "Outlet")

# Places that an update may take before it is charged for them.
_CREDIT = 16


class Outlet(Protocol):
    """Where operations go. Called with the state's lock held, but for `wait_for_room`; only that one blocks."""

    def wait_for_room(self) -> None:
        """Return when more may be sent; may block a thread."""

    def check(self) -> None:
        """Raise when nothing can be sent any more."""

    def put(self, operations: list[Operation], places: int) -> object:
        """Send operations as a chunk, and return it. Before the reader reads it, it calls `StateDocument.settle`."""

    def is_newest(self, chunk: object) -> bool:
        """Return whether a chunk waits, with none behind it, and may take more."""

    def charge(self, places: int) -> None:
        """Count so many places more for what waits."""


class Outbox:
    """Merges edits and sends them. Every method with the state's lock held; none blocks.

    An edit is announced with `open` before it happens and noted after. In between nothing of it is visible.

    Args:
        outlet: takes the operations.
        root: the state as the only item of a list.
    """

    __slots__ = ("_outlet", "_root", "_update", "is_grouping")

    def __init__(self, outlet: Outlet, root: list[JSON]) -> None:
        self._outlet = outlet
        self._root = root
        self._update: Update | None = None
        #: Whether a group of edits is held together.
        self.is_grouping = False

    def open(self, path: Path) -> Spot | None:
        """Make ready for an edit; return where to note it, or None if it need not be noted.

        Raises:
            BaseException: nothing can be sent any more.
        """
        update = self._update
        if update is None or (update.chunk is not None and not self._outlet.is_newest(update.chunk)):
            update = self._renew()
        return update.find(path)

    def note_set(self, spot: Spot | None) -> None:
        """Note that a value was put somewhere, or changed in a way that the wire has no word for."""
        update = self._update
        if spot is not None and update is not None:
            update.set(spot)
            if update.chunk is None or update.places > _CREDIT:
                self._send(update)

    def note_text(self, spot: Spot | None, text: str) -> None:
        """Note that a text was extended."""
        update = self._update
        if spot is not None and update is not None:
            texts = update.start_text(spot) if spot.texts is None else spot.texts
            texts.append(text)
            update.places += len(text) >> 10
            if update.chunk is None or update.places > _CREDIT:
                self._send(update)

    def note_item(self, spot: Spot | None, index: int) -> None:
        """Note that a list has a new item at its end."""
        update = self._update
        if spot is not None and update is not None:
            if spot.first_new is None:
                update.start_items(spot, index)
            else:
                update.places += 1
            if update.chunk is None or update.places > _CREDIT:
                self._send(update)

    def begin_group(self) -> None:
        """Hold what is noted from now on until the end of the group."""
        self._renew()
        self.is_grouping = True

    def end_group(self) -> None:
        """Send what was noted in the group, in one chunk."""
        self.is_grouping = False
        if self._update is not None and not self._update.is_empty:
            self._send(self._update)

    def seal(self) -> bool:
        """Render what is on its way: with the state as it is now, and so before the next edit that cannot join it."""
        update = self._update
        if update is None or update.chunk is None:
            return False
        self._update = None
        update.render(self._root[0])
        return True

    def close(self) -> None:
        """Render what is on its way, and waits on with copies of values that nobody has counted."""
        update = self._update
        if self.seal() and update is not None:
            self._outlet.charge(update.weight() >> 10)

    def _renew(self) -> Update:
        self.close()
        self._outlet.check()
        self._update = update = Update()
        return update

    def _send(self, update: Update) -> None:
        if self.is_grouping:
            return
        places, update.places = update.places, 0
        if update.chunk is None:
            update.chunk = self._outlet.put(update.operations, places)
        else:
            self._outlet.charge(places)
