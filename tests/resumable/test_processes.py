"""Real processes: a producer that is killed, frozen, or told to end, and followers elsewhere."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant_stream_ce import RunFailedError
from assistant_stream_ce.resumable import FollowedStream, ResumableStreams
from tests.resumable.test_streams import SECONDS, wait_for
from tests.resumable.worker import store_at
from tests.resumable.worlds import texts

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["files", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the place of a store that processes share."""
    if request.param == "files":
        return str(tmp_path / "streams")
    return f"{request.getfixturevalue('redis_url')}?db={_next_database()}"


_databases = iter(range(1, 16))


def _next_database() -> int:
    return next(_databases)


@pytest.fixture
def start_worker(place: str) -> Iterator[Callable[..., Any]]:
    """Return a function that starts a worker which produces so many chunks, and returns its process."""
    with contextlib.ExitStack() as stack:

        def start(count: int, seconds: float = 0.02) -> subprocess.Popen[str]:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.resumable.worker", place, "a", str(count), str(seconds)],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            for line in process.stdout:
                if line == "started\n":
                    return process
            raise AssertionError("the worker did not start")

        yield start


@pytest.fixture
def streams(place: str) -> Iterator[ResumableStreams]:
    with ResumableStreams(store_at(place), lease=2.0) as streams:
        yield streams


def followed(streams: ResumableStreams) -> FollowedStream:
    stream = streams.follow("a", wait=SECONDS)
    assert stream is not None
    return stream


def lines_of(process: subprocess.Popen[str]) -> list[str]:
    """Let a worker end, and return the rest of what it prints."""
    output, _ = process.communicate("\n", timeout=SECONDS)
    return output.splitlines()


def test_a_follower_in_another_process_reads_everything(
    streams: ResumableStreams, start_worker: Callable[..., Any]
) -> None:
    process = start_worker(100, 0.005)
    assert texts(list(followed(streams))) == "".join(f"{number} " for number in range(100))
    assert lines_of(process)[-1] == "finished completed"


def test_a_stop_reaches_another_process(streams: ResumableStreams, start_worker: Callable[..., Any]) -> None:
    process = start_worker(10_000)
    stream = followed(streams)
    next(stream)
    assert streams.stop("a")
    list(stream)
    assert stream.reason == "stopped"
    assert lines_of(process)[-1] == "finished cancelled"


def test_a_killed_producer_ends_its_stream_once(streams: ResumableStreams, start_worker: Callable[..., Any]) -> None:
    producer = start_worker(10_000)
    others = [start_worker(0) for _ in range(3)]
    stream = followed(streams)
    chunks: list[Any] = [next(stream) for _ in range(3)]
    producer.kill()
    with pytest.raises(RunFailedError, match="interrupted"):
        for chunk in stream:
            chunks.append(chunk)
    status = wait_for(lambda: streams.status("a"))
    assert status.state == "interrupted"
    told = texts(list(_chunks(streams)))
    assert told == status.message.text == "".join(f"{number} " for number in range(status.chunks))
    # This process, or one of the three, has reported it.
    reports = [line for other in others for line in lines_of(other) if line.startswith("interrupted")]
    assert reports == ([f"interrupted a {told}"] if streams.stats()["reaped"] == 0 else [])


def _chunks(streams: ResumableStreams) -> Iterator[Any]:
    with contextlib.suppress(RunFailedError):
        yield from followed(streams)


# The frozen producer of a file keeps its lock.
@pytest.mark.parametrize("place", ["redis"], indirect=True)
def test_a_frozen_producer_writes_nothing_behind_its_end(
    streams: ResumableStreams, start_worker: Callable[..., Any]
) -> None:
    producer = start_worker(10_000)
    stream = followed(streams)
    next(stream)
    producer.send_signal(signal.SIGSTOP)
    with pytest.raises(RunFailedError):
        list(stream)
    count = streams.status("a").chunks  # type: ignore[union-attr]
    producer.send_signal(signal.SIGCONT)
    assert lines_of(producer)[-1] == "finished cancelled"
    assert streams.status("a").chunks == count  # type: ignore[union-attr]


def test_a_process_that_ends_interrupts_its_stream_at_once(
    streams: ResumableStreams, start_worker: Callable[..., Any]
) -> None:
    producer = start_worker(10_000)
    stream = followed(streams)
    next(stream)
    began = time.monotonic()
    assert lines_of(producer)[-1] == "finished cancelled"
    with pytest.raises(RunFailedError, match="shutting down"):
        list(stream)
    assert time.monotonic() - began < SECONDS
    assert streams.stats()["reaped"] == 0
