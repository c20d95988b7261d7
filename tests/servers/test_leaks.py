"""Two hundred disconnects: the server's process holds afterwards what it held before.

The garbage collector is off in the servers, so nothing is let go by luck.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.servers.conftest import SideBySide
from tests.servers.report import REPORT
from tests.servers.servers import ALL, KINDS, Running

pytestmark = pytest.mark.timeout(240)

CYCLES = 200

#: What must not be more than before.
COUNTS = ("threads", "fds", "tasks", "runs")

#: Enough that every cache is filled.
WARM_UP = 48

#: With the collector off, the cycles that servers and frameworks themselves make stay too.
MEMORY_BYTES = 16 * 2**20

#: Servers do the same work at the same time, but not so many that they only wait for a processor.
_few_at_once = threading.Semaphore(4)


def start_and_disconnect(running: Running, framework: str, kind: str) -> str:
    """Start an idle run and disconnect."""
    run = running.name_run()
    with running.request(f"{framework}/quiet", run=run, kind=kind, heartbeat=0.02) as client:
        client.read_until(b"word;")
        client.disconnect()
    return run


def start_and_disconnect_often(running: Running, frameworks: tuple[str, ...], times: int) -> None:
    """Start runs of both kinds in each framework, disconnect, and wait until all have ended."""
    ways = itertools.islice(itertools.cycle(itertools.product(frameworks, KINDS)), times)
    with ThreadPoolExecutor(min(8, running.server.capacity)) as pool:
        runs = [job.result() for job in [pool.submit(start_and_disconnect, running, *way) for way in ways]]
    wait_for_all(running, runs, ("finished", "ended"))


def fill_pools(running: Running, framework: str) -> None:
    """Have as many live runs as the server serves at once, so that it starts all threads that it ever will."""
    kinds = itertools.islice(itertools.cycle(KINDS), running.server.capacity)
    runs = {running.name_run(): kind for kind in kinds}
    with ExitStack() as stack:
        clients = [
            stack.enter_context(running.request(f"{framework}/quiet", run=run, kind=kind, heartbeat=0.02))
            for run, kind in runs.items()
        ]
        for client in clients:
            client.read_until(b"word;")
        for client in clients:
            client.disconnect()
    wait_for_all(running, runs, ("finished", "ended"))


def wait_for_all(running: Running, runs: Iterable[str], events: Iterable[str]) -> None:
    """Wait until events were noted of all runs."""
    for run, event in itertools.product(runs, events):
        running.notes.wait(run, event)


def settled(running: Running, baseline: dict[str, Any], counts: Iterable[str]) -> dict[str, Any]:
    """Return the numbers once they are as low as the baseline, or as they are after a while."""
    deadline = time.monotonic() + 10
    while True:
        now = running.stats()
        if not grown(baseline, now, counts) or time.monotonic() > deadline:
            return now
        time.sleep(0.1)


def steady(running: Running, counts: Iterable[str]) -> dict[str, Any]:
    """Return the numbers once no run is left, if they count, and they do not fall any more."""
    if "runs" in counts:
        running.wait_for(lambda stats: stats["runs"] == 0)
    before = running.stats()
    while True:
        time.sleep(0.3)
        now = running.stats()
        if all(now[name] >= before[name] for name in counts):
            return now
        before = now


def grown(baseline: dict[str, Any], now: dict[str, Any], counts: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return what is more than before."""
    more = {name: (baseline[name], now[name]) for name in counts if now[name] > baseline[name]}
    if now["memory"] > baseline["memory"] + MEMORY_BYTES:
        more["memory"] = (baseline["memory"], now["memory"])
    return more


def disconnect_two_hundred_times(running: Running) -> None:
    """Check that nothing is left of two hundred clients who came and left."""
    if running.server.interface == "wsgi":
        growth = growth_of_two_hundred(running, running.server.frameworks)
    else:
        # Django's own ASGI handler keeps each aborted request in a cycle (its `RequestAborted` has the frame that has
        # the tasks that have the exception), and what the view returned with it: only a collection frees that, with
        # any response. So there is one before, for the tests before this one, and one for the runs of Django's.
        running.stats(collect=1)
        growth = growth_of_two_hundred(running, ("starlette",))
        growth_of_two_hundred(running, ("django",), ("threads", "fds", "tasks"))
        running.wait_for(lambda stats: stats["runs"] == 0, collect=1)
    REPORT.add(running.server.name, "200 disconnects", f"nothing left, {growth / 2**20:+.1f} MB")


def growth_of_two_hundred(running: Running, frameworks: tuple[str, ...], counts: tuple[str, ...] = COUNTS) -> int:
    """Check that nothing but a little memory is left of two hundred clients, and return how much."""
    with _few_at_once:
        fill_pools(running, frameworks[0])
        start_and_disconnect_often(running, frameworks, WARM_UP)
        baseline = steady(running, counts)
        start_and_disconnect_often(running, frameworks, CYCLES)
        now = settled(running, baseline, counts)
    assert not now["collects"]
    assert now["collections"] == baseline["collections"], "something has called the garbage collector"
    assert not grown(baseline, now, counts)
    return max(0, now["memory"] - baseline["memory"])


@pytest.mark.parametrize("name", ALL)
def test_two_hundred_disconnects_leak_nothing(name: str, side_by_side: SideBySide) -> None:
    """Scenario 25: threads, tasks, file descriptors, runs and memory are what they were, without a collector."""
    side_by_side(disconnect_two_hundred_times)
