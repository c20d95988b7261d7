"""The adapters of model SDKs."""

from __future__ import annotations

import importlib

from assistant_stream_ce import create_run
from benchmarks.subjects import events


def forward(count: int, sdk: str) -> int:
    """Forward so many events; return the number of chunks."""
    adapter = importlib.import_module(f"assistant_stream_ce.integrations.{sdk.partition('-')[0]}")
    stream = create_run(lambda controller: adapter.forward(controller, events.stream(sdk, count)))
    return sum(1 for _ in stream)
