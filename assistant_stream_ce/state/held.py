"""The value of a state while it is read and edited: its lock, its look-alikes, and who may edit now."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from threading import get_ident
from typing import Any

from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.errors import StateError
from assistant_stream_ce.jsonvalue import JSON, clone, plain
from assistant_stream_ce.state import operations as ops
from assistant_stream_ce.state.operations import Path
from assistant_stream_ce.state.pending import UpdateBuffer, UpdateSink
from assistant_stream_ce.state.places import Key, Place, path_of
from assistant_stream_ce.state.texts import Sums

# Containers in containers; a value in them may be as deep again.
_DEEPEST = 200

_NO_TEXT = (None, None, 0)


class HeldState:
    """Holds the state and its lock. `StateDocument` adds the edits.

    Every method may be called from any thread.

    Args:
        value: where the state starts, as the front end has it already.
        sink: takes the updates.
    """

    def __init__(self, value: JSON, sink: UpdateSink) -> None:
        self._sink = sink
        # Guards every field below and all of the value. Held for moments only, so that a reader's loop may wait for it.
        self._lock = new_lock()
        #: The only item is the state: so the root has a container, as everything else. Only the document may change it.
        #: To read one item of it takes no lock.
        self.root: list[JSON] = [plain(value, "state")]
        #: Counts the edits that may have moved or removed a dict or list.
        self.version = 0
        #: The look-alikes of dicts and lists that were read since then, by the identity of what they stand for.
        self.proxies: dict[int, Any] = {}
        #: That of the whole state, if it was read since then.
        self.root_proxy: Any = None
        # They refer to this, so the run gives them up at its end: no cycle is left.
        self._most_proxies = 64
        self._buffer = UpdateBuffer(sink, self.root, self._lock)
        # The thread that holds edits together, or 0, and how deep. Others wait until it is over.
        self._group_thread = 0
        self._group_depth = 0
        self._group_over: threading.Condition | None = None
        # Waits for room before the lock is taken.
        self._admit = sink.wait_for_capacity
        # Where `append_text` was last, if it still leads there: the path, the container and the key.
        self._newest_text: tuple[list[str] | None, JSON, Key] = _NO_TEXT
        #: The newest `+=` of each thread on a text that was read here.
        self.sums: Sums = {}

    def end(self) -> None:
        """Let go of what only serves speed: the run is over."""
        with self._lock:
            self._most_proxies = 0
            self._forget()

    # --- reading ---

    def keep(self, proxy: Place) -> None:
        """Keep a look-alike for the next one who reads what it stands for."""
        if len(self.proxies) >= self._most_proxies:
            self.proxies.clear()
        if self._most_proxies:
            self.proxies[id(proxy._node)] = proxy

    def keep_root(self, proxy: Place) -> None:
        """Keep a look-alike of the whole state for the next one who reads it."""
        with self._lock:
            if self._most_proxies and proxy._version == self.version:
                self.root_proxy = proxy

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

    # --- around edits ---

    @contextmanager
    def edit(self) -> Generator[None]:
        """Hold several edits together: others wait until the end, and all travel in one chunk."""
        self._admit()
        with self._lock:
            self._await_turn()
            if not self._group_depth:
                self._buffer.hold(in_new_chunk=True)
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
                    self._admit = self._sink.wait_for_capacity
                    if self._group_over is not None:
                        self._group_over.notify_all()
                    self._buffer.release()

    def flush(self) -> None:
        """Let no later edit join those that wait. In a group it does nothing."""
        with self._lock:
            self._buffer.close()

    def _admit_others(self) -> None:
        # They wait for a group, so its own thread must not wait for the reader.
        if self._group_thread != get_ident():
            self._sink.wait_for_capacity()

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
        self._buffer.hold(in_new_chunk=False)
        try:
            yield
        finally:
            self._buffer.release()

    def _path(self, place: Place) -> Path:
        if place._version != self.version:
            path = path_of(place, self.root[0])
            ops.refuse_unsafe(path)
            if len(path) > _DEEPEST:
                raise StateError(f"{place.name()[:60]}... is nested more than {_DEEPEST} deep: keep the state flatter")
            place._path, place._version = path, self.version
        return place._path

    def _move(self) -> None:
        """Take note that dicts or lists may have been moved or removed."""
        self.version += 1
        self._forget()

    def _forget(self) -> None:
        self.proxies.clear()
        self.root_proxy = None
        self._newest_text = _NO_TEXT
