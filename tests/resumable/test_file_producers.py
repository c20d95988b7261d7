"""The locked logs of a session: found by their run, and closed once nothing uses their descriptors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant_stream_ce.resumable import file_log
from assistant_stream_ce.resumable.file_paths import Paths
from assistant_stream_ce.resumable.file_producers import Produced, ProducedLogs
from tests.resumable.flaky import KEY


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[ProducedLogs]:
    logs = ProducedLogs(Paths(tmp_path, "worker"))
    yield logs
    logs.close()


def add(logs: ProducedLogs, run: str, path: Path) -> int:
    """Add a log with a name; return its descriptor."""
    with logs.new_file([b"record"]) as (temporary, fd):
        os.link(temporary, path)
        produced = Produced(run, os.dup(fd), None)
        logs.add(KEY, produced)
    assert not temporary.exists()
    return produced.fd


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_a_log_is_locked_until_it_is_removed(logs: ProducedLogs, tmp_path: Path) -> None:
    path = tmp_path / "log"
    streams = logs.keys()
    fd = add(logs, "run", path)
    assert list(streams) == [KEY]
    assert path.read_bytes() == b"record"
    with path.open("rb") as reader:
        assert file_log.has_producer(reader.fileno())
        logs.remove(KEY, "run")
        assert not file_log.has_producer(reader.fileno())
    assert not is_open(fd)
    assert list(streams) == []
    logs.remove(KEY, "run")


def test_a_log_is_found_by_its_run(logs: ProducedLogs, tmp_path: Path) -> None:
    fd = add(logs, "run", tmp_path / "log")
    found = logs.find(KEY, "run")
    assert found is not None
    assert found.fd == fd
    assert logs.find(KEY, "another") is None


def test_a_log_in_whose_place_there_is_another_is_closed_by_the_writer(logs: ProducedLogs, tmp_path: Path) -> None:
    first, second = add(logs, "first", tmp_path / "1"), add(logs, "second", tmp_path / "2")
    logs.remove(KEY, "first")
    assert is_open(first)
    logs.close_displaced()
    assert [is_open(first), is_open(second)] == [False, True]


def test_close_closes_every_file(logs: ProducedLogs, tmp_path: Path) -> None:
    opened = [add(logs, "first", tmp_path / "1"), add(logs, "second", tmp_path / "2")]
    logs.close()
    assert not any(map(is_open, opened))
    assert logs.find(KEY, "second") is None


def test_a_file_that_cannot_be_written_leaves_nothing(logs: ProducedLogs, tmp_path: Path) -> None:
    def records() -> Iterator[bytes]:
        yield b"record"
        raise OSError

    with pytest.raises(OSError), logs.new_file(records()):  # noqa: PT011 - it has no message
        pytest.fail("it was not written")
    assert list(tmp_path.iterdir()) == []
