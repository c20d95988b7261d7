"""The table of what was measured on each server: printed after the tests, and written into the documentation.

A plugin of pytest: processes that run tests side by side send what they measured to the one that prints.
`python -m tests.servers.report` runs the tests and writes `docs/servers-table.inc`.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

COLUMNS = (
    "word arrives after",
    "idle callback notified after",
    "active callback notified after",
    "producer stops at",
    "200 disconnects",
    "live streams at SIGTERM",
)

_TABLE = Path(__file__).resolve().parents[2] / "docs" / "servers-table.inc"


class Report:
    """Collects numbers from tests in any thread."""

    def __init__(self) -> None:
        # Guards the dictionary.
        self._lock = threading.Lock()
        self._cells: dict[str, dict[str, str]] = {}

    def cells(self) -> dict[str, dict[str, str]]:
        """Return all cells, by server and column."""
        with self._lock:
            return {server: dict(row) for server, row in self._cells.items()}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was measured."""
        return not self._cells

    def add(self, server: str, column: str, value: str) -> None:
        """Write a cell."""
        assert column in COLUMNS
        with self._lock:
            self._cells.setdefault(server, {})[column] = value

    def rows(self) -> list[tuple[str, ...]]:
        """Return the lines of the table, the first its head."""
        from tests.servers.servers import ALL

        names = [name for name in ALL if name in self._cells]
        body = [(name, *(self._cells[name].get(column, "-") for column in COLUMNS)) for name in names]
        return [("server", *COLUMNS), *body]

    def as_text(self) -> str:
        """Return the table for a terminal."""
        rows = self.rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
        return "\n".join(lines)

    def write(self, path: str) -> None:
        """Write the table as reST."""
        lines = [".. Made by `python -m tests.servers.report`.", "", ".. list-table::", "   :header-rows: 1", ""]
        for first, *rest in self.rows():
            lines += [f"   * - {first}", *(f"     - {cell}" for cell in rest)]
        Path(path).write_text("\n".join(lines) + "\n")


REPORT = Report()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes the table."""
    parser.addoption("--servers-table", metavar="FILE", help="write the table of the servers to this file, as reST")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send what this process has measured, if it is one of several."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["servers"] = REPORT.cells()


def pytest_testnodedown(node: Any) -> None:
    """Take what another process has measured; it has nothing if it crashed."""
    for server, row in getattr(node, "workeroutput", {}).get("servers", {}).items():
        for column, value in row.items():
            REPORT.add(server, column, value)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table, and write it if wanted."""
    if REPORT.is_empty:
        return
    terminalreporter.section("servers")
    terminalreporter.write_line(REPORT.as_text())
    if path := config.getoption("--servers-table"):
        REPORT.write(path)


if __name__ == "__main__":
    sys.exit(pytest.main([str(Path(__file__).parent), f"--servers-table={_TABLE}", *sys.argv[1:]]))
