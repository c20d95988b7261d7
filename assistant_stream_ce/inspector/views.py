"""How an inspection is shown where nothing but text can be: line by line, or as JSON."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Protocol, Self, TextIO

from assistant_stream_ce.inspector.events import Event, Start, Summary, WireFound, plain_event
from assistant_stream_ce.inspector.words import Line, VisibleText, line_of, opening, rows, visible

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
        # Of the line that grows: its key, when it began and when it grew, its deltas.
        self._key: object = None
        self._began = self._grew = 0.0
        self._deltas = 0
        self._text = VisibleText()
        self._is_line_open = False
        # What stands between its title and its text.
        self._gap = ""

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
                self._end_line()
                self._out.write("\n")
                for name, value in rows(event):
                    self._out.write(f"{name:<15}{value}\n")
            case _:
                line = line_of(event)
                if line is not None:
                    self._take(line, event.seconds)

    def _open(self, event: Start | WireFound) -> None:
        if isinstance(event, Start):
            self._is_timed = event.is_timed
        if words := opening(event, self._name):
            self._out.write(f"{words}\n")
        if isinstance(event, WireFound):
            self._out.write("\n")

    def _take(self, line: Line, seconds: float) -> None:
        if not self._is_line_open or line.key is None or line.key != self._key:
            self._end_line()
            self._begin_line(line, seconds)
        self._grew = seconds
        self._deltas += line.text != ""
        self._write(self._text.feed(line.text))

    def _begin_line(self, line: Line, seconds: float) -> None:
        time = f"{seconds:{TIME_COLUMNS - 2}.3f}  " if self._is_timed else ""
        self._out.write(f"{time}{line.kind:<{KIND_COLUMNS}}{line.title}")
        self._is_line_open, self._gap = True, "  " if line.title else ""
        self._key, self._began, self._deltas = line.key, seconds, 0

    def _end_line(self) -> None:
        if not self._is_line_open:
            return
        self._is_line_open = False
        self._write(self._text.rest())
        self._out.write(f"{growth(self._deltas, self._grew - self._began, self._is_timed)}\n")
        self._text = VisibleText()

    def _write(self, text: str) -> None:
        if text:
            indent = " " * (KIND_COLUMNS + TIME_COLUMNS * self._is_timed)
            self._out.write(self._gap + text.replace("\n", f"\n{indent}"))
            self._gap = ""


def growth(deltas: int, seconds: float, is_timed: bool) -> str:
    """Return what is said at the end of a line that has grown; empty for one that has not."""
    if deltas < 2:
        return ""
    return f"  ({deltas:,} deltas, {seconds:.3f} s)" if is_timed else f"  ({deltas:,} deltas)"
