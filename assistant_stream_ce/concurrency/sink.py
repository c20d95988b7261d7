"""Interfaces of the channel: items that may grow until they are read, and sinks that receive every item."""

from __future__ import annotations

from typing import Any, Protocol


class PendingItem:
    """An item that its producer may extend until a reader takes it."""

    __slots__ = ()

    def resolve(self) -> Any:
        """Return the final item, the same one at each call. Thread-safe; never called with the channel's lock held."""
        raise NotImplementedError


class ChunkSink(Protocol):
    """Receives every item of a channel once and in order, read or not: a recorder, a store.

    Items arrive in batches: when a batch is full, taken by the reader or dropped, and at `Channel.flush_sinks`. A
    `PendingItem` arrives as such, to be resolved in `process` or later.
    """

    def write(self, items: list[Any]) -> bool:
        """Copy the items. Called with the channel's lock held: it must neither block nor run user code.

        Returns:
            Whether `process` is to be called soon.
        """

    def process(self) -> None:
        """Work on what was written. Called by the reader, or without one by a producer, outside all locks."""
