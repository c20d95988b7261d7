"""The inspection of one stream: its pieces in, events out. No I/O here, and no clock but the pieces' own times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.errors import DecodeError
from assistant_stream_ce.inspector.events import (
    Broken,
    ChunkCame,
    End,
    Event,
    HowEnded,
    Refused,
    Start,
    Summary,
    WireFound,
)
from assistant_stream_ce.inspector.parts import Parts
from assistant_stream_ce.inspector.sources import Origin, Piece
from assistant_stream_ce.inspector.tally import Tally
from assistant_stream_ce.serialization.decoder import MAX_FRAME_BYTES, Decoder
from assistant_stream_ce.serialization.formats import FORMATS, FormatDetector, format_of_headers
from assistant_stream_ce.serialization.framing import FrameError, excerpt
from assistant_stream_ce.serialization.validation import Validation

__all__ = ("Inspection",)


class Inspection:
    """Takes the pieces of one stream.

    A strict validation reports the first frame that the format or a client does not accept. A lenient decoder reads
    the pieces beside it, and goes on behind that frame.

    Args:
        origin: where the stream comes from.
        wire: its name; None to find it out.
    """

    def __init__(self, origin: Origin, wire: str | None = None) -> None:
        self._origin = origin
        self._named = wire
        self._detector = FormatDetector()
        self._held: list[Piece] = []
        # Until they have found a frame.
        self._strict: Validation | None = None
        self._lenient: Decoder | None = None
        # Whether a frame was too large, which neither decoder gets past.
        self._is_lost = False
        self._parts = Parts()
        self.tally = Tally(origin)

    def begin(self) -> Iterator[Event]:
        """Yield what is known before the first byte."""
        origin = self._origin
        yield Start(origin.name, origin.started, origin.is_timed, origin.status, dict(origin.headers))
        wire = self._named or format_of_headers(origin.headers)
        if wire is not None:
            yield from self._found(0.0, wire, "option" if self._named else "headers")

    def feed(self, piece: Piece) -> Iterator[Event]:
        """Yield what a piece brings. Read it to its end before the next call."""
        self.tally.take_piece(piece)
        if self._lenient is not None:
            yield from self._decoded(piece)
            return
        self._held.append(piece)
        wire = self._detector.feed(piece.data)
        if wire is not None:
            yield from self._found(piece.seconds, wire, "bytes")

    def end(self, seconds: float, how: HowEnded, message: str | None = None) -> Iterator[Event]:
        """Yield what the end of the stream completes, and its summary."""
        if how != "interrupted":
            if self._lenient is None and self.tally.bytes:
                yield from self._found(seconds, self._detector.close(), "bytes")
            yield from self._step(seconds, None)
        yield self._noted(End(seconds, how, message))
        yield self.summary()

    def summary(self) -> Summary:
        """Return what was measured so far."""
        decoder = self._lenient
        return self.tally.summary(decoder.frames if decoder else 0, decoder.skipped if decoder else 0)

    def _found(self, seconds: float, wire: str, told_by: Any) -> Iterator[Event]:
        self._strict = Validation(FORMATS[wire], max_frame_bytes=MAX_FRAME_BYTES)
        self._lenient = FORMATS[wire].decoder()
        yield self._noted(WireFound(seconds, wire, told_by))
        held, self._held = self._held, []
        for piece in held:
            yield from self._decoded(piece)

    def _decoded(self, piece: Piece) -> Iterator[Event]:
        # Line by line, so that what is wrong with one stands at its place. Plain text has no frames.
        for line in [piece.data] if self.tally.wire == "plain-text" else piece.data.splitlines(keepends=True):
            yield from self._step(piece.seconds, line)

    def _step(self, seconds: float, line: bytes | None) -> Iterator[Event]:
        """Yield what is wrong with a line, and its chunks; None is the end."""
        problem = self._first_problem(line)
        found = self._read(line)
        if isinstance(problem, DecodeError):
            yield self._noted(Broken(seconds, problem.offset, problem.frame, problem.reason))
        elif problem is not None:
            yield self._noted(Refused(seconds, problem.frame.offset, excerpt(problem.frame.data), str(problem)))
        for chunk in found:
            yield self._noted(ChunkCame(seconds, chunk, self._parts.of(chunk)))

    def _first_problem(self, line: bytes | None) -> DecodeError | FrameError | None:
        """Return what is wrong with a line, if it is the first that is: the format or a client does not accept it."""
        if self._strict is None:
            return None
        try:
            for _ in self._strict.close() if line is None else self._strict.feed(line):
                pass
        except (DecodeError, FrameError) as error:
            self._strict = None
            return error
        return None

    def _read(self, line: bytes | None) -> list[AssistantStreamChunk]:
        if self._lenient is None or self._is_lost:
            return []
        try:
            return _fed(self._lenient, line)
        except DecodeError as error:
            self._is_lost = True
            return error.chunks

    def _noted(self, event: Event) -> Event:
        self.tally.take(event)
        return event


def _fed(decoder: Decoder, line: bytes | None) -> list[AssistantStreamChunk]:
    return decoder.close() if line is None else decoder.feed(line)
