"""The lines that grow at the same time: the answer and a state that repeats it, or several tool calls.

Where one can only write downwards, one of them grows and the others wait for its end, so that texts that come in
turns are not cut into words.
"""

from __future__ import annotations

from assistant_stream_ce.inspector.words import Line, VisibleText

__all__ = ("GrowingLine", "Lines")

# Longer than this the lines that wait do not.
_MOST_WAITING_CHARACTERS = 20_000


class GrowingLine:
    """A line with the text that has come for it and was not written.

    Attributes:
        line: its kind and title.
        began: when it did, in seconds.
        seconds: how long it has grown.
        deltas: how many texts have come for it.
        unwritten: its text, made visible.
    """

    def __init__(self, line: Line, seconds: float) -> None:
        self.line = line
        self.began = seconds
        self.seconds = 0.0
        self.deltas = 0
        self.unwritten = ""
        self._text = VisibleText()
        self._gap = "  " if line.title else ""

    def grow(self, text: str, seconds: float) -> None:
        """Take more text."""
        self.seconds = seconds - self.began
        self.deltas += text != ""
        self._add(self._text.feed(text))

    def end(self) -> None:
        """Take note that no more text comes."""
        self._add(self._text.rest())

    def written(self) -> str:
        """Return the text that is to be written now."""
        text, self.unwritten = self.unwritten, ""
        return text

    def _add(self, text: str) -> None:
        if text:
            self.unwritten += self._gap + text
            self._gap = ""


class Lines:
    """The lines that may still grow.

    Attributes:
        open: these lines; the first is written as it grows, and the others wait.
    """

    def __init__(self) -> None:
        self.open: list[GrowingLine] = []

    def take(self, line: Line, seconds: float) -> list[GrowingLine]:
        """Take a line, or more text for one; return those that have come to their end, to be written in this order."""
        for growing in self.open:
            if line.key is not None and growing.line.key == line.key:
                growing.grow(line.text, seconds)
                return self._end_if_long()
        ended = [] if self._can_wait(line) else self.end()
        growing = GrowingLine(line, seconds)
        growing.grow(line.text, seconds)
        self.open.append(growing)
        return ended if line.key is not None else [*ended, *self.end()]

    def end(self) -> list[GrowingLine]:
        """End all lines, and return them."""
        ended, self.open = self.open, []
        for growing in ended:
            growing.end()
        return ended

    def _can_wait(self, line: Line) -> bool:
        """Return whether a line grows beside those that are open: a call beside calls, and a state beside anything."""
        if line.key is None:
            return False
        return line.kind == "state" or all(growing.line.kind == line.kind == "tool call" for growing in self.open)

    def _end_if_long(self) -> list[GrowingLine]:
        return self.end() if sum(len(line.unwritten) for line in self.open) > _MOST_WAITING_CHARACTERS else []
