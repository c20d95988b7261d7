"""A client that leaves is noticed, on every server, whatever the callback does at that moment."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pytest

from tests.servers.conftest import SideBySide
from tests.servers.report import REPORT
from tests.servers.servers import ALL, ASGI, WSGI, Running
from tests.support.attempts import within

pytestmark = pytest.mark.timeout(180)

#: More than a second, so that the second of the promise cannot hide a third heartbeat.
HEARTBEAT = 1.2

#: Within 0.5 s under ASGI; as promised within two heartbeats and a second under WSGI, where only a write can tell.
BOUNDS = {"asgi": 0.5, "wsgi": 2 * HEARTBEAT + 1.0}

#: What a callback does when the client leaves, and how it is written.
KINDS = (("quiet", "def"), ("quiet", "async"), ("talking", "def"), ("talking", "async"), ("polling", "def"))


@dataclass
class Left:
    """What a run noted of a client that left."""

    behaviour: str
    kind: str
    #: From the client's leaving until the callback learned of it.
    seconds: float


def leave(running: Running, framework: str, behaviour: str, kind: str, *, abruptly: bool = False) -> tuple[float, Left]:
    """Start a run, leave when it has spoken, and hold that it learns of it once and is over with the right reason."""
    run, notes = running.name_run(), running.notes
    with running.request(f"{framework}/{behaviour}", run=run, kind=kind, heartbeat=HEARTBEAT) as client:
        client.read_until(b"word;")
        left_at = client.leave(abruptly=abruptly)
    seconds = notes.wait(run, "learned")["at"] - left_at
    ended, finished, _ = (notes.wait(run, event) for event in ("ended", "finished", "told"))
    events = [one["event"] for one in notes.of(run)]
    assert {event: events.count(event) for event in ("told", "learned", "finished", "ended")} == dict.fromkeys(
        ("told", "learned", "finished", "ended"), 1
    )
    # The coroutine's clean-up awaited, and the thread's next call was refused.
    assert ("cleaned" if kind == "async" else "refused") in events
    assert finished["reason"] == "cancelled"
    assert ended["at"] <= finished["at"]
    return seconds, Left(behaviour, kind, seconds)


def leave_in_every_way(running: Running) -> list[Left]:
    """Leave each kind of callback in each framework, as many at once as the server serves."""
    frameworks = running.server.frameworks
    ways = list(itertools.product(frameworks, KINDS))
    if running.server.capacity == 1:
        ways = list(zip(itertools.cycle(frameworks), KINDS, strict=False))
    bound = BOUNDS[running.server.interface]
    with ThreadPoolExecutor(running.server.capacity) as pool:
        jobs = [
            pool.submit(within, bound, partial(leave, running, framework, *kind, abruptly=number % 2 == 0))
            for number, (framework, kind) in enumerate(ways)
        ]
        lefts = [job.result() for job in jobs]
    for behaviour, column in (("quiet", "silent callback told after"), ("talking", "talking callback told after")):
        slowest = max(left.seconds for left in lefts if left.behaviour == behaviour)
        REPORT.add(running.server.name, column, f"{slowest:.2f} s")
    return lefts


@pytest.mark.parametrize("name", ASGI)
def test_leaving_is_noticed_under_asgi(name: str, side_by_side: SideBySide) -> None:
    """Scenarios 3, 4, 5: within half a second, also when the callback only sleeps; a coroutine's clean-up may await."""
    side_by_side(leave_in_every_way)


@pytest.mark.parametrize("name", WSGI)
def test_leaving_is_noticed_under_wsgi(name: str, side_by_side: SideBySide) -> None:
    """Scenario 6: within two heartbeats and a second, also when the callback is silent."""
    side_by_side(leave_in_every_way)


def leave_stuck(running: Running, framework: str) -> tuple[float, None]:
    """Leave a callback that is in a call which nothing ends; return the seconds until it was told."""
    run = running.name_run()
    with running.request(f"{framework}/stuck", run=run, heartbeat=HEARTBEAT) as client:
        client.read_until(b"word;")
        left_at = client.leave()
    told, finished = (running.notes.wait(run, event) for event in ("told", "finished"))
    running.notes.wait(run, "refused")
    ended = running.notes.wait(run, "ended")
    assert finished["reason"] == "abandoned"
    assert finished["at"] < ended["at"]
    return told["at"] - left_at, None


def leave_stuck_in_each_framework(running: Running) -> None:
    """Leave a stuck callback, as many at once as the server serves."""
    with ThreadPoolExecutor(running.server.capacity) as pool:
        jobs = [
            pool.submit(within, BOUNDS[running.server.interface], partial(leave_stuck, running, framework))
            for framework in running.server.frameworks
        ]
    for job in jobs:
        job.result()


@pytest.mark.parametrize("name", ALL)
def test_a_stuck_thread_is_told_and_abandoned(name: str, side_by_side: SideBySide) -> None:
    """Part of "leaving is noticed": its next call is refused, and `on_finish` says that it was abandoned."""
    side_by_side(leave_stuck_in_each_framework)
