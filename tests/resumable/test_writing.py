"""The writer: entries are stored in order and once through every fault, and local followers notice none of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant_stream_ce import RunController, RunFailedError, StoreUnavailableError, StreamTooLongError, create_run
from assistant_stream_ce.resumable import FileStore, ResumableStreams, writing
from tests.resumable.flaky import KEY, FlakyStore
from tests.resumable.test_streams import COUNT, SECONDS, WORDS, Talk, wait_for


class Pair:
    """A worker with a flaky store, and another one on the same data."""

    def __init__(self) -> None:
        self.store = FlakyStore()
        self.other_store = FlakyStore(self.store.memory)
        self.first = ResumableStreams(self.store, lease=4.0)
        self.second = ResumableStreams(self.other_store, lease=4.0)
        self.talk = Talk("def")

    def close(self) -> None:
        """Close both."""
        self.talk.may_go_on.set()
        self.store.is_away = self.other_store.is_away = False
        self.first.close()
        self.second.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def read_half(stream: Any) -> None:
    """Read what comes before the callback waits."""
    for number, _ in enumerate(stream):
        if number == COUNT // 2 - 1:
            return


def test_an_outage_delays_other_workers_only(pair: Pair) -> None:
    local = pair.first.start(pair.talk.run(), "a")
    remote = pair.second.follow("a")
    read_half(local)
    read_half(remote)
    pair.store.is_away = pair.other_store.is_away = True
    with pytest.raises(StoreUnavailableError):
        pair.first.start(create_run(lambda controller: None), "b")
    with pytest.raises(StoreUnavailableError):
        pair.first.follow("b")
    with pytest.raises(StoreUnavailableError):
        pair.second.status("b")
    with pytest.raises(StoreUnavailableError):
        pair.second.stop("b")
    pair.talk.may_go_on.set()
    assert list(local) == WORDS[COUNT // 2 :]
    # Its end is known here, before it is stored.
    assert pair.first.status("a").state == "completed"  # type: ignore[union-attr]
    assert remote is not None
    assert remote.reason is None
    pair.store.is_away = pair.other_store.is_away = False
    assert list(remote) == WORDS[COUNT // 2 :]
    assert wait_for(lambda: pair.second.status("a")).state == "completed"
    assert pair.first.stats()["failures"] > 0


def test_a_stream_that_cannot_be_stored_delays_no_other(pair: Pair) -> None:
    session = pair.first._started_engine().session
    append = session.append

    def refuse(appends: Any) -> Any:
        if any(each.key == KEY for each in appends):
            raise StoreUnavailableError("its file has reached a limit")
        return append(appends)

    session.append = refuse  # type: ignore[method-assign]
    local = pair.first.start(pair.talk.run(), "a")
    pair.first.start(pair.talk.run(), "b")
    remotes = [pair.second.follow(name) for name in "ba"]
    pair.talk.may_go_on.set()
    assert list(local) == list(remotes[0]) == WORDS  # type: ignore[arg-type]
    assert pair.second.status("a").state == "running"  # type: ignore[union-attr]
    session.append = append  # type: ignore[method-assign]
    assert list(remotes[1]) == WORDS  # type: ignore[arg-type]


@pytest.mark.parametrize("every", [3, 7])
def test_a_lost_reply_doubles_nothing(pair: Pair, every: int) -> None:
    may_begin = threading.Event()

    def run(controller: RunController) -> None:
        may_begin.wait(SECONDS)
        for number in range(300):
            controller.append_text(f"{number} ")
            if number % 20 == 0:
                threading.Event().wait(0.002)

    stream = pair.first.start(create_run(run), "a")
    remote = pair.second.follow("a")
    pair.store.lost_replies = every
    may_begin.set()
    chunks = list(stream)
    assert list(remote) == chunks  # type: ignore[arg-type]
    assert len(chunks) == 300


def test_a_start_whose_reply_was_lost_is_repeated(pair: Pair) -> None:
    pair.first._started_engine()
    pair.store.calls[:] = ["x"]
    pair.store.lost_replies = 2
    stream = pair.first.start(pair.talk.run(), "a")
    assert stream.is_producer
    assert pair.store.calls[1:3] == ["start", "start"]
    pair.store.lost_replies = 0
    pair.talk.may_go_on.set()
    assert list(stream) == WORDS


def test_the_end_comes_behind_the_chunks_that_a_follower_takes_while_an_entry_is_sent(pair: Pair) -> None:
    read: list[Any] = []

    def read_all() -> None:
        follower = pair.first.follow("a")
        pair.talk.may_go_on.set()
        read.extend(follower or [])

    pair.store.before["append"] = read_all
    pair.first.start(pair.talk.run(), "a")
    wait_for(lambda: pair.first.stats()["live"] == 0)
    assert read == WORDS
    assert list(pair.second.follow("a") or []) == WORDS


def test_a_lost_log_is_written_anew(pair: Pair) -> None:
    local = pair.first.start(pair.talk.run(), "a")
    remote = pair.second.follow("a")
    read_half(remote)
    pair.store.lose()
    pair.talk.may_go_on.set()
    assert list(local) == WORDS
    assert remote is not None
    assert list(remote) == WORDS[COUNT // 2 :]
    late = pair.second.follow("a")
    assert late is not None
    assert list(late) == WORDS


def test_a_deleted_stream_is_not_written_anew(pair: Pair) -> None:
    local = pair.first.start(pair.talk.run(), "a")
    read_half(local)
    session = pair.store.memory.connect("x", pair.first._started_engine().options)
    assert session.delete(KEY)
    session.close()
    pair.talk.may_go_on.set()
    wait_for(lambda: pair.first.stats()["live"] == 0)
    rest = list(local)
    assert rest == WORDS[COUNT // 2 :][: len(rest)]
    assert pair.second.follow("a") is None


def test_a_producer_that_lost_its_lease_writes_nothing_more_and_is_cancelled(pair: Pair) -> None:
    def run(controller: RunController) -> None:
        controller.append_text("a")
        pair.talk.may_go_on.wait(SECONDS)
        controller.append_text("b")
        controller.cancelled_event.wait_sync(SECONDS)

    local = pair.first.start(create_run(run), "a")
    wait_for(lambda: pair.store.data.logs[KEY].last == 1)
    # It is frozen, as far as its store knows.
    pair.store.data.logs[KEY].producer = None
    remote = pair.second.follow("a")
    assert remote is not None
    with pytest.raises(RunFailedError):
        list(remote)
    stored = len(pair.store.data.logs[KEY].entries)
    pair.talk.may_go_on.set()
    with pytest.raises(RunFailedError):
        list(local)
    wait_for(lambda: pair.first.stats()["live"] == 0)
    assert len(pair.store.data.logs[KEY].entries) == stored
    assert pair.second.status("a").state == "interrupted"  # type: ignore[union-attr]
    assert pair.second.stats()["reaped"] == 1


def test_too_much_waiting_ends_only_the_storing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writing, "MOST_WAITING", 1_000)
    go_on = threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("begin")
        go_on.wait(SECONDS)
        for _ in range(100):
            controller.append_text("x" * 100)

    local = pair.first.start(create_run(run), "a")
    remote = pair.second.follow("a")
    assert next(local) == next(remote)  # type: ignore[arg-type]
    pair.store.is_away = True
    go_on.set()
    assert len(list(local)) == 100
    wait_for(lambda: pair.first.stats()["unstored"] == 1)
    pair.store.is_away = False
    with pytest.raises(RunFailedError):
        list(remote)  # type: ignore[arg-type]
    assert [record.levelname for record in caplog.records if "no longer resumable" in record.message] == ["ERROR"]
    wait_for(lambda: pair.first.stats()["live"] == 0)


def test_a_stream_that_is_not_stored_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MOST_WAITING", 1_000)
    store = FlakyStore()

    def run(controller: RunController) -> None:
        store.is_away = True
        while True:
            controller.append_text("x" * 100)
            controller.cancelled_event.wait_sync(0.0001)

    with ResumableStreams(store, max_bytes=50_000) as streams:
        with pytest.raises(StreamTooLongError):
            list(streams.start(create_run(run), "a"))
        assert streams.stats()["unstored"] == 1
        store.is_away = False


def test_a_chunk_that_cannot_be_stored_ends_only_the_storing(pair: Pair) -> None:
    def run(controller: RunController) -> None:
        controller.run_context.channel.put(object())  # type: ignore[arg-type]
        controller.append_text("a")

    assert len(list(pair.first.start(create_run(run, keep_message=False), "a"))) == 2
    wait_for(lambda: pair.first.stats()["live"] == 0)
    assert pair.first.stats()["unstored"] == 1


def test_a_frozen_producer_asks_whether_it_was_ended(pair: Pair) -> None:
    local = pair.first.start(pair.talk.run(), "a")
    read_half(local)
    engine = pair.first._started_engine()
    wait_for(lambda: pair.store.data.logs[KEY].last == COUNT // 2)
    pair.store.data.logs[KEY].producer = None
    pair.second.follow("a")
    wait_for(lambda: pair.store.data.logs[KEY].terminal is not None)
    engine.writing._renewed_at = engine.writing._renew_at = 0.0
    engine.writing.poke()
    wait_for(lambda: pair.talk.results)
    assert pair.talk.results[0].reason == "cancelled"


def test_nothing_is_left_of_a_file_store_after_its_retention(tmp_path: Path) -> None:
    def files() -> list[Path]:
        return [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix in (".log", ".summary")]

    with ResumableStreams(FileStore(tmp_path), retention=1.0, message_retention=1.0) as streams:
        assert len(list(streams.start(create_run(lambda controller: controller.append_text("a")), "a"))) == 1
        wait_for(files)
        wait_for(lambda: not files())


def test_a_sweep_that_fails_delays_nothing(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FlakyStore, "needs_sweep", True)
    sweeps = 0

    def fail() -> None:
        nonlocal sweeps
        sweeps += 1
        raise StoreUnavailableError("a file of another user")

    with ResumableStreams(pair.store) as streams:
        streams._started_engine().session.sweep = fail  # type: ignore[method-assign]
        local = streams.start(pair.talk.run(), "a")
        remote = pair.second.follow("a")
        pair.talk.may_go_on.set()
        assert list(local) == list(remote) == WORDS  # type: ignore[arg-type]
        assert sweeps == streams.stats()["failures"] == 1


def test_an_outage_does_not_pass_for_leaving(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Followers elsewhere could not announce themselves during it."""
    monkeypatch.setattr(writing, "_ASK_AGAIN", 0.02)
    pair.first.start(pair.talk.run(), "a", on_leave=0.2).close()
    pair.store.is_away = True
    wait_for(lambda: pair.store.calls[-3:].count("find_followed"))
    pair.store.is_away = False
    pair.store.calls.clear()
    wait_for(lambda: pair.store.calls.count("find_followed") > 2)
    assert pair.first.stats()["stopped"] == 0
    monkeypatch.setattr(writing, "_LAPSE", 0.0)
    wait_for(lambda: pair.first.stats()["stopped"])


