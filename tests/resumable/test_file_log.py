"""Records in a file, whole and torn."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assistant_stream_ce.resumable import file_log
from assistant_stream_ce.resumable.records import Entry

HEADER = file_log.header_record(b"header\nof two lines", "run")
ENTRY = file_log.entry_record(Entry(3, 2, b"data"))
TERMINAL = file_log.pack(file_log.TERMINAL, b"end")


def test_records_come_back() -> None:
    records = [record for record, _ in file_log.unpack(HEADER + ENTRY + TERMINAL)]
    assert records[0].header == (b"header\nof two lines", "run")
    assert records[1].entry == Entry(3, 2, b"data")
    assert (records[2].kind, records[2].data) == (file_log.TERMINAL, b"end")


@pytest.mark.parametrize("cut", range(1, len(ENTRY)))
def test_a_torn_record_ends_the_log(cut: int) -> None:
    assert len(list(file_log.unpack(HEADER + ENTRY[:cut]))) == 1


def test_a_changed_record_ends_the_log() -> None:
    assert len(list(file_log.unpack(HEADER + ENTRY.replace(b"data", b"dada") + TERMINAL))) == 1


@pytest.mark.parametrize(
    ("content", "terminal"),
    [(b"", None), (HEADER, None), (HEADER + ENTRY, None), (HEADER + TERMINAL, b"end"), (TERMINAL[:-1], None)],
)
def test_the_end_is_found_from_the_end_of_the_file(tmp_path: Path, content: bytes, terminal: bytes | None) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    fd = os.open(path, os.O_RDONLY)
    assert file_log.read_terminal(fd) == terminal
    os.close(fd)


def test_a_lock_is_seen_until_its_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    owner, other = (os.open(path, os.O_RDWR) for _ in range(2))
    assert not file_log.has_producer(other)
    assert file_log.lock(owner)
    assert file_log.has_producer(other)
    assert not file_log.lock_again(other)
    os.close(owner)
    assert file_log.lock_again(other)
    os.close(other)
