"""Watches of files, where no session is needed to see what they do."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from assistant_stream_ce.resumable import file_log
from assistant_stream_ce.resumable.file_paths import Paths
from assistant_stream_ce.resumable.file_watches import Watches
from assistant_stream_ce.resumable.records import Entry
from assistant_stream_ce.resumable.store import Event, StreamKey

KEY = StreamKey("_", "a")


def test_a_record_is_reported_when_it_is_whole(tmp_path: Path) -> None:
    paths = Paths(tmp_path, "w")
    paths.stops.mkdir()
    (tmp_path / "_").mkdir()
    record = file_log.entry_record(Entry(1, 1, b"data"))
    with paths.of(KEY, "log").open("wb", buffering=0) as log, closing(Watches(paths)) as watches:
        log.write(file_log.header_record(b"h", "r"))
        watches.add(KEY, 0)
        log.write(record[:9])
        assert watches.poll(0.0, ()) == []
        log.write(record[9:])
        events = watches.poll(10.0, ())
        while not events:
            events = watches.poll(10.0, ())
        assert events == [Event(KEY, "arrived", [Entry(1, 1, b"data")], None)]


def test_requests_are_reported_for_the_streams_of_this_session_only(tmp_path: Path) -> None:
    paths = Paths(tmp_path, "w")
    paths.stops.mkdir()
    with closing(Watches(paths)) as watches:
        paths.write(paths.stop(StreamKey("_", "other")), b"")
        paths.write(paths.stop(KEY), b"")
        events = watches.poll(10.0, {KEY})
        while not events:
            events = watches.poll(10.0, {KEY})
        assert set(map(tuple, events)) == {(KEY, "stop", (), None)}


def test_a_log_that_is_not_there_is_missing(tmp_path: Path) -> None:
    paths = Paths(tmp_path, "w")
    paths.stops.mkdir()
    with closing(Watches(paths)) as watches:
        watches.add(KEY, 0)
        assert watches.poll(10.0, ()) == [Event(KEY, "missing")]
