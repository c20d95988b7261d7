"""Encoder of OpenAI's `chat.completion.chunk` events, for every client of an OpenAI-compatible server.

The format carries text, refusals, reasoning (as `reasoning_content`, by convention), tool calls, usage and errors, but
no tool results, sources, files, data, annotations and state. The role comes first, the finish reason last, and tool
calls are numbered without gaps.
"""

from __future__ import annotations

import uuid
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from assistant_stream_ce import chunks
from assistant_stream_ce.jsonvalue import JSON, check_text, dumps, dumps_text
from assistant_stream_ce.serialization import framing
from assistant_stream_ce.serialization.encoder import (
    ToolCallEncoder,
    bounded,
    optional_str,
    summary_text,
)
from assistant_stream_ce.serialization.tool_calls import ToolCallState
from assistant_stream_ce.serialization.usage import nonzero

if TYPE_CHECKING:
    from assistant_stream_ce.create_run import StreamHeader

_Fields: TypeAlias = dict[str, JSON]

# Clients do not expect finish reasons other than these, such as "error".
_FINISH_REASONS = {
    "stop": "stop",
    "length": "length",
    "tool-calls": "tool_calls",
    "content-filter": "content_filter",
    # A truncated answer.
    "interrupted": "length",
}


class OpenAIEncoder(ToolCallEncoder):
    """Base of the encoders of the stream and of the complete `chat.completion`.

    Args:
        kind: the value of the field `object`.
        model: the name of the model.
        completion_id: the id; that of the stream's message, or a new one, if None.
        created: when the completion was created, in Unix seconds; if None, that of the stream, or 0.

    Raises:
        TypeError: an argument has a wrong type.
    """

    needs_header = True

    def __init__(self, kind: str, model: str, completion_id: str | None, created: int | None) -> None:
        super().__init__()
        if created is not None and type(created) is not int:
            raise TypeError(f"created must be an int or None, in Unix seconds, not {type(created).__name__}")
        self._kind = kind
        self._model = check_text(model, "model")
        self._completion_id = optional_str(completion_id, "completion_id")
        self._created = created
        # Whether any reasoning was written.
        self._has_reasoned = False

    def start_stream(self, header: StreamHeader) -> None:
        """Take the id of the message and the time."""
        self._completion_id = self._completion_id or header.message_id
        self._created = header.created if self._created is None else self._created

    def _identity(self) -> _Fields:
        """Return the fields that all events share; with a new id if there is none."""
        return {
            "id": self._completion_id or f"chatcmpl-{uuid.uuid4().hex[:24]}",
            "object": self._kind,
            "created": self._created or 0,
            "model": self._model,
        }

    def reasoning_part(self, chunk: chunks.ReasoningPartChunk) -> bytes:
        """Write a blank line after the previous part: the format has no parts."""
        text = ("\n\n" if self._has_reasoned else "") + summary_text(chunk)
        return self.reasoning_delta(chunks.ReasoningDeltaChunk(text)) if text else b""

    @abstractmethod
    def reasoning_delta(self, chunk: chunks.ReasoningDeltaChunk) -> bytes:
        """Write reasoning."""

    def tool_result(self, chunk: chunks.ToolResultChunk) -> bytes:
        record = self._calls.get(chunk.tool_call_id)
        if record is None:
            return b""
        record.has_result = record.has_result or not chunk.preliminary
        return self._close(record)

    def step_finish(self, chunk: chunks.StepFinishChunk) -> bytes:
        self._summary.add_step(chunk)
        return self._close_all()

    def message_finish(self, chunk: chunks.MessageFinishChunk) -> bytes:
        self._summary.set_message(chunk)
        return self._close_all()

    def _write_close(self, record: ToolCallState) -> bytes:
        # The format does not mark the end of arguments, but clients parse them, and an empty text is not JSON.
        return b"" if record.has_args else self._write_args(record, "{}")

    def _finish_reason(self) -> str:
        reason = self._summary.reason or ("tool-calls" if self._waits_for_result() else "stop")
        return _FINISH_REASONS.get(reason, "stop")

    def _usage(self) -> _Fields:
        usage = self._summary.usage
        return {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": bounded(usage.input_tokens + usage.output_tokens),
            **nonzero(
                {
                    "prompt_tokens_details": nonzero({"cached_tokens": usage.cached_tokens}),
                    "completion_tokens_details": nonzero({"reasoning_tokens": usage.reasoning_tokens}),
                }
            ),
        }


