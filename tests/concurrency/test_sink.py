"""A sink receives every item of a channel once and in order, read or not."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.concurrency.channel import Channel
from assistant_stream_ce.concurrency.sink import PendingItem


class Copies:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def write(self, items: list[Any]) -> bool:
        self.items += items
        return False

    def process(self) -> None: ...


def test_a_sink_gets_what_is_read_and_what_is_not() -> None:
    channel: Any = Channel(2, lambda: None, lambda: None)
    sink = Copies()
    channel.add_sink(sink)
    channel.put("a")
    channel.put("b")
    assert channel.get_sync() is not None
    channel.put("c")
    channel.flush_sinks()
    assert sink.items == ["a", "b", "c"]


def test_a_pending_item_has_to_be_resolvable() -> None:
    with pytest.raises(NotImplementedError):
        PendingItem().resolve()
