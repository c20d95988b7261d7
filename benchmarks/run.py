"""Measure what the library costs, beside others, and write it down. Needs nothing but Python.

python3 benchmarks/run.py                 every row; writes the tables and plots of the documentation
python3 benchmarks/run.py --quick         every row with little work, within four minutes; writes no documentation
python3 benchmarks/run.py --only ROW ...  these rows; a name may be a pattern: 'state-*'
python3 benchmarks/run.py --update --only ROW ...  the same, and writes the documentation with them
python3 benchmarks/run.py --list          the names of the rows
"""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import dev  # noqa: E402
from benchmarks import report  # noqa: E402
from benchmarks.measure import FULL, QUICK, Result, Row, Scale, measure  # noqa: E402
from benchmarks.rows import ROWS  # noqa: E402

ENVIRONMENT = ROOT / "benchmarks" / ".venv"
REQUIREMENTS = ROOT / "benchmarks" / "requirements.txt"
RESULTS = ROOT / "benchmarks" / "results.json"
#: Where what is not a full run writes to: not into the repository.
SCRATCH = ROOT / "benchmarks" / ".results.json"


def parser() -> argparse.ArgumentParser:
    """Return what understands the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="little work for each row")
    made.add_argument("--only", nargs="+", metavar="ROW", help="measure these rows; * and ? match any letters")
    made.add_argument("--list", action="store_true", help="print the names of the rows")
    made.add_argument("--rounds", type=int, metavar="N", help="measure every subject so many times")
    made.add_argument("--update", action="store_true", help="with --only: replace these rows in results.json")
    made.add_argument("--render", action="store_true", help="measure nothing: write the pages from results.json anew")
    return made


def chosen(patterns: Sequence[str] | None) -> list[Row]:
    """Return the rows with these names.

    Raises:
        SystemExit: there are none of a name.
    """
    for pattern in patterns or ():
        if not any(fnmatch.fnmatch(row.name, pattern) for row in ROWS):
            raise SystemExit(f"there is no row {pattern!r}: see --list")
    return [row for row in ROWS if patterns is None or any(fnmatch.fnmatch(row.name, one) for one in patterns)]


def allow_many_files() -> None:
    """Raise the limit of open files, also of the processes that are started: a thousand clients have as many."""
    if os.name == "posix":
        import resource

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def measure_all(rows: Sequence[Row], scale: Scale) -> list[Result]:
    """Measure rows, with a bar that shows how far it is."""
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task("", total=sum(len(row.subjects) for row in rows) * scale.rounds)
        results = []
        for row in rows:
            bar.update(task, description=f"{row.name:<46}")
            results.append(measure(row, scale, lambda: bar.advance(task)))
    return results


def publish(facts: report.About, results: Sequence[Result]) -> None:
    """Write what the documentation and the README show."""
    from benchmarks import plots

    folder = ROOT / "docs" / "performance"
    report.document(folder, facts, results)
    plots.draw(folder, results)
    report.update_readme(ROOT / "README.md", results)


def work(arguments: argparse.Namespace) -> None:
    """Measure, show and write."""
    if arguments.render:
        publish(*report.load(RESULTS))
        return
    allow_many_files()
    scale = QUICK if arguments.quick else FULL
    if arguments.rounds:
        scale = dataclasses.replace(scale, rounds=arguments.rounds)
    facts = report.about(scale.rounds)
    results = measure_all(chosen(arguments.only), scale)
    report.show(results)
    if arguments.only and arguments.update:
        report.save(RESULTS, *report.updated(*report.load(RESULTS), facts, results))
        publish(*report.load(RESULTS))
    elif arguments.quick or arguments.only:
        report.save(SCRATCH, facts, results)
    else:
        report.save(RESULTS, facts, results)
        publish(*report.load(RESULTS))
    if any(result.failures for result in results):
        raise SystemExit("some measurements failed")


def main() -> None:
    """Run the command line in the environment of the benchmarks, which is made when it is missing."""
    arguments = parser().parse_args()
    if arguments.list:
        print("\n".join(row.name for row in chosen(arguments.only)))
    elif Path(sys.prefix) == ENVIRONMENT:
        work(arguments)
    else:
        chosen(arguments.only)
        dev.set_up("starlette,flask,django", ENVIRONMENT, REQUIREMENTS)
        dev.run(dev.python_of(ENVIRONMENT), __file__, *sys.argv[1:])


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
