"""How an inspection is shown in a terminal: in colours, with a line at the bottom that tells the present state."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from assistant_stream_ce.errors import MissingExtraError
from assistant_stream_ce.inspector.events import ChunkCame, Event, Start, Summary, WireFound
from assistant_stream_ce.inspector.parts import text_of
from assistant_stream_ce.inspector.views import KIND_COLUMNS, TIME_COLUMNS, growth
from assistant_stream_ce.inspector.words import Line, VisibleText, line_of, opening, rows, visible

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
    "cut": "bold red",
    "silent": "bold red",
    "finish": "bold",
}


class LiveView:
    """Writes each row of text when it is full; only the row that grows, and the state below it, are drawn anew."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, emoji=False, markup=False)
        self._name = ""
        # What the state tells.
        self._wire = "waiting for the answer"
        self._chunks = self._deltas = 0
        self._last_at = time.monotonic()
        # The line that grows: its heading while it was not written, and the row that is not full.
        self._is_timed = False
        self._line: Line | None = None
        self._heading: Text | None = None
        self._row = Text()
        self._text = VisibleText()
        self._began = self._grew = 0.0
        self._growths = 0
        # Full rows that were not written yet; and what rich's thread draws of the one that is not full, never changed.
        self._rows: list[Text] = []
        self._drawn: Text | None = None
        self._live = Live(
            get_renderable=self._present,
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
                self._end_line()
                self.flush()
                self._live.stop()
                self._console.print(_summary(event))
            case _:
                if isinstance(event, ChunkCame):
                    self._chunks += 1
                    self._deltas += text_of(event.chunk) != ""
                line = line_of(event)
                if line is not None:
                    self._take(line, event.seconds)

    def flush(self) -> None:
        """Write the rows that are full."""
        self._drawn = None if self._line is None else self._placed(self._row)
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

    # --- the line that grows ---

    def _take(self, line: Line, seconds: float) -> None:
        if self._line is None or line.key is None or line.key != self._line.key:
            self._end_line()
            self._begin_line(line, seconds)
        self._grew = seconds
        self._growths += line.text != ""
        self._row.append(self._text.feed(line.text))
        *full, self._row = self._wrapped(self._row)
        for row in full:
            self._write(row)

    def _begin_line(self, line: Line, seconds: float) -> None:
        style = _STYLES.get(line.kind, "default")
        self._line = line
        self._began, self._growths = seconds, 0
        heading = f"{seconds:{TIME_COLUMNS - 2}.3f}  " if self._is_timed else ""
        self._heading = Text.assemble((heading, "bright_black"), (f"{line.kind:<{KIND_COLUMNS}}", f"bold {style}"))
        self._row = Text(f"{line.title}  " if line.title else "", "bold")
        self._row = Text("", style).append(self._row)

    def _end_line(self) -> None:
        if self._line is None:
            return
        self._row.append(self._text.rest())
        self._row.append(growth(self._growths, self._grew - self._began, self._is_timed), "not bold bright_black")
        for row in self._wrapped(self._row):
            self._write(row)
        self._line, self._text = None, VisibleText()

    def _wrapped(self, row: Text) -> list[Text]:
        """Return the rows of a text at the width that there is now; at least one."""
        width = self._console.width - self._indent()
        return list(row.wrap(self._console, max(1, width), overflow="fold", tab_size=8)) or [row]

    def _indent(self) -> int:
        if self._console.width < _NARROW:
            return 2
        return KIND_COLUMNS + TIME_COLUMNS * self._is_timed

    def _write(self, row: Text) -> None:
        self._rows.append(self._placed(row))
        self._heading = None

    def _placed(self, row: Text) -> Text:
        """Return a row behind its heading, or below what came before it."""
        if self._heading is None:
            return Text(" " * self._indent()).append(row)
        if self._console.width < _NARROW:
            return self._heading.copy().append("\n" + " " * self._indent()).append(row)
        return self._heading.copy().append(row)

    # --- the state ---

    def _present(self) -> RenderableType:
        """Return what is drawn anew: called by the thread of rich too, so it only reads."""
        drawn, state = self._drawn, self._state()
        return state if drawn is None else Group(drawn, state)

    def _state(self) -> Text:
        silence = time.monotonic() - self._last_at
        words = [self._wire]
        if self._chunks:
            words += [f"{self._chunks:,} chunks", f"{self._deltas:,} deltas"]
        words.append(f"quiet for {silence:.1f} s")
        return Text("   ".join(words), "reverse", no_wrap=True, overflow="ellipsis")


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
