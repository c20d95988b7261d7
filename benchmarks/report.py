"""The output of a run of the benchmarks: numbers as JSON, tables for the terminal, the documentation and the README."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import BY_HAND, LIMIT, OTHER, PEER, SUBJECTS, Result, Target
from benchmarks.processes import ROOT
from benchmarks.rows import ROWS
from benchmarks.rows.capacity import CARRIED

#: The tables, in the order of their page, and what they count.
FAMILIES = {
    "encode": "From ``append_text`` to encoded bytes, in process: µs of processor time for each chunk",
    "servers": "Through a server, 100 clients with a chunk each 10 ms: µs of processor time for each chunk",
    "growth": "More streams at once, ten chunks a second each: µs of processor time for each chunk",
    "latency": "How long it takes: ms",
    "capacity": "Simultaneous answers in one process, twenty chunks a second each",
    "memory": "Quiet streams in one process: KiB for each",
    "stalled": "A client that stops reading a fast stream",
    "lifecycle": "Start and end",
    "sdks": "Forwarding the streams of model SDKs: µs of processor time for each event",
    "state": "Edits of the state, from the edit to encoded bytes: µs of processor time for each",
    "state-yielding": "The same from a coroutine that yields after each edit: µs of processor time for each",
}
PACKAGES = (
    "assistant-stream-ce",
    "assistant-stream",
    "pydantic-ai-slim",
    "sse-starlette",
    "starlette",
    "Django",
    "Flask",
    "gunicorn",
    "uvicorn",
    "janus",
    "msgspec",
)

#: What the README shows: rows with their words there.
HEADLINES = {
    "encode-burst-data-stream": "a burst of chunks to data stream bytes, coroutine",
    "encode-thread-data-stream": "a burst of chunks to data stream bytes, blocking callback",
    "encode-yielding-data-stream": "the same from a coroutine that yields after each chunk",
    "server-starlette-coroutine-assistant-transport": "a chunk through uvicorn, coroutine, assistant transport",
    "server-starlette-thread-assistant-transport": "a chunk through uvicorn, blocking callback, assistant transport",
    "server-flask": "a chunk through gunicorn threads, Flask, blocking callback",
    "state-append": "an append to a list in the state, 1,000 of them",
    "import": "import",
}
_CAPACITY_FIGURE = [
    "",
    ".. figure:: performance/capacity.svg",
    "   :alt: How late the chunks come, over the number of simultaneous answers.",
    "",
    "   The time within which 99 % of the chunks come, over the number of answers. Dashed: 50 ms.",
]
_README_TABLE = re.compile(r"^\| \| ours / .*\n(?:\|.*\n)+", re.M)

About = Mapping[str, Any]


def about(rounds: int) -> About:
    """Return where and with what was measured."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _commit(),
        "rounds": rounds,
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {
            "Python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
    }


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return f"{found[1] if found else platform.processor()} ({platform.machine()})"


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changes = git("status", "--porcelain", "--untracked-files=no", "--", "assistant_stream_ce", "benchmarks/*.py")
    return git("rev-parse", "--short", "HEAD") + (" with changes" if changes else "")


# --- JSON -----------------------------------------------------------------------------------------


def save(path: Path, facts: About, results: Sequence[Result]) -> None:
    """Write everything that was measured, with what follows from it."""
    text = json.dumps(
        {**facts, "rows": {result.row.name: _as_json(result) for result in results}}, indent=1, ensure_ascii=False
    )
    # Lists of numbers on one line each.
    path.write_text(re.sub(r"\[[^\[\]{}]*\]", lambda match: " ".join(match[0].split()), text) + "\n", encoding="utf-8")
    print(f"written: {path.relative_to(ROOT)}")


