"""Streaming: each chunk arrives before the next is sent, errors end a complete stream, HEAD has no body."""

from __future__ import annotations

import itertools
import time

import pytest

from tests.servers.conftest import SideBySide
from tests.servers.report import REPORT
from tests.servers.servers import (
    ALL,
    KINDS,
    WSGI_ON_ASGI,
    Running,
    Server,
    in_each_combination,
    require_apps,
    serving,
)
from tests.support.require import require

pytestmark = pytest.mark.timeout(180)

WORDS = 6

#: Seconds between words, what a gap may differ from that, and the longest until the first word.
PAUSE = 0.2
GAP_TOLERANCE = 0.1
FIRST_SECONDS = 0.3

#: What else the machine does may disturb one measurement.
ATTEMPTS = 8


def read_in_step(running: Running, framework: str, kind: str) -> list[float]:
    """Check that each word arrives before the next is sent; return how long each took."""
    run = running.name_run()
    delays = []
    with running.request(f"{framework}/in_step", run=run, kind=kind, words=WORDS) as client:
        for number in range(WORDS):
            arrived_at = client.read_until(b"word-%d;" % number)
            sent = running.notes.of(run, "sent")
            assert len(sent) == number + 1
            delays.append(max(0.0, arrived_at - sent[-1]["at"]))
            running.acknowledge(run, number + 1)
        answer = client.read_to_end()
    assert answer.status == 200
    assert answer.is_complete
    assert answer.words == [f"word-{number};" for number in range(WORDS)]
    # Some servers close the connection to mark the end, which HTTP allows; none knows the length beforehand.
    assert "content-length" not in answer.headers
    return delays


@pytest.mark.parametrize("name", ALL)
def test_each_word_arrives_before_the_next_is_sent(name: str, side_by_side: SideBySide) -> None:
    """Scenarios 1 and 2: incremental with every framework, the same Django view under WSGI and ASGI."""
    side_by_side(read_in_step_in_each_combination)


def read_in_step_in_each_combination(running: Running) -> None:
    """Read in step, and report how long a word took."""
    delays = [delay for each in in_each_combination(running, read_in_step) for delay in each]
    REPORT.add(running.server.name, "word arrives after", f"{sorted(delays)[len(delays) // 2] * 1000:.0f} ms")


@pytest.mark.parametrize("server", WSGI_ON_ASGI, ids=lambda server: server.name)
def test_wsgi_applications_stream_on_asgi_servers(server: Server) -> None:
    """Each framework and kind of callback, one after the other."""
    require_apps()
    require(server.is_installed, f"{server.package} is not installed")
    with serving(server) as running:
        for way in itertools.product(server.frameworks, KINDS):
            read_in_step(running, *way)


def read_at_pace(running: Running, framework: str, kind: str) -> None:
    """Check that the first word arrives at once, and the others at the pace at which they are sent."""
    for _ in range(ATTEMPTS):
        run = running.name_run()
        asked_at = time.monotonic()
        with running.request(f"{framework}/paced", run=run, kind=kind, words=WORDS, pause=PAUSE) as client:
            arrived = [client.read_until(b"word-%d;" % number) for number in range(WORDS)]
            answer = client.read_to_end()
        assert answer.is_complete
        assert ("chunked" in answer.headers.get("transfer-encoding", "")) == running.server.is_chunked
        first = arrived[0] - asked_at
        gaps = [later - earlier for earlier, later in itertools.pairwise(arrived)]
        if first < FIRST_SECONDS and all(abs(gap - PAUSE) <= GAP_TOLERANCE for gap in gaps):
            return
    raise AssertionError(f"{framework} {kind}: first after {first:.2f} s, then {[f'{gap:.2f}' for gap in gaps]}")


@pytest.mark.parametrize("name", ALL)
def test_words_arrive_at_the_pace_at_which_they_are_sent(name: str, side_by_side: SideBySide) -> None:
    """Scenario 1: six words 0.2 s apart, the first within 0.3 s, each gap 0.1 to 0.3 s, in chunked framing."""
    side_by_side(read_at_pace_in_each_combination)


def read_at_pace_in_each_combination(running: Running) -> None:
    """Read words that take their time in each combination."""
    in_each_combination(running, read_at_pace)


def read_error(running: Running, framework: str, kind: str) -> None:
    """Check that an exception of a callback is a part of a whole stream, and is logged once."""
    run = running.name_run()
    with running.request(f"{framework}/raising", run=run, kind=kind) as client:
        answer = client.read_to_end()
    assert answer.status == 200
    assert answer.is_complete
    assert answer.words == [f"word-{number};" for number in range(3)]
    assert answer.errors == [f"on purpose: {run}"]
    assert running.notes.wait(run, "finished")["reason"] == "failed"
    logged = [one for one in running.notes.of("", "logged") if one["error"] == f"on purpose: {run}"]
    assert [one["level"] for one in logged] == ["ERROR"]


@pytest.mark.parametrize("name", ALL)
def test_an_error_ends_a_whole_stream(name: str, side_by_side: SideBySide) -> None:
    """Scenario 18: the words, the error, a valid end, one log record; the status stays 200."""
    side_by_side(read_errors)


def read_errors(running: Running) -> None:
    """Read an error in each combination."""
    in_each_combination(running, read_error)


def ask_for_head(running: Running, framework: str, kind: str) -> None:
    """Check that HEAD is answered with headers alone, and that no run is left by it."""
    run = running.name_run()
    with running.request(f"{framework}/quiet", method="HEAD", run=run, kind=kind) as client:
        answer = client.read_to_end()
    assert answer.status == 200
    assert answer.headers["x-vercel-ai-data-stream"] == "v1"
    assert answer.body == b""
    assert running.notes.wait(run, "finished")["reason"] == "cancelled"
    assert not running.notes.of(run, "started")


@pytest.mark.parametrize("name", ALL)
def test_head_starts_nothing(name: str, side_by_side: SideBySide) -> None:
    """Scenario 12: HEAD to a streaming view starts no run, in each framework."""
    side_by_side(ask_for_heads)


def ask_for_heads(running: Running) -> None:
    """Ask for HEAD in each combination."""
    in_each_combination(running, ask_for_head)
