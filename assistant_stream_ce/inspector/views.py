"""How an inspection is shown where nothing but text can be: line by line, or as JSON."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Protocol, Self, TextIO

from assistant_stream_ce.inspector.events import Event, Start, Summary, WireFound, plain_event
from assistant_stream_ce.inspector.growing import GrowingLine, Lines
from assistant_stream_ce.inspector.words import line_of, opening, rows, visible

__all__ = ("JSONView", "PlainView", "View")

KIND_COLUMNS = 13
TIME_COLUMNS = 11


class View(Protocol):
    """Shows what an inspection tells, from one thread."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""

    def ask(self, name: str) -> None:
        """Say what is opened, which may take its time."""

    def show(self, event: Event) -> None:
        """Show an event."""

    def flush(self) -> None:
        """Let the reader see what was shown."""


class _TextView:
    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was changed."""

    def flush(self) -> None:
        """Flush the output."""
        self._out.flush()


class JSONView(_TextView):
    """One JSON object a line, in ASCII."""

    def ask(self, name: str) -> None:
        """Say nothing: the first event tells it."""

    def show(self, event: Event) -> None:
        """Write an event."""
        line = json.dumps(plain_event(event), separators=(",", ":"))
        # The one control character that JSON lets through.
        self._out.write(line.replace("\x7f", "\\u007f") + "\n")


class PlainView(_TextView):
    """One line for each part, which grows as its text comes; times in front where there are any."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._name = ""
        self._is_timed = False
        self._lines = Lines()
        # The line that the output is in.
        self._present: GrowingLine | None = None

    def ask(self, name: str) -> None:
        """Write the source's name."""
        self._name = name
        self._out.write(f"{visible(name)}\n")
        self._out.flush()

    def show(self, event: Event) -> None:
        """Write an event."""
        match event:
            case Start() | WireFound():
                self._open(event)
            case Summary():
                self._finish(self._lines.end())
                self._out.write("\n")
                for name, value in rows(event):
                    self._out.write(f"{name:<15}{value}\n")
            case _:
                line = line_of(event)
                if line is not None:
                    self._finish(self._lines.take(line, event.seconds))
                if self._lines.open:
                    self._write(self._lines.open[0])

    def _open(self, event: Start | WireFound) -> None:
        if isinstance(event, Start):
            self._is_timed = event.is_timed
        if words := opening(event, self._name):
            self._out.write(f"{words}\n")
        if isinstance(event, WireFound):
            self._out.write("\n")

    def _finish(self, ended: list[GrowingLine]) -> None:
        for growing in ended:
            self._write(growing)
            self._out.write(f"{growth(growing, self._is_timed)}\n")

    def _write(self, growing: GrowingLine) -> None:
        if growing is not self._present:
            self._present = growing
            self._out.write(heading(growing, self._is_timed) + growing.line.title)
        indent = " " * (KIND_COLUMNS + TIME_COLUMNS * self._is_timed)
        self._out.write(growing.written().replace("\n", f"\n{indent}"))


def heading(growing: GrowingLine, is_timed: bool) -> str:
    """Return what stands in front of a line: when it began, and its kind."""
    time = f"{growing.began:{TIME_COLUMNS - 2}.3f}  " if is_timed else ""
    return f"{time}{growing.line.kind:<{KIND_COLUMNS}}"


def growth(growing: GrowingLine, is_timed: bool) -> str:
    """Return what is said at the end of a line that has grown; empty for one that has not."""
    if growing.deltas < 2:
        return ""
    return f"  ({growing.deltas:,} deltas, {growing.seconds:.3f} s)" if is_timed else f"  ({growing.deltas:,} deltas)"
