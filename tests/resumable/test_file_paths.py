"""Names of files."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from assistant_stream_ce.resumable.file_paths import Paths, age, drop_log, opened
from assistant_stream_ce.resumable.store import StoreOptions, StreamKey

OWNER = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("owner", ["_", OWNER])
@pytest.mark.parametrize("stream_id", ["a", ".", "..", "a.log", "a:b-c_D", "x" * 200])
def test_every_id_has_its_own_file_in_its_owner_s_directory(tmp_path: Path, owner: str, stream_id: str) -> None:
    paths, key = Paths(tmp_path, "w"), StreamKey(owner, stream_id)
    for kind in ("log", "summary", "gone", "seen"):
        path = paths.of(key, kind)
        assert path.resolve().parent == (tmp_path / owner).resolve()
        assert path.name == f"{stream_id}.{kind}"
        paths.write(path, b"x")
        assert path.read_bytes() == b"x"
    paths.stops.mkdir()
    paths.write(paths.stop(key), b"")
    assert [paths.key_of_stop(path.name) for path in paths.stops.iterdir()] == [key]


def test_a_file_may_be_young_old_or_missing(tmp_path: Path) -> None:
    paths, path = Paths(tmp_path, "w"), tmp_path / "d" / "file"
    assert age(path) == float("inf")
    with opened(path) as fd:
        assert fd is None
    paths.write(path, b"", until=1e9)
    assert age(path) > 1e8
    paths.write(path, b"", until=1e10)
    assert age(path) < -1e8


def test_files_are_written_while_their_directory_is_swept(tmp_path: Path) -> None:
    paths, ends = Paths(tmp_path, "w"), threading.Event()

    def remove() -> None:
        while not ends.is_set():
            try:
                (tmp_path / "d").rmdir()
            except OSError:
                continue

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        for number in range(200):
            path = tmp_path / "d" / str(number)
            paths.write(path, b"x")
            path.unlink()
    finally:
        ends.set()
        thread.join()


def test_an_expired_log_is_deleted_and_not_the_one_that_has_its_name_by_then(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"old")

    def replace(_: int) -> bool:
        # Another process finds it expired, too, and is faster.
        path.unlink()
        path.write_bytes(b"new")
        return True

    drop_log(path, replace)
    assert path.read_bytes() == b"new"
    drop_log(path, lambda _: False)
    assert path.exists()
    drop_log(path, lambda _: True)
    assert not path.exists()


def test_a_pointer_that_was_set_anew_is_left_alone(tmp_path: Path) -> None:
    paths, path = Paths(tmp_path, "w"), tmp_path / "_" / "t.thread"
    paths.write(path, b"newer", until=1e9)
    paths.extend(path, b"older", 1e10)
    assert age(path) > 0
    paths.extend(path, b"newer", 1e10)
    assert age(path) < 0


def test_what_cannot_be_read_keeps_nothing_from_being_deleted(tmp_path: Path) -> None:
    paths = Paths(tmp_path, "w")
    (tmp_path / "_").mkdir()
    # As the `lost+found` of another user: reading them fails.
    (tmp_path / "_" / "a.log").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    paths.write(tmp_path / "_" / "b.gone", b"", until=1e9)
    paths.sweep(StoreOptions())
    assert not (tmp_path / "_" / "b.gone").exists()
