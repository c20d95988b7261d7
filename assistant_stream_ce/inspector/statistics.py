"""Statistics of a stream, for the summary. Memory is bounded: only a few errors are kept."""

from __future__ import annotations

import msgspec

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import ChunkHandler
from assistant_stream_ce.inspector import events
from assistant_stream_ce.inspector.sources import Origin, Piece
from assistant_stream_ce.message import Usage, UsageTotal
from assistant_stream_ce.serialization.formats import FORMATS

_MAX_ERRORS = 10

# Meaningless for a source without times.
_TIMES = ("first_byte", "first_token", "seconds", "longest_gap", "longest_pause")


class Statistics(ChunkHandler[None]):
    """The numbers of one stream. Not thread-safe."""

    def __init__(self, origin: Origin) -> None:
        # Time of the last piece, or of the end.
        self.seconds: float = 0.0
        self._origin = origin
        self._counted = events.Summary()
        self._last_token = self._last_chunk = 0.0
        self._last_index = -1
        self._usage = UsageTotal()

    def add_piece(self, piece: Piece) -> None:
        """Count a piece; an empty one is the end."""
        self._advance(piece.seconds)
        if piece.data and self._counted.first_byte is None:
            self._counted.first_byte = piece.seconds
        self._counted.pieces += piece.data != b""
        self._counted.bytes += len(piece.data)

    def add_event(self, event: events.InspectionEvent) -> None:
        """Count an event."""
        match event:
            case events.FormatFound():
                self._set_format(event)
            case events.ChunkReceived():
                self._add_chunk(event)
            case events.Broken():
                self._counted.broken = event
            case events.Refused():
                self._counted.refused = event
            case events.End():
                self._counted.end = event.how
                self._advance(event.seconds)

    def summary(self, frames: int, skipped: int) -> events.Summary:
        """Return the summary so far, with the numbers of frames that the decoder has read, and could not read."""
        made = msgspec.structs.replace(self._counted, frames=frames, skipped=skipped, seconds=self.seconds)
        is_valid = made.wire is not None and made.broken is None and made.refused is None
        made.is_good = is_valid and made.end in ("complete", "interrupted")
        usage = self._usage.usage
        if usage != Usage():
            # Chunks report an unknown usage as zeros.
            made.usage = events.TokenUsage(**msgspec.structs.asdict(usage))
        if not self._origin.is_timed:
            return msgspec.structs.replace(made, **dict.fromkeys(_TIMES))
        made.deltas_per_second = self._rate(made.deltas - 1)
        made.tokens_per_second = self._rate(usage.output_tokens)
        return made

    def _rate(self, count: int) -> float | None:
        seconds = self._last_token - (self._counted.first_token or 0.0)
        return round(count / seconds, 1) if seconds > 0 and count > 0 else None

    def _advance(self, seconds: float) -> None:
        if self._counted.first_byte is not None:
            self._counted.longest_gap = _longer(self._counted.longest_gap, self.seconds, seconds)
        self.seconds = seconds

    def _set_format(self, event: events.FormatFound) -> None:
        self._counted.wire = event.wire
        encoder = FORMATS[event.wire].encoder
        if self._origin.status is not None and event.told_by == "bytes":
            missing = [f"{name}: {value}" for name, value in encoder.headers.items()]
            self._counted.missing_header = missing[0] if missing else None
        if self._origin.content_type not in ("", encoder.media_type):
            self._counted.other_content_type = self._origin.content_type

    def _add_chunk(self, event: events.ChunkReceived) -> None:
        counted = self._counted
        if counted.chunks:
            counted.longest_pause = _longer(counted.longest_pause, self._last_chunk, event.seconds)
        counted.chunks += 1
        self._last_chunk = event.seconds
        text = events.delta_text(event.chunk)
        if text:
            if counted.first_token is None:
                counted.first_token = event.seconds
            self._last_token = event.seconds
            counted.deltas += 1
        if (part := event.part) is not None:
            count = counted.parts.setdefault(part.kind, events.PartCount())
            # A known part has a lower number.
            count.parts += part.index > self._last_index
            self._last_index = max(self._last_index, part.index)
            count.characters += len(text)
        self.handle(event.chunk)

    def step_finish(self, chunk: chunks.StepFinishChunk) -> None:
        self._usage.add_step(chunk)

    def message_finish(self, chunk: chunks.MessageFinishChunk) -> None:
        self._counted.finish_reason = chunk.finish_reason
        self._usage.set_message(chunk)

    def error(self, chunk: chunks.ErrorChunk) -> None:
        if len(self._counted.errors) < _MAX_ERRORS:
            self._counted.errors.append(chunk.error)


def _longer(gap: events.Gap | None, began: float, ended: float) -> events.Gap | None:
    seconds = round(ended - began, 6)
    return events.Gap(seconds, began) if gap is None or seconds > gap.seconds else gap
