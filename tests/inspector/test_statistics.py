"""The numbers of a stream."""

from __future__ import annotations

from typing import Any

from assistant_stream_ce import chunks
from assistant_stream_ce.inspector.events import ChunkReceived, End, FormatFound, Gap, PartCount, PartRef, Summary
from assistant_stream_ce.inspector.sources import Origin, Piece
from assistant_stream_ce.inspector.statistics import Statistics

TEXT = PartRef(0, "text")


def summary(*events: Any, is_timed: bool = True) -> Summary:
    statistics = Statistics(Origin("test", is_timed))
    for event in events:
        if isinstance(event, Piece):
            statistics.add_piece(event)
        else:
            statistics.add_event(event)
    return statistics.summary(frames=3, skipped=1)


def received(seconds: float, chunk: Any, part: PartRef | None = None) -> ChunkReceived:
    return ChunkReceived(seconds, chunk, part)


def test_times_and_rates_of_a_stream() -> None:
    found = summary(
        FormatFound(1.0, "data-stream", "headers"),
        Piece(1.0, b"aa"),
        received(1.0, chunks.TextDeltaChunk("ab"), TEXT),
        Piece(4.0, b"bb"),
        received(4.0, chunks.TextDeltaChunk("c"), TEXT),
        received(4.0, chunks.MessageFinishChunk("stop", 10, 6)),
        Piece(5.0, b""),
        End(5.0, "complete", None),
    )
    assert found.is_good
    assert (found.first_byte, found.first_token, found.seconds) == (1.0, 1.0, 5.0)
    assert (found.bytes, found.pieces, found.frames, found.skipped, found.chunks) == (4, 2, 3, 1, 3)
    assert (found.deltas, found.deltas_per_second, found.tokens_per_second) == (2, 0.3, 2.0)
    assert (found.longest_gap, found.longest_pause) == (Gap(3.0, 1.0), Gap(3.0, 1.0))
    assert found.parts == {"text": PartCount(1, 3)}
    assert found.finish_reason == "stop"


def test_a_source_without_times_has_no_rates() -> None:
    found = summary(Piece(0.0, b"a"), received(0.0, chunks.TextDeltaChunk("a"), TEXT), is_timed=False)
    assert (found.first_byte, found.seconds, found.longest_gap, found.deltas_per_second) == (None, None, None, None)


def test_an_unknown_usage_is_not_reported_as_zero() -> None:
    assert summary(received(0.0, chunks.MessageFinishChunk("stop"))).usage is None


def test_few_errors_are_kept() -> None:
    assert len(summary(*(received(0.0, chunks.ErrorChunk("boom")) for _ in range(1_000))).errors) == 10
