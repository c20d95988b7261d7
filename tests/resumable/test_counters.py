"""Counters."""

from __future__ import annotations

import time

import pytest

from assistant_stream_ce.resumable.counters import Counters


def test_latencies_are_those_of_the_last_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = Counters()
    assert counters.latencies() == {"append_p50": 0.0, "append_p99": 0.0}
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for number in range(100):
        counters.add_append(now - number)
    assert counters.latencies() == {"append_p50": 50.0, "append_p99": 99.0}
    now += 61.0
    counters.add_append(now - 0.5)
    assert counters.latencies() == {"append_p50": 0.5, "append_p99": 0.5}
