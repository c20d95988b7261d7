"""Checks that a store of resumable streams does what its interface promises."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeAlias

from assistant_stream_ce.chunks import TextDeltaChunk
from assistant_stream_ce.resumable.records import FORMAT, Entry, Header, Summary, Terminal, encode
from assistant_stream_ce.resumable.store import Append, Event, Store, StoreOptions, StoreSession, StreamKey, ThreadKey

#: Makes the store to be checked. Stores of one test are connected to the same, at first empty, data.
StoreFactory: TypeAlias = Callable[[], Store]

# The most seconds in which an event must arrive: many times what is usual, for loaded machines.
_SECONDS = 10.0

# Short times, so that the checks of a lease take a second.
_OPTIONS = StoreOptions(lease=0.6, retention=60.0, thread_retention=60.0, gone_retention=60.0)

_KEY = StreamKey("0123456789abcdef0123456789abcdef", "chat:1.a-b_C")
_OTHER = StreamKey("_", "chat:1.a-b_C")
_THREAD = ThreadKey(_KEY.owner, "fedcba9876543210fedcba9876543210")


def _header(run: str) -> bytes:
    return encode(Header(FORMAT, run, "worker", "message", "run", 0.0))


def _entries(counts: list[int]) -> list[Entry]:
    last, entries = 0, []
    for count in counts:
        chunks = [TextDeltaChunk(f"{last + number} ") for number in range(count)]
        last += count
        entries.append(Entry(last, count, None, chunks))
    return entries


_TERMINAL = encode(Terminal("completed"))
_INTERRUPTED = encode(Terminal("interrupted", "gone", adds_error=True))
_SUMMARY = encode(Summary(Header(FORMAT, "r1", "worker", "message", "run", 0.0), Terminal("completed"), 6))


@contextmanager
def _sessions(make_store: StoreFactory, count: int = 2) -> Iterator[list[StoreSession]]:
    """Open sessions, as of so many workers; close them at the end."""
    if not __debug__:
        raise RuntimeError("the checks of a store are assertions: run them without -O and PYTHONOPTIMIZE")
    sessions = [_connect(make_store) for _ in range(count)]
    try:
        yield sessions
    finally:
        sessions[0].delete(_KEY)
        sessions[0].delete(_OTHER)
        for session in sessions:
            session.close()


def _connect(make_store: StoreFactory) -> StoreSession:
    return make_store().connect(f"worker-{uuid.uuid4().hex}", _OPTIONS)


def _append(session: StoreSession, entries: list[Entry], run: str = "r1") -> None:
    for entry in entries:
        assert session.append([Append(_KEY, run, entry)]) == ["ok"]


def _wait_for(session: StoreSession, *kinds: str) -> Event:
    """Return the next event of one of the kinds."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        for event in session.poll(0.2):
            if event.kind in kinds:
                return event
    raise AssertionError(f"no {kinds!r} event of poll() in {_SECONDS} s")


def a_log_is_read_as_it_was_written(make_store: StoreFactory) -> None:
    """Check the log of a stream from its start to its end, read whole and behind each cursor."""
    entries = _entries([1, 3, 2])
    with _sessions(make_store) as (producer, reader):
        assert reader.read(_KEY) is None
        assert producer.start(_KEY, _header("r1"), "r1", None) == "created"
        stored = reader.read(_KEY)
        assert stored == (_header("r1"), [], None)
        _append(producer, entries)
        assert producer.finish(_KEY, "r1", _TERMINAL, _SUMMARY, None) == "ok"
        for after, first in enumerate([0, 1, 1, 1, 2, 2, 3]):
            assert reader.read(_KEY, after) == (_header("r1"), entries[first:], _TERMINAL), after
        assert reader.read_summary(_KEY) == _SUMMARY
        assert reader.read(_OTHER) is None
        assert reader.read_summary(_OTHER) is None


def one_of_racing_starts_wins(make_store: StoreFactory) -> None:
    """Check that one of many workers begins a stream, and that its start can be repeated."""
    with _sessions(make_store, 6) as sessions:
        barrier = threading.Barrier(len(sessions))

        def race(number: int) -> str:
            barrier.wait()
            return sessions[number].start(_KEY, _header(f"r{number}"), f"r{number}", None)

        with ThreadPoolExecutor(len(sessions)) as pool:
            results = list(pool.map(race, range(len(sessions))))
        assert sorted(results) == ["created", *["exists"] * 5]
        winner = results.index("created")
        assert sessions[winner].start(_KEY, _header(f"r{winner}"), f"r{winner}", None) == "created"
        assert sessions[0].read(_KEY) == (_header(f"r{winner}"), [], None)


def a_repeated_append_is_stored_once(make_store: StoreFactory) -> None:
    """Check that an entry and an end whose reply was lost can be sent again."""
    entries = _entries([2, 2])
    with _sessions(make_store) as (producer, reader):
        producer.start(_KEY, _header("r1"), "r1", None)
        _append(producer, [entries[0], entries[0], entries[1], entries[1]])
        for _ in range(2):
            assert producer.finish(_KEY, "r1", _TERMINAL, _SUMMARY, None) == "ok"
        assert reader.read(_KEY) == (_header("r1"), entries, _TERMINAL)


