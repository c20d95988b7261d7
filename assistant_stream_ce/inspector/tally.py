"""Counts what comes, for the summary. It keeps numbers, and nothing of the stream but a few errors."""

from __future__ import annotations

from assistant_stream_ce import chunks
from assistant_stream_ce.inspector.events import (
    Broken,
    ChunkCame,
    End,
    Event,
    Gap,
    Part,
    PartCount,
    Refused,
    Summary,
    Usage,
    WireFound,
)
from assistant_stream_ce.inspector.parts import text_of
from assistant_stream_ce.inspector.sources import Origin, Piece
from assistant_stream_ce.serialization.formats import FORMATS

__all__ = ("Tally",)

_MOST_ERRORS = 10


class Tally:
    """The numbers of one stream.

    Args:
        origin: where it comes from.
    """

    def __init__(self, origin: Origin) -> None:
        self.is_timed = origin.is_timed
        self._is_response = origin.status is not None
        self._content_type = origin.headers.get("content-type", "").partition(";")[0].strip().lower()
        self._missing_header: str | None = None
        self._other_content_type: str | None = None
        self.seconds = 0.0
        self.bytes = 0
        self.deltas = 0
        self.wire: str | None = None
        self._pieces = 0
        self._chunks = 0
        self._first_byte: float | None = None
        self._first_token: float | None = None
        self._last_token = 0.0
        self._last_chunk = 0.0
        self._longest_gap: Gap | None = None
        self._longest_pause: Gap | None = None
        self._parts: dict[str, PartCount] = {}
        self._last_index = -1
        self._errors: list[str] = []
        self._message_usage: Usage | None = None
        self._step_usage: Usage | None = None
        self._finish_reason: str | None = None
        self._broken: Broken | None = None
        self._refused: Refused | None = None
        self._end: End | None = None

    def take_piece(self, piece: Piece) -> None:
        """Count a piece; an empty one is the end."""
        self._pass_to(piece.seconds)
        if self._first_byte is None and piece.data:
            self._first_byte = piece.seconds
        self._pieces += bool(piece.data)
        self.bytes += len(piece.data)

    def take(self, event: Event) -> None:
        """Count an event."""
        match event:
            case WireFound():
                self.wire = event.wire
                encoder = FORMATS[event.wire].encoder
                if self._is_response and event.told_by == "bytes":
                    self._missing_header = next((f"{name}: {value}" for name, value in encoder.headers.items()), None)
                if self._content_type not in ("", encoder.media_type):
                    self._other_content_type = self._content_type
            case ChunkCame():
                self._take_chunk(event)
            case Broken():
                self._broken = event
            case Refused():
                self._refused = event
            case End():
                self._end = event
                self._pass_to(event.seconds)

    def summary(self, frames: int, skipped: int) -> Summary:
        """Return all that was counted.

        Args:
            frames: how many the decoder has read.
            skipped: how many of them it left out.
        """
        end = self._end or End(self.seconds, "interrupted", None)
        usage = self._message_usage or self._step_usage
        seconds = self._last_token - (self._first_token or 0.0)
        return Summary(
            is_good=(
                self.wire is not None
                and self._broken is None
                and self._refused is None
                and end.how in ("complete", "interrupted")
            ),
            end=end.how,
            wire=self.wire,
            broken=self._broken,
            refused=self._refused,
            first_byte=self._timed(self._first_byte),
            first_token=self._timed(self._first_token),
            seconds=self._timed(self.seconds),
            deltas=self.deltas,
            deltas_per_second=self._rate(self.deltas - 1, seconds),
            tokens_per_second=self._rate(usage.output_tokens if usage else 0, seconds),
            usage=usage,
            longest_gap=self._longest_gap if self.is_timed else None,
            longest_pause=self._longest_pause if self.is_timed else None,
            bytes=self.bytes,
            pieces=self._pieces,
            frames=frames,
            skipped=skipped,
            chunks=self._chunks,
            parts=self._parts,
            errors=self._errors,
            finish_reason=self._finish_reason,
            missing_header=self._missing_header,
            other_content_type=self._other_content_type,
        )

    def _pass_to(self, seconds: float) -> None:
        if self._first_byte is not None:
            self._longest_gap = _longer(self._longest_gap, self.seconds, seconds)
        self.seconds = seconds

    def _take_chunk(self, event: ChunkCame) -> None:
        if self._chunks:
            self._longest_pause = _longer(self._longest_pause, self._last_chunk, event.seconds)
        self._chunks += 1
        self._last_chunk = event.seconds
        text = text_of(event.chunk)
        if text:
            self._take_token(event.seconds)
        if event.part is not None:
            self._count(event.part, len(text))
        match event.chunk:
            case chunks.StepFinishChunk() as finish:
                before = self._step_usage or Usage(0, 0)
                self._step_usage = _usage(
                    before.input_tokens + finish.input_tokens, before.output_tokens + finish.output_tokens
                )
            case chunks.MessageFinishChunk() as finish:
                self._finish_reason = finish.finish_reason
                self._message_usage = _usage(finish.input_tokens, finish.output_tokens)
            case chunks.ErrorChunk() as error:
                if len(self._errors) < _MOST_ERRORS:
                    self._errors.append(error.error)

    def _take_token(self, seconds: float) -> None:
        if self._first_token is None:
            self._first_token = seconds
        self.deltas += 1
        self._last_token = seconds

    def _count(self, part: Part, characters: int) -> None:
        count = self._parts.setdefault(part.kind, PartCount())
        # A part that was seen before has a lower number.
        count.parts += part.index > self._last_index
        self._last_index = max(self._last_index, part.index)
        count.characters += characters

    def _timed(self, seconds: float | None) -> float | None:
        return seconds if self.is_timed else None

    def _rate(self, count: int, seconds: float) -> float | None:
        return round(count / seconds, 1) if self.is_timed and seconds > 0 and count > 0 else None


def _longer(gap: Gap | None, began: float, ended: float) -> Gap | None:
    seconds = round(ended - began, 6)
    return Gap(seconds, began) if gap is None or seconds > gap.seconds else gap


def _usage(input_tokens: int, output_tokens: int) -> Usage | None:
    """Return the usage; None where nothing was told, which the chunks say as two zeros."""
    return Usage(input_tokens, output_tokens) if input_tokens or output_tokens else None
