"""Servers that fork, time out workers, get SIGTERM, or use greenlets: none hangs, none logs an error."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.servers.client import Answer, Client
from tests.servers.servers import SERVERS, STOP_SECONDS, Running, Server, require_server, serving
from tests.support.attempts import within

pytestmark = pytest.mark.timeout(120)

CONFIGURATION = str(Path(__file__).with_name("gunicorn_shutdown.py"))


def pid_of_a_run(running: Running) -> int:
    """Read a coroutine's stream to its end, and return the worker's process."""
    run = running.name_run()
    with running.request("plain/paced", run=run, kind="async", words=3, pause=0.01) as client:
        answer = client.read_to_end()
    assert answer.is_complete
    assert answer.words == ["word-0;", "word-1;", "word-2;"]
    pid: int = running.notes.wait(run, "started")["pid"]
    return pid


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("gunicorn gthread", ("--preload", "--workers", "2")), ("uwsgi", ("--processes", "2"))],
)
def test_preloaded_workers_have_their_own_loop(name: str, arguments: tuple[str, ...]) -> None:
    """Scenario 15: the parent has run a coroutine before it forks; the first request to each worker streams."""
    require_server(name)
    with serving(SERVERS[name], {"SERVERS_RUN_AT_IMPORT": "1"}, *arguments) as running:
        pids: set[int] = set()
        deadline = time.monotonic() + 30
        with ThreadPoolExecutor(8) as pool:
            while len(pids) < 2 and time.monotonic() < deadline:
                pids.update(pool.map(pid_of_a_run, [running] * 8))
        assert len(pids) == 2
        running.stop()
        assert "Traceback" not in running.output


@pytest.mark.parametrize(("kind", "reason"), [("def", "abandoned"), ("async", "cancelled")])
def test_a_sync_worker_that_is_timed_out_cancels_its_run(kind: str, reason: str) -> None:
    """Scenario 19: SystemExit comes in the thread that writes; the worker ends without waiting for the run's thread."""
    require_server("gunicorn sync")
    with serving(SERVERS["gunicorn sync"], None, "--timeout", "1") as running:
        run = running.name_run()
        with running.request("plain/paced", run=run, kind=kind, words=2, pause=40) as client:
            client.read_until(b"word-0;")
            old = running.notes.wait(run, "started")["pid"]
            client.read_to_end()
        assert running.notes.wait(run, "cancelled")
        # A thread in a long call is given up by the worker's exit, before gunicorn's second signal kills it.
        running.notes.wait(run, "finished")
        assert running.stats()["pid"] != old
        assert [one["reason"] for one in running.notes.of(run, "finished")] == [reason]
        assert bool(running.notes.of(run, "ended")) == (kind == "async")


def test_a_threaded_worker_is_not_timed_out() -> None:
    """Scenario 19, the other side: under gthread `--timeout` does not bound a stream."""
    require_server("gunicorn gthread")
    with serving(SERVERS["gunicorn gthread"], None, "--timeout", "1") as running:
        run = running.name_run()
        with running.request("plain/paced", run=run, words=30, pause=0.1) as client:
            answer = client.read_to_end()
        assert answer.is_complete
        assert len(answer.words) == 30
        running.stop()
        assert "Traceback" not in running.output


def read_and_disconnect(client: Client) -> Answer:
    """Read a stream to its end and hang up at once, as clients do: gunicorn waits for that, two seconds."""
    with client:
        return client.read_to_end()


WORDS = 30

#: How each server calls `shutdown`, and what it needs for that.
WAYS = [
    ("uvicorn", "lifespan", ()),
    # Its workers, if they are processes, get no signal that the app could see.
    ("hypercorn", "lifespan", ("--workers", "0")),
    ("granian asgi", "lifespan", ()),
    ("daphne", "reactor", ()),
    ("gunicorn asgi", "lifespan", ()),
    ("gunicorn sync", "configuration", ("--config", CONFIGURATION)),
    ("gunicorn gthread", "configuration", ("--config", CONFIGURATION)),
    ("gunicorn gevent", "configuration", ("--config", CONFIGURATION)),
    ("granian wsgi", "wakeup", ()),
    ("waitress", "handler", ()),
    ("cheroot", "handler", ()),
    ("werkzeug", "handler", ()),
    ("uwsgi", "fork", ()),
]

each_way = pytest.mark.parametrize(("name", "way", "arguments"), WAYS)


@each_way
def test_shutdown_ends_live_streams_at_sigterm(name: str, way: str, arguments: tuple[str, ...]) -> None:
    """Scenario 20: each client gets an error, each callback is cancelled, and the process ends in 3 s."""
    require_server(name)
    within(3, partial(shut_down, SERVERS[name], way, arguments))


def shut_down(server: Server, way: str, arguments: tuple[str, ...]) -> tuple[float, None]:
    """End a server with live streams; return how long it took."""
    with serving(server, {"SERVERS_SHUTDOWN": way}, *arguments) as running:
        kinds = ("def", "async")[: server.capacity]
        runs = [running.name_run() for _ in kinds]
        clients = [
            running.request(f"{server.frameworks[0]}/quiet", run=run, kind=kind)
            for run, kind in zip(runs, kinds, strict=True)
        ]
        for client in clients:
            client.read_until(b"word;")
        started = time.monotonic()
        running.process.terminate()
        with ThreadPoolExecutor() as pool:
            answers = list(pool.map(read_and_disconnect, clients))
        running.process.wait(STOP_SECONDS)
        seconds = time.monotonic() - started
        for run, answer in zip(runs, answers, strict=True):
            assert answer.errors == ["The server is shutting down."]
            assert answer.is_complete
            assert [one["reason"] for one in running.notes.of(run, "finished")] == ["cancelled"]
        assert "Traceback" not in running.output
        return seconds, None


