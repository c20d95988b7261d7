"""A state without a run, which records the operations that it sends."""

from __future__ import annotations

from typing import Any

from assistant_stream_ce.concurrency.sink import PendingItem
from assistant_stream_ce.state import StateDocument
from assistant_stream_ce.state.proxy import read_root


class Recorded:
    """A state with everything it sends.

    Args:
        value: where the state starts.
        merges: whether edits wait, so that later ones may join them.
    """

    def __init__(self, value: Any, *, merges: bool = False) -> None:
        self._merges = merges
        self._sent: list[PendingItem] = []
        self.capacity = 1
        self.document = StateDocument(value, self)

    @property
    def state(self) -> Any:
        return read_root(self.document)

    def take(self) -> None:
        """Take all updates, as a reader does."""
        for pending in self._sent:
            pending.resolve()

    @property
    def updates(self) -> list[list[Any]]:
        return [list(pending.resolve().operations) for pending in self._sent]

    @property
    def operations(self) -> list[Any]:
        return [operation for update in self.updates for operation in update]

    @property
    def open_batch(self) -> list[PendingItem] | None:
        return self._sent if self._merges and self._sent else None

    def wait_for_capacity(self) -> None: ...

    def check_open(self) -> None: ...

    def put_pending(self, item: PendingItem, weight: int) -> None:
        assert weight > 0
        self._sent.append(item)

    def is_newest(self, item: object) -> bool:
        batch = self.open_batch
        return batch is not None and batch[-1] is item

    def add_weight(self, weight: int) -> None: ...


def set_(path: list[str], value: Any) -> dict[str, Any]:
    return {"type": "set", "path": path, "value": value}


def append(path: list[str], value: str) -> dict[str, Any]:
    return {"type": "append-text", "path": path, "value": value}
