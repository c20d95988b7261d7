"""Cost of clients: one that never reads stops its producer, and a hundred idle ones do not slow down the others."""

from __future__ import annotations

import itertools
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.servers.conftest import SideBySide
from tests.servers.report import REPORT
from tests.servers.servers import ALL, ENDLESS_BYTES, KINDS, MEGABYTE, SERVERS, Running
from tests.support.attempts import within

pytestmark = pytest.mark.timeout(180)

#: The promise. The servers and the system buffer what they buffer beside it, on disk or in the kernel.
MEMORY_BYTES = 16 * MEGABYTE

#: Until a producer learns of the disconnect.
LEFT_SECONDS = 1

#: A producer that has not gone on for so long is stopped.
STILL_SECONDS = 0.5

#: The longest that an endpoint takes beside a hundred runs that block, as the median of some answers.
ANSWER_SECONDS = 0.1
PROBES = 5


def wait_until_stopped(running: Running, run: str) -> int:
    """Wait until a producer does not go on, and return how many megabytes it came to."""
    running.notes.wait(run, "produced")
    while True:
        last = running.notes.of(run)[-1]
        if last["event"] != "produced" or time.monotonic() - last["at"] > STILL_SECONDS:
            break
        time.sleep(0.02)
    megabytes: int = running.notes.of(run, "produced")[-1]["megabytes"]
    return megabytes


def never_read(running: Running, framework: str, kind: str) -> tuple[float, tuple[int, int]]:
    """Never read; check that the producer stops, and ends at the disconnect.

    Return how long it took to learn of that, and what the producer came to and the memory grew by.
    """
    run = running.name_run()
    before = running.memory()
    with running.request(f"{framework}/endless", small_buffer=True, run=run, kind=kind) as client:
        megabytes = wait_until_stopped(running, run)
        growth = running.memory() - before
        if not running.server.no_backpressure:
            assert not running.notes.of(run, "learned"), "the producer was not stopped"
            assert megabytes * MEGABYTE < ENDLESS_BYTES / 2
            assert growth < MEMORY_BYTES
        disconnected_at = client.disconnect()
    learned = running.notes.wait(run, "learned")
    running.notes.wait(run, "finished")
    return learned["at"] - disconnected_at, (megabytes, growth)


def never_read_in_each_combination(running: Running) -> None:
    """Never read, in each framework and each kind of callback, one after the other."""
    ways = itertools.product(running.server.frameworks, KINDS)
    stopped = [within(LEFT_SECONDS, partial(never_read, running, *way)) for way in ways]
    most, growth = (max(column) for column in zip(*stopped, strict=True))
    where = "never: no backpressure" if running.server.no_backpressure else f"{most} MB"
    REPORT.add(running.server.name, "producer stops at", f"{where} ({growth / MEGABYTE:+.0f} MB)")


@pytest.mark.parametrize("name", ALL)
def test_a_client_that_never_reads_stops_the_producer(name: str, side_by_side: SideBySide) -> None:
    """Scenario 17: the callback blocks or `drain()` waits, memory is bounded, a disconnect frees it within a second.

    On a server without backpressure the producer comes to its end instead.
    """
    side_by_side(never_read_in_each_combination)


@pytest.mark.parametrize("name", ["daphne"])
def test_the_server_itself_has_no_backpressure(name: str, running: Running) -> None:
    """Scenario 17: daphne's `send` never waits, so that a slow client cannot be detected."""
    assert SERVERS[name].no_backpressure
    run = running.name_run()
    with running.request("starlette/endless", small_buffer=True, run=run) as client:
        running.notes.wait(run, "finished", 60)
        client.disconnect()
    assert running.notes.wait(run, "finished")["reason"] == "completed"


def median_seconds_of(running: Running, target: str) -> tuple[float, None]:
    """Return how long an endpoint takes to answer, as the median of some answers."""
    taken = []
    for _ in range(PROBES):
        asked_at = time.monotonic()
        running.get(target)
        taken.append(time.monotonic() - asked_at)
    return statistics.median(taken), None


@pytest.mark.parametrize("name", ["uvicorn"])
def test_a_hundred_blocking_runs_leave_the_rest_responsive(name: str, running: Running) -> None:
    """Scenario 8: beside 100 callbacks that block, a thread's endpoint and a DNS look-up take 0.1 s; all finish."""
    runs = [running.name_run() for _ in range(100)]
    with ThreadPoolExecutor(20) as pool:
        clients = list(pool.map(lambda run: running.request("starlette/holding", run=run), runs))
        try:
            list(pool.map(lambda client: client.read_until(b"word;"), clients))
            for target in ("ping", "look-up"):
                # One of them may be disturbed by what else the machine does; all would wait for the runs.
                within(ANSWER_SECONDS, partial(median_seconds_of, running, target))
            running.get("release")
            answers = list(pool.map(lambda client: client.read_to_end(), clients))
        finally:
            for client in clients:
                client.disconnect()
    assert all(answer.is_complete for answer in answers)
    assert {running.notes.wait(run, "finished")["reason"] for run in runs} == {"completed"}
