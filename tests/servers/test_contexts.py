"""What surrounds a run: Flask's teardown, Django's connections, and the variables of tracing and logging."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers.conftest import SideBySide
from tests.servers.servers import ALL, WSGI, Running
from tests.servers.test_streaming import in_each_combination

pytestmark = pytest.mark.timeout(180)

KINDS = ("def", "async")


def stream_or_leave(running: Running, target: str, kind: str, end: str) -> str:
    """Stream a run that ends by itself, raises, or waits until its client leaves; wait until it is over."""
    run = running.name_run()
    with running.request(target, run=run, kind=kind, heartbeat=0.1, then=end) as client:
        client.read_until(b'0:"')
        if end == "wait":
            client.leave()
        else:
            assert client.read_to_end().is_complete
    running.notes.wait(run, "ended")
    running.notes.wait(run, "finished")
    return run


def tear_down(running: Running) -> None:
    """Hold that Flask tears down once after the view and once after the run, also for the request that follows."""
    behaviours = {"end": "context", "raise": "raising", "wait": "quiet"}
    for kind, end in itertools.product(KINDS, behaviours):
        run = stream_or_leave(running, f"flask/{behaviours[end]}", kind, end)
        later = running.name_run()
        running.get("flask-plain", run=later)
        running.notes.wait(later, "teardown")
        finished = running.notes.of(run, "finished")[0]["at"]
        running.notes.wait_until(run, "teardown", 2)
        teardowns = [one["at"] > finished for one in running.notes.of(run, "teardown")]
        assert teardowns == [False, True]
        assert len(running.notes.of(later, "teardown")) == 1


@pytest.mark.parametrize("name", WSGI)
def test_flask_tears_down_once_after_the_run(name: str, side_by_side: SideBySide) -> None:
    """Scenarios 9 and 10: also for runs that raise or are left, and later requests are torn down as ever."""
    side_by_side(tear_down)


def close_connections(running: Running) -> None:
    """Hold that runs which use the ORM leave no connection open, however they end."""
    ends = ("end", "raise", "wait")
    before = running.stats()["connections"]
    with ThreadPoolExecutor(min(6, running.server.capacity)) as pool:
        ways = list(itertools.product(KINDS, ends)) * 5
        for job in [pool.submit(stream_or_leave, running, "django/orm", *way) for way in ways]:
            job.result()
    running.wait_for(lambda stats: stats["connections"] <= before)


@pytest.mark.parametrize("name", ALL)
def test_django_connections_are_closed(name: str, side_by_side: SideBySide) -> None:
    """Scenario 11: with CONN_MAX_AGE set, after runs that end, raise and are left."""
    side_by_side(close_connections)


def see_variables(running: Running, framework: str, kind: str) -> None:
    """Hold that a callback sees the view's span and its logging variables, and that its own span closes."""
    for end in ("end", "wait"):
        run = running.name_run()
        options = {"wait": 1} if end == "wait" else {}
        with running.request(f"{framework}/context", run=run, kind=kind, heartbeat=0.1, **options) as client:
            client.read_until(b"word;")
            if end == "wait":
                client.leave()
            else:
                assert client.read_to_end().is_complete
        view, context = (running.notes.wait(run, event) for event in ("view", "context"))
        assert context["request"] == run
        assert context["trace"] == view["trace"]
        assert running.notes.wait(run, "span")["name"] == "run"


def see_variables_in_each_combination(running: Running) -> None:
    """See the variables in each combination."""
    in_each_combination(running, see_variables)


@pytest.mark.parametrize("name", ALL)
def test_tracing_and_logging_variables_are_seen(name: str, side_by_side: SideBySide) -> None:
    """Scenario 23: in both kinds of callback, and a span around the run closes, also when it is cancelled.

    That no detaching failed is seen in the output, at the end.
    """
    side_by_side(see_variables_in_each_combination)
