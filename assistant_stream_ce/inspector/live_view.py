"""The view for terminals: colours, and a status line at the bottom. The only module that imports rich."""

from __future__ import annotations

import sys
from time import monotonic
from typing import Self

from assistant_stream_ce.errors import MissingExtraError
from assistant_stream_ce.inspector import events
from assistant_stream_ce.inspector.report import summary_rows
from assistant_stream_ce.inspector.views import KIND_COLUMNS, TIME_COLUMNS, GrowingLine, PlainView

try:
    from rich.console import Console, Group, RenderableType
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text
except ImportError as _error:
    raise MissingExtraError("the live view", "inspect") from _error

_REFRESHES_PER_SECOND = 10

# With fewer columns, the text of a part is written below its heading.
_NARROW_COLUMNS = 60

# Of the kinds of lines that do not have the default style.
_STYLES = {
    "reasoning": "italic bright_black",
    "tool call": "cyan",
    "result": "green",
    "failure": "red",
    "finish": "bold",
    **dict.fromkeys(("refusal", "refused"), "yellow"),
    **dict.fromkeys(("source", "file"), "blue"),
    **dict.fromkeys(("state", "data", "annotations"), "magenta"),
    **dict.fromkeys(("error", "broken", "cut", "silent"), "bold red"),
}


class LiveView(PlainView):
    """Prints each row of text when it is full; only growing rows and the status line are redrawn."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(sys.stdout)
        self._console = console or Console(highlight=False, emoji=False, markup=False)
        # The values of the status line.
        self._status = "waiting for the answer"
        self._chunks = self._deltas = 0
        self._last_at = monotonic()
        # The current line: the prefix of its next row, and the row that is not full.
        self._front = self._row = Text()
        # Full rows that are not printed yet, and the other rows, which rich's thread draws and nothing modifies.
        self._full: list[Text] = []
        self._drawn: list[Text] = []
        self._live = Live(
            get_renderable=self._draw,
            console=self._console,
            refresh_per_second=_REFRESHES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *raised: object) -> None:
        """Remove the status line."""
        self._live.stop()

    def show(self, event: events.InspectionEvent) -> None:
        """Write an event with the next `flush`."""
        self._last_at = monotonic()
        match event:
            case events.ChunkReceived():
                self._chunks += 1
                self._deltas += events.delta_text(event.chunk) != ""
            case events.Start():
                self._status = "waiting for the first byte"
            case events.FormatFound():
                self._status = event.wire
        super().show(event)

    def flush(self) -> None:
        """Print the full rows."""
        growing, waiting = self._open[:1], self._open[1:]
        self._drawn = [*(self._front.copy().append(self._row) for _ in growing), *map(self._waiting_row, waiting)]
        if self._full:
            self._console.print(Text("\n").join(self._full), soft_wrap=True)
            self._full.clear()

    # --- lines ---

    def _write_note(self, text: str, style: str) -> None:
        self._console.print(Text(text, style))

    def _write_begin(self, growing: GrowingLine) -> None:
        self._front = self._heading(growing)
        self._row = Text("", _style(growing)).append(growing.line.title, "bold")

    def _write_text(self, text: str) -> None:
        *full, self._row = self._wrapped(self._row.append(text))
        self._add_full(full)

    def _write_end(self, growth: str) -> None:
        self._add_full(self._wrapped(self._row.append(growth, "not bold bright_black")))

    def _write_summary(self, summary: events.Summary) -> None:
        self.flush()
        self._live.stop()
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="bright_black", no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row()
        for name, value in summary_rows(summary):
            style = ("bold green" if summary.is_good else "bold red") if name == "result" else "default"
            table.add_row(name, Text(value, style))
        self._console.print(table)

    # --- rows ---

    @property
    def _indent(self) -> int:
        is_narrow = self._console.width < _NARROW_COLUMNS
        return 2 if is_narrow else KIND_COLUMNS + TIME_COLUMNS * self._is_timed

    def _heading(self, growing: GrowingLine) -> Text:
        text = growing.heading(self._is_timed)
        time, kind = text[:-KIND_COLUMNS], text[-KIND_COLUMNS:]
        heading = Text.assemble((time, "bright_black"), (kind, f"bold {_style(growing)}"))
        return heading.append("\n" + " " * self._indent) if self._console.width < _NARROW_COLUMNS else heading

    def _waiting_row(self, growing: GrowingLine) -> Text:
        """Return the heading of a line that waits and the end of its text, in one row."""
        text = growing.unwritten.replace("\n", " ")[-self._console.width :]
        row = self._heading(growing).append(growing.line.title).append(text)
        row.no_wrap, row.overflow = True, "ellipsis"
        return row

    def _wrapped(self, row: Text) -> list[Text]:
        """Return the rows of a text at the current width; at least one."""
        width = max(1, self._console.width - self._indent)
        # Rich drops the blanks at the end of a row, but the next delta may begin with another word.
        length = len(row.plain.rstrip(" "))
        *full, last = row[:length].wrap(self._console, width, overflow="fold", tab_size=8) or [Text("", row.style)]
        return [*full, last.append(row[length:])]

    def _add_full(self, rows: list[Text]) -> None:
        for row in rows:
            self._full.append(self._front.copy().append(row))
            self._front = Text(" " * self._indent)

    # --- status ---

    def _draw(self) -> RenderableType:
        """Return what is redrawn. Called by rich's thread too, so it only reads."""
        return Group(*self._drawn, self._status_line())

    def _status_line(self) -> Text:
        words = [self._status]
        if self._chunks:
            words += [f"{self._chunks:,} chunks", f"{self._deltas:,} deltas"]
        words.append(f"quiet for {monotonic() - self._last_at:.1f} s")
        return Text("   ".join(words), "reverse", no_wrap=True, overflow="ellipsis")


def _style(growing: GrowingLine) -> str:
    return _STYLES.get(growing.line.kind, "default")
