"""Faults of a real redis-server, of the network before it, of a disk and of processes: the table of failures."""

from __future__ import annotations

import logging
import multiprocessing
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from assistant_stream_ce import (
    RunCancelled,
    RunController,
    RunFailedError,
    RunResult,
    StoreUnavailableError,
    TextDeltaChunk,
    create_run,
)
from assistant_stream_ce.resumable import FollowedStream, ResumableStreams
from tests.resumable.flaky import FlakyStore
from tests.resumable.test_streams import SECONDS, wait_for
from tests.resumable.worker import store_at
from tests.resumable.worlds import texts
from tests.support.redis_proxy import RedisProxy
from tests.support.redis_server import RedisServer, redis_server

ROOT = Path(__file__).parents[2]
COUNT = 300
WORDS = [TextDeltaChunk(f"{number} ") for number in range(COUNT)]


@pytest.fixture(scope="module")
def own_server() -> Iterator[RedisServer]:
    """A server that a test may freeze or restart."""
    with redis_server() as server:
        yield server


@pytest.fixture
def server(own_server: RedisServer) -> RedisServer:
    """The server, empty."""
    client = own_server.client()
    client.flushall()
    client.close()
    return own_server


@pytest.fixture
def make_streams() -> Iterator[Callable[..., ResumableStreams]]:
    """Return a function that makes the streams of a worker at a URL or directory."""
    made: list[ResumableStreams] = []

    def make(place: str, **options: Any) -> ResumableStreams:
        made.append(ResumableStreams(store_at(place), **options))
        return made[-1]

    yield make
    for streams in made:
        streams.close()


Make = Callable[..., ResumableStreams]


def counting(seconds: float, results: list[RunResult], count: int = COUNT) -> Any:
    """Return a run that says numbers, one each so many seconds."""

    def run(controller: RunController) -> None:
        for number in range(count):
            controller.append_text(f"{number} ")
            controller.cancelled_event.wait_sync(seconds)

    return create_run(run, on_finish=results.append)


def followed(streams: ResumableStreams, stream_id: str = "a") -> FollowedStream:
    stream = streams.follow(stream_id, wait=SECONDS)
    assert stream is not None
    return stream


def interrupted(stream: FollowedStream) -> list[Any]:
    """Read a stream to its end, which is an interruption, and return its chunks."""
    chunks: list[Any] = []
    with pytest.raises(RunFailedError):
        for chunk in stream:
            chunks.append(chunk)
    assert stream.reason == "interrupted"
    return chunks


# --- Redis ---


def test_a_frozen_server_delays_other_workers_and_loses_nothing(server: RedisServer, make_streams: Make) -> None:
    """Shorter than a look, longer than the timeout of a command, and longer than the lease."""
    url, results = f"{server.url}?socket_timeout=1", []  # type: ignore[var-annotated]
    first, second = make_streams(url, lease=4.0), make_streams(url, lease=4.0)
    names = [f"s{number}" for number in range(20)]
    local = [first.start(counting(0.03, results), name) for name in names]
    remote = [followed(second, name) for name in names]
    with ThreadPoolExecutor(2 * len(names)) as pool:
        read = [pool.submit(list, stream) for stream in (*local, *remote)]
        for seconds in (0.4, 1.5, 4.5):
            server.freeze()
            threading.Event().wait(seconds)
            server.thaw()
            # The store works again, so that each freeze is one of its own.
            before = first.stats()["entries"]
            wait_for(lambda before=before: first.stats()["entries"] > before or not first.stats()["live"])
        assert all(future.result() == WORDS for future in read)
    assert [result.reason for result in results] == ["completed"] * len(names)
    assert first.stats()["reaped"] == second.stats()["reaped"] == 0


