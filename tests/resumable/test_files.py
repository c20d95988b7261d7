"""The store in files, in one process and in several."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from assistant_stream_ce import StoreUnavailableError, TextDeltaChunk
from assistant_stream_ce.resumable import FileStore
from assistant_stream_ce.resumable.file_paths import Paths
from assistant_stream_ce.resumable.records import Entry
from assistant_stream_ce.resumable.store import Append, Event, StoreOptions, StoreSession, StreamKey, ThreadKey
from assistant_stream_ce.testing import STORE_CHECKS

KEY = StreamKey("_", "a")
THREAD = ThreadKey("_", "0" * 32)
OPTIONS = StoreOptions()
WAIT = 15.0


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "streams")


@pytest.fixture
def producer(store: FileStore) -> Iterator[StoreSession]:
    with closing(store.connect("producer", OPTIONS)) as session:
        yield session


@pytest.fixture
def follower(store: FileStore) -> Iterator[StoreSession]:
    with closing(store.connect("follower", OPTIONS)) as session:
        yield session


@pytest.fixture(params=["inotify", "looks"])
def notices(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the kernel's notices, and as on a system without them."""
    if request.param == "looks":
        monkeypatch.setattr("sys.platform", "other")
    return str(request.param)


def entry(last: int, count: int = 1) -> Entry:
    return Entry(last, count, None, [TextDeltaChunk(f"{number} ") for number in range(last - count, last)])


def append(session: StoreSession, *entries: Entry) -> list[str]:
    return [session.append([Append(KEY, "r1", entry)])[0] for entry in entries]


def wait_for(session: StoreSession, kind: str) -> Event:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        for event in session.poll(0.5):
            if event.kind == kind:
                return event
    raise AssertionError(f"no event {kind!r}")


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
def test_it_does_what_the_interface_promises(check: Callable[[Any], None], store: FileStore, notices: str) -> None:
    check(lambda: store)


def _produce(store: FileStore, sender: Any) -> None:
    session = store.connect("child", OPTIONS)
    session.start(KEY, b"h", "r1", None)
    append(session, entry(1), entry(2))
    sender.send("ready")
    signal.pause()


def _start(target: Callable[..., None], *arguments: Any) -> tuple[Any, Any]:
    receiver, sender = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=target, args=(*arguments, sender))
    process.start()
    assert receiver.recv() == "ready"
    return process, receiver


def test_a_killed_producer_is_noticed(store: FileStore, follower: StoreSession, notices: str) -> None:
    process, _ = _start(_produce, store)
    follower.watch(KEY, 0)
    assert wait_for(follower, "arrived").entries == [entry(1), entry(2)]
    assert follower.find_dead([KEY]) == set()
    process.kill()
    process.join()
    assert wait_for(follower, "look").key == KEY
    assert follower.find_dead([KEY]) == {KEY}
    assert follower.reap(KEY, 2, b"t", b"s", None)
    assert follower.read(KEY) == (b"h", [entry(1), entry(2)], b"t")


def _wait(store: FileStore, sender: Any) -> None:
    sender.send("ready")
    signal.pause()


def test_a_forked_child_does_not_keep_the_locks_of_its_parent(store: FileStore, follower: StoreSession) -> None:
    producer = store.connect("p", OPTIONS)
    producer.start(KEY, b"h", "r1", None)
    process, _ = _start(_wait, store)
    try:
        assert follower.find_dead([KEY]) == set()
        producer.close()
        assert follower.find_dead([KEY]) == {KEY}
    finally:
        process.kill()
        process.join()


def test_a_torn_record_is_cut_before_the_end_is_written(
    store: FileStore, tmp_path: Path, follower: StoreSession
) -> None:
    producer = store.connect("p", OPTIONS)
    producer.start(KEY, b"h", "r1", None)
    append(producer, entry(1))
    producer.close()
    with (tmp_path / "streams" / "_" / "a.log").open("ab") as file:
        file.write(b"c\x02half a record")
    assert follower.read(KEY) == (b"h", [entry(1)], None)
    assert follower.reap(KEY, 1, b"t", b"s", None)
    assert follower.read(KEY) == (b"h", [entry(1)], b"t")


def test_a_damaged_log_ends_before_the_damage(store: FileStore, tmp_path: Path, follower: StoreSession) -> None:
    with closing(store.connect("p", OPTIONS)) as producer:
        producer.start(KEY, b"h", "r1", None)
        append(producer, entry(1), entry(2))
        assert producer.finish(KEY, "r1", b"completed", b"s", None) == "ok"
    assert follower.find_dead([KEY]) == set()
    path = tmp_path / "streams" / "_" / "a.log"
    data = bytearray(path.read_bytes())
    data[data.rindex(b"1 ")] ^= 1
    path.write_bytes(data)
    assert follower.read(KEY) == (b"h", [entry(1)], None)
    assert follower.find_dead([KEY]) == {KEY}
    assert follower.reap(KEY, 1, b"interrupted", b"s", None)
    assert follower.read(KEY) == (b"h", [entry(1)], b"interrupted")


