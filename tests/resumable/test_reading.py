"""The reader: dead producers, gaps in what has arrived, and streams of a version that it does not know."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from assistant_stream_ce import (
    RunController,
    RunFailedError,
    StoreUnavailableError,
    StreamUsageError,
    TextDeltaChunk,
    create_run,
)
from assistant_stream_ce.resumable.records import FORMAT, Entry, encode
from assistant_stream_ce.resumable.store import Event, StreamKey
from tests.resumable.flaky import KEY
from tests.resumable.test_streams import COUNT, SECONDS, WORDS, wait_for
from tests.resumable.test_writing import Pair, read_half


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def test_a_producer_that_was_missing_once_is_not_dead(pair: Pair) -> None:
    local = pair.first.start(pair.talk.run(), "a")
    remote = pair.second.follow("a")
    read_half(remote)
    pair.other_store.dead = {KEY}
    wait_for(lambda: "find_dead" in pair.other_store.calls[-3:])
    pair.other_store.dead = set()
    pair.talk.may_go_on.set()
    assert list(local) == WORDS
    assert list(remote) == WORDS[COUNT // 2 :]  # type: ignore[arg-type]
    assert pair.second.stats()["reaped"] == 0


def test_a_producer_that_stays_missing_but_lives_is_not_reaped_by_a_store_that_knows(pair: Pair) -> None:
    local = pair.first.start(pair.talk.run(), "a")
    remote = pair.second.follow("a")
    pair.other_store.dead = {KEY}
    calls = pair.other_store.calls
    wait_for(lambda: "reap" in calls)
    pair.other_store.dead = set()
    pair.talk.may_go_on.set()
    assert list(local) == list(remote) == WORDS  # type: ignore[arg-type]


def test_a_dead_producer_is_noticed_within_its_lease(pair: Pair) -> None:
    pair.first.start(pair.talk.run(), "a")
    remote = pair.second.follow("a")
    read_half(remote)
    began = time.monotonic()
    pair.store.data.logs[KEY].producer = None
    with pytest.raises(RunFailedError):
        list(remote)  # type: ignore[arg-type]
    # Half a lease of its store, and two looks; a loaded machine takes longer.
    assert 1.0 <= time.monotonic() - began < 10.0


def test_a_lost_tail_is_repaired_before_anything_behind_it_is_read(pair: Pair) -> None:
    go_on, may_end = threading.Event(), threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        go_on.wait(SECONDS)
        controller.append_text("b")
        may_end.wait(SECONDS)

    pair.first.start(create_run(run), "a")
    wait_for(lambda: pair.store.data.logs[KEY].last == 1)
    pair.store.lose_tail(1)
    remote = pair.second.follow("a")
    assert remote is not None
    go_on.set()
    assert [next(remote), next(remote)] == [TextDeltaChunk("a"), TextDeltaChunk("b")]
    may_end.set()
    assert list(remote) == []


def test_a_lost_tail_that_nobody_repairs_is_an_interruption(pair: Pair) -> None:
    pair.talk.may_go_on.set()
    assert list(pair.first.start(pair.talk.run(), "a")) == WORDS
    wait_for(lambda: pair.first.stats()["live"] == 0)
    pair.store.lose_tail(1)
    remote = pair.second.follow("a")
    assert remote is not None
    with pytest.raises(RunFailedError):
        list(remote)
    assert remote.reason == "interrupted"


def test_a_stream_of_a_newer_version_is_unknown(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    session = pair.store.memory.connect("x", pair.first._started_engine().options)
    session.start(KEY, encode({"format": FORMAT + 1}), "r", None)
    assert pair.first.follow("a") is None
    assert pair.first.status("a") is None
    assert "newer version" in caplog.text
    with pytest.raises(StoreUnavailableError, match="taken by a log that this version"):
        pair.first.start(pair.talk.run(), "a")
    assert pair.talk.calls == 0
    session.close()


def test_a_header_that_is_none_is_unknown(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    session = pair.store.memory.connect("x", pair.first._started_engine().options)
    session.start(KEY, b"?", "r", None)
    assert pair.first.follow("a") is None
    assert "cannot be read" in caplog.text
    session.close()


def test_a_start_is_looked_for_where_the_store_reports_none(pair: Pair) -> None:
    pair.second._started_engine().session.expect = lambda names: False  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(pair.second.follow, "a", wait=SECONDS)
        wait_for(lambda: not pair.second._started_engine().reading._is_notified)
        pair.first.start(pair.talk.run(), "a")
        stream = found.result(SECONDS)
    pair.talk.may_go_on.set()
    assert list(stream or []) == WORDS


def test_an_end_of_a_newer_version_is_an_interruption(pair: Pair) -> None:
    pair.first.start(pair.talk.run(), "a")
    remote = pair.second.follow("a")
    read_half(remote)
    with pair.store.data.lock:
        pair.store.data.logs[KEY].terminal = encode({"state": "of a newer version"})
        for session in pair.store.data.sessions:
            session._notify(KEY)
    with pytest.raises(RunFailedError):
        list(remote)  # type: ignore[arg-type]


def test_an_exception_at_an_event_loses_no_other(pair: Pair) -> None:
    pair.first.start(pair.talk.run(), "a")
    pair.first.start(create_run(lambda controller: controller.cancelled_event.wait_sync(SECONDS)), "b")
    remotes = [pair.second.follow(name) for name in "ab"]
    session = pair.second._started_engine().session
    poll, may_fail = session.poll, True

    def add_gap(timeout: float) -> Any:
        nonlocal may_fail
        events = poll(timeout)
        if may_fail and any(event.terminal for event in events):
            may_fail = False
            return [Event(StreamKey("_", "b"), "arrived", [Entry(99, 1, None, WORDS[:1])]), *events]
        return events

    def fail(_: StreamKey) -> None:
        raise ValueError("a fault of the store")

    session.poll = add_gap  # type: ignore[method-assign]
    session.request_repair = fail  # type: ignore[method-assign]
    pair.talk.may_go_on.set()
    assert list(remotes[0]) == WORDS  # type: ignore[arg-type]
    wait_for(lambda: pair.second.stats()["failures"])
    pair.first.stop("b")
    assert list(remotes[1]) == []  # type: ignore[arg-type]


def test_a_stop_between_the_start_in_the_store_and_here_is_not_lost(pair: Pair) -> None:
    pair.first.start(create_run(lambda controller: controller.cancelled_event.wait_sync(SECONDS)), "other")
    engine = pair.first._started_engine()
    start = engine.session.start

    def start_and_stop(*args: Any) -> Any:
        result = start(*args)
        assert pair.second.stop("a")
        wait_for(lambda: engine.unclaimed)
        return result

    engine.session.start = start_and_stop  # type: ignore[method-assign]
    stream = pair.first.start(pair.talk.run(), "a")
    assert wait_for(lambda: stream.reason) == "stopped"
    pair.first.stop("other")


def test_who_follows_while_the_streams_are_closed_does_not_wait(pair: Pair) -> None:
    pair.first.start(pair.talk.run(), "a")
    engine = pair.second._started_engine()
    load = engine.load

    def load_and_close(key: StreamKey) -> Any:
        log = load(key)
        engine.close()
        return log

    engine.load = load_and_close  # type: ignore[method-assign]
    with pytest.raises(StreamUsageError, match="closed"):
        pair.second.follow("a")


def test_a_stream_is_watched_only_while_it_is_followed(pair: Pair) -> None:
    pair.first.start(pair.talk.run(), "a")
    followers = [pair.second.follow("a") for _ in range(2)]
    assert pair.second.stats()["remote"] == 1
    followers[0].close()  # type: ignore[union-attr]
    assert pair.second.stats()["remote"] == 1
    followers[1].close()  # type: ignore[union-attr]
    assert pair.second.stats()["remote"] == 0
    again = pair.second.follow("a")
    pair.talk.may_go_on.set()
    assert list(again) == WORDS  # type: ignore[arg-type]


def test_a_cursor_may_be_ahead_of_the_store(pair: Pair) -> None:
    local = pair.first.start(pair.talk.run(), "a")
    remote = pair.second.follow("a")
    read_half(remote)
    pair.store.is_away = True
    pair.talk.may_go_on.set()
    assert list(local) == WORDS
    # It has read all but the last, and comes back to another worker.
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(pair.second.follow, "a", after=COUNT - 1)
        pair.store.is_away = False
        stream = found.result(SECONDS)
    assert stream is not None
    assert list(stream) == WORDS[-1:]
