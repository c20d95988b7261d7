"""How an inspection is shown in a terminal: in colours, with a line at the bottom that tells the present state."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from assistant_stream_ce.errors import MissingExtraError
from assistant_stream_ce.inspector.events import ChunkCame, Event, Start, Summary, WireFound
from assistant_stream_ce.inspector.growing import GrowingLine, Lines
from assistant_stream_ce.inspector.parts import text_of
from assistant_stream_ce.inspector.views import KIND_COLUMNS, TIME_COLUMNS, growth, heading
from assistant_stream_ce.inspector.words import line_of, opening, rows, visible

try:
    from rich.console import Console, Group, RenderableType
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text
except ImportError as error:
    raise MissingExtraError("the live view", "inspect") from error

__all__ = ("LiveView",)

_REFRESHES_PER_SECOND = 10

# Below this many columns a part's text stands below its heading.
_NARROW = 60

_STYLES = {
    "text": "default",
    "reasoning": "italic bright_black",
    "refusal": "yellow",
    "tool call": "cyan",
    "result": "green",
    "failure": "red",
    "source": "blue",
    "file": "blue",
    "state": "magenta",
    "data": "magenta",
    "annotations": "magenta",
    "error": "bold red",
    "broken": "bold red",
    "refused": "yellow",
    "cut": "bold red",
    "silent": "bold red",
    "finish": "bold",
}


class LiveView:
    """Writes each row of text when it is full; only the rows that grow, and the state below them, are drawn anew.

    Args:
        console: where to; the standard output without it.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, emoji=False, markup=False)
        self._name = ""
        # What the state tells.
        self._wire = "waiting for the answer"
        self._chunks = self._deltas = 0
        self._last_at = time.monotonic()
        self._is_timed = False
        self._lines = Lines()
        # The line that is written as it grows: what stands in front of its next row, and the row that is not full.
        self._present: GrowingLine | None = None
        self._front = Text()
        self._row = Text()
        # Full rows that were not written yet; and what rich's thread draws of those that are not full, never changed.
        self._rows: list[Text] = []
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the state away."""
        self._live.stop()

    def ask(self, name: str) -> None:
        """Write the source's name."""
        self._name = name
        self._console.print(Text(visible(name), "bold"))

    def show(self, event: Event) -> None:
        """Take an event, to be written by `flush`."""
        self._last_at = time.monotonic()
        match event:
            case Start() | WireFound():
                self._open(event)
            case Summary():
                self._finish(self._lines.end())
                self.flush()
                self._live.stop()
                self._console.print(_summary(event))
            case _:
                if isinstance(event, ChunkCame):
                    self._chunks += 1
                    self._deltas += text_of(event.chunk) != ""
                line = line_of(event)
                if line is not None:
                    self._finish(self._lines.take(line, event.seconds))
                if self._lines.open:
                    self._write(self._lines.open[0])

    def flush(self) -> None:
        """Write the rows that are full."""
        first, waiting = self._lines.open[:1], self._lines.open[1:]
        self._drawn = [*(self._placed(self._row) for _ in first), *map(self._waiting, waiting)]
        if self._rows:
            self._console.print(Text("\n").join(self._rows), soft_wrap=True)
            self._rows.clear()

    def _open(self, event: Start | WireFound) -> None:
        if isinstance(event, Start):
            self._is_timed = event.is_timed
            self._wire = "waiting for the first byte"
        else:
            self._wire = event.wire
        if words := opening(event, self._name):
            self._console.print(Text(words, "bright_black"))
        if isinstance(event, WireFound):
            self._console.print()

    # --- the lines that grow ---

    def _finish(self, ended: list[GrowingLine]) -> None:
        for growing in ended:
            self._write(growing)
            self._row.append(growth(growing, self._is_timed), "not bold bright_black")
            self._fill(self._wrapped(self._row))

    def _write(self, growing: GrowingLine) -> None:
        """Add the text of a line to the row that is not full."""
        if growing is not self._present:
            self._present = growing
            self._front = self._heading(growing)
            self._row = Text("", _style(growing)).append(growing.line.title, "bold")
        self._row.append(growing.written())
        *full, self._row = self._wrapped(self._row)
        self._fill(full)

    def _fill(self, rows: list[Text]) -> None:
        for row in rows:
            self._rows.append(self._placed(row))
            self._front = Text(" " * self._indent())

    def _heading(self, growing: GrowingLine) -> Text:
        words = heading(growing, self._is_timed)
        kind = words[-KIND_COLUMNS:]
        made = Text.assemble((words.removesuffix(kind), "bright_black"), (kind, f"bold {_style(growing)}"))
        return made.append("\n" + " " * self._indent()) if self._console.width < _NARROW else made

    def _waiting(self, growing: GrowingLine) -> Text:
        """Return a line that waits, as one row: its heading, and the end of its text."""
        text = growing.unwritten.replace("\n", " ")[-self._console.width :]
        row = self._heading(growing).append(growing.line.title).append(text)
        row.no_wrap, row.overflow = True, "ellipsis"
        return row

    def _wrapped(self, row: Text) -> list[Text]:
        """Return the rows of a text at the width that there is now; at least one."""
        width = max(1, self._console.width - self._indent())
        # Rich drops the blanks that a row has no room for; but the next delta may begin with another word.
        length = len(row.plain.rstrip(" "))
        *full, last = row[:length].wrap(self._console, width, overflow="fold", tab_size=8) or [Text("", row.style)]
        return [*full, last.append(row[length:])]

    def _indent(self) -> int:
        if self._console.width < _NARROW:
            return 2
        return KIND_COLUMNS + TIME_COLUMNS * self._is_timed

    def _placed(self, row: Text) -> Text:
        return self._front.copy().append(row)

    # --- the state ---

    def _draw(self) -> RenderableType:
        """Return what is drawn anew: called by the thread of rich too, so it only reads."""
        return Group(*self._drawn, self._state())

    def _state(self) -> Text:
        silence = time.monotonic() - self._last_at
        words = [self._wire]
        if self._chunks:
            words += [f"{self._chunks:,} chunks", f"{self._deltas:,} deltas"]
        words.append(f"quiet for {silence:.1f} s")
        return Text("   ".join(words), "reverse", no_wrap=True, overflow="ellipsis")


def _style(growing: GrowingLine) -> str:
    return _STYLES.get(growing.line.kind, "default")


def _summary(summary: Summary) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bright_black", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row()
    for name, value in rows(summary):
        style = "default"
        if name == "result":
            style = "bold green" if summary.is_good else "bold red"
        table.add_row(name, Text(value, style))
    return table