def test_a_full_disk_is_unavailable_and_leaves_no_half_record(
    producer: StoreSession, follower: StoreSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer.start(KEY, b"h", "r1", None)
    append(producer, entry(1))
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
    with pytest.raises(StoreUnavailableError, match=os.strerror(errno.ENOSPC)):
        append(producer, entry(2))
    monkeypatch.undo()
    assert append(producer, entry(2)) == ["ok"]
    assert follower.read(KEY) == (b"h", [entry(1), entry(2)], None)


def test_a_start_that_fails_leaves_nothing(
    producer: StoreSession, follower: StoreSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody runs it, so nobody may find a live stream."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Paths, "write", fail)
    with pytest.raises(StoreUnavailableError):
        producer.start(KEY, b"h", "r1", THREAD)
    monkeypatch.undo()
    assert follower.read(KEY) is None
    assert follower.start(KEY, b"h", "r2", THREAD) == "created"


def test_an_entry_is_never_written_to_the_file_of_another_run(
    producer: StoreSession, follower: StoreSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stream is deleted and begun anew while the writer is about to write."""
    producer.start(KEY, b"h", "r1", None)
    write = os.write

    def begin_anew(fd: int, data: bytes) -> int:
        monkeypatch.undo()
        follower.delete(KEY)
        assert producer.start(KEY, b"h", "r2", None) == "created"
        return write(fd, data)

    monkeypatch.setattr(os, "write", begin_anew)
    append(producer, entry(1))
    assert append(producer, entry(2)) == ["fenced"]
    assert producer.append([Append(KEY, "r2", entry(1))]) == ["ok"]
    assert follower.read(KEY) == (b"h", [entry(1)], None)


def test_a_stop_that_comes_with_the_end_is_not_for_the_next_stream(
    producer: StoreSession, follower: StoreSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer.start(KEY, b"h", "r1", None)
    write = Paths.write

    def end_first(self: Paths, path: Path, *args: Any, **options: Any) -> None:
        monkeypatch.undo()
        producer.finish(KEY, "r1", b"t", b"s", None)
        write(self, path, *args, **options)

    monkeypatch.setattr(Paths, "write", end_first)
    assert follower.stop(KEY)
    follower.delete(KEY)
    assert producer.start(KEY, b"h", "r2", None) == "created"


def test_a_log_without_a_header_is_replaced(store: FileStore, tmp_path: Path, producer: StoreSession) -> None:
    """A loss of power leaves such a file."""
    producer.start(StreamKey("_", "b"), b"h", "r1", None)
    (tmp_path / "streams" / "_" / "a.log").write_bytes(b"\0" * 100)
    assert producer.read(KEY) is None
    assert producer.start(KEY, b"h", "r1", None) == "created"


def test_a_follower_goes_on_when_the_log_is_written_anew(producer: StoreSession, follower: StoreSession) -> None:
    producer.start(KEY, b"h", "r1", None)
    append(producer, entry(1))
    follower.watch(KEY, 0)
    assert wait_for(follower, "arrived").entries == [entry(1)]
    producer.reseed(KEY, b"h", "r1", [entry(1), entry(2)], None)
    assert wait_for(follower, "arrived").entries == [entry(2)]
    append(producer, entry(3))
    assert wait_for(follower, "arrived").entries == [entry(3)]


def test_a_log_that_was_lost_is_written_again(tmp_path: Path, producer: StoreSession, follower: StoreSession) -> None:
    producer.start(KEY, b"h", "r1", THREAD)
    append(producer, entry(1))
    shutil.rmtree(tmp_path / "streams")
    assert append(producer, entry(2)) == ["missing"]
    assert producer.reseed(KEY, b"h", "r1", [entry(1), entry(2)], THREAD) == "ok"
    assert follower.read(KEY) == (b"h", [entry(1), entry(2)], None)
    assert follower.find_thread(THREAD) == "a"


def test_nothing_is_left_after_the_retention(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "streams")
    options = StoreOptions(0.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0)
    with closing(store.connect("w", options)) as session:
        session.start(KEY, b"h", "r1", THREAD)
        append(session, entry(1))
        session.announce([KEY], -1.0)
        session.stop(KEY)
        session.finish(KEY, "r1", b"t", b"s", THREAD)
        session.start(StreamKey("b" * 32, "b"), b"h", "r2", None)
        session.stop(StreamKey("_", "unknown"))
        session.delete(StreamKey("_", "c"))
    with closing(store.connect("v", options)) as session:
        assert session.read(KEY) is None
        session.sweep()
    assert [path.name for path in tmp_path.rglob("*")] == ["streams", "stops"]


def test_a_stream_that_lives_is_not_swept(tmp_path: Path) -> None:
    options = StoreOptions(stop_retention=-1.0, live_retention=-1.0)
    with closing(FileStore(tmp_path / "streams").connect("w", options)) as session:
        session.start(KEY, b"h", "r1", None)
        session.stop(KEY)
        session.sweep()
        assert session.read(KEY) == (b"h", [], None)
        assert session.renew({KEY: "r1"}) == {KEY}


def test_an_id_is_free_when_its_log_is_past_its_retention(store: FileStore) -> None:
    with closing(store.connect("w", StoreOptions(retention=-1.0))) as session:
        session.start(KEY, b"h", "r1", None)
        session.finish(KEY, "r1", b"t", b"s", None)
        assert session.start(KEY, b"h", "r2", None) == "created"


def test_the_directory_has_a_name() -> None:
    """An unset variable of the environment must not mean the working directory."""
    with pytest.raises(ValueError, match="directory must not be empty"):
        FileStore("")


def test_the_directory_is_private(tmp_path: Path, producer: StoreSession) -> None:
    producer.start(KEY, b"h", "r1", None)
    assert [path.stat().st_mode & 0o077 for path in tmp_path.rglob("*")] == [0] * 4


def test_another_user_s_directory_is_refused(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StoreUnavailableError, match="belongs to another user"):
        store.connect("w", OPTIONS)


def test_a_directory_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailableError):
        FileStore(tmp_path / "file" / "streams").connect("w", OPTIONS)