@each_way
def test_shutdown_waits_for_on_finish(name: str, way: str, arguments: tuple[str, ...]) -> None:
    """A blocking `on_finish` of 1.5 s is not cut off by the end of the server."""
    require_server(name)
    with serving(SERVERS[name], {"SERVERS_SHUTDOWN": way}, *arguments) as running:
        assert end_live_stream(running, "quiet", finish=1.5) == "cancelled"


@each_way
def test_a_stream_that_ends_within_the_grace_is_complete(name: str, way: str, arguments: tuple[str, ...]) -> None:
    """`shutdown` with a grace: the server ends without an answer that is cut."""
    require_server(name)
    with serving(SERVERS[name], {"SERVERS_SHUTDOWN": way, "SERVERS_GRACE": "10"}, *arguments) as running:
        assert end_live_stream(running, "paced", words=WORDS, pause=0.05, finish=0.3) == "completed"


def end_live_stream(running: Running, behaviour: str, **query: Any) -> str:
    """End a server with a live stream of a blocking callback; return the reason that its `on_finish` noted."""
    run = running.name_run()
    client = running.request(f"{running.server.frameworks[0]}/{behaviour}", run=run, **query)
    client.read_until(b"word")
    running.process.terminate()
    answer = read_and_disconnect(client)
    assert answer.is_complete
    if behaviour == "paced":
        assert len(answer.words) == WORDS
    running.process.wait(STOP_SECONDS)
    assert "Traceback" not in running.output
    (finished,) = running.notes.of(run, "finished")
    return str(finished["reason"])


@pytest.mark.parametrize(("name", "way", "arguments"), [way for way in WAYS if way[0].startswith("gunicorn")])
def test_a_rolling_restart_cuts_no_answer(name: str, way: str, arguments: tuple[str, ...]) -> None:
    """At HUP the old worker ends when its streams have ended, and a new one takes the next request."""
    require_server(name)
    with serving(SERVERS[name], {"SERVERS_SHUTDOWN": way, "SERVERS_GRACE": "10"}, *arguments) as running:
        kinds = ("def", "async")[: running.server.capacity]
        runs = [running.name_run() for _ in kinds]
        clients = [
            running.request(f"{running.server.frameworks[0]}/paced", run=run, kind=kind, words=WORDS, pause=0.05)
            for run, kind in zip(runs, kinds, strict=True)
        ]
        for client in clients:
            client.read_until(b"word-3;")
        running.process.send_signal(signal.SIGHUP)
        with ThreadPoolExecutor() as pool:
            answers = list(pool.map(read_and_disconnect, clients))
        for run, answer in zip(runs, answers, strict=True):
            assert answer.is_complete
            assert len(answer.words) == WORDS
            assert running.notes.wait(run, "finished")["reason"] == "completed"
        old = running.notes.of(runs[0], "started")[0]["pid"]
        running.wait_for(lambda stats: stats["pid"] != old)
        assert "Traceback" not in running.output


def test_on_finish_is_called_when_the_limit_of_the_server_is_shorter_than_the_grace() -> None:
    """Uvicorn cancels the request after a second: the run is cancelled, and the process waits for `on_finish`."""
    require_server("uvicorn")
    environment = {"SERVERS_SHUTDOWN": "lifespan", "SERVERS_GRACE": "10"}
    with serving(SERVERS["uvicorn"], environment, "--timeout-graceful-shutdown", "1") as running:
        runs = {kind: running.name_run() for kind in ("def", "async")}
        clients = [running.request("starlette/quiet", run=run, kind=kind, finish=0.5) for kind, run in runs.items()]
        for client in clients:
            client.read_until(b"word;")
        running.process.terminate()
        running.process.wait(STOP_SECONDS)
        for client in clients:
            client.disconnect()
        for run in runs.values():
            assert [one["reason"] for one in running.notes.of(run, "finished")] == ["cancelled"]


def use_orm(running: Running, kind: str, then: str) -> None:
    """Stream a run that uses the ORM."""
    run = running.name_run()
    with running.request("django/orm", run=run, kind=kind, then=then) as client:
        client.read_until(b"0 words;")
        if then == "wait":
            client.disconnect()
        else:
            answer = client.read_to_end()
            assert answer.is_complete
            assert answer.words == ["0 words;"]
    running.notes.wait(run, "finished")


def test_under_gevent_both_kinds_run_while_others_use_the_orm() -> None:
    """Scenarios 13 and 14: no errors anywhere, and no greenlet waits a second for its turn, on a busy machine."""
    require_server("gunicorn gevent")
    with serving(SERVERS["gunicorn gevent"]) as running:
        within(1.0, partial(use_orm_beside_others, running))
        assert "Traceback" not in running.output


def use_orm_beside_others(running: Running) -> tuple[float, None]:
    """Stream runs of both kinds while others use the ORM; return the longest that one of these had to wait."""
    kinds = ("def",) * 20 + ("async",) * 6
    with ThreadPoolExecutor(60) as pool:
        others = [pool.submit(running.get, "django-words", seconds=2) for _ in range(8)]
        jobs = [pool.submit(use_orm, running, kind, then) for kind in kinds for then in ("end", "wait")]
        for job in jobs:
            job.result()
        words = [other.result() for other in others]
    assert {one["words"] for one in words} == {0}
    return max(one["longest"] for one in words), None
