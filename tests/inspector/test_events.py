"""The events of an inspection, and their JSON."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from assistant_stream_ce import chunks
from assistant_stream_ce.inspector.events import End, Gap, InspectionEvent, Summary, delta_text


@pytest.mark.parametrize(
    ("chunk", "text"),
    [
        (chunks.TextDeltaChunk("a"), "a"),
        (chunks.ReasoningDeltaChunk("b"), "b"),
        (chunks.RefusalDeltaChunk("c"), "c"),
        (chunks.ToolCallDeltaChunk("id", "{"), "{"),
        (chunks.DataChunk("d"), ""),
        (chunks.ErrorChunk("e"), ""),
    ],
)
def test_the_text_of_a_delta(chunk: Any, text: str) -> None:
    assert delta_text(chunk) == text


@pytest.mark.parametrize("event", [End(1.5, "cut", "gone"), Summary(longest_gap=Gap(2.0, 1.0))])
def test_an_event_is_json_with_its_kind(event: InspectionEvent) -> None:
    data = msgspec.json.encode(event)
    assert msgspec.json.decode(data)["event"] == type(event).__name__.lower()
    assert msgspec.json.decode(data, type=End | Summary) == event
