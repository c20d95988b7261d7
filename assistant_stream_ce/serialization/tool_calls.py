"""Tool calls on any wire: what an encoder remembers of them, so that it never writes a frame that a client refuses.

The clients end the stream when a frame names a call they do not know, or begins one they do, and drop
argument text for a call whose arguments are complete.
"""

from __future__ import annotations

from abc import abstractmethod

from assistant_stream_ce import chunks
from assistant_stream_ce.jsonvalue import dumps
from assistant_stream_ce.serialization.encoder import Encoder

__all__ = ("CallRecord", "ToolCallEncoder")

# The tool's name in the begin frame of a call that an earlier message began: its name was told there.
_UNKNOWN_TOOL = "unknown"


class CallRecord:
    """One tool call: its id, its number in this response, and how far it has come."""

    __slots__ = ("call_id", "has_args", "has_result", "is_open", "number")

    def __init__(self, call_id: str, number: int) -> None:
        self.call_id = call_id
        self.number = number
        self.has_args = False
        self.is_open = True
        self.has_result = False


class ToolCallEncoder(Encoder):
    """An encoder with the course of a tool call; a subclass says how each moment is written."""

    def __init__(self) -> None:
        self._calls: dict[str, CallRecord] = {}

    @abstractmethod
    def _write_begin(self, record: CallRecord, name: str, parent_id: str | None) -> bytes:
        """Return the frames that begin a call."""

    @abstractmethod
    def _write_args(self, record: CallRecord, text: str) -> bytes:
        """Return the frames for more argument text."""

    @abstractmethod
    def _write_close(self, record: CallRecord) -> bytes:
        """Return the frames that say the arguments are complete; with "{}" if there was no text at all."""

    def _write_call(self, record: CallRecord, chunk: chunks.ToolCallChunk) -> bytes:
        """Return the frames of a call whose arguments came whole."""
        begin = self._write_begin(record, chunk.tool_name, chunk.parent_id)
        return begin + self._write_args(record, dumps(chunk.args).decode()) + self._write_close(record)

    def _tool_call(self, chunk: chunks.ToolCallChunk) -> bytes:
        if chunk.tool_call_id in self._calls:
            return b""
        record = self._add(chunk.tool_call_id)
        record.has_args, record.is_open = True, False
        return self._write_call(record, chunk)

    def _tool_call_begin(self, chunk: chunks.ToolCallBeginChunk) -> bytes:
        if chunk.tool_call_id in self._calls:
            return b""
        return self._begin(chunk.tool_call_id, chunk.tool_name, chunk.parent_id)[1]

    def _tool_call_delta(self, chunk: chunks.ToolCallDeltaChunk) -> bytes:
        record, frames = self._known(chunk.tool_call_id)
        if not record.is_open:
            return frames
        if chunk.args_text_delta:
            record.has_args = True
            frames += self._write_args(record, chunk.args_text_delta)
        return frames + self._close(record) if chunk.is_final else frames

    def _known(self, call_id: str) -> tuple[CallRecord, bytes]:
        """Return the record of a call, and the frames that begin it if the client does not know it."""
        record = self._calls.get(call_id)
        return self._begin(call_id, _UNKNOWN_TOOL, None) if record is None else (record, b"")

    def _begin(self, call_id: str, name: str, parent_id: str | None) -> tuple[CallRecord, bytes]:
        record = self._add(call_id)
        return record, self._write_begin(record, name, parent_id)

    def _add(self, call_id: str) -> CallRecord:
        record = self._calls[call_id] = CallRecord(call_id, len(self._calls))
        return record

    def _close(self, record: CallRecord) -> bytes:
        if not record.is_open:
            return b""
        record.is_open = False
        return self._write_close(record)

    def _close_all(self) -> bytes:
        return b"".join(map(self._close, self._calls.values()))

    def _waits_for_result(self) -> bool:
        return any(not record.has_result for record in self._calls.values())
