"""The way out for edits: the newest update, as long as others may be merged into it."""

from __future__ import annotations

from typing import Protocol

from assistant_stream_ce.chunks import Operation
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.state.operations import Path
from assistant_stream_ce.state.update import PLACE, Spot, Update

__all__ = ("Outbox", "Outlet")

# How far an update may grow before it is charged for it: 16 places.
_CREDIT = 16 * PLACE


class Outlet(Protocol):
    """Where operations go. Called with the state's lock held, but for `admit`; only that one blocks."""

    def admit(self) -> None:
        """Return when more may be sent, which may block a thread; raise when nothing can be sent any more."""

    def refuse_after_end(self) -> None:
        """Raise when nothing can be sent any more."""

    def put(self, operations: list[Operation], places: int) -> object:
        """Send operations as a chunk, and return it. Before the reader reads it, it calls `StateDocument.settle`."""

    def is_newest(self, chunk: object) -> bool:
        """Return whether a chunk waits, with none behind it, and may take more."""

    def charge(self, places: int) -> None:
        """Count so many places more for what waits."""


class Outbox:
    """Merges edits and sends them. Every method with the state's lock held; none blocks.

    An edit is announced with `open` before it happens, and noted after. In between nothing of it is visible.

    Args:
        outlet: takes the operations.
        root: the state as the only item of a list.
    """

    __slots__ = ("_container", "_holds", "_key", "_outlet", "_root", "_spot", "_update")

    def __init__(self, outlet: Outlet, root: list[JSON]) -> None:
        self._outlet = outlet
        self._root = root
        self._update: Update | None = None
        # How many hold what is noted: it stays in one chunk, and is sent at the end.
        self._holds = 0
        # Of the newest edit: what it changes, and where to note it; None where it need not be noted, because all
        # around it is sent anyway.
        self._container: JSON = None
        self._key: object = None
        self._spot: Spot | None = None

    def reopen(self, container: JSON, key: object) -> bool:
        """Make ready for an edit of the same place as the newest one; return false if it is another one.

        Whatever else is edited makes this false, so what is known of the place is still true.
        """
        if container is not self._container or key != self._key:
            return False
        update = self._update
        if update is None:
            return False
        return update.chunk is None or self._holds > 0 or self._outlet.is_newest(update.chunk)

    def open(self, path: Path, container: JSON = None, key: object = None) -> None:
        """Make ready for an edit.

        Args:
            path: where the edit is.
            container: the dict or list that it changes, by which `reopen` knows the place again; None for never.
            key: of the item in it that is changed, or None if that is the container itself.

        Raises:
            BaseException: nothing can be sent any more.
        """
        update = self._update
        if update is None or (update.chunk is not None and not self._holds and not self._is_open(update)):
            update = self._renew()
        self._spot = update.find(path)
        self._container, self._key = container, key

    def note_set(self, characters: int = 0) -> None:
        """Note that a value was put somewhere, or changed in a way that the wire has no word for."""
        update, spot = self._update, self._spot
        assert update is not None
        if spot is not None:
            update.set(spot)
            self._spot = None
        update.size += characters
        if update.size > update.limit:
            self._send(update)

    def note_text(self, text: str) -> None:
        """Note that a text was extended."""
        update, spot = self._update, self._spot
        assert update is not None
        if spot is not None:
            texts = spot.texts
            if texts is None:
                texts = update.start_text(spot)
            texts.append(text)
        update.size += len(text)
        if update.size > update.limit:
            self._send(update)

    def note_item(self, index: int, characters: int) -> None:
        """Note that a list has a new item at its end."""
        update, spot = self._update, self._spot
        assert update is not None
        if spot is not None:
            update.append_item(spot, index)
        update.size += characters
        if update.size > update.limit:
            self._send(update)

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

    def _is_open(self, update: Update) -> bool:
        return update.chunk is None or self._outlet.is_newest(update.chunk)

    def _renew(self) -> Update:
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
            update.chunk = self._outlet.put(update.operations, places)
            self._update = update
        else:
            self._outlet.charge(places)
        update.charged += places
        update.limit = update.size + _CREDIT
