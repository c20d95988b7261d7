"""Notices of changed files."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from assistant_stream_ce.resumable.file_notices import Notices

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


@pytest.fixture
def notices() -> Iterator[Notices]:
    with closing(Notices()) as notices:
        yield notices


def test_a_write_and_a_close_are_noticed(notices: Notices, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    watch = notices.add(str(path))
    assert notices.add(str(path)) == watch
    with path.open("ab", buffering=0) as file:
        file.write(b"a")
        found, is_woken = notices.wait(10)
        assert ({notice.watch for notice in found}, any(notice.is_closed for notice in found)) == ({watch}, False)
    found, is_woken = notices.wait(10)
    assert [notice.is_closed for notice in found] == [True]
    assert not is_woken
    notices.remove(watch)
    notices.remove(watch)


def test_a_new_name_in_a_directory_is_noticed(notices: Notices, tmp_path: Path) -> None:
    watch = notices.add(str(tmp_path), is_directory=True)
    (tmp_path / "new").touch()
    found, _ = notices.wait(10)
    assert {(notice.watch, notice.name) for notice in found} == {(watch, "new")}


def test_a_wake_ends_the_wait(notices: Notices) -> None:
    timer = threading.Timer(0.05, notices.wake)
    timer.start()
    assert notices.wait(10) == ([], True)
    timer.join()
    assert notices.wait(0.0) == ([], False)


def test_a_file_that_cannot_be_watched_is_looked_at(notices: Notices, tmp_path: Path) -> None:
    assert not notices.must_look
    assert notices.add(str(tmp_path / "missing")) == -1
    assert notices.must_look
    assert notices.wait(10) == ([], False)
