"""The inspection of one stream: pieces in, events out. Sans-I/O; times are those of the pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk, ChunkHandler
from assistant_stream_ce.errors import DecodeError
from assistant_stream_ce.inspector import events
from assistant_stream_ce.inspector.events import Broken, HowEnded, InspectionEvent, PartRef, Refused
from assistant_stream_ce.inspector.foreign import CONTENT_TYPES, ForeignDetector
from assistant_stream_ce.inspector.sources import Origin, Piece, SourceError
from assistant_stream_ce.inspector.statistics import Statistics
from assistant_stream_ce.serialization.decoder import MAX_FRAME_BYTES, Decoder
from assistant_stream_ce.serialization.formats import FORMATS, FormatDetector, format_of_headers
from assistant_stream_ce.serialization.framing import FrameError, excerpt
from assistant_stream_ce.serialization.validation import Validation


class Inspection:
    """Inspects the pieces of one stream. Not thread-safe.

    A strict validation reports the first frame that the format or a client does not accept. A lenient decoder reads
    the same pieces, and continues after that frame. The format is detected unless it is given.
    """

    def __init__(self, origin: Origin, wire: str | None = None) -> None:
        self._origin = origin
        self._named = wire
        self._detector = FormatDetector()
        self._foreign = ForeignDetector()
        self._held: list[Piece] = []
        # None before the format is known, and after the first problem.
        self._validation: Validation | None = None
        self._decoder: Decoder | None = None
        self._has_frames = True
        self._parts = _PartNumbering()
        self.statistics: Statistics = Statistics(origin)

    def begin(self) -> Iterator[InspectionEvent]:
        """Yield the events before the first byte."""
        origin = self._origin
        yield events.Start(origin.name, origin.started, origin.is_timed, origin.status, dict(origin.headers))
        wire = self._named or format_of_headers(origin.headers)
        if wire is not None:
            yield from self._set_format(0.0, wire, "option" if self._named else "headers")
        elif (name := CONTENT_TYPES.get(origin.content_type)) is not None:
            raise _foreign_error(name)

    def feed(self, piece: Piece) -> Iterator[InspectionEvent]:
        """Yield the events of a piece. Exhaust the iterator before the next call.

        Raises:
            SourceError: the stream is one of another API.
        """
        self.statistics.add_piece(piece)
        if self._decoder is not None:
            yield from self._read_piece(piece)
            return
        self._held.append(piece)
        if (name := self._foreign.feed(piece.data)) is not None:
            raise _foreign_error(name)
        wire = self._detector.feed(piece.data)
        if wire is not None and not (wire == "plain-text" and self._foreign.needs_more):
            yield from self._set_format(piece.seconds, wire, "bytes")

    def end(self, seconds: float, how: HowEnded, message: str | None = None) -> Iterator[InspectionEvent]:
        """Yield the events at the end of the stream, and the summary.

        Raises:
            SourceError: the stream is one of another API.
        """
        if how != "interrupted":
            if self._decoder is None and any(piece.data for piece in self._held):
                # The ends that the last line, and the last event of a stream that was cut, may lack.
                name, unknown_events = self._foreign.feed(b"\n"), self._foreign.unknown_events
                if (name := name or self._foreign.feed(b"\n")) is not None:
                    raise _foreign_error(name)
                if unknown_events:
                    raise _foreign_error("events of an unknown API")
                yield from self._set_format(seconds, self._detector.close(), "bytes")
            yield from self._read(seconds, None)
        yield self._counted(events.End(seconds, how, message))
        yield self.summary()

    def summary(self) -> events.Summary:
        """Return the summary so far."""
        if (decoder := self._decoder) is None:
            return self.statistics.summary(0, 0)
        return self.statistics.summary(decoder.frames, decoder.skipped)

    def _set_format(self, seconds: float, wire: str, told_by: Any) -> Iterator[InspectionEvent]:
        found = FORMATS[wire]
        self._validation = Validation(found, max_frame_bytes=MAX_FRAME_BYTES)
        self._decoder = found.decoder()
        self._has_frames = found.reader(0) is not None
        yield self._counted(events.FormatFound(seconds, wire, told_by))
        held, self._held = self._held, []
        for piece in held:
            yield from self._read_piece(piece)

    def _read_piece(self, piece: Piece) -> Iterator[InspectionEvent]:
        # Split into lines, so that a problem is reported between the chunks around it.
        for line in piece.data.splitlines(keepends=True) if self._has_frames else [piece.data]:
            yield from self._read(piece.seconds, line)

    def _read(self, seconds: float, line: bytes | None) -> Iterator[InspectionEvent]:
        """Yield the problem of a line, if it is the first one, and the chunks; None is the end."""
        if (problem := self._validate(seconds, line)) is not None:
            yield self._counted(problem)
        for chunk in self._decode(line):
            yield self._counted(events.ChunkReceived(seconds, chunk, self._parts.handle(chunk)))

    def _validate(self, seconds: float, line: bytes | None) -> Broken | Refused | None:
        if (validation := self._validation) is None:
            return None
        self._validation = None
        try:
            for _ in validation.close() if line is None else validation.feed(line):
                pass
        except DecodeError as error:
            return Broken(seconds, error.offset, error.frame, error.reason)
        except FrameError as error:
            return Refused(seconds, error.frame.offset, excerpt(error.frame.data), str(error))
        self._validation = validation
        return None

    def _decode(self, line: bytes | None) -> list[AssistantStreamChunk]:
        if self._decoder is None:
            return []
        try:
            return self._decoder.close() if line is None else self._decoder.feed(line)
        except DecodeError as error:
            # A frame was too large, after which no decoder can continue: each later call raises again.
            return error.chunks

    def _counted(self, event: InspectionEvent) -> InspectionEvent:
        self.statistics.add_event(event)
        return event


def _foreign_error(name: str) -> SourceError:
    return SourceError(
        f"this is a stream of {name}, not of one of the formats {', '.join(FORMATS)}; --wire reads it as one of them"
    )


class _PartNumbering(ChunkHandler["PartRef | None"]):
    """Numbers the parts of a message as front ends do, without keeping their texts.

    The method of a chunk returns the part that it starts or extends; None if it is not part of the message.
    """

    def __init__(self) -> None:
        self._count = 0
        # Kind and parent of the text that the next delta extends.
        self._growing: tuple[str, str | None] | None = None
        self._last: PartRef | None = None
        self._calls: dict[str, PartRef] = {}

    def text_delta(self, chunk: events.TextChunk | chunks.ReasoningPartChunk) -> PartRef:
        return self._extended(chunk.type.partition("-")[0], chunk.parent_id)

    def _extended(self, kind: str, parent_id: str | None) -> PartRef:
        if self._last is None or self._growing != (kind, parent_id):
            self._last = self._start(kind)
            self._growing = (kind, parent_id)
        return self._last

    reasoning_delta = refusal_delta = text_delta

    def text_part(self, chunk: chunks.TextPartChunk) -> None:
        self._growing = None

    def reasoning_part(self, chunk: chunks.ReasoningPartChunk) -> PartRef:
        self._growing = None
        return self.text_delta(chunk)

    def provider_metadata(self, chunk: chunks.ProviderMetadataChunk) -> PartRef:
        return self._extended(chunk.part, chunk.parent_id)

    def tool_call(self, chunk: chunks.ToolCallBeginChunk | chunks.ToolCallChunk) -> PartRef:
        part = self._calls[chunk.tool_call_id] = self._start("tool-call", chunk.tool_name)
        return part

    tool_call_begin = tool_call

    def tool_result(
        self, chunk: chunks.ToolCallDeltaChunk | chunks.ToolResultChunk | chunks.ToolApprovalRequestChunk
    ) -> PartRef | None:
        return self._calls.get(chunk.tool_call_id)

    tool_call_delta = tool_approval_request = tool_result

    def source(self, chunk: chunks.SourceChunk | chunks.SourceDocumentChunk | chunks.FileChunk) -> PartRef:
        return self._start(chunk.type.partition("-")[0])

    source_document = file = source

    def data_part(self, chunk: chunks.DataPartChunk) -> PartRef | None:
        return None if chunk.transient else self._start("data", chunk.name)

    def _start(self, kind: str, name: str | None = None) -> PartRef:
        self._growing = None
        self._count += 1
        return PartRef(self._count - 1, kind, name)
