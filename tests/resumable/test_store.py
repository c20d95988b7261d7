"""The interface of stores."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest

from assistant_stream_ce import TextDeltaChunk
from assistant_stream_ce.resumable.records import Entry
from assistant_stream_ce.resumable.store import Append, Event, Store, StoreOptions, StoreSession, StreamKey

KEY = StreamKey("_", "a")


def test_a_store_has_to_have_every_method() -> None:
    with pytest.raises(TypeError, match="connect"):
        Store()  # type: ignore[abstract]
    with pytest.raises(TypeError, match="append"):
        StoreSession()  # type: ignore[abstract]
    assert (Store.looks, Store.is_inline) == (2, False)


def test_the_default_settings_are_those_of_the_streams() -> None:
    assert (StoreOptions().retention, StoreOptions().message_retention) == (600.0, 86400.0)


@pytest.mark.parametrize("is_read", [True, False])
def test_a_watch_never_goes_on_with_another_run(make_store: Callable[[], Store], is_read: bool) -> None:
    """Deleted and begun anew before the watch, and while it is watched."""
    first, second = (Entry(number, 1, None, [TextDeltaChunk("x")]) for number in (1, 2))
    with ExitStack() as stack:
        producer, reader = (
            stack.enter_context(closing(make_store().connect(name, StoreOptions(lease=2.0)))) for name in "pr"
        )
        producer.start(KEY, b"h", "r1", None)
        producer.append([Append(KEY, "r1", first)])
        assert reader.read(KEY) == (b"h", [first], None)
        if is_read:
            reader.watch_run(KEY, 1, "r1")
            assert reader.poll(0.0) == []
        reader.delete(KEY)
        producer.start(KEY, b"h", "r2", None)
        for entry in (first, second):
            assert producer.append([Append(KEY, "r2", entry)]) == ["ok"]
        if not is_read:
            reader.watch_run(KEY, 1, "r1")
        [event] = _events(reader)
        assert event.key == KEY
        assert event.kind in ("deleted", "missing")
        reader.watch_run(KEY, 1, "r2")
        assert _events(reader) == [Event(KEY, "arrived", [second])]


def _events(session: StoreSession) -> list[Event]:
    """Return the next events that are no hints."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if events := [event for event in session.poll(0.2) if event.kind != "look"]:
            return events
    raise AssertionError("no event")
