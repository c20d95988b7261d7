"""What is measured inside a new process. Each function returns the figures of one sample."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_IMPORT_STARTS = 5


def cpu(module: str, function: str, counts: Mapping[str, int], **arguments: Any) -> dict[str, float]:
    """Return processor microseconds for each item, for each named number of items; warm it up before."""
    work = getattr(importlib.import_module(f"benchmarks.subjects.{module}"), function)
    work(max(1, min(counts.values()) // 10), **arguments)
    return {figure: _cpu_microseconds(work, count, **arguments) / count for figure, count in counts.items()}


def cpu_of_runs(
    module: str, function: str, counts: Mapping[str, int], items: int, **arguments: Any
) -> dict[str, float]:
    """Return the same for runs of so many items each, as many as there are for `items` together.

    Few items alone take no longer than the start of an event loop, which is not theirs.
    """
    work = getattr(importlib.import_module(f"benchmarks.subjects.{module}"), function)
    work(min(counts.values()), 1, **arguments)
    figures = {}
    for figure, count in counts.items():
        runs = max(1, items // count)
        figures[figure] = _cpu_microseconds(work, count, runs, **arguments) / (count * runs)
    return figures


def _cpu_microseconds(work: Callable[..., object], *numbers: int, **arguments: Any) -> float:
    gc.collect()
    start = time.process_time()
    work(*numbers, **arguments)
    return (time.process_time() - start) * 1e6


def imports(modules: str) -> dict[str, float]:
    """Return the processor milliseconds of an import in a new interpreter, as a median of some."""
    program = f"import time; start = time.process_time(); import {modules}; print(time.process_time() - start)"
    command = [sys.executable, "-c", program]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(_IMPORT_STARTS)]
    return {"": sorted(map(float, runs))[_IMPORT_STARTS // 2] * 1000}


def memory(app: str, path: str, counts: Sequence[int]) -> dict[str, float]:
    """Return the KiB that each quiet stream keeps in memory. The application is called directly, without sockets."""
    module, _, name = app.partition(":")
    application = getattr(importlib.import_module(f"benchmarks.subjects.{module}"), name)
    return asyncio.run(_memory(application, path, counts))


async def _memory(application: Any, path: str, counts: Sequence[int]) -> dict[str, float]:
    figures = {}
    # What the first stream imports and sets up is not the streams'.
    tasks = await _open(application, path, 1)
    gc.collect()
    before = _resident_bytes()
    for count in counts:
        tasks += await _open(application, path, count + 1 - len(tasks))
        gc.collect()
        figures[f"{count:,}"] = (_resident_bytes() - before) / count / 1024
    return figures


async def _open(application: Any, path: str, count: int) -> list[asyncio.Task[None]]:
    """Open streams, as uvicorn would, and wait until each has sent the first bytes of its body."""
    never = asyncio.Event()
    started: asyncio.Queue[None] = asyncio.Queue()

    async def receive() -> dict[str, Any]:
        await never.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message.get("body"):
            started.put_nowait(None)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": f"/{path}",
        "raw_path": f"/{path}".encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 50000),
    }
    tasks = [asyncio.create_task(application(dict(scope), receive, send)) for _ in range(count)]
    for _ in range(count):
        await asyncio.wait_for(started.get(), 60)
    return tasks


def _resident_bytes() -> int:
    import psutil

    return int(psutil.Process(os.getpid()).memory_info().rss)
