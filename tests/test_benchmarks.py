"""The benchmarks work, and the documentation shows what they measured. No time is asserted here."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import itertools
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

import pytest

from benchmarks import report
from benchmarks.measure import (
    BY_HAND,
    LIMIT,
    OURS,
    PEER,
    TINY,
    Preparation,
    Result,
    Row,
    Scale,
    Target,
    measure,
    rotated,
)
from benchmarks.rows import ROWS
from benchmarks.rows.capacity import MEDIAN, MEMORY, P99, PROCESSOR, carried
from benchmarks.run import ROOT, chosen, parser
from benchmarks.subjects.work import parse, speak
from tests.support.require import require

BY_NAME = {row.name: row for row in ROWS}


def test_list_names_every_row_with_nothing_but_python() -> None:
    # Isolated, and without what is installed: as on a machine that has only Python.
    command = [sys.executable, "-I", "-S", "benchmarks/run.py", "--list"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=20).stdout
    assert printed.split() == list(BY_NAME)
    assert len(BY_NAME) == len(ROWS)


@pytest.mark.parametrize(
    "name", ["encode-burst-data-stream", "encode-thread-openai", "run-thread", "state-append", "forward-bedrock"]
)
def test_a_row_measures_every_subject(name: str) -> None:
    row = BY_NAME[name]
    if importlib.util.find_spec("assistant_stream") is None:
        # It is installed with the benchmarks only, and not for the tests.
        row = dataclasses.replace(row, subjects={who: row.subjects[who] for who in row.subjects if who != PEER})
    steps: list[None] = []
    result = measure(row, TINY, lambda: steps.append(None))
    assert not result.failures
    assert list(result.values) == list(row.subjects)
    assert len(steps) == len(result.values)
    assert all(value > 0 for figures in result.values.values() for values in figures.values() for value in values)


def test_a_server_is_measured() -> None:
    for package in ("gunicorn", "psutil"):
        require(importlib.util.find_spec(package), f"not installed: {package}")
    result = measure(BY_NAME["server-wsgi"], TINY)
    assert not result.failures
    assert list(result.values) == [OURS, BY_HAND, LIMIT]


def test_the_capacity_of_a_server_is_measured() -> None:
    for package in ("gunicorn", "psutil"):
        require(importlib.util.find_spec(package), f"not installed: {package}")
    result = measure(BY_NAME["capacity-gunicorn"], TINY)
    assert not result.failures
    assert result.figures() == [f"2: {figure}" for figure in (PROCESSOR, MEDIAN, P99, MEMORY)]
    assert result.median(OURS, f"2: {PROCESSOR}")
    assert 0 < (result.median(OURS, f"2: {MEDIAN}") or 0) <= (result.median(OURS, f"2: {P99}") or 0)


@pytest.mark.parametrize(
    ("measured", "limit", "expected"),
    [
        # The last number that was in time, between two that are measured, or beyond all of them.
        ([100, 500, 1000], 700, 687),
        ([100, 500], 1800, 1750),
        ([50, 200], 30, 25),
        ([100, 500], 10**6, 4000),
        ([100], 0, 0),
    ],
)
def test_the_number_of_answers_in_time_is_searched(measured: list[int], limit: int, expected: int) -> None:
    tried: list[int] = []

    def is_late(number: int) -> bool:
        tried.append(number)
        return number > limit

    late = {number: 60.0 if number > limit else 10.0 for number in measured}
    found = carried(late, is_late, 4000)
    assert found <= limit
    assert abs(found - expected) <= max(expected, 100) / 8
    assert len(tried) <= 7


def test_an_answer_does_not_slow_down_with_its_server() -> None:
    """Each chunk has the time at which it was due, also after a pause of the reader."""
    order = parse("data-stream/thread/ticks/5/20")
    late, texts = [], []
    for number, text in enumerate(speak(order)):
        if number == 1:
            threading.Event().wait(0.1)
        texts.append(float(text.strip("@;")))
        late.append(time.monotonic() - texts[-1])
    assert [after - before for before, after in itertools.pairwise(texts)] == pytest.approx([0.02] * 4, abs=1e-6)
    assert min(late) >= 0
    assert late[1] >= 0.1


def no_preparation(scale: Scale) -> NoReturn:
    raise AssertionError("not to be measured")


def a_row(*targets: Target) -> Row:
    return Row("a-row", "encode", "work", "µs", dict.fromkeys((OURS, PEER, LIMIT), no_preparation), targets)


def test_a_failure_of_one_subject_is_kept_and_the_others_go_on() -> None:
    def prepare(value: float) -> Preparation:
        return lambda scale: contextlib.nullcontext(lambda: {"": 1 / value})

    result = measure(dataclasses.replace(a_row(), subjects={OURS: prepare(2), PEER: prepare(0)}), TINY)
    assert result.values == {OURS: {"": [0.5]}}
    assert result.failures == {PEER: "ZeroDivisionError: division by zero"}


def test_every_round_begins_with_another_subject() -> None:
    assert [rotated("abc", number) for number in range(4)] == [list("abc"), list("bca"), list("cab"), list("abc")]


def test_ratios_are_made_inside_each_round() -> None:
    result = Result(a_row(Target(0.5, PEER), Target(1.0, LIMIT)))
    for ours, peer, limit in ((1.0, 4.0, 0.5), (10.0, 40.0, 5.0), (2.0, 2.0, 1.0)):
        for subject, value in ((OURS, ours), (PEER, peer), (LIMIT, limit)):
            result.add(subject, {"": value})
    assert result.median(OURS, "") == 2
    assert result.spread(OURS, "") == 4.5
    assert result.ratio(PEER, "") == 0.25
    assert [report.is_met(result, target) for target in result.row.targets] == [True, False]
    assert list(report.missed([result])) == ["work: 2.00 ×; target: at most 1 × limit"]
    head, line = report.table([result])
    assert head == ["work", OURS, PEER, LIMIT, "ours / assistant-stream", "ours / limit", "target"]
    assert line == [
        "work",
        "2.00 ± 4.50",
        "4.00 ± 19.0",
        "1.00 ± 2.25",
        "0.25 ×",
        "2.00 ×",
        "at most 0.5 × assistant-stream: met; at most 1 × limit: missed",
    ]


def test_the_documentation_shows_the_results(tmp_path: Path) -> None:
    """Nobody has edited what is made, or forgotten to make it anew: `python3 benchmarks/run.py --render`."""
    facts, results = report.load(ROOT / "benchmarks" / "results.json")
    report.document(tmp_path, facts, results)
    shown = ROOT / "docs" / "performance"
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == sorted(path.name for path in shown.glob("*.inc"))
    assert [name for name in made if (tmp_path / name).read_text() != (shown / name).read_text()] == []
    readme = tmp_path / "README.md"
    readme.write_text((ROOT / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    report.update_readme(readme, results)
    assert readme.read_text(encoding="utf-8") == (ROOT / "README.md").read_text(encoding="utf-8")


def test_rows_that_are_measured_later_replace_the_earlier_ones(tmp_path: Path) -> None:
    facts, results = report.load(ROOT / "benchmarks" / "results.json")
    later = Result(BY_NAME["import"], {OURS: {"": [1.0]}})
    for date in ("2030-01-01", "2030-01-02"):
        new_facts = {"date": date, "commit": "abc", "rounds": 1}
        facts, merged = report.updated(facts, results, new_facts, [later])
    assert [result.row.name for result in merged] == [result.row.name for result in results]
    assert next(result for result in merged if result.row.name == "import") is later
    report.document(tmp_path, facts, merged)
    about = (tmp_path / "about.inc").read_text()
    assert about.count("``import``") == 1
    assert "Later, on 2030-01-02 at commit abc, in 1 round: ``import``." in about


def test_an_unknown_row_is_named() -> None:
    with pytest.raises(SystemExit, match="no row 'nothing'"):
        chosen(parser().parse_args(["--only", "nothing"]).only)
