"""Scripts that other tests do not reach one by one: what they leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from assistant_stream_ce.resumable import redis_scripts as scripts
from tests.support.redis_server import redis_server


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with redis_server() as server, closing(server.client()) as client:
        yield client


def test_a_note_is_never_kept_shorter(client: Any) -> None:
    client.eval(scripts.KEEP, 1, "a", 60_000)
    client.eval(scripts.KEEP, 1, "a", 10_000)
    assert client.pttl("a") > 50_000
    client.eval(scripts.KEEP, 1, "a", 90_000)
    assert client.pttl("a") > 80_000


def test_another_value_is_left_alone(client: Any) -> None:
    client.set("b", "mine")
    assert client.eval(scripts.LET_GO, 1, "b", "other", "") == 0
    assert client.eval(scripts.LET_GO, 1, "b", "other", 10) == 0
    assert client.eval(scripts.LET_GO, 1, "b", "mine", 60_000) == 1
    assert 50_000 < client.pttl("b") <= 60_000
    assert client.eval(scripts.LET_GO, 1, "b", "mine", "") == 1
    assert client.get("b") is None


def test_the_epoch_of_a_new_log_is_larger_than_that_of_the_deleted_one(client: Any) -> None:
    keys = ["log", "lease", "stop", "gone", "message"]
    start = ["h", "r1", "w", 1000, 10_000, 5_000]
    assert client.eval(scripts.START, 5, *keys, *start) == [b"5000", 0]
    assert client.eval(scripts.START, 5, *keys, *start) == [b"5000", 0]
    client.eval(scripts.DELETE, 6, *keys, "seen", 60_000, 1000)
    # The clock of the other worker is behind.
    assert client.eval(scripts.START, 5, *keys, "h", "r2", "w", 1000, 10_000, 3_000) == [b"5003", 0]
    assert client.eval(scripts.START, 5, *keys, *start) == []
