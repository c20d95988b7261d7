"""Inspections of pieces, and what they yield."""

from __future__ import annotations

import unicodedata
from typing import Any

from assistant_stream_ce import ErrorChunk, TextDeltaChunk
from assistant_stream_ce.inspector.events import (
    ChunkReceived,
    HowEnded,
    InspectionEvent,
)
from assistant_stream_ce.inspector.inspection import Inspection
from assistant_stream_ce.inspector.sources import Origin, Piece


def inspected(
    pieces: list[tuple[float, bytes]],
    wire: str | None = None,
    headers: dict[str, str] | None = None,
    end: tuple[float, HowEnded] | None = None,
    is_timed: bool = True,
) -> list[InspectionEvent]:
    """Return all events of pieces; by default they end with the last one."""
    inspection = Inspection(Origin("test", is_timed, "", 200, headers or {}), wire)
    events = list(inspection.begin())
    for seconds, data in pieces:
        events += inspection.feed(Piece(seconds, data))
    events += inspection.end(*(end or (pieces[-1][0], "complete")))
    return events


def whole(data: bytes, wire: str | None = None) -> list[InspectionEvent]:
    return inspected([(0.0, data)], wire)


def only(events: list[InspectionEvent], kind: Any) -> Any:
    (event,) = [event for event in events if isinstance(event, kind)]
    return event


def texts(events: list[InspectionEvent]) -> list[str]:
    """Return the texts, and `None` is not among them: only texts and errors are expected."""
    return [
        event.chunk.text_delta if isinstance(event.chunk, TextDeltaChunk) else event.chunk.error
        for event in events
        if isinstance(event, ChunkReceived) and isinstance(event.chunk, (TextDeltaChunk, ErrorChunk))
    ]


#: May stand in what is shown.
HARMLESS_CONTROLS = {"\t", "\n"}


OVERRIDES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def is_harmless(text: str) -> bool:
    """Return whether a terminal shows a text and does nothing else."""
    return all(
        character in HARMLESS_CONTROLS
        or (
            unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
            and unicodedata.bidirectional(character) not in OVERRIDES
        )
        for character in text
    )
