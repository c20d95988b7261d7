"""Connections to a real server through a proxy that loses replies and connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from assistant_stream_ce import StoreUnavailableError, TextDeltaChunk
from assistant_stream_ce.resumable import RedisStore
from assistant_stream_ce.resumable.records import Entry
from assistant_stream_ce.resumable.redis_connections import unavailable
from assistant_stream_ce.resumable.store import Append, StoreOptions, StoreSession, StreamKey
from tests.support.redis_proxy import RedisProxy
from tests.support.redis_server import redis_server

KEY = StreamKey("_", "a")


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    with redis_server() as server:
        yield server.url


def repeat(call: Any) -> Any:
    """Repeat a call until the store is there, as the engine does."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return call()
        except StoreUnavailableError:
            assert time.monotonic() < deadline


def write(session: StoreSession, entries: list[Entry]) -> None:
    for entry in entries:
        assert repeat(lambda entry=entry: session.append([Append(KEY, "r", entry)])) == ["ok"]
    assert repeat(lambda: session.finish(KEY, "r", b"t", b"s", None)) == "ok"


@pytest.mark.parametrize("cuts", [False, True], ids=["replies lost", "connections lost"])
def test_nothing_is_doubled_or_lost(server_url: str, cuts: bool) -> None:
    entries = [Entry(number, 1, None, [TextDeltaChunk(str(number))]) for number in range(1, 61)]
    proxy = RedisProxy(server_url, 7, cuts=cuts)
    store = RedisStore(proxy.url, prefix="cut" if cuts else "lost")
    producer, follower = store.connect("p", StoreOptions(lease=30)), store.connect("f", StoreOptions(lease=30))
    try:
        assert repeat(lambda: producer.start(KEY, b"h", "r", None)) == "created"
        repeat(lambda: follower.read(KEY))
        follower.watch(KEY, 0)
        writer = threading.Thread(target=write, args=(producer, entries))
        writer.start()
        found: list[Entry] = []
        terminal = None
        while terminal is None:
            for event in repeat(lambda: follower.poll(1.0)):
                assert event.kind == "arrived"
                found += event.entries
                terminal = event.terminal
        writer.join()
        assert found == entries
        assert repeat(lambda: follower.read(KEY)) == (b"h", entries, b"t")
    finally:
        producer.close()
        follower.close()
        proxy.close()


@pytest.mark.parametrize("name", ["MovedError", "ClusterCrossSlotError", "ClusterDownError"])
def test_a_server_of_a_cluster_is_refused_with_a_clear_error(name: str) -> None:
    """The script of a start has keys of two slots: each cluster answers one of these."""
    import redis.exceptions

    error = getattr(redis.exceptions, name)("3999 127.0.0.1:6381")
    assert "a Redis cluster, which RedisStore does not support" in str(unavailable(error))