def nothing_is_written_behind_the_end(make_store: StoreFactory) -> None:
    """Check that a log has one end, and that a producer that lost its stream is refused."""
    entries = _entries([1, 1])
    with _sessions(make_store) as (producer, reader):
        producer.start(_KEY, _header("r1"), "r1", None)
        _append(producer, entries[:1])
        producer.finish(_KEY, "r1", _TERMINAL, _SUMMARY, None)
        assert producer.append([Append(_KEY, "r1", entries[1])]) == ["fenced"]
        assert producer.finish(_KEY, "r1", _INTERRUPTED, _SUMMARY, None) == "fenced"
        assert producer.reseed(_KEY, _header("r1"), "r1", entries, None) == "fenced"
        assert not reader.reap(_KEY, 1, _INTERRUPTED, _SUMMARY, None)
        assert reader.read(_KEY) == (_header("r1"), entries[:1], _TERMINAL)


def a_watch_reports_each_entry_once(make_store: StoreFactory) -> None:
    """Check that another worker gets every entry in order, and the end."""
    entries = _entries([1, 2, 3, 4])
    with _sessions(make_store) as (producer, reader):
        producer.start(_KEY, _header("r1"), "r1", None)
        _append(producer, entries[:2])
        reader.watch(_KEY, 1)
        found: list[Entry] = []
        ends: list[bytes] = []

        def write() -> None:
            _append(producer, entries[2:])
            producer.finish(_KEY, "r1", _TERMINAL, _SUMMARY, None)

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            deadline = time.monotonic() + _SECONDS
            while not ends and time.monotonic() < deadline:
                for event in reader.poll(0.2):
                    assert (event.key, event.kind) == (_KEY, "arrived") or event.kind == "look"
                    found += event.entries
                    ends += [event.terminal] if event.terminal is not None else []
            writing.result()
        assert (found, ends) == (entries[1:], [_TERMINAL])
        assert reader.poll(0.05) == []


def a_wake_ends_the_wait(make_store: StoreFactory) -> None:
    """Check that `poll` returns after `wake`, also after one that came before it, and after its timeout."""
    with _sessions(make_store, 1) as (session,):
        session.start(_KEY, _header("r1"), "r1", None)
        session.wake()
        assert session.poll(_SECONDS) == []
        timer = threading.Timer(0.05, session.wake)
        timer.start()
        started = time.monotonic()
        assert session.poll(_SECONDS) == []
        timer.join()
        assert time.monotonic() - started < _SECONDS
        assert session.poll(0.01) == []


def a_stop_reaches_the_producer(make_store: StoreFactory) -> None:
    """Check that `stop` of another worker arrives as an event and in `renew`, and distinguishes live from ended."""
    with _sessions(make_store) as (producer, other):
        producer.start(_KEY, _header("r1"), "r1", None)
        assert producer.renew({_KEY: "r1"}) == set()
        assert other.stop(_KEY)
        assert _wait_for(producer, "stop").key == _KEY
        assert producer.renew({_KEY: "r1"}) == {_KEY}
        producer.finish(_KEY, "r1", _TERMINAL, _SUMMARY, None)
        assert not other.stop(_KEY)


def a_stop_may_come_before_the_start(make_store: StoreFactory) -> None:
    """Check that a `stop` of an unknown stream counts for its start."""
    with _sessions(make_store) as (producer, other):
        assert not other.stop(_KEY)
        assert producer.start(_KEY, _header("r1"), "r1", None) == "stopped"
        assert other.read(_KEY) == (_header("r1"), [], None)


def a_dead_producer_is_found_and_its_stream_ended_once(make_store: StoreFactory) -> None:
    """Check that a live producer is never called dead, a dead one is, and one of racing reapers ends its stream."""
    entries = _entries([2])
    producer = _connect(make_store)
    with _sessions(make_store, 4) as reapers:
        producer.start(_KEY, _header("r1"), "r1", _THREAD)
        _append(producer, entries)
        assert reapers[0].find_dead([_KEY, _OTHER]) == set()
        assert not reapers[0].reap(_KEY, 2, _INTERRUPTED, _SUMMARY, _THREAD)
        producer.close()
        deadline = time.monotonic() + _SECONDS
        while reapers[0].find_dead([_KEY, _OTHER]) != {_KEY}:
            assert time.monotonic() < deadline, "the dead producer was not found"
            reapers[0].poll(0.05)
        assert not reapers[0].reap(_KEY, 1, _INTERRUPTED, _SUMMARY, _THREAD), "another last chunk must be refused"
        results = [reaper.reap(_KEY, 2, _INTERRUPTED, _SUMMARY, _THREAD) for reaper in reapers]
        assert sorted(results) == [False, False, False, True]
        assert reapers[1].read(_KEY) == (_header("r1"), entries, _INTERRUPTED)
        assert reapers[1].read_summary(_KEY) == _SUMMARY
        assert reapers[1].find_dead([_KEY]) == set()


