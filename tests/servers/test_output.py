"""After all else: what the servers printed and the library logged, and that each run finished once."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.servers.servers import ALL, Farm, Running

STRAY = ("Traceback", "was destroyed", "never retrieved", "never awaited", "Exception ignored", "Failed to detach")


def assert_clean(running: Running) -> None:
    """Hold that nothing stray was printed or logged, and that every hook was called once for each run."""
    strays = [line for line in running.output.splitlines() if any(one in line for one in STRAY)]
    assert not strays, running.output
    notes = running.notes.all()
    errors = [one for one in notes if one["event"] == "logged" and one["level"] in ("ERROR", "CRITICAL")]
    assert not [one for one in errors if "on purpose" not in str(one["error"])]
    counts = Counter((one["run"], one["event"]) for one in notes)
    assert not {key: count for key, count in counts.items() if key[1] in ("finished", "told", "ended") and count > 1}
    assert {run for run, event in counts if event == "started"} <= {run for run, event in counts if event == "finished"}


@pytest.mark.parametrize("name", ALL)
def test_nothing_stray_was_printed_or_logged(name: str, farm: Farm) -> None:
    """Scenario 25, of all that the tests did on a server, its end included: no traceback, every run finished once."""
    if name not in farm.started():
        pytest.skip(f"nothing was tested on {name}")
    running = farm.get(name)
    running.stop()
    assert_clean(running)
