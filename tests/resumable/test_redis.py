"""The store in Redis, against a real server."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from assistant_stream_ce import StoreUnavailableError, TextDeltaChunk
from assistant_stream_ce.resumable import RedisStore
from assistant_stream_ce.resumable.records import Entry
from assistant_stream_ce.resumable.store import Append, Event, StoreOptions, StoreSession, StreamKey
from assistant_stream_ce.testing import STORE_CHECKS
from tests.support.redis_server import RedisServer, redis_server

KEY = StreamKey("_", "a")
LOG = "assistant-stream:{_:a}"
OPTIONS = StoreOptions(lease=0.6)
WAIT = 15.0


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def client(server: RedisServer) -> Iterator[Any]:
    with closing(server.client()) as client:
        yield client
        client.flushall()


@pytest.fixture
def store(server: RedisServer, client: Any) -> RedisStore:
    return RedisStore(f"{server.url}?socket_timeout=1")


@pytest.fixture
def producer(store: RedisStore) -> Iterator[StoreSession]:
    with closing(store.connect("producer", OPTIONS)) as session:
        yield session


@pytest.fixture
def follower(store: RedisStore) -> Iterator[StoreSession]:
    with closing(store.connect("follower", OPTIONS)) as session:
        yield session


def entry(last: int, count: int = 1) -> Entry:
    return Entry(last, count, None, [TextDeltaChunk(f"{number} ") for number in range(last - count, last)])


def append(session: StoreSession, *entries: Entry) -> list[str]:
    return [session.append([Append(KEY, "r1", entry)])[0] for entry in entries]


def wait_for(session: StoreSession, kind: str) -> Event:
    """Return the next event of a kind; a server that is away is asked again."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        try:
            events = session.poll(0.2)
        except StoreUnavailableError:
            continue
        for event in events:
            if event.kind == kind:
                return event
    raise AssertionError(f"no event {kind!r}")


def read_until(session: StoreSession, last: int) -> list[Entry]:
    """Return what a watch reports until an entry with this last chunk."""
    found: list[Entry] = []
    while not found or found[-1].last < last:
        found += wait_for(session, "arrived").entries
    return found


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
def test_it_does_what_the_interface_promises(check: Callable[[Any], None], store: RedisStore) -> None:
    check(lambda: store)


def test_a_frozen_server_is_unavailable_and_a_repeated_entry_is_stored_once(
    server: RedisServer, producer: StoreSession, follower: StoreSession
) -> None:
    producer.start(KEY, b"h", "r1", None)
    follower.read(KEY)
    follower.watch(KEY, 0)
    append(producer, entry(1))
    server.freeze()
    for call in (
        lambda: append(producer, entry(2)),
        lambda: producer.renew({KEY: "r1"}),
        lambda: follower.read(KEY),
        lambda: follower.stop(KEY),
    ):
        with pytest.raises(StoreUnavailableError):
            call()
    server.thaw()
    deadline = time.monotonic() + WAIT
    while True:
        try:
            assert append(producer, entry(2), entry(3)) == ["ok", "ok"]
            break
        except StoreUnavailableError:
            assert time.monotonic() < deadline
    assert read_until(follower, 3) == [entry(1), entry(2), entry(3)]


def test_an_emptied_server_is_filled_again(server: RedisServer, producer: StoreSession, follower: StoreSession) -> None:
    producer.start(KEY, b"h", "r1", None)
    append(producer, entry(1), entry(2))
    follower.read(KEY)
    follower.watch(KEY, 0)
    assert read_until(follower, 2) == [entry(1), entry(2)]
    server.restart()
    assert producer.renew({KEY: "r1"}) == set()
    assert wait_for(producer, "repair") == Event(KEY, "repair")
    assert append(producer, entry(3)) == ["missing"]
    assert producer.reseed(KEY, b"h", "r1", [entry(1), entry(2), entry(3)], None) == "ok"
    assert append(producer, entry(4)) == ["ok"]
    assert read_until(follower, 4) == [entry(3), entry(4)]
    assert follower.read(KEY) == (b"h", [entry(1), entry(2), entry(3), entry(4)], None)


