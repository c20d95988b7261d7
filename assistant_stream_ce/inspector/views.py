"""The views of an inspection: base classes, plain text, and JSON lines."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import TextIO

import msgspec

from assistant_stream_ce.inspector.events import FormatFound, InspectionEvent, Start, Summary
from assistant_stream_ce.inspector.report import (
    ReportLine,
    VisibleText,
    report_line,
    report_opening,
    summary_rows,
    visible,
)

KIND_COLUMNS = 13
TIME_COLUMNS = 11

# Lines that wait for an earlier one are written once they have more characters than this together.
_MAX_WAITING_CHARACTERS = 20_000

# So many lines may grow at once: each delta looks at all of them.
_MAX_GROWING_LINES = 50


class View(AbstractContextManager["View"]):
    """Base of the views: shows events on an output, from one thread."""

    def __exit__(self, *raised: object) -> None:
        """Restore the terminal, if the view has changed it."""

    def announce(self, name: str) -> None:
        """Show the name of the source before it is opened, which may take a while."""

    def show(self, event: InspectionEvent) -> None:
        """Show an event, at the latest with the next `flush`."""
        raise NotImplementedError

    def flush(self) -> None:
        """Make visible what was shown."""


class JSONView(View):
    """Writes one JSON object per line, in ASCII."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, event: InspectionEvent) -> None:
        """Write an event."""
        line = json.dumps(msgspec.to_builtins(event), separators=(",", ":"))
        # The one control character that JSON does not escape.
        self._out.write(line.replace("\x7f", "\\u007f") + "\n")

    def flush(self) -> None:
        """Flush the output."""
        self._out.flush()


class GrowingLine:
    """A line with the text that was received for it and is not written yet."""

    def __init__(self, line: ReportLine, seconds: float) -> None:
        self.line = line
        # The times of its begin and of its newest text, and the number of its texts.
        self._began = self._newest = seconds
        self._deltas = 0
        # Safe to print.
        self.unwritten: str = ""
        self._text = VisibleText()
        self._gap = "  " if line.title else ""
        self.extend(line.text, seconds)

    def extend(self, text: str, seconds: float) -> None:
        """Add text."""
        self._newest = seconds
        self._deltas += text != ""
        self._add(self._text.feed(text))

    def end(self) -> None:
        """Add what is left at the end of the text."""
        self._add(self._text.rest())

    def take(self) -> str:
        """Return the unwritten text, which the caller writes."""
        text, self.unwritten = self.unwritten, ""
        return text

    def heading(self, is_timed: bool) -> str:
        """Return the columns in front of the line: when it began, and its kind."""
        time = f"{self._began:{TIME_COLUMNS - 2}.3f}  " if is_timed else ""
        return f"{time}{self.line.kind:<{KIND_COLUMNS}}"

    def growth(self, is_timed: bool) -> str:
        """Return the note at the end of the line; empty for one that has not grown."""
        duration = f", {self._newest - self._began:.3f} s" if is_timed else ""
        return f"  ({self._deltas:,} deltas{duration})" if self._deltas > 1 else ""

    def _add(self, text: str) -> None:
        if text:
            self.unwritten += self._gap + text
            self._gap = ""


class PlainView(View):
    """Writes one line of plain text for each part, which grows while its text arrives.

    Several lines may grow at once: tool calls, or the answer and a state that repeats it. Only the first one is
    written as it grows; the others wait for its end, so that texts that alternate are not split into words.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._name = ""
        self._is_timed = False
        # The lines that may still grow, and the line that was written last.
        self._open: list[GrowingLine] = []
        self._current: GrowingLine | None = None

    def announce(self, name: str) -> None:
        """Write the name of the source."""
        self._name = name
        self._write_note(visible(name), "bold")
        self.flush()

    def show(self, event: InspectionEvent) -> None:
        """Write an event."""
        match event:
            case Start():
                self._is_timed = event.is_timed
                if opening := report_opening(event, self._name):
                    self._write_note(opening, "bright_black")
            case FormatFound():
                self._write_note(report_opening(event, self._name) + "\n", "bright_black")
            case Summary():
                self._end_all()
                self._write_summary(event)
            case _:
                if (line := report_line(event)) is not None:
                    self._add(line, event.seconds)
                if self._open:
                    self._write(self._open[0])

    def _add(self, line: ReportLine, seconds: float) -> None:
        """Extend the line with the same key, or begin a new one, and end those that do not grow beside it."""
        for growing in self._open:
            if line.key is not None and growing.line.key == line.key:
                growing.extend(line.text, seconds)
                if sum(len(waiting.unwritten) for waiting in self._open) > _MAX_WAITING_CHARACTERS:
                    self._end_all()
                return
        if not self._may_wait(line) or len(self._open) >= _MAX_GROWING_LINES:
            self._end_all()
        self._open.append(GrowingLine(line, seconds))
        if line.key is None:
            self._end_all()

    def _may_wait(self, line: ReportLine) -> bool:
        """Return whether a line grows beside the open ones: a tool call beside others, the state beside anything."""
        if line.key is None:
            return False
        return line.kind == "state" or all(growing.line.kind == line.kind == "tool call" for growing in self._open)

    def _end_all(self) -> None:
        ended, self._open = self._open, []
        for growing in ended:
            growing.end()
            self._write(growing)
            self._write_end(growing.growth(self._is_timed))

    def _write(self, growing: GrowingLine) -> None:
        if growing is not self._current:
            self._current = growing
            self._write_begin(growing)
        self._write_text(growing.take())

    # --- what the live view writes in another way ---

    def flush(self) -> None:
        """Flush the output."""
        self._out.flush()

    def _write_note(self, text: str, style: str) -> None:
        self._out.write(f"{text}\n")

    def _write_begin(self, growing: GrowingLine) -> None:
        self._out.write(growing.heading(self._is_timed) + growing.line.title)

    def _write_text(self, text: str) -> None:
        self._out.write(text.replace("\n", "\n" + " " * (KIND_COLUMNS + TIME_COLUMNS * self._is_timed)))

    def _write_end(self, growth: str) -> None:
        self._out.write(f"{growth}\n")

    def _write_summary(self, summary: Summary) -> None:
        self._out.write("\n" + "".join(f"{name:<15}{value}\n" for name, value in summary_rows(summary)))
