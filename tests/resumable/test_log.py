"""The log of a stream: entries that overlap or leave a gap, and estimates of sizes."""

from __future__ import annotations

from typing import Any

from assistant_stream_ce import DataChunk, TextDeltaChunk, create_run
from assistant_stream_ce.concurrency.waiters import ThreadWaiter
from assistant_stream_ce.resumable.log import LocalLog, Log, RemoteLog
from assistant_stream_ce.resumable.records import FORMAT, Entry, Header, Terminal
from assistant_stream_ce.resumable.store import StreamKey, ThreadKey

KEY = StreamKey("_", "a")
HEADER = Header(FORMAT, "r", "w", "m", "i", 0.0, thread="t")
CHUNKS = [TextDeltaChunk(str(number)) for number in range(6)]


def entry(first: int, last: int) -> Entry:
    return Entry(last, last - first, None, CHUNKS[first:last])


def test_entries_that_overlap_are_read_once_and_a_gap_is_held() -> None:
    log = RemoteLog(KEY, HEADER, lambda log: None)
    assert log.extend([entry(0, 2), entry(0, 2), entry(1, 4)])
    assert not log.extend([entry(5, 6)])
    assert log.chunks == CHUNKS[:4]
    assert log.extend([entry(4, 6)])
    assert (log.chunks, log.count, log.state, log.thread) == (CHUNKS, 6, "running", ThreadKey("_", "t"))


def test_an_end_wakes_its_waiters_and_comes_once() -> None:
    log = Log(KEY, HEADER)
    waiter, forgotten = ThreadWaiter(), ThreadWaiter()
    assert log.add_waiter(waiter, 0)
    assert log.add_waiter(forgotten, 0)
    log.remove_waiter(forgotten)
    log.end(Terminal("interrupted", "gone", adds_error=True))
    log.end(Terminal("completed"))
    assert waiter.wait(0)
    assert not forgotten.wait(0)
    assert not log.add_waiter(waiter, 1)
    assert (log.state, len(log.chunks), log.count) == ("interrupted", 1, 0)
    message = log.message()
    assert message is not None
    assert (message.id, message.status.type) == ("m", "incomplete")


def test_the_entries_of_a_run_have_the_same_numbers_again() -> None:
    def run(controller: Any) -> None:
        for chunk in CHUNKS:
            controller.add_chunk(chunk)
        controller.add_data({"x": 1})

    news: list[Any] = []
    log = LocalLog(KEY, HEADER, create_run(run)._run, 10_000, news.append, encodes=True)
    log.start(None)
    assert log.run.ended.wait_sync(20)
    log.refresh()
    log.make_entry()
    assert list(log.waiting) == list(log.entries()) == [Entry(7, 7, None, [*CHUNKS, DataChunk({"x": 1})])]
    assert log.waiting_bytes == log.bytes == log.confirm() > 0
    assert (log.waiting_bytes, log.state, bool(news)) == (0, "completed", True)
    assert not log.cancel("stopped")
