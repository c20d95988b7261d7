"""Stores and workers for the tests of resumable streams. A new store joins every test by an entry in `STORES`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from assistant_stream_ce.resumable import FileStore, MemoryStore, RedisStore, ResumableStreams
from assistant_stream_ce.resumable.store import Store
from tests.resumable.test_streams import Talk
from tests.resumable.worlds import Async, Sync, World
from tests.support.redis_server import redis_server

#: Makes a function that returns stores on the same data, for a test with its request of fixtures.
StoreMaker = Callable[[pytest.FixtureRequest], Callable[[], Store]]


def _memory(request: pytest.FixtureRequest) -> Callable[[], Store]:
    store = MemoryStore()
    return lambda: store


def _redis(request: pytest.FixtureRequest) -> Callable[[], Store]:
    url, prefix = request.getfixturevalue("redis_url"), uuid.uuid4().hex
    return lambda: RedisStore(url, prefix=prefix)


def _files(request: pytest.FixtureRequest) -> Callable[[], Store]:
    folder = request.getfixturevalue("tmp_path")
    return lambda: FileStore(folder / "streams")


STORES: dict[str, StoreMaker] = {"memory": _memory, "files": _files, "redis": _redis}


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Start a server for all tests of this process."""
    with redis_server() as server:
        yield server.url


@pytest.fixture(params=STORES)
def make_store(request: pytest.FixtureRequest) -> Callable[[], Store]:
    """Return a function that returns stores on the same data, of each kind of store."""
    return STORES[request.param](request)


@pytest.fixture
def make_worker(make_store: Callable[[], Store]) -> Iterator[Callable[..., ResumableStreams]]:
    """Return a function that makes `ResumableStreams` on the same data, as in another worker; closed at the end."""
    workers: list[ResumableStreams] = []

    def make(**options: Any) -> ResumableStreams:
        workers.append(ResumableStreams(make_store(), **options))
        return workers[-1]

    yield make
    for worker in workers:
        worker.close()


@pytest.fixture(params=["for", "async for"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Call everything from threads, or from coroutines of a loop in a thread."""
    world = Sync() if request.param == "for" else Async()
    yield world
    world.close()


@pytest.fixture
def streams() -> Iterator[ResumableStreams]:
    """Resume within this process."""
    with ResumableStreams() as streams:
        yield streams


@pytest.fixture
def talk() -> Iterator[Talk]:
    """Give a run that waits in the middle, and let it go on at the end of the test."""
    talk = Talk("def")
    yield talk
    talk.may_go_on.set()