def test_a_server_that_was_restarted_empty_is_filled_again(server: RedisServer, make_streams: Make) -> None:
    first, second, third = (make_streams(server.url) for _ in range(3))
    results: list[RunResult] = []
    local = first.start(counting(0.005, results), "a")
    remote = followed(second)
    chunks = [next(remote) for _ in range(COUNT // 3)]
    server.restart()
    late = wait_for(lambda: _follow_if_there(third))
    assert list(late) == WORDS
    assert chunks + list(remote) == WORDS
    assert list(local) == WORDS
    assert [result.reason for result in results] == ["completed"]


def _follow_if_there(streams: ResumableStreams) -> FollowedStream | None:
    try:
        return streams.follow("a")
    except StoreUnavailableError:
        return None


def test_a_lost_tail_is_repaired(server: RedisServer, make_streams: Make) -> None:
    """A failover to a replica that lacks the last entries."""
    go_on = threading.Event()

    def run(controller: RunController) -> None:
        for number in range(COUNT):
            controller.append_text(f"{number} ")
            controller.cancelled_event.wait_sync(0.001)
            if number == COUNT // 2 - 1:
                go_on.wait(SECONDS)

    first, second, third = (make_streams(server.url) for _ in range(3))
    local = first.start(create_run(run), "a")
    remote = followed(second)
    chunks = [next(remote) for _ in range(COUNT // 3)]
    client = server.client()
    log = "assistant-stream:{_:a}"
    old = client.dump(log)
    chunks += [next(remote) for _ in range(COUNT // 2 - len(chunks))]
    client.restore(log, 60_000, old, replace=True)
    client.close()
    late = followed(third)
    go_on.set()
    assert list(late) == WORDS
    assert chunks + list(remote) == WORDS
    assert list(local) == WORDS
    assert list(followed(second)) == WORDS


MEGABYTE = 2**20


def test_a_full_server_ends_only_the_storing(
    server: RedisServer, make_streams: Make, caplog: pytest.LogCaptureFixture
) -> None:
    big = "x" * (40 * 1024)
    most = 0
    is_full = threading.Event()

    def run(controller: RunController) -> None:
        nonlocal most
        controller.append_text("begin")
        is_full.wait(SECONDS)
        for _ in range(300):
            controller.append_text(big)
            controller.cancelled_event.wait_sync(0.01)
            most = max(most, first.stats()["waiting_bytes"])

    first = make_streams(server.url, lease=2.0, max_bytes=64 * MEGABYTE)
    second = make_streams(server.url, lease=2.0)
    local = first.start(create_run(run), "a")
    remote = followed(second)
    assert next(remote) == TextDeltaChunk("begin")
    client = server.client()
    client.config_set("maxmemory", 1)
    try:
        is_full.set()
        assert list(local) == [TextDeltaChunk("begin"), *[TextDeltaChunk(big)] * 300]
        # The end is stored nevertheless.
        interrupted(remote)
        wait_for(lambda: not first.stats()["live"])
    finally:
        client.config_set("maxmemory", 0)
        client.close()
    # The bound, and what comes between two attempts.
    assert most < 12 * MEGABYTE
    assert first.stats()["unstored"] == 1
    assert first.stats()["waiting_bytes"] == 0
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert ["no longer resumable" in record.message for record in errors] == [True]


def test_a_full_server_neither_ends_a_live_run_nor_hides_a_stop(server: RedisServer, make_streams: Make) -> None:
    first, second = make_streams(server.url, lease=2.0), make_streams(server.url, lease=2.0)
    results: list[RunResult] = []
    local = first.start(counting(0.01, results), "a")
    first.start(counting(0.01, results, 100_000), "b").close()
    remote, stopped = followed(second), followed(second, "b")
    next(remote)
    client = server.client()
    client.config_set("maxmemory", 1)
    try:
        # Longer than the lease.
        list(local)
        assert second.stop("b")
        wait_for(lambda: len(results) == 2)
    finally:
        client.config_set("maxmemory", 0)
        client.close()
    list(stopped)
    assert stopped.reason == "stopped"
    assert len(list(remote)) == COUNT - 1
    assert [result.reason for result in results] == ["completed", "cancelled"]
    assert second.stats()["reaped"] == 0


@pytest.mark.parametrize("cuts", [False, True], ids=["replies lost", "connections lost"])
def test_a_bad_network_doubles_and_loses_nothing(server: RedisServer, make_streams: Make, cuts: bool) -> None:
    proxy = RedisProxy(server.url, 7, cuts=cuts)
    try:
        first, second = make_streams(proxy.url, lease=30.0), make_streams(proxy.url, lease=30.0)
        local = repeated(lambda: first.start(counting(0.005, []), "a"))
        remote = repeated(lambda: second.follow("a"))
        with ThreadPoolExecutor(2) as pool:
            assert [found == WORDS for found in pool.map(list, (local, remote))] == [True, True]
        assert list(repeated(lambda: second.follow("a"))) == WORDS
        assert proxy.lost > 5
        first.close()
        second.close()
    finally:
        proxy.close()


def repeated(call: Callable[[], Any]) -> Any:
    """Repeat a call of an application until the store answers."""

    def attempt() -> Any:
        try:
            return call()
        except StoreUnavailableError:
            return None

    return wait_for(attempt)


def test_a_producer_that_was_cut_off_is_fenced_and_cancelled(server: RedisServer, make_streams: Make) -> None:
    proxy = RedisProxy(server.url)
    try:
        reports: list[tuple[str, Any]] = []
        results: list[RunResult] = []
        first = make_streams(proxy.url, lease=2.0)
        second, third = (
            make_streams(server.url, lease=2.0, on_interrupted=lambda *report: reports.append(report)) for _ in range(2)
        )
        local = first.start(counting(0.02, results, 100_000), "a")
        remote, other = followed(second), followed(third)
        next(remote)
        next(other)
        proxy.cut()
        assert interrupted(remote) == interrupted(other)
        # Followers of its own process notice nothing yet.
        count = second.status("a").chunks  # type: ignore[union-attr]
        found = [next(local) for _ in range(count + 5)]
        assert found == [TextDeltaChunk(f"{number} ") for number in range(count + 5)]
        proxy.heal()
        found += interrupted(local)
        assert [result.reason for result in results] == ["cancelled"]
        assert len(interrupted(followed(second))) == count + 1
        message = second.status("a").message  # type: ignore[union-attr]
        assert reports == [("a", message)]
        assert message is not None
        assert message.text == "".join(f"{number} " for number in range(count))
        first.close()
    finally:
        proxy.close()


def test_a_deleted_stream_stays_deleted_while_its_run_goes_on(server: RedisServer, make_streams: Make) -> None:
    go_on, refused = threading.Event(), threading.Event()

    def run(controller: RunController) -> None:
        controller.append_text("a")
        go_on.wait(SECONDS)
        try:
            controller.append_text("late")
        except RunCancelled:
            refused.set()
        controller.append_text("later")

    first, second = make_streams(server.url), make_streams(server.url)
    local = first.start(create_run(run), "a")
    next(local)
    client = server.client()
    deleter = threading.Thread(target=second.delete, args=("a",))
    deleter.start()
    # Its run ignores that it was stopped, and is given up before the log is deleted.
    deleter.join(SECONDS)
    go_on.set()
    assert refused.wait(SECONDS)
    wait_for(lambda: not first.stats()["live"])
    wait_for(lambda: not client.exists("assistant-stream:{_:a}"))
    assert first.follow("a") is None
    assert second.status("a") is None
    # What is left are notes, for a minute at most.
    assert all(0 < client.pttl(key) <= 60_000 for key in client.keys("*"))
    client.close()


def test_every_key_expires_and_nothing_is_left(server: RedisServer, make_streams: Make) -> None:
    options: dict[str, Any] = {"lease": 2.0, "retention": 0.2, "message_retention": 0.2}
    first, second = make_streams(server.url, **options), make_streams(server.url, **options)
    for number in range(10):
        stream = first.start(counting(0.01, [], 10), f"s{number}", on_leave=5)
        if number % 2:
            assert len(list(followed(second, f"s{number}"))) == 10
        stream.close()
    first.start(counting(1, [], 1000), "stopped", thread="chat")
    assert second.stop(thread="chat")
    first.start(counting(1, [], 1000), "deleted")
    assert second.delete("deleted")
    wait_for(lambda: not first.stats()["live"])
    client = server.client()
    limits = {key: client.pttl(key) for key in client.keys("*")}
    assert all(limit == -2 or 0 < limit <= 60_000 for limit in limits.values())
    # Notes and requests outlive their streams, by at most a minute.
    notes = (b":gone", b":stop", b":seen")

    def rest() -> list[bytes]:
        keys = client.keys("*")
        return [key for key in keys if not key.endswith(notes) and b":in:" not in key and b":thread:" not in key]

    wait_for(lambda: not rest())
    client.close()


# --- processes ---


def _start_all(place: str, rounds: int, barrier: Any, sender: Any) -> None:
    calls, answers = 0, []

    def run(controller: RunController) -> None:
        nonlocal calls
        calls += 1
        for number in range(5):
            controller.append_text(f"{number} ")

    with ResumableStreams(store_at(place)) as streams:
        for number in range(rounds):
            barrier.wait(50)
            answers.append(texts(list(streams.start(create_run(run), f"r{number}"))))
    sender.send((calls, answers))
    sender.close()


@pytest.mark.parametrize("kind", ["files", "redis"])
def test_of_twenty_processes_one_runs_a_callback(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    place = str(tmp_path / "streams") if kind == "files" else request.getfixturevalue("server").url
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    rounds, count = 20, 20
    barrier = context.Barrier(count)
    receivers, processes = [], []
    for _ in range(count):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_start_all, args=(place, rounds, barrier, sender))
        process.start()
        sender.close()
        receivers.append(receiver)
        processes.append(process)
    found = [receiver.recv() for receiver in receivers]
    for process in processes:
        process.join()
    assert sum(calls for calls, _ in found) == rounds
    assert {answer for _, answers in found for answer in answers} == {"0 1 2 3 4 "}
    assert sum(len(answers) for _, answers in found) == rounds * count


_FORKING = """
import os, sys, time
from assistant_stream_ce import create_run
from tests.resumable.worker import store_at
from tests.resumable.worlds import texts
from assistant_stream_ce.resumable import ResumableStreams

def run(controller):
    for number in range(100_000):
        controller.append_text(f"{number} ")
        controller.cancelled_event.wait_sync(0.02)

streams = ResumableStreams(store_at(sys.argv[1]), lease=2.0)
streams.start(create_run(run), "a")
child = os.fork()
if not child:
    # It lives as long as the test keeps its input open.
    sys.stdin.read()
    os._exit(0)
print(child, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["files", "redis"])
def test_a_killed_producer_is_noticed_while_its_child_lives(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, make_streams: Make
) -> None:
    place = str(tmp_path / "streams") if kind == "files" else request.getfixturevalue("server").url
    streams = make_streams(place, lease=2.0)
    command = [sys.executable, "-c", _FORKING, place]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert int(process.stdout.readline())
            stream = followed(streams)
            next(stream)
            process.kill()
            process.wait()
            interrupted(stream)
            # The child is there still: it has the other end of the pipe.
            assert process.stdin is not None
            process.stdin.write("x")
            process.stdin.flush()
        finally:
            process.kill()


# --- files ---

_FULL_DISK = """
import logging, resource, signal, sys, time
from assistant_stream_ce import create_run
from assistant_stream_ce.resumable import FileStore, ResumableStreams

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
logging.basicConfig(stream=sys.stdout, level=logging.ERROR)

def run(controller):
    controller.append_text("begin")
    sys.stdin.readline()
    for _ in range(100):
        controller.append_text("x" * 200_000)

streams = ResumableStreams(FileStore(sys.argv[1]), max_bytes=2**26)
stream = streams.start(create_run(run), "a")
print("started", flush=True)
print(len(list(stream)), stream.reason, flush=True)
while not streams.stats()["unstored"]:
    time.sleep(0.01)
print("unstored", flush=True)
sys.stdin.readline()
"""


def test_a_full_disk_ends_only_the_storing(tmp_path: Path, make_streams: Make) -> None:
    """No file may grow beyond a mebibyte, in that process."""
    place = str(tmp_path / "streams")
    streams = make_streams(place)
    command = [sys.executable, "-c", _FULL_DISK, place]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == "started\n"
            stream = followed(streams)
            assert next(stream) == TextDeltaChunk("begin")
            process.stdin.write("\n")
            process.stdin.flush()
            output = iter(process.stdout.readline, "unstored\n")
            lines = list(output)
            assert "101 completed\n" in lines
            assert sum("no longer resumable" in line for line in lines) == 1
            found = interrupted(stream)
            assert found[:-1] == [TextDeltaChunk("x" * 200_000)] * (len(found) - 1)
        finally:
            process.kill()


def test_no_file_is_left_after_the_retention(tmp_path: Path, make_streams: Make) -> None:
    place = tmp_path / "streams"
    first, second = (make_streams(str(place), retention=0.2, message_retention=0.2) for _ in range(2))
    for number in range(10):
        first.start(counting(0, [], 10), f"s{number}", owner="user", on_leave=5)
    for number in range(10):
        list(second.start(counting(0, [], 10), f"t{number}"))
    wait_for(lambda: not first.stats()["live"])
    # Without a further call.
    wait_for(lambda: not [path for path in place.rglob("*") if path.is_file()])


# --- ids ---


def garbage(rng: random.Random) -> str:
    """Return a text that is no id."""
    letters = ["/", "\0", "{", "}", "*", "?", "[", " ", "\n", "é", "\ud800", "%", "\\", ",", "~", "$", "\x7f", "a", "."]
    kinds = [
        lambda: "".join(rng.choices(letters, k=rng.randint(1, 30))),
        lambda: "../" * rng.randint(1, 9) + "etc/passwd",
        lambda: "x" * rng.choice([201, 1_000, 10_240]),
        lambda: f"a}}:{rng.random()}{{",
        lambda: f"\r\nDEL {rng.random()}\r\n",
    ]
    text = rng.choice(kinds)()
    return f"{text}/"


FUZZED = [garbage(random.Random(seed)) for seed in range(1_000)]


def test_what_is_no_id_never_reaches_the_store() -> None:
    store = FlakyStore()
    with ResumableStreams(store) as streams:
        for text in FUZZED:
            assert streams.follow(text) is None
            assert streams.status(text) is None
            assert not streams.stop(text)
            assert not streams.delete(text)
            with pytest.raises(ValueError, match="stream_id must be"):
                streams.start(create_run(lambda controller: None), text)
    assert store.calls == []


def test_no_owner_and_no_thread_leaves_its_place(server: RedisServer, tmp_path: Path, make_streams: Make) -> None:
    """Their names are hashed: nothing is written outside the prefix and the directory."""
    folder = tmp_path / "in" / "streams"
    folder.parent.mkdir()
    for streams in (make_streams(server.url), make_streams(str(folder))):
        for number, text in enumerate(FUZZED[:60]):
            stream = streams.start(counting(0, [], 2), f"..:.{number}", owner=text, thread=text)
            assert len(list(stream)) == 2
            assert streams.follow(f"..:.{number}") is None
            assert streams.follow(f"..:.{number}", owner=text + "x") is None
            assert streams.stop(thread=text) is False
            assert len(list(followed_by_thread(streams, text))) == 2
    client = server.client()
    keys = client.keys("*")
    client.close()
    assert keys
    assert all(key.startswith(b"assistant-stream:") for key in keys)
    assert {path.name for path in tmp_path.iterdir()} == {"in"}
    assert {path.name for path in folder.parent.iterdir()} == {"streams"}


def followed_by_thread(streams: ResumableStreams, text: str) -> FollowedStream:
    stream = streams.follow(thread=text, owner=text)
    assert stream is not None
    return stream
