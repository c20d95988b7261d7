"""Reads the data stream of assistant-ui and AI SDK 4: lines of `code:json`. The codes are those of `data_stream`."""

from __future__ import annotations

from collections.abc import Iterator

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.jsonvalue import JSON, dumps
from assistant_stream_ce.serialization.assistant_ui_decoder import (
    AssistantUIDecoder,
    chunk_of,
    finish_of,
    reasoning_part_of,
    source_of,
)
from assistant_stream_ce.serialization.decoder import BadFrameError, checked
from assistant_stream_ce.serialization.framing import Frame, LineReader

__all__ = ("DataStreamDecoder",)


class DataStreamDecoder(AssistantUIDecoder):
    """Reads the data stream. The format has no terminator."""

    _make_reader = LineReader

    def _read(self, frame: Frame) -> Iterator[AssistantStreamChunk]:
        code, colon, rest = frame.data.partition(b":")
        if colon:
            yield from self._read_value(code, self._json(rest))
        elif code.strip():
            raise BadFrameError("it has no colon")

    def _read_value(self, code: bytes, value: JSON) -> Iterator[AssistantStreamChunk]:
        match code:
            case b"0":
                yield chunks.TextDeltaChunk(checked(value, str))
            case b"g":
                yield chunks.ReasoningDeltaChunk(checked(value, str))
            case b"j":
                yield chunk_of(chunks.ReasoningSignatureChunk, value)
            case b"b":
                yield from self._begin(chunk_of(chunks.ToolCallBeginChunk, value))
            case b"c":
                yield from self._arguments(chunk_of(chunks.ToolCallDeltaChunk, value))
            case b"9":
                yield from self._whole_call(value)
            case b"a":
                yield from self._result(value)
            case b"h":
                yield source_of(value)
            case b"k":
                yield chunk_of(chunks.FileChunk, value)
            case b"2":
                yield from map(chunks.DataChunk, checked(value, list))
            case b"8":
                yield chunks.AnnotationsChunk(checked(value, list))
            case b"f":
                yield chunk_of(chunks.StepStartChunk, value)
            case b"e":
                finish = finish_of(chunks.StepFinishChunk, value)
                yield from self._close_arguments()
                yield finish
            case b"d":
                message_finish = finish_of(chunks.MessageFinishChunk, value)
                yield from self._close_arguments()
                yield message_finish
            case b"3":
                yield chunks.ErrorChunk(checked(value, str))
            case b"aui-state":
                yield from self._operations(value)
            case b"aui-text-delta":
                yield chunk_of(chunks.TextDeltaChunk, value)
            case b"aui-reasoning-delta":
                yield chunk_of(chunks.ReasoningDeltaChunk, value)
            case b"aui-reasoning-part-start":
                yield reasoning_part_of(checked(value, dict))
            case b"aui-data":
                yield chunk_of(chunks.DataPartChunk, value)
            case b"i":
                # Redacted reasoning: no chunk can say it.
                pass
            case _:
                raise BadFrameError("its code is unknown")

    def _whole_call(self, value: JSON) -> Iterator[AssistantStreamChunk]:
        """Read a call that comes at once, or repeats at its end what came in pieces."""
        call = chunk_of(chunks.ToolCallChunk, value)
        record = self._calls.get(call.tool_call_id)
        if record is None:
            yield from self._whole(call)
        else:
            text = "" if record.has_args else dumps(call.args).decode()
            yield from self._arguments(chunks.ToolCallDeltaChunk(call.tool_call_id, text, is_final=True))