def test_a_log_that_has_lost_its_tail_is_repaired_before_its_follower_goes_on(
    client: Any, producer: StoreSession, follower: StoreSession
) -> None:
    entries = [entry(number) for number in range(1, 6)]
    producer.start(KEY, b"h", "r1", None)
    append(producer, *entries[:2])
    follower.read(KEY)
    follower.watch(KEY, 2)
    append(producer, entries[2])
    # As after a failover to a replica that had not received it.
    client.xdel(LOG, client.xrevrange(LOG, count=1)[0][0])
    append(producer, entries[3])
    assert follower.poll(0.3) == []
    assert wait_for(producer, "repair") == Event(KEY, "repair")
    assert producer.reseed(KEY, b"h", "r1", entries[:4], None) == "ok"
    append(producer, entries[4])
    assert read_until(follower, 5) == entries[2:]


@pytest.mark.parametrize("is_over", [False, True])
def test_a_producer_notices_that_its_log_has_lost_its_tail(
    client: Any, producer: StoreSession, follower: StoreSession, is_over: bool
) -> None:
    """Without a follower that sees the gap: as it goes on, over a new connection, or as it ends."""
    entries = [entry(number) for number in range(1, 7)]
    producer.start(KEY, b"h", "r1", None)
    append(producer, *entries[:2])
    old = client.dump(LOG)
    append(producer, *entries[2:5])
    client.restore(LOG, 60_000, old, replace=True)
    if is_over:
        assert producer.finish(KEY, "r1", b"t", b"s", None) == "missing"
    else:
        client.client_kill_filter(_type="normal", skipme=True)
        assert repeated(lambda: append(producer, entries[5])) == ["missing"]
    assert producer.reseed(KEY, b"h", "r1", entries, None) == "ok"
    assert producer.finish(KEY, "r1", b"t", b"s", None) == "ok"
    assert follower.read(KEY) == (b"h", entries, b"t")


def repeated(call: Any) -> Any:
    """Repeat a call while the connection is lost."""
    while True:
        with contextlib.suppress(StoreUnavailableError):
            return call()


def test_a_log_that_nobody_writes_again_is_missing(client: Any, producer: StoreSession, follower: StoreSession) -> None:
    producer.start(KEY, b"h", "r1", None)
    follower.watch(KEY, 0)
    assert follower.poll(0.0) == []
    client.delete(LOG)
    assert wait_for(follower, "missing").key == KEY


def test_a_log_of_a_machine_whose_clock_is_behind_is_not_waited_for(
    client: Any, producer: StoreSession, follower: StoreSession
) -> None:
    """Entries of a lower id are never returned behind a cursor."""
    producer.start(KEY, b"h", "r1", None)
    follower.watch(KEY, 0)
    assert follower.poll(0.0) == []
    with client.pipeline() as pipeline:
        pipeline.delete(LOG).xadd(LOG, {"h": "h", "r": "r2", "o": "w"}, "5-0").execute()
    assert wait_for(follower, "missing").key == KEY


def test_a_request_for_an_earlier_run_is_dropped(client: Any, producer: StoreSession, follower: StoreSession) -> None:
    producer.start(KEY, b"h", "r1", None)
    assert follower.stop(KEY)
    client.delete(f"{LOG}:stop")
    assert producer.poll(0.2) == []
    assert follower.stop(KEY)
    assert wait_for(producer, "stop").key == KEY


def test_a_full_server_is_unavailable(client: Any, producer: StoreSession) -> None:
    producer.start(KEY, b"h", "r1", None)
    client.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailableError, match="OutOfMemory"):
        append(producer, entry(1))
    client.config_set("maxmemory", 0)
    assert append(producer, entry(1)) == ["ok"]


def test_the_producer_of_an_older_run_is_refused(producer: StoreSession, follower: StoreSession) -> None:
    producer.start(KEY, b"h", "r1", None)
    append(producer, entry(1), entry(2))
    follower.delete(KEY)
    assert follower.start(KEY, b"h", "r2", None) == "created"
    assert append(producer, entry(3)) == ["fenced"]
    assert producer.renew({KEY: "r1"}) == set()
    assert producer.finish(KEY, "r1", b"t", b"s", None) == "fenced"
    assert follower.read(KEY) == (b"h", [], None)


def test_a_long_log_is_read_in_pages(producer: StoreSession, follower: StoreSession) -> None:
    entries = [entry(number) for number in range(1, 1200)]
    producer.start(KEY, b"h", "r1", None)
    for some in range(0, len(entries), 100):
        append(producer, *entries[some : some + 100])
    for after in (0, 1, 511, 512, 513, 1198, 1199):
        assert follower.read(KEY, after) == (b"h", entries[after:], None)
    follower.watch(KEY, 0)
    assert read_until(follower, 1199) == entries


