"""Reads OpenAI's `chat.completion.chunk` events, as OpenAI-compatible servers of all kinds send them.

They differ in the details: the number of a tool call may be missing, its id may come again with each piece,
reasoning has two names, and the usage comes with the last chunk or after it.
"""

from __future__ import annotations

from collections.abc import Iterator

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.errors import UNKNOWN_ERROR
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.serialization.decoding import BadFrameError, Decoder, checked, optional_text, token_count
from assistant_stream_ce.serialization.lines import Frame
from assistant_stream_ce.serialization.sse import EventReader

__all__ = ("OpenAIStreamDecoder",)

# The chunks' words for why a message ended, where the format has others.
_FINISH_REASONS = {
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
    "content_filter": "content-filter",
}


class OpenAIStreamDecoder(Decoder):
    """Reads OpenAI chat completion chunks.

    The stream ends with `[DONE]` or with an error. Why the message ended is told with its usage, when all was read.
    """

    _make_reader = EventReader

    def _prepare(self) -> None:
        # The ids of the calls by their numbers, and of all whose arguments may grow.
        self._ids: dict[int, str] = {}
        self._open: dict[str, None] = {}
        self._begun: set[str] = set()
        self._finish_reason: str | None = None
        self._usage: JSON = None

    def _read(self, frame: Frame) -> Iterator[AssistantStreamChunk]:
        if frame.data.strip() == b"[DONE]":
            self._is_done = True
            yield from self._finish()
            return
        value: dict[str, JSON] = checked(self._json(frame.data), dict)
        error = value.get("error")
        if error is not None or frame.name == "error":
            self._is_done = True
            yield chunks.ErrorChunk(_message_of(value if error is None else error))
            return
        if isinstance(value.get("usage"), dict):
            self._usage = value["usage"]
        for item in checked(value.get("choices"), list, "choices"):
            choice: dict[str, JSON] = checked(item, dict, "a choice")
            if choice.get("index") not in (0, None):
                raise BadFrameError("only one choice can be read")
            yield from self._choice(choice)

    def _end(self) -> Iterator[AssistantStreamChunk]:
        if self._is_done:
            return
        if self._finish_reason is None:
            raise BadFrameError("the stream ended without a finish reason or [DONE]")
        yield from self._finish()

    def _choice(self, choice: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        delta: dict[str, JSON] = checked(choice.get("delta") or {}, dict, "delta")
        reasoning = _text(delta, "reasoning_content") or _text(delta, "reasoning")
        if reasoning:
            yield chunks.ReasoningDeltaChunk(reasoning)
        for name in ("content", "refusal"):
            if text := _text(delta, name):
                yield chunks.TextDeltaChunk(text)
        for position, call in enumerate(checked(delta.get("tool_calls") or [], list, "tool_calls")):
            yield from self._tool_call(checked(call, dict, "a tool call"), position)
        reason = optional_text(choice, "finish_reason")
        if reason is not None:
            self._finish_reason = _FINISH_REASONS.get(reason, reason)
            yield from self._close_arguments()

    def _tool_call(self, call: dict[str, JSON], position: int) -> Iterator[AssistantStreamChunk]:
        index = checked(call.get("index", position), int, "index")
        function: dict[str, JSON] = checked(call.get("function") or {}, dict, "function")
        call_id = _text(call, "id") or self._ids.get(index) or f"call-{index}"
        self._ids[index] = call_id
        if call_id not in self._begun:
            self._begun.add(call_id)
            self._open[call_id] = None
            yield chunks.ToolCallBeginChunk(call_id, _text(function, "name"))
        arguments = _text(function, "arguments")
        if arguments and call_id in self._open:
            yield chunks.ToolCallDeltaChunk(call_id, arguments)

    def _close_arguments(self) -> Iterator[AssistantStreamChunk]:
        for call_id in self._open:
            yield chunks.ToolCallDeltaChunk(call_id, "", is_final=True)
        self._open.clear()

    def _finish(self) -> Iterator[AssistantStreamChunk]:
        yield from self._close_arguments()
        if self._finish_reason is not None:
            yield chunks.MessageFinishChunk(
                self._finish_reason,
                token_count(self._usage, "prompt_tokens"),
                token_count(self._usage, "completion_tokens"),
            )


def _text(fields: dict[str, JSON], name: str) -> str:
    """Return a text that may be null or missing."""
    return optional_text(fields, name) or ""


def _message_of(error: JSON) -> str:
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) and message else UNKNOWN_ERROR
