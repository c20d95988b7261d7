"""The end of each server, after all other tests: SIGTERM with live streams, and what was printed and logged."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.servers.conftest import SideBySide
from tests.servers.report import REPORT
from tests.servers.servers import ALL, Running

pytestmark = pytest.mark.timeout(180)

WORDS = 30
STRAY = (
    "Traceback",
    "Warning:",
    "was destroyed",
    "never retrieved",
    "never awaited",
    "Exception ignored",
    "Failed to detach",
)


def stop_with_a_live_stream(running: Running) -> Running:
    """Check what SIGTERM does with a live stream, as documented, and that the server ends."""
    kinds = ("def", "async") if running.server.capacity > 1 else ("async",)
    runs = [running.name_run() for _ in kinds]
    clients = [
        running.request(f"{running.server.frameworks[0]}/paced", run=run, kind=kind, words=WORDS, pause=0.05)
        for run, kind in zip(runs, kinds, strict=True)
    ]
    for client in clients:
        client.read_until(b"word-3;")
    running.process.terminate()
    answers = [client.read_to_end() for client in clients]
    for client in clients:
        client.disconnect()
    seconds = running.stop()
    words = min(len(answer.words) for answer in answers)
    if running.server.at_sigterm == "waits":
        assert words == WORDS
        assert all(answer.is_complete for answer in answers)
        assert {running.notes.of(run, "finished")[0]["reason"] for run in runs} == {"completed"}
    else:
        assert words < WORDS
    if running.server.at_sigterm == "cancels":
        assert all(running.notes.of(run, "cancelled") for run in runs)
        # Its loop ends before a coroutine can: the exit reports that.
        assert [[one["reason"] for one in running.notes.of(run, "finished")] for run in runs] == [["cancelled"]] * 2
    REPORT.add(running.server.name, "live streams at SIGTERM", running.server.at_sigterm)
    assert seconds < 10
    return running


@pytest.mark.parametrize("name", ALL)
def test_sigterm_with_live_streams(name: str, side_by_side: SideBySide) -> None:
    """Scenario 20: the server waits, cancels or dies as documented, and nothing hangs."""
    side_by_side(stop_with_a_live_stream)


@pytest.mark.parametrize("name", ALL)
def test_nothing_stray_was_printed_or_logged(name: str, side_by_side: SideBySide) -> None:
    """Scenario 25, of all tests on a server and of its end: no traceback, no warning, every run finished once."""
    running: Running = side_by_side(stop_with_a_live_stream)
    strays = [line for line in running.output.splitlines() if any(one in line for one in STRAY)]
    assert not strays, running.output
    notes = running.notes.all()
    errors = [one for one in notes if one["event"] == "logged" and one["level"] in ("ERROR", "CRITICAL")]
    assert not [one for one in errors if "on purpose" not in str(one["error"])]
    counts = Counter((one["run"], one["event"]) for one in notes)
    assert not {
        key: count for key, count in counts.items() if key[1] in ("finished", "cancelled", "ended") and count > 1
    }
    if running.server.at_sigterm != "dies":
        assert runs_with("started", counts) <= runs_with("finished", counts)


def runs_with(event: str, counts: Counter[tuple[str, str]]) -> set[str]:
    """Return the runs that noted an event."""
    return {run for run, noted in counts if noted == event}