def a_deleted_stream_leaves_nothing(make_store: StoreFactory) -> None:
    """Check that a deleted stream is unknown, that its producer cannot bring it back, and that its id is free."""
    entries = _entries([1, 1])
    with _sessions(make_store) as (producer, other):
        assert not other.delete(_KEY)
        producer.start(_KEY, _header("r1"), "r1", None)
        _append(producer, entries[:1])
        other.watch(_KEY, 1)
        assert other.delete(_KEY)
        assert other.read(_KEY) is None
        assert _wait_for(other, "deleted", "missing").key == _KEY
        assert producer.append([Append(_KEY, "r1", entries[1])])[0] in ("missing", "fenced")
        assert producer.reseed(_KEY, _header("r1"), "r1", entries, None) == "missing"
        assert other.read(_KEY) is None
        assert other.start(_KEY, _header("r2"), "r2", None) == "created"
        assert other.finish(_KEY, "r2", _TERMINAL, _SUMMARY, None) == "ok"
        assert other.delete(_KEY)
        assert other.read_summary(_KEY) is None


def a_thread_points_at_its_newest_stream(make_store: StoreFactory) -> None:
    """Check the thread pointer, of its owner alone, and that an older stream's end leaves it alone."""
    newer = StreamKey(_KEY.owner, "newer")
    with _sessions(make_store) as (producer, reader):
        assert reader.find_thread(_THREAD) is None
        producer.start(_KEY, _header("r1"), "r1", _THREAD)
        assert reader.find_thread(_THREAD) == _KEY.stream_id
        assert reader.find_thread(ThreadKey("_", _THREAD.thread)) is None
        producer.start(newer, _header("r2"), "r2", _THREAD)
        producer.finish(_KEY, "r1", _TERMINAL, _SUMMARY, _THREAD)
        assert reader.find_thread(_THREAD) == "newer"
        producer.finish(newer, "r2", _TERMINAL, _SUMMARY, _THREAD)
        assert reader.find_thread(_THREAD) == "newer"
        assert reader.delete(newer)


def an_expected_start_is_reported(make_store: StoreFactory) -> None:
    """Check that the start of a stream is reported where it or its thread is expected, also if it came first."""
    with _sessions(make_store, 4) as (producer, reader, of_thread, late):
        names: list[tuple[StoreSession, StreamKey | ThreadKey]] = [(reader, _KEY), (of_thread, _THREAD)]
        if not all(session.expect({name}) for session, name in names):
            return
        assert [event for session, _ in names for event in session.poll(0.05)] == []
        producer.start(_OTHER, _header("r2"), "r2", None)
        producer.start(_KEY, _header("r1"), "r1", _THREAD)
        late.expect({_KEY})
        for session, name in (*names, (late, _KEY)):
            assert _wait_for(session, "started").key == name
            session.expect(())


def followers_are_announced_for_some_time(make_store: StoreFactory) -> None:
    """Check the notes of followers, and that they end."""
    with _sessions(make_store) as (producer, follower):
        producer.start(_KEY, _header("r1"), "r1", None)
        assert producer.find_followed([_KEY]) == set()
        follower.announce([_KEY], 60.0)
        assert producer.find_followed([_KEY, _OTHER]) == {_KEY}
        producer.start(_OTHER, _header("r2"), "r2", None)
        follower.announce([_OTHER], 0.1)
        deadline = time.monotonic() + _SECONDS
        while producer.find_followed([_OTHER]):
            assert time.monotonic() < deadline, "the note did not end"
            follower.poll(0.05)


def a_log_can_be_written_anew(make_store: StoreFactory) -> None:
    """Check that a producer replaces its own log, with the same numbers, and no other's."""
    entries = _entries([1, 2, 3])
    with _sessions(make_store) as (producer, other):
        producer.start(_KEY, _header("r1"), "r1", None)
        _append(producer, entries[:2])
        assert producer.reseed(_KEY, _header("r1"), "r1", entries[:2], None) == "ok"
        _append(producer, entries[2:])
        assert other.read(_KEY) == (_header("r1"), entries, None)
        assert other.reseed(_KEY, _header("r2"), "r2", entries, None) == "fenced"
        assert other.append([Append(_OTHER, "r1", entries[0])]) == ["missing"]


#: Checks of a store, functions that take a `StoreFactory`: each raises an `AssertionError` if the store fails it. With
#: pytest: `@pytest.mark.parametrize("check", STORE_CHECKS)`. Each needs empty data.
STORE_CHECKS: tuple[Callable[[StoreFactory], None], ...] = (
    a_log_is_read_as_it_was_written,
    one_of_racing_starts_wins,
    a_repeated_append_is_stored_once,
    nothing_is_written_behind_the_end,
    a_watch_reports_each_entry_once,
    a_wake_ends_the_wait,
    a_stop_reaches_the_producer,
    a_stop_may_come_before_the_start,
    a_dead_producer_is_found_and_its_stream_ended_once,
    a_deleted_stream_leaves_nothing,
    a_thread_points_at_its_newest_stream,
    an_expected_start_is_reported,
    followers_are_announced_for_some_time,
    a_log_can_be_written_anew,
)
