"""Fixtures for every test: no thread of a run outlives it, and examples have no deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import settings

# The duration of an example depends on the load of the machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

pytest_plugins = ["tests.servers.report", "tests.support.browser", "tests.support.side_by_side"]

# The shared background loop, and on some Pythons the exit hook, live as long as the process.
_LASTING_THREADS = {"assistant-stream-loop", "assistant-stream-exit"}


def _run_threads() -> set[str]:
    return {
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith("assistant-stream") and thread.name not in _LASTING_THREADS
    }


@pytest.fixture(autouse=True)
def _no_run_is_left_behind() -> Iterator[None]:
    before = _run_threads()
    yield
    deadline = time.monotonic() + 3
    while (left := _run_threads() - before) and time.monotonic() < deadline:
        for thread in threading.enumerate():
            # Without a number it is being started still, and cannot be joined.
            if thread.name in left and thread.ident is not None:
                thread.join(deadline - time.monotonic())
    assert not left, f"threads of runs are still alive: {left}"
