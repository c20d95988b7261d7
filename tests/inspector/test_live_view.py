"""The live view, in terminals of several widths."""

from __future__ import annotations

import io
import random
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from assistant_stream_ce.inspector.events import InspectionEvent
from assistant_stream_ce.jsonvalue import dumps
from assistant_stream_ce.serialization.formats import FORMATS
from tests.inspector.inspecting import inspected, is_harmless
from tests.support.conversations import conversation
from tests.support.require import require
from tests.support.samples import encoded

if TYPE_CHECKING:
    from assistant_stream_ce.inspector.live_view import LiveView

SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
WORDS = ("a", "is", "forecast", "\u6f22\u5b57", "\U0001f600", "x" * 40, "[bold]", ":smile:", "e\u0301", "http://x/y?z")


def live_view(out: io.StringIO, columns: int, **options: bool) -> LiveView:
    """Return the view of a terminal of some width."""
    require(find_spec("rich"), "rich is not installed")
    from rich.console import Console

    from assistant_stream_ce.inspector.live_view import LiveView

    return LiveView(Console(file=out, force_terminal=True, width=columns, **options))  # type: ignore[arg-type]


def shown(events: list[InspectionEvent], columns: int, flushes: bool = True) -> str:
    """Return all that is written to the terminal, without the state, which a flush after each event draws."""
    out = io.StringIO()
    view = live_view(out, columns, highlight=False, emoji=False, markup=False)
    # The state is another test's.
    view._status_line = lambda: ""  # type: ignore[method-assign, assignment, return-value]
    with view:
        for event in events:
            view.show(event)
            if flushes:
                view.flush()
    return out.getvalue()


def data_stream(texts: list[str]) -> list[tuple[float, bytes]]:
    return [(float(number), b"0:" + dumps(text) + b"\n") for number, text in enumerate(texts)]


@pytest.mark.parametrize("columns", [20, 30, 45, 59, 60, 80, 120])
def test_no_word_and_no_blank_is_lost(columns: int) -> None:
    for seed in range(5):
        dice = random.Random(seed)
        words = dice.choices(WORDS, k=60)
        text = "".join(word + dice.choice((" ", " ", "  ", "\n", "\n\n    ")) for word in words)
        deltas = re.findall(r"\s*\S{1,7}|\s+", text)
        rows = SEQUENCE.sub("", shown(inspected(data_stream(deltas)), columns, flushes=False)).splitlines()
        start = next(number for number, row in enumerate(rows) if " text " in f"{row} ")
        end = next(number for number, row in enumerate(rows) if row.startswith("result"))
        body = " ".join(rows[start:end])
        found = body.partition("text ")[2].partition("  (")[0].split()
        assert "".join(found) == "".join(words)
        # Only a word that is wider than a row is cut.
        assert columns < 80 or found == words


@pytest.mark.parametrize("columns", [20, 59, 120])
@pytest.mark.parametrize("wire", FORMATS)
def test_nothing_of_a_stream_controls_the_terminal(wire: str, columns: int) -> None:
    for seed in range(5):
        data = encoded(conversation(seed), wire)
        broken = data[: len(data) // 2] + b'\x1b[2J\x9b:"\x07\n\n' + data[len(data) // 2 :]
        for given in (data, broken):
            text = SEQUENCE.sub("", shown(inspected([(0.0, given)], wire), columns))
            assert is_harmless(text.replace("\r", ""))


def test_all_growing_lines_are_drawn() -> None:
    events = inspected(
        [
            (0.0, b'b:{"toolCallId":"1","toolName":"first"}\nb:{"toolCallId":"2","toolName":"second"}\n'),
            (1.0, b'c:{"toolCallId":"1","argsTextDelta":"one"}\nc:{"toolCallId":"2","argsTextDelta":"two"}\n'),
        ]
    )
    out = io.StringIO()
    with live_view(out, 80) as view:
        for event in events[:-2]:
            view.show(event)
        view.flush()
        view._live.refresh()
        drawn = SEQUENCE.sub("", out.getvalue())
    assert "first (1)  one" in drawn
    assert "second (2)  two" in drawn
    assert "data-stream   4 chunks   2 deltas   quiet for 0." in drawn
