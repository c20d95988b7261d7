"""The store of one process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

import pytest

from assistant_stream_ce.resumable import MemoryStore
from assistant_stream_ce.resumable.store import StoreOptions, StreamKey
from assistant_stream_ce.testing import STORE_CHECKS

KEY = StreamKey("_", "a")


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
def test_it_does_what_the_interface_promises(check: Callable[[Any], None]) -> None:
    store = MemoryStore()
    check(lambda: store)


def test_what_is_past_its_retention_is_gone() -> None:
    session = MemoryStore().connect("w", StoreOptions(retention=-1.0, message_retention=-1.0))
    assert session.start(KEY, b"h", "r", None) == "created"
    assert session.finish(KEY, "r", b"t", b"s", None) == "ok"
    session.sweep()
    assert session.read(KEY) is None
    assert session.read_summary(KEY) is None
    session.close()


def _find_in_child(store: MemoryStore, sender: Any) -> None:
    session = store.connect("child", StoreOptions())
    sender.send(session.read(KEY))
    session.close()


def test_a_child_process_begins_with_an_empty_store() -> None:
    store = MemoryStore()
    session = store.connect("w", StoreOptions())
    session.start(KEY, b"h", "r", None)
    receiver, sender = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_find_in_child, args=(store, sender))
    process.start()
    assert receiver.recv() is None
    process.join(10)
    session.close()