def _as_json(result: Result) -> dict[str, Any]:
    row = result.row
    return {
        "title": row.title,
        "unit": row.unit,
        "another": row.another,
        "rounds": {
            subject: {figure: [_rounded(value) for value in values] for figure, values in figures.items()}
            for subject, figures in result.values.items()
        },
        "medians": {
            subject: {figure: _rounded(result.median(subject, figure)) for figure in figures}
            for subject, figures in result.values.items()
        },
        "targets": [
            {
                "figure": target.figure,
                "target": describe(target),
                "reached": _rounded(result.reached(target)),
                "met": is_met(result, target),
            }
            for target in row.targets
        ],
        "failures": result.failures,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def load(path: Path) -> tuple[About, list[Result]]:
    """Read what was measured."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    saved = facts.pop("rows")
    results = [Result(row, saved[row.name]["rounds"], saved[row.name]["failures"]) for row in ROWS if row.name in saved]
    return facts, results


def updated(
    facts: About, results: Sequence[Result], new_facts: About, new_results: Sequence[Result]
) -> tuple[About, list[Result]]:
    """Return what was measured, with some rows that were measured later in place of the earlier ones."""
    newer = {result.row.name: result for result in new_results}
    older = {result.row.name: result for result in results}
    updates = [
        {**update, "rows": rows}
        for update in facts.get("updates", ())
        if (rows := [name for name in update["rows"] if name not in newer])
    ]
    new = {"date": new_facts["date"], "commit": new_facts["commit"], "rounds": new_facts["rounds"], "rows": list(newer)}
    merged = older | newer
    return {**facts, "updates": [*updates, new]}, [merged[row.name] for row in ROWS if row.name in merged]


# --- Words ----------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Return a number with about three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def describe(target: Target) -> str:
    """Return a target in words."""
    amount = f"{target.at_most:.2g}" if target.at_most < 1 else f"{target.at_most:g}"
    if target.against is None:
        return f"at most {amount}"
    if target.against_figure is not None:
        return f"at most {amount} × that of {target.against_figure}"
    return f"at most {amount} × {target.against}"


def is_met(result: Result, target: Target) -> bool | None:
    """Return whether a target is met; None when it was not measured."""
    reached = result.reached(target)
    return None if reached is None else reached <= target.at_most


def name_of(result: Result, figure: str) -> str:
    """Return the words for a line of a table."""
    unit = f", {result.row.unit}" if result.row.family == "lifecycle" else ""
    return f"{result.row.title}{unit}" + (f": {figure}" if figure else "")


def _cell(result: Result, subject: str, figure: str) -> str:
    median = result.median(subject, figure)
    if median is None:
        return "failed" if subject in result.failures else "–"
    name = f" ({result.row.another})" if subject == OTHER else ""
    spread = f" ± {number(result.spread(subject, figure))}" if len(result.values[subject][figure]) > 1 else ""
    return f"{number(median)}{spread}{name}"


def _ratio(result: Result, against: str, figure: str) -> str:
    ratio = result.ratio(against, figure)
    return "–" if ratio is None else f"{number(ratio)} ×"


def table(results: Sequence[Result], *, is_short: bool = False) -> list[list[str]]:
    """Return the lines of the table of a family, the first its head; without columns that would be empty."""
    verdict = _short_verdict if is_short else _verdict
    subjects = [subject for subject in SUBJECTS if any(subject in result.row.subjects for result in results)]
    # Of what one bounds and the other does not, a ratio has no meaning.
    ratios = [subject for subject in (PEER, LIMIT) if subject in subjects and results[0].row.family != "stalled"]
    lines = [["work", *subjects, *(f"ours / {subject}" for subject in ratios), "target"]]
    for result in results:
        for figure in result.figures():
            targets = [target for target in result.row.targets if target.figure == figure]
            lines.append(
                [
                    f"{result.row.name} {figure}".strip() if is_short else name_of(result, figure),
                    *(_cell(result, subject, figure) for subject in subjects),
                    *(_ratio(result, subject, figure) for subject in ratios),
                    "; ".join(verdict(result, target) for target in targets) or "–",
                ]
            )
    filled = [index for index in range(len(lines[0])) if any(line[index] != "–" for line in lines[1:])]
    return [[line[index] for index in filled] for line in lines]


def _verdict(result: Result, target: Target) -> str:
    return f"{describe(target)}: {'met' if is_met(result, target) else 'missed'}"


def _short_verdict(result: Result, target: Target) -> str:
    return "met" if is_met(result, target) else "missed"


def missed(results: Sequence[Result]) -> Iterator[str]:
    """Return a line for each target that is missed."""
    for result in results:
        for target in result.row.targets:
            if is_met(result, target) is False:
                reached = number(result.reached(target) or 0) + ("" if target.against is None else " ×")
                yield f"{name_of(result, target.figure)}: {reached}; target: {describe(target)}"


def dearer(results: Sequence[Result]) -> Iterator[str]:
    """Return a line for each figure in which the peer does better."""
    for result in results:
        for figure in result.figures():
            ratio = result.ratio(PEER, figure)
            # Of the answers that are carried, more is better.
            if ratio is not None and (ratio < 1 if figure == CARRIED else ratio > 1):
                yield f"{name_of(result, figure)}: {number(ratio)} × {PEER}"


def families(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the results of each family, in the order of the tables."""
    found = {family: [result for result in results if result.row.family == family] for family in FAMILIES}
    return {family: rows for family, rows in found.items() if any(result.figures() for result in rows)}


# --- Where it is shown ----------------------------------------------------------------------------


def show(results: Sequence[Result]) -> None:
    """Print the tables, what was missed and what failed."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    # Narrower than this the tables cannot be read.
    console = Console(highlight=False, width=max(Console().width, 130))
    for family, rows in families(results).items():
        head, *body = table(rows, is_short=True)
        title = FAMILIES[family].replace("``", "")
        shown = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
        for index, name in enumerate(head):
            shown.add_column(name, justify="right" if index else "left", no_wrap=index == 0)
        for line in body:
            shown.add_row(*line)
        console.print(shown)
    for name, notes in (("Missed targets", missed(results)), (f"Dearer than {PEER}", dearer(results))):
        console.print(f"\n[bold]{name}[/bold]")
        for note in notes:
            console.print(f"  {note.replace('``', '')}", soft_wrap=True)
    for result in results:
        for subject, reason in result.failures.items():
            console.print(f"[bold red]{result.row.name}, {subject}: failed[/bold red]\n{reason}", soft_wrap=True)


def document(folder: Path, facts: About, results: Sequence[Result]) -> None:
    """Write what the documentation includes."""
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, lines: Sequence[str]) -> None:
        text = "\n".join([".. Made by `python3 benchmarks/run.py`.", "", *lines])
        (folder / f"{name}.inc").write_text(text.rstrip() + "\n", encoding="utf-8")

    measured = families(results)
    for family, title in FAMILIES.items():
        lines = _list_table(title, table(measured[family])) if family in measured else ["Not measured yet."]
        write(family, [*lines, *(_CAPACITY_FIGURE if family == "capacity" and family in measured else ())])
    write("missed", [f"- {line}" for line in missed(results)] or ["None."])
    write("dearer", [f"- {line}" for line in dearer(results)] or ["None."])
    machine, versions = facts["machine"], facts["versions"]
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    updates = [
        f"Later, on {update['date']} at commit {update['commit']}, in {_rounds(update['rounds'])}: "
        f"{', '.join(f'``{name}``' for name in update['rows'])}."
        for update in facts.get("updates", ())
    ]
    write(
        "about",
        [
            f"Measured on {facts['date']} at commit {facts['commit']}, in {_rounds(facts['rounds'])}, on "
            f"{machine['cores']} cores of {machine['processor']}, {machine['system']}, with {packages}.",
            *updates,
        ],
    )


def _rounds(count: int) -> str:
    return "1 round" if count == 1 else f"{count} rounds"


def _list_table(title: str, lines: Sequence[Sequence[str]]) -> list[str]:
    written = [f".. list-table:: {title}", "   :header-rows: 1", ""]
    for first, *rest in lines:
        written += [f"   * - {first}", *(f"     - {_unbroken(cell)}" for cell in rest)]
    return written


def _unbroken(cell: str) -> str:
    return re.sub(r" ± |(?<=\d) ×$", lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), cell)


def update_readme(path: Path, results: Sequence[Result]) -> None:
    """Write the headline ratios into the README."""
    lines = [f"| | ours / {PEER} | ours / {BY_HAND} | ours / limit | target |", "| --- | --- | --- | --- | --- |"]
    by_name = {result.row.name: result for result in results}
    for name, words in HEADLINES.items():
        result = by_name[name]
        figure = result.figures()[0]
        ratios = [_ratio(result, subject, figure) for subject in (PEER, BY_HAND, LIMIT)]
        verdicts = [_verdict(result, target) for target in result.row.targets if target.figure == figure]
        lines.append(f"| {' | '.join([words, *ratios, '; '.join(verdicts) or '–'])} |")
    text, count = _README_TABLE.subn(lambda _: "\n".join(lines) + "\n", path.read_text(encoding="utf-8"))
    assert count == 1, f"{path.name} has no table to replace"
    path.write_text(text, encoding="utf-8")
