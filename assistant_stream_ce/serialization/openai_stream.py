"""OpenAI's `chat.completion.chunk` events, for every client of an OpenAI-compatible server.

The clients want the role first, a finish reason last, and tool calls numbered without gaps. The format
carries text, refusals, reasoning (as `reasoning_content`, by convention), tool calls, usage and errors. It has no
word for tool results, sources, files, data, annotations and state: those are left out.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from assistant_stream_ce import chunks
from assistant_stream_ce.jsonvalue import JSON, dumps, dumps_text
from assistant_stream_ce.serialization import doorway, sse
from assistant_stream_ce.serialization.base import summary_text
from assistant_stream_ce.serialization.ending import Ending
from assistant_stream_ce.serialization.tool_calls import CallRecord, ToolCallEncoder

if TYPE_CHECKING:
    from assistant_stream_ce.responses.starlette import OpenAIStreamResponse

__all__ = ("OpenAIStreamEncoder", "OpenAIStreamResponse")

# The format's own words for why a message ended. Others, "error" among them, would surprise its clients.
_FINISH_REASONS = {
    "stop": "stop",
    "length": "length",
    "tool-calls": "tool_calls",
    "content-filter": "content_filter",
}


class OpenAIStreamEncoder(ToolCallEncoder):
    """Writes OpenAI chat completion chunks.

    Args:
        model: the model's name in each chunk.
        include_usage: whether a last chunk tells the usage, as with `stream_options.include_usage`.
        completion_id: the id in each chunk; a fresh one when left out.
        created: when the completion was created, in Unix seconds. An encoder has no clock: the web
            responses pass the time; 0 means unknown.
    """

    media_type = sse.MEDIA_TYPE
    keepalive = sse.KEEPALIVE

    def __init__(
        self,
        model: str = "assistant-stream",
        *,
        include_usage: bool = False,
        completion_id: str | None = None,
        created: int = 0,
    ) -> None:
        super().__init__()
        head = {
            "id": completion_id or f"chatcmpl-{uuid.uuid4().hex[:24]}",
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        self._head = b"data: " + dumps(head)[:-1] + b","
        self._delta_head = self._head + b'"choices":[{"index":0,"delta":'
        self._content_head = self._delta_head + b'{"content":'
        self._reasoning_head = self._delta_head + b'{"reasoning_content":'
        self._include_usage = include_usage
        self._has_role = False
        self._ending = Ending()

    def finish(self) -> bytes:
        """Write the finish reason and the usage, then `[DONE]`; after an error only `[DONE]`."""
        if self._ending.has_failed:
            return sse.DONE
        reason = self._ending.reason or ("tool-calls" if self._waits_for_result() else "stop")
        reason = _FINISH_REASONS.get(reason, "stop")
        finish = b'%b{},"logprobs":null,"finish_reason":%b}]}\n\n' % (self._delta_head, dumps(reason))
        return self._role() + self._close_all() + finish + self._usage() + sse.DONE

    def _text(self, chunk: chunks.TextDeltaChunk) -> bytes:
        frame = self._content_head + dumps_text(chunk.text_delta) + _CONTENT_TAIL
        return frame if self._has_role else self._role() + frame

    def _reasoning(self, chunk: chunks.ReasoningDeltaChunk) -> bytes:
        frame = self._reasoning_head + dumps_text(chunk.reasoning_delta) + _CONTENT_TAIL
        return frame if self._has_role else self._role() + frame

    def _reasoning_part(self, chunk: chunks.ReasoningPartChunk) -> bytes:
        """Write a blank line between this part and what came before it: the format has no parts."""
        text = ("\n\n" if self._has_role else "") + summary_text(chunk)
        return self._reasoning(chunks.ReasoningDeltaChunk(text)) if text else b""

    def _refusal(self, chunk: chunks.RefusalDeltaChunk) -> bytes:
        return self._role() + self._delta({"refusal": chunk.refusal_delta})

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

    def _error(self, chunk: chunks.ErrorChunk) -> bytes:
        # The shape that both official clients raise as an API error.
        self._ending.has_failed = True
        error = {"message": chunk.error, "type": "server_error", "param": None, "code": chunk.code}
        return sse.event(dumps({"error": error}))

    def _write_begin(self, record: CallRecord, name: str, parent_id: str | None) -> bytes:
        return self._begin_call(record, name, "")

    def _write_call(self, record: CallRecord, chunk: chunks.ToolCallChunk) -> bytes:
        return self._begin_call(record, chunk.tool_name, dumps(chunk.args).decode())

    def _begin_call(self, record: CallRecord, name: str, arguments: str) -> bytes:
        function = {"name": name, "arguments": arguments}
        call = {"index": record.number, "id": record.call_id, "type": "function", "function": function}
        return self._role() + self._delta({"tool_calls": [call]})

    def _write_args(self, record: CallRecord, text: str) -> bytes:
        return self._delta({"tool_calls": [{"index": record.number, "function": {"arguments": text}}]})

    def _write_close(self, record: CallRecord) -> bytes:
        # The format has no word for the end of arguments, but clients parse them, and no text is no JSON.
        return b"" if record.has_args else self._write_args(record, "{}")

    def _role(self) -> bytes:
        if self._has_role:
            return b""
        self._has_role = True
        return self._delta({"role": "assistant", "content": ""})

    def _delta(self, delta: JSON) -> bytes:
        return self._delta_head + dumps(delta) + _DELTA_TAIL

    def _usage(self) -> bytes:
        if not self._include_usage:
            return b""
        prompt, completion = self._ending.usage
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        return self._head + b'"choices":[],"usage":' + dumps(usage) + b"}\n\n"


_DELTA_TAIL = b',"logprobs":null,"finish_reason":null}]}\n\n'
_CONTENT_TAIL = b"}" + _DELTA_TAIL


# The response is imported when it is first asked for.
__getattr__ = doorway.to_starlette("OpenAIStreamResponse")