def test_leases_are_renewed_beside_a_stream_that_is_not_stored(pair: Pair) -> None:
    """Its process looks at its other streams as often as before."""
    may_end = threading.Event()

    def run(controller: RunController) -> None:
        controller.run_context.channel.put(object())  # type: ignore[arg-type]
        may_end.wait(SECONDS)

    pair.first.start(create_run(run, keep_message=False), "unstored")
    wait_for(lambda: pair.first.stats()["unstored"])
    wait_for(lambda: pair.first._started_engine().writing._renew_at > time.monotonic())
    pair.first.start(pair.talk.run(), "a")
    pair.store.calls.clear()
    wait_for(lambda: "renew" in pair.store.calls)
    may_end.set()


def test_a_start_whose_loop_is_closed_ends_its_stream(pair: Pair) -> None:
    may_answer, is_asked = threading.Event(), threading.Event()

    def hold() -> None:
        is_asked.set()
        may_answer.wait(SECONDS)

    async def begin() -> None:
        task = asyncio.create_task(pair.first.astart(pair.talk.run(), "a"))
        await asyncio.to_thread(is_asked.wait, SECONDS)
        task.cancel()

    pair.first._started_engine()
    pair.store.before["start"] = hold
    asyncio.run(begin())
    may_answer.set()
    wait_for(lambda: (status := pair.second.status("a")) and status.state == "interrupted")
    wait_for(lambda: pair.first.stats()["live"] == 0)


def test_a_run_that_starts_while_others_are_drained_is_interrupted(pair: Pair) -> None:
    pair.first._started_engine()
    pair.store.before["start"] = lambda: pair.first._started_engine().drain(0.0)
    stream = pair.first.start(pair.talk.run(), "a")
    with pytest.raises(RunFailedError):
        list(stream)
    assert stream.reason == "interrupted"


def test_a_start_whose_caller_is_cancelled_runs_all_the_same(pair: Pair) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()

    def hold() -> None:
        is_asked.set()
        may_answer.wait(SECONDS)

    async def main() -> None:
        pair.first._started_engine()
        pair.store.before["start"] = hold
        task = asyncio.create_task(pair.first.astart(pair.talk.run(), "a"))
        await asyncio.to_thread(is_asked.wait, SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        may_answer.set()
        pair.talk.may_go_on.set()
        stream = await pair.first.afollow("a", wait=SECONDS)
        assert stream is not None
        assert [chunk async for chunk in stream] == WORDS

    asyncio.run(main())
    wait_for(lambda: pair.first.stats()["followers"] == 0)
