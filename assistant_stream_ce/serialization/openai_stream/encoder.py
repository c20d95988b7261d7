"""OpenAI's `chat.completion.chunk` events, for every client of an OpenAI-compatible server.

The clients want the role first, a finish reason last, and tool calls numbered without gaps. The format
carries text, refusals, reasoning (as `reasoning_content`, by convention), tool calls, usage and errors. It has no
word for tool results, sources, files, data, annotations and state: those are left out.
"""

from __future__ import annotations

from typing import Any

from assistant_stream_ce import chunks
from assistant_stream_ce.jsonvalue import JSON, dumps, dumps_text
from assistant_stream_ce.serialization import sse
from assistant_stream_ce.serialization.openai_stream.chat import OpenAIEncoder
from assistant_stream_ce.serialization.tool_calls import CallRecord

__all__ = ("OpenAIStreamEncoder",)


class OpenAIStreamEncoder(OpenAIEncoder):
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
        super().__init__("chat.completion.chunk", model, completion_id, created)
        self._head = b"data: " + dumps(self._identity)[:-1] + b","
        self._delta_head = self._head + b'"choices":[{"index":0,"delta":'
        self._content_head = self._delta_head + b'{"content":'
        self._reasoning_head = self._delta_head + b'{"reasoning_content":'
        self._include_usage = include_usage
        self._has_role = False

    def finish(self) -> bytes:
        """Write the finish reason and the usage, then `[DONE]`; after an error only `[DONE]`."""
        if self._ending.has_failed:
            return sse.DONE
        finish = b'%b{},"logprobs":null,"finish_reason":%b}]}\n\n' % (self._delta_head, dumps(self._finish_reason()))
        return self._role() + self._close_all() + finish + self._write_usage() + sse.DONE

    def _text(self, chunk: chunks.TextDeltaChunk) -> bytes:
        frame = self._content_head + dumps_text(chunk.text_delta) + _CONTENT_TAIL
        return frame if self._has_role else self._role() + frame

    def _reasoning(self, chunk: chunks.ReasoningDeltaChunk) -> bytes:
        self._has_reasoned = True
        frame = self._reasoning_head + dumps_text(chunk.reasoning_delta) + _CONTENT_TAIL
        return frame if self._has_role else self._role() + frame

    def _around_delta(self, chunk: Any) -> tuple[bytes, bytes]:
        is_text = type(chunk) is chunks.TextDeltaChunk
        return (self._content_head if is_text else self._reasoning_head), _CONTENT_TAIL

    def _refusal(self, chunk: chunks.RefusalDeltaChunk) -> bytes:
        return self._role() + self._delta({"refusal": chunk.refusal_delta})

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

    def _role(self) -> bytes:
        if self._has_role:
            return b""
        self._has_role = True
        return self._delta({"role": "assistant", "content": ""})

    def _delta(self, delta: JSON) -> bytes:
        return self._delta_head + dumps(delta) + _DELTA_TAIL

    def _write_usage(self) -> bytes:
        if not self._include_usage:
            return b""
        return self._head + b'"choices":[],"usage":' + dumps(self._usage()) + b"}\n\n"


_DELTA_TAIL = b',"logprobs":null,"finish_reason":null}]}\n\n'
_CONTENT_TAIL = b"}" + _DELTA_TAIL


# The response is imported when it is first asked for.