def test_the_documented_rights_suffice(
    server: RedisServer, client: Any, producer: StoreSession, follower: StoreSession
) -> None:
    commands = "xadd xread xrange xrevrange set get del unlink pexpire eval evalsha exists ping hello client".replace(
        " ", " +"
    )
    client.execute_command(*f"ACL SETUSER app on >secret ~limited:* -@all +{commands}".split())
    limited = RedisStore(server.url.replace("unix://", "unix://app:secret@"), prefix="limited")
    for check in STORE_CHECKS:
        check(lambda: limited)
        client.flushall()
    client.execute_command("ACL", "DELUSER", "app")


def test_a_session_opens_three_connections(client: Any, producer: StoreSession, follower: StoreSession) -> None:
    for number in range(20):
        key = StreamKey("_", f"s{number}")
        producer.start(key, b"h", "r1", None)
        producer.append([Append(key, "r1", entry(1))])
        follower.read(key)
        follower.watch(key, 0)
    found: set[StreamKey] = set()
    while len(found) < 20:
        found |= {event.key for event in follower.poll(1.0)}
    # The client is one of them.
    assert len(client.client_list()) <= 1 + 3 + 1


def test_keys_expire(client: Any, store: RedisStore) -> None:
    options = StoreOptions(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)
    with closing(store.connect("w", options)) as session:
        session.start(KEY, b"h", "r1", None)
        append(session, entry(1))
        session.finish(KEY, "r1", b"t", b"s", None)
        other = StreamKey("_", "b")
        session.start(other, b"h", "r1", None)
        session.stop(other)
        session.announce([other], 0.1)
    client.delete("assistant-stream:in:w", "assistant-stream:{_:b}:stop")
    deadline = time.monotonic() + WAIT
    while keys := client.keys("*"):
        assert time.monotonic() < deadline, keys


@pytest.mark.parametrize("kind", ["client", "asynchronous client", "pool"])
def test_a_client_lends_its_address(kind: str, server: RedisServer, client: Any) -> None:
    import redis.asyncio

    given = {
        "client": client,
        "asynchronous client": redis.asyncio.Redis.from_url(server.url),
        "pool": client.connection_pool,
    }
    with closing(RedisStore(given[kind]).connect("w", OPTIONS)) as session:
        assert session.start(KEY, b"h", "r1", None) == "created"


def test_a_sentinel_s_pool_finds_the_master(server: RedisServer, client: Any) -> None:
    import redis.sentinel

    class Sentinel(redis.sentinel.Sentinel):
        def discover_master(self, service_name: str) -> Any:
            return ("127.0.0.1", port)

    port = 0
    pool = redis.sentinel.SentinelConnectionPool("main", Sentinel([]), socket_timeout=0.5)
    with (
        closing(RedisStore(redis.Redis(connection_pool=pool)).connect("w", OPTIONS)) as session,
        # Nothing answers at this address; that it was asked for is what matters.
        pytest.raises(StoreUnavailableError),
    ):
        session.read(KEY)


@pytest.mark.parametrize("source", [None, 3, object()])
def test_something_else_is_a_type_error(source: Any) -> None:
    with pytest.raises(TypeError, match="RedisStore needs a URL, a client or a connection pool"):
        RedisStore(source)


def test_the_prefix_is_a_text() -> None:
    with pytest.raises(TypeError, match="prefix must be a str, not NoneType"):
        RedisStore("redis://localhost", prefix=None)  # type: ignore[arg-type]


def test_infinite_times_are_a_thousand_years(server: RedisServer, client: Any) -> None:
    forever = StoreOptions(lease=math.inf, retention=math.inf, thread_retention=math.inf)
    with closing(RedisStore(server.url).connect("w", forever)) as session:
        session.start(KEY, b"h", "r1", None)
        session.finish(KEY, "r1", b"end", b"summary", None)
        assert client.ttl(LOG) > 900 * 365 * 86_400


def test_a_client_of_a_cluster_is_a_type_error(server: RedisServer) -> None:
    import redis.asyncio

    with pytest.raises(TypeError, match="a cluster client cannot be used"):
        RedisStore(redis.asyncio.RedisCluster(host="localhost"))


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with closing(RedisStore("unix:///tmp/there-is-no-such-socket").connect("w", OPTIONS)) as session:
        for call in (
            lambda: session.start(KEY, b"h", "r1", None),
            lambda: session.read(KEY),
            lambda: session.poll(1.0),
            lambda: append(session, entry(1)),
        ):
            with pytest.raises(StoreUnavailableError):
                call()
