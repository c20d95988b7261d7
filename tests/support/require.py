"""Skip a test with a reason where this machine lacks something real."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import pytest

IS_FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()

#: For tests that objects are freed at once, without the garbage collector.
counts_references = pytest.mark.skipif(
    IS_FREE_THREADED, reason="free-threaded builds leave some reference counts to the garbage collector"
)


def require(condition: object, reason: str) -> None:
    """Skip the test unless the condition holds; fail it when ASSISTANT_STREAM_REQUIRE_ALL forbids skipping."""
    if condition:
        return
    if os.environ.get("ASSISTANT_STREAM_REQUIRE_ALL") == "1":
        pytest.fail(f"must not be missing: {reason}")
    pytest.skip(reason)


def require_packages(*names: str) -> None:
    """Skip the test unless all packages are installed."""
    missing = [name for name in names if find_spec(name) is None]
    require(not missing, f"not installed: {', '.join(missing)}")