class OpenAIStreamEncoder(OpenAIEncoder):
    """Encoder of OpenAI chat completion chunks. Not thread-safe.

    Args:
        model: the name of the model in each chunk.
        include_usage: whether a last chunk has the usage, as with `stream_options.include_usage`.
        completion_id: the id in each chunk; that of the stream's message if None, or a new one.
        created: when the completion was created, in Unix seconds; if None, that of the stream, or 0. An encoder has no
            clock: web responses pass the time.

    Raises:
        TypeError: an argument has a wrong type.
    """

    media_type = framing.EVENT_STREAM
    keepalive: ClassVar[bytes] = framing.KEEPALIVE

    def __init__(
        self,
        model: str = "assistant-stream",
        *,
        include_usage: bool = False,
        completion_id: str | None = None,
        created: int | None = None,
    ) -> None:
        if not isinstance(include_usage, bool):
            raise TypeError(f"include_usage must be a bool, not {type(include_usage).__name__}")
        super().__init__("chat.completion.chunk", model, completion_id, created)
        self._include_usage = include_usage
        # The starts of frames are empty until the role is written.
        self._has_role = False
        self._head = self._delta_head = self._content_head = self._reasoning_head = b""

    def finish(self) -> bytes:
        """Return the finish reason, the usage and `[DONE]`; after an error only `[DONE]`."""
        if self._summary.has_failed:
            return framing.DONE
        frames = self._role() + self._close_all()
        finish = b'%b{},"logprobs":null,"finish_reason":%b}]}\n\n' % (self._delta_head, dumps(self._finish_reason()))
        return frames + finish + self._write_usage() + framing.DONE

    def text_delta(self, chunk: chunks.TextDeltaChunk) -> bytes:
        role = b"" if self._has_role else self._role()
        return role + self._content_head + dumps_text(chunk.text_delta) + _CONTENT_TAIL

    def reasoning_delta(self, chunk: chunks.ReasoningDeltaChunk) -> bytes:
        self._has_reasoned = True
        role = b"" if self._has_role else self._role()
        return role + self._reasoning_head + dumps_text(chunk.reasoning_delta) + _CONTENT_TAIL

    def _around_delta(self, chunk: Any) -> tuple[bytes, bytes]:
        is_text = type(chunk) is chunks.TextDeltaChunk
        return (self._content_head if is_text else self._reasoning_head), _CONTENT_TAIL

    def refusal_delta(self, chunk: chunks.RefusalDeltaChunk) -> bytes:
        return self._role() + self._delta({"refusal": chunk.refusal_delta})

    def source(self, chunk: chunks.SourceChunk) -> bytes:
        """Write a source with a place in the text; the format has no others."""
        citation = url_citation(chunk)
        return self._role() + self._delta({"annotations": [citation]}) if citation else b""

    def error(self, chunk: chunks.ErrorChunk) -> bytes:
        # The shape that both official clients raise as an API error.
        self._summary.has_failed = True
        error = {"message": chunk.error, "type": "server_error", "param": None, "code": chunk.code}
        return framing.event(dumps({"error": error}))

    def _write_begin(self, record: ToolCallState, chunk: chunks.ToolCallBeginChunk | chunks.ToolCallChunk) -> bytes:
        return self._begin_call(record, chunk.tool_name, "")

    def _write_call(self, record: ToolCallState, chunk: chunks.ToolCallChunk) -> bytes:
        return self._begin_call(record, chunk.tool_name, dumps(chunk.args).decode())

    def _begin_call(self, record: ToolCallState, name: str, arguments: str) -> bytes:
        function = {"name": name, "arguments": arguments}
        call = {"index": record.number, "id": record.call_id, "type": "function", "function": function}
        return self._role() + self._delta({"tool_calls": [call]})

    def _write_args(self, record: ToolCallState, text: str) -> bytes:
        return self._delta({"tool_calls": [{"index": record.number, "function": {"arguments": text}}]})

    def _role(self) -> bytes:
        if self._has_role:
            return b""
        self._has_role = True
        self._head = b"data: " + dumps(self._identity())[:-1] + b","
        self._delta_head = self._head + b'"choices":[{"index":0,"delta":'
        self._content_head = self._delta_head + b'{"content":'
        self._reasoning_head = self._delta_head + b'{"reasoning_content":'
        return self._delta({"role": "assistant", "content": ""})

    def _delta(self, delta: JSON) -> bytes:
        return self._delta_head + dumps(delta) + _DELTA_TAIL

    def _write_usage(self) -> bytes:
        if not self._include_usage:
            return b""
        return self._head + b'"choices":[],"usage":' + dumps(self._usage()) + b"}\n\n"


_DELTA_TAIL = b',"logprobs":null,"finish_reason":null}]}\n\n'
_CONTENT_TAIL = b"}" + _DELTA_TAIL


def url_citation(chunk: chunks.SourceChunk) -> JSON:
    """Return the annotation of a source with a place in the text; None for any other."""
    if chunk.start_index is None or chunk.end_index is None:
        return None
    place = {"start_index": chunk.start_index, "end_index": chunk.end_index}
    return {"type": "url_citation", "url_citation": {**place, "url": chunk.url, "title": chunk.title or chunk.url}}
