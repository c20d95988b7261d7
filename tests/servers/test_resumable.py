"""Resumable answers over workers of gunicorn and uvicorn that share a store: cut anywhere, resumed anywhere."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from assistant_stream_ce import RunFailedError
from assistant_stream_ce.resumable import FollowedStream, ResumableStreams
from tests.resumable.worker import store_at
from tests.servers.servers import Running, Server, require_server, serving
from tests.support.redis_server import RedisServer, redis_server

pytestmark = pytest.mark.timeout(120)

WORDS = 60
WIRES = ("AGUI", "AssistantTransport", "DataStream", "OpenAIStream", "PlainText", "UIMessageStream")
APPS = "tests.servers.resumable_apps"


def _gunicorn(*arguments: str) -> tuple[str, ...]:
    command = (sys.executable, "-u", "-m", "gunicorn", "--no-control-socket", "--bind", "127.0.0.1:{port}")
    return (*command, *arguments, "--log-level", "warning", f"{APPS}:wsgi")


GUNICORN = Server("gunicorn gthread", "wsgi", "gunicorn", _gunicorn("-k", "gthread", "--threads", "80"))
GEVENT = Server("gunicorn gevent", "wsgi", "gevent", _gunicorn("-k", "gevent"))
UVICORN = Server(
    "uvicorn",
    "asgi",
    "uvicorn",
    (sys.executable, "-u", "-m", "uvicorn", "--port", "{port}", "--log-level", "warning", f"{APPS}:asgi"),
)


class Workers(NamedTuple):
    """Servers over one store."""

    place: str
    #: The one that begins answers, and the one that resumes them: two workers of gunicorn, or others.
    first: Running
    second: Running


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(scope="module", params=["files", "redis"])
def workers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Two workers of gunicorn on one directory; or two of gunicorn and one of uvicorn on one Redis."""
    require_server("gunicorn gthread")
    with contextlib.ExitStack() as stack:
        if request.param == "files":
            place = str(tmp_path_factory.mktemp("resumable") / "streams")
            first = stack.enter_context(serving(GUNICORN, {"RESUMABLE_PLACE": place}, "--workers", "2"))
            yield Workers(place, first, first)
        else:
            require_server("uvicorn")
            place = request.getfixturevalue("redis").url
            first = stack.enter_context(serving(GUNICORN, {"RESUMABLE_PLACE": place}, "--workers", "2"))
            yield Workers(place, first, stack.enter_context(serving(UVICORN, {"RESUMABLE_PLACE": place})))


@pytest.fixture
def streams(workers: Workers) -> Iterator[ResumableStreams]:
    """The streams of this process: a further worker."""
    with ResumableStreams(store_at(workers.place), lease=30.0) as streams:
        yield streams


def followed(streams: ResumableStreams, name: str) -> FollowedStream:
    stream = streams.follow(name, wait=20.0)
    assert stream is not None
    return stream


@pytest.mark.parametrize("wire", WIRES)
def test_an_answer_that_was_cut_anywhere_is_resumed_whole(workers: Workers, wire: str) -> None:
    name = f"cut-{wire}"

    def start() -> Any:
        with workers.first.request(f"start/{wire}/{name}", words=WORDS, pause=0.02) as client:
            return client.read_to_end()

    def resume(word: int) -> Any:
        # Others cut the answer while it is live, each behind another word.
        with workers.first.request(f"follow/{wire}/{name}") as client:
            client.read_until(f"word-{word};".encode())
        with workers.second.request(f"follow/{wire}/{name}") as client:
            return client.read_to_end()

    with ThreadPoolExecutor(WORDS + 1) as pool:
        uncut = pool.submit(start)
        answers = list(pool.map(resume, range(WORDS)))
    whole = uncut.result()
    assert whole.status == 200
    assert whole.is_complete
    assert f"word-{WORDS - 1};".encode() in whole.body
    assert [answer.body == whole.body and answer.is_complete for answer in answers] == [True] * WORDS
    assert whole.headers["x-resumable-stream-id"] == name
    pids = {answer.headers["x-pid"] for answer in (whole, *answers)}
    assert len(pids) == 2 or workers.first is workers.second


