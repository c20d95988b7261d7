"""Contexts of a run: Flask's teardown, Django's connections, shared clients, variables of tracing and logging."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.servers.conftest import SideBySide
from tests.servers.servers import ALL, KINDS, WSGI, Running, in_each_combination

pytestmark = pytest.mark.timeout(180)


def stream_or_disconnect(running: Running, target: str, kind: str, end: str) -> str:
    """Stream a run that ends by itself, raises, or waits for a disconnect; wait until it is over."""
    run = running.name_run()
    with running.request(target, run=run, kind=kind, heartbeat=0.1, then=end) as client:
        client.read_until(b'0:"')
        if end == "wait":
            client.disconnect()
        else:
            assert client.read_to_end().is_complete
    running.notes.wait(run, "ended")
    running.notes.wait(run, "finished")
    return run


def tear_down(running: Running) -> None:
    """Check that Flask tears down once after the view and once after the run, also for the request that follows."""
    behaviours = {"end": "context", "raise": "raising", "wait": "quiet"}
    for kind, end in itertools.product(KINDS, behaviours):
        run = stream_or_disconnect(running, f"flask/{behaviours[end]}", kind, end)
        later = running.name_run()
        running.get("flask-plain", run=later)
        running.notes.wait(later, "teardown")
        finished = running.notes.of(run, "finished")[0]["at"]
        if end == "wait":
            # It comes from a thread of its own.
            running.notes.wait(run, "cancelled")
        times = contexts_of(running, run)
        running.notes.wait_until(run, "teardown", times)
        # Threads may write their notes in another order than that of their times.
        teardowns = sorted(one["at"] for one in running.notes.of(run, "teardown"))
        assert len(teardowns) == times
        assert teardowns[0] <= finished < teardowns[-1]
        assert len(running.notes.of(later, "teardown")) == 1


def contexts_of(running: Running, run: str) -> int:
    """Return how many app contexts a run has.

    They are that of its view and that of its callback; a blocking `on_finish` of a coroutine or of an abandoned run has
    its own, and so have `on_cancel` callbacks.
    """
    notes = running.notes
    is_coroutine = any(one["kind"] == "async" for one in notes.of(run, "started"))
    is_abandoned = any(one["reason"] == "abandoned" for one in notes.of(run, "finished"))
    return 2 + (is_coroutine or is_abandoned) + bool(notes.of(run, "cancelled"))


@pytest.mark.parametrize("name", WSGI)
def test_flask_tears_down_once_after_the_run(name: str, side_by_side: SideBySide) -> None:
    """Scenarios 9 and 10: also for runs that raise or are left, and later requests are torn down as ever."""
    side_by_side(tear_down)


def read_own_request(running: Running, kind: str) -> str:
    """Check that a run sees its own request and app, and that both its view and it are torn down; return its name."""
    run = running.name_run()
    with running.request("flask/flask", run=run, kind=kind) as client:
        assert client.read_to_end().words == [f"{run} served;"]
    running.notes.wait_until(run, "teardown", 2)
    return run


def read_own_requests(running: Running) -> None:
    """Have fifty runs, as many at once as the server serves, and check that none was torn down twice."""
    with ThreadPoolExecutor(min(10, running.server.capacity)) as pool:
        jobs = [pool.submit(read_own_request, running, kind) for kind in ("def",) * 50 + ("async",) * 10]
        runs = [job.result() for job in jobs]
    assert all(len(running.notes.of(run, "teardown")) <= contexts_of(running, run) for run in runs)


@pytest.mark.parametrize("name", WSGI)
def test_flask_runs_see_their_own_requests(name: str, side_by_side: SideBySide) -> None:
    """Scenario 9: fifty runs use `request` and `current_app`, and the app's teardown is called once after each."""
    side_by_side(read_own_requests)


def close_connections(running: Running) -> None:
    """Check that runs which use the ORM close their connections, however they end."""
    ends = ("end", "raise", "wait")
    before = running.stats()["connections"]
    with ThreadPoolExecutor(min(6, running.server.capacity)) as pool:
        ways = list(itertools.product(KINDS, ends)) * 9
        for job in [pool.submit(stream_or_disconnect, running, "django/orm", *way) for way in ways]:
            job.result()
    running.wait_for(lambda stats: stats["connections"] <= before)


@pytest.mark.parametrize("name", ALL)
def test_django_connections_are_closed(name: str, side_by_side: SideBySide) -> None:
    """Scenario 11: with CONN_MAX_AGE set, after runs that end, raise and are left."""
    side_by_side(close_connections)


def see_variables(running: Running, framework: str, kind: str) -> None:
    """Check that a callback sees the view's span and its logging variables, and that its own span closes."""
    for end in ("end", "wait"):
        run = running.name_run()
        options = {"wait": 1} if end == "wait" else {}
        with running.request(f"{framework}/context", run=run, kind=kind, heartbeat=0.1, **options) as client:
            client.read_until(b"word;")
            if end == "wait":
                client.disconnect()
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


class Answering(BaseHTTPRequestHandler):
    """Answers each request with one word, and keeps the connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"word;")

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output quiet."""


@pytest.fixture(scope="session")
def ask() -> Iterator[Callable[[Running], None]]:
    """A scenario: runs that ask one server with one client."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield partial(ask_often, server.server_port)
        server.shutdown()
        thread.join()


def ask_once(running: Running, port: int, framework: str) -> None:
    """Check that a run gets its answer."""
    run = running.name_run()
    with running.request(f"{framework}/asking", run=run, kind="async", service=port) as client:
        answer = client.read_to_end()
    assert (answer.words, answer.errors) == (["word;"], [])
    assert answer.is_complete


def ask_often(port: int, running: Running) -> None:
    """Ask ten times one after the other, and ten times at once."""
    frameworks = list(itertools.islice(itertools.cycle(running.server.frameworks), 10))
    for framework in frameworks:
        ask_once(running, port, framework)
    with ThreadPoolExecutor(min(10, running.server.capacity)) as pool:
        for job in [pool.submit(ask_once, running, port, framework) for framework in frameworks]:
            job.result()


@pytest.mark.parametrize("name", ALL)
def test_one_async_client_serves_all_runs(name: str, side_by_side: SideBySide, ask: Callable[[Running], None]) -> None:
    """Scenario 16: a client of the module, as an SDK's, in runs one after the other and at once."""
    side_by_side(ask)
