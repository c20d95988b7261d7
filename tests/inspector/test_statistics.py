"""The numbers of a stream."""

from __future__ import annotations

from typing import Any

from assistant_stream_ce import chunks
from assistant_stream_ce.inspector.events import (
    ChunkReceived,
    End,
    FormatFound,
    Gap,
    PartCount,
    PartRef,
    Summary,
    TokenUsage,
)
from assistant_stream_ce.inspector.sources import Origin, Piece
from assistant_stream_ce.inspector.statistics import Statistics
from tests.inspector.inspecting import inspected, only, whole

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


def test_times_are_measured_from_the_pieces() -> None:
    events = inspected(
        [
            (0.25, b"2:[]\n"),
            (0.5, b'0:""\n'),
            (1.0, b'0:"a"\n0:"b"\n'),
            (1.5, b"2:[]\n"),
            (2.0, b"2:[]\n"),
            (3.0, b'0:"c"\n'),
            (3.5, b'd:{"finishReason":"stop","usage":{"inputTokens":7,"outputTokens":8}}\n'),
            (4.0, b""),
        ]
    )
    summary = only(events, Summary)
    assert (summary.first_byte, summary.first_token, summary.seconds) == (0.25, 1.0, 4.0)
    assert (summary.deltas, summary.pieces, summary.frames) == (3, 7, 8)
    # Two more deltas, and the 8 tokens, in the two seconds between the first and the last one.
    assert (summary.deltas_per_second, summary.tokens_per_second) == (1.0, 4.0)
    assert summary.longest_gap == Gap(1.0, 2.0)
    assert summary.longest_pause == Gap(2.0, 1.0)
    assert summary.usage == TokenUsage(7, 8)
    assert summary.finish_reason == "stop"


def test_silence_at_the_end_is_a_gap() -> None:
    assert only(inspected([(1.0, b'0:"a"\n')], end=(9.0, "silent")), Summary).longest_gap == Gap(8.0, 1.0)


def test_the_usage_of_steps_is_added_if_the_message_has_none() -> None:
    steps = [
        f'e:{{"finishReason":"stop","usage":{{"inputTokens":{number},"outputTokens":1}},"isContinued":false}}\n'
        for number in (1, 2)
    ]
    assert only(whole("".join(steps).encode()), Summary).usage == TokenUsage(3, 2)
    assert only(whole(b'0:"a"\n'), Summary).usage is None


def test_a_file_has_no_times() -> None:
    summary = only(inspected([(0.0, b'0:"a"\n0:"b"\n')], is_timed=False), Summary)
    assert summary.first_byte is summary.first_token is summary.seconds is summary.longest_gap is None
    assert summary.deltas_per_second is summary.tokens_per_second is summary.longest_pause is None


def test_the_first_errors_are_kept() -> None:
    events = whole(b'3:"boom"\n' * 100)
    assert only(events, Summary).errors == ["boom"] * 10
    assert only(events, Summary).is_good
