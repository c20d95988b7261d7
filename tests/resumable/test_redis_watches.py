"""A log that is watched, by its entries."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.resumable.records import Entry
from assistant_stream_ce.resumable.redis_scripts import LAST
from assistant_stream_ce.resumable.redis_watches import WatchedLog


def item(epoch: int, number: int, *fields: bytes) -> Any:
    return [b"%d-%d" % (epoch, number), list(fields)]


def test_entries_are_taken_up_to_the_end() -> None:
    log = WatchedLog(b"5", 2)
    page = [item(5, 4, b"c", b"x", b"n", b"2"), item(5, LAST, b"e", b"end")]
    entries: list[Entry] = []
    assert not log.is_of_other_run(page)
    assert not log.has_gap(page)
    assert log.take(page, entries) == b"end"
    assert entries == [Entry(4, 2, b"x")]
    assert (log.after, log.id_of(log.after)) == (4, b"5-4")


@pytest.mark.parametrize(("after", "has_gap"), [(1, True), (2, False), (3, False)])
def test_a_gap_is_seen_by_the_first_entry(after: int, has_gap: bool) -> None:
    assert WatchedLog(b"5", after).has_gap([item(5, 4, b"c", b"x", b"n", b"2")]) is has_gap


@pytest.mark.parametrize(
    "page", [[item(6, 0, b"d", b"1")], [item(6, 0, b"h", b"h"), item(6, 1, b"c", b"x", b"n", b"1")]]
)
def test_a_larger_epoch_is_another_run(page: Any) -> None:
    assert WatchedLog(b"5", 2).is_of_other_run(page)
