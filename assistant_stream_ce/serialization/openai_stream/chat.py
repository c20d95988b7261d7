"""What OpenAI's two answers to one question share: the events of a stream, and the whole completion."""

from __future__ import annotations

import uuid
from abc import abstractmethod
from typing import TypeAlias

from assistant_stream_ce import chunks
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.serialization.encoder import summary_text
from assistant_stream_ce.serialization.ending import Ending
from assistant_stream_ce.serialization.tool_calls import CallRecord, ToolCallEncoder

__all__ = ("OpenAIEncoder",)

_Fields: TypeAlias = dict[str, JSON]

# The format's own words for why a message ended. Others, "error" among them, would surprise its clients.
_FINISH_REASONS = {
    "stop": "stop",
    "length": "length",
    "tool-calls": "tool_calls",
    "content-filter": "content_filter",
}


class OpenAIEncoder(ToolCallEncoder):
    """An encoder with OpenAI's words for a message and for its end; a subclass says how they are written.

    Args:
        kind: the `object` that is written.
        model: the model's name.
        completion_id: the id; a fresh one when None.
        created: when the completion was created, in Unix seconds.
    """

    def __init__(self, kind: str, model: str, completion_id: str | None, created: int) -> None:
        super().__init__()
        self._identity: _Fields = {
            "id": completion_id or f"chatcmpl-{uuid.uuid4().hex[:24]}",
            "object": kind,
            "created": created,
            "model": model,
        }
        self._ending = Ending()
        # Whether any reasoning was written.
        self._has_reasoned = False

    def _reasoning_part(self, chunk: chunks.ReasoningPartChunk) -> bytes:
        """Write a blank line between this part and the one before it: the format has no parts."""
        text = ("\n\n" if self._has_reasoned else "") + summary_text(chunk)
        return self._reasoning(chunks.ReasoningDeltaChunk(text)) if text else b""

    @abstractmethod
    def _reasoning(self, chunk: chunks.ReasoningDeltaChunk) -> bytes:
        """Write reasoning."""

    def _tool_result(self, chunk: chunks.ToolResultChunk) -> bytes:
        record = self._calls.get(chunk.tool_call_id)
        if record is None:
            return b""
        record.has_result = True
        return self._close(record)

    def _step_finish(self, chunk: chunks.StepFinishChunk) -> bytes:
        self._ending.add_step(chunk)
        return self._close_all()

    def _message_finish(self, chunk: chunks.MessageFinishChunk) -> bytes:
        self._ending.set_message(chunk)
        return self._close_all()

    def _write_close(self, record: CallRecord) -> bytes:
        # The format has no word for the end of arguments, but clients parse them, and no text is no JSON.
        return b"" if record.has_args else self._write_args(record, "{}")

    def _finish_reason(self) -> str:
        reason = self._ending.reason or ("tool-calls" if self._waits_for_result() else "stop")
        return _FINISH_REASONS.get(reason, "stop")

    def _usage(self) -> _Fields:
        prompt, completion = self._ending.usage
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
