"""The events of an inspection, and their JSON."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
import pytest

from assistant_stream_ce import chunks
from assistant_stream_ce.inspector import events
from assistant_stream_ce.inspector.events import End, Gap, InspectionEvent, Summary, delta_text
from tests.support.example_chunks import EXAMPLES


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


def test_every_event_has_its_own_tag() -> None:
    tags = [kind.__struct_config__.tag for kind in typing.get_args(events.InspectionEvent)]
    assert tags == ["start", "wire", "chunk", "broken", "refused", "end", "summary"]


def test_deltas_have_text_and_other_chunks_have_none() -> None:
    texts = {chunk.type: events.delta_text(chunk) for chunk in EXAMPLES.values()}
    assert {kind for kind, text in texts.items() if text} == set(events.DELTA_FIELDS)
    assert set(events.DELTA_FIELDS) == {
        *(kind.type for kind in typing.get_args(events.TextChunk)),
        chunks.ToolCallDeltaChunk.type,
    }


def test_a_summary_starts_empty_and_is_not_shared() -> None:
    first, second = events.Summary(), events.Summary()
    first.errors.append("boom")
    first.parts["text"] = events.PartCount(1, 2)
    plain = msgspec.to_builtins(second)
    assert (plain["event"], plain["errors"], plain["parts"], plain["is_good"]) == ("summary", [], {}, False)
