"""The table of what was measured on each server: printed after the tests, and written into the documentation.

`python -m tests.servers.report` runs the tests and writes `docs/servers-table.inc`.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

COLUMNS = (
    "word arrives after",
    "silent callback told after",
    "talking callback told after",
    "producer stops at",
    "200 times left",
    "live streams at SIGTERM",
)

_TABLE = Path(__file__).resolve().parents[2] / "docs" / "servers-table.inc"


class Report:
    """Collects numbers from tests in any thread."""

    def __init__(self) -> None:
        # Guards the dictionary.
        self._lock = threading.Lock()
        self._cells: dict[str, dict[str, str]] = {}

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


if __name__ == "__main__":
    sys.exit(pytest.main([str(Path(__file__).parent), f"--servers-table={_TABLE}", *sys.argv[1:]]))
