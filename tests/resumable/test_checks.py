"""The checks of stores notice a store that breaks the interface."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.resumable import MemoryStore
from assistant_stream_ce.resumable.memory import MemorySession
from assistant_stream_ce.testing import STORE_CHECKS


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("start", "created"),
        ("stop", True),
        ("find_dead", set()),
        ("reap", True),
        ("append", ["ok"]),
        ("find_thread", "chat:1.a-b_C"),
        ("find_followed", set()),
        ("delete", True),
        ("reseed", "ok"),
        ("renew", set()),
    ],
)
def test_a_broken_method_fails_a_check(monkeypatch: pytest.MonkeyPatch, method: str, result: Any) -> None:
    monkeypatch.setattr("assistant_stream_ce.resumable.checks._SECONDS", 0.3)
    monkeypatch.setattr(MemorySession, method, lambda *args: result)
    failed = 0
    for check in STORE_CHECKS:
        store = MemoryStore()
        try:
            check(lambda store=store: store)  # type: ignore[misc]
        except AssertionError:
            failed += 1
    assert failed