def test_every_cursor_gives_the_rest(workers: Workers, streams: ResumableStreams) -> None:
    """While the answer is live, and after its end."""
    workers.first.get("begin/cursor", words=WORDS, pause=0.01)
    live = [streams.follow("cursor", after=count) for count in range(20)]
    chunks = list(followed(streams, "cursor"))
    assert [list(stream) for stream in live if stream is not None] == [chunks[count:] for count in range(20)]
    for count in range(1, len(chunks)):
        stream = streams.follow("cursor", after=count)
        assert stream is not None
        assert list(stream) == chunks[count:]
    assert streams.follow("cursor", after=len(chunks)) is None


def test_a_stop_reaches_a_run_of_another_worker(workers: Workers, streams: ResumableStreams) -> None:
    for number in range(5):
        name = f"stop-{number}"
        workers.first.get(f"begin/{name}", words=100_000, pause=0.05)
        stream = followed(streams, name)
        next(stream)
        began = time.monotonic()
        assert workers.second.get(f"stop/{name}") == {"stopped": True}
        list(stream)
        assert time.monotonic() - began < 5
        assert stream.reason == "stopped"
        assert workers.second.get(f"stop/{name}") == {"stopped": False}


@pytest.mark.parametrize("drain", [0, 30])
@pytest.mark.parametrize("server", [GUNICORN, UVICORN], ids=["gunicorn", "uvicorn"])
def test_a_server_that_ends_waits_for_its_runs_or_interrupts_them(
    server: Server, drain: int, redis: RedisServer
) -> None:
    """At once, and not only when the lease is over."""
    require_server(server.name)
    name = f"{server.name.replace(' ', '-')}-{drain}"
    environment = {"RESUMABLE_PLACE": redis.url, "RESUMABLE_DRAIN": str(drain)}
    with serving(server, environment) as running, ResumableStreams(store_at(redis.url), lease=30.0) as streams:
        words = 20 if drain else 100_000
        running.get(f"begin/{name}", words=words, pause=0.05)
        stream = followed(streams, name)
        next(stream)
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        if drain:
            list(stream)
            assert stream.reason == "completed"
            assert stream.message.text.endswith(f"word-{words - 1};")
        else:
            with pytest.raises(RunFailedError):
                list(stream)
            assert stream.reason == "interrupted"
            assert time.monotonic() - began < 12
        assert streams.stats()["reaped"] == 0
        running.process.wait(20)


def test_greenlets_follow_stop_and_notice_a_killed_worker(tmp_path: Path) -> None:
    require_server("gunicorn gevent")
    place = str(tmp_path / "streams")
    with (
        serving(GEVENT, {"RESUMABLE_PLACE": place}, "--workers", "2") as running,
        ResumableStreams(store_at(place), lease=30.0) as streams,
    ):

        def answer(path: str) -> bytes:
            with running.request(path, words=WORDS, pause=0.01) as client:
                return client.read_to_end().body

        with ThreadPoolExecutor(9) as pool:
            # Some wait for the start, on both workers.
            bodies = list(pool.map(answer, [*["follow/PlainText/whole"] * 8, "start/PlainText/whole"]))
        assert set(bodies) == {"".join(f"word-{number};" for number in range(WORDS)).encode()}
        for name, reason in (("stopped", "stopped"), ("killed", "interrupted")):
            pid = running.get(f"begin/{name}", words=100_000, pause=0.02)["pid"]
            stream = followed(streams, name)
            next(stream)
            if reason == "stopped":
                assert running.get(f"stop/{name}") == {"stopped": True}
            else:
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(RunFailedError):
                list(stream)
            assert stream.reason == reason


def test_a_worker_that_is_recycled_ends_its_runs_first(redis: RedisServer) -> None:
    require_server("gunicorn gthread")
    environment = {"RESUMABLE_PLACE": redis.url, "RESUMABLE_DRAIN": "20"}
    with (
        serving(GUNICORN, environment, "--max-requests", "2") as running,
        ResumableStreams(store_at(redis.url), lease=30.0) as streams,
    ):
        pid = running.get("begin/recycled", words=20, pause=0.05)["pid"]
        stream = followed(streams, "recycled")
        list(stream)
        assert stream.reason == "completed"
        assert running.stats()["pid"] != pid
