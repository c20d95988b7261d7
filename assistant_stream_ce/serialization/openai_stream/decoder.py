"""Reads OpenAI's `chat.completion.chunk` events, as OpenAI-compatible servers of all kinds send them.

They differ in the details: fields are null or missing, the number of a tool call too, its id may come again with
each piece, reasoning has two names or is a part of the content (Mistral), the usage comes with the last chunk, after
it or with each, and errors have several shapes.
"""

from __future__ import annotations

from collections.abc import Iterator

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.errors import UNKNOWN_ERROR
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.serialization.decoder import ToolCallDecoder, checked, optional_text, token_count
from assistant_stream_ce.serialization.framing import EventReader, Frame, FrameError

# The chunks' words for why a message ended, where the format has others.
_FINISH_REASONS = {
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
    "content_filter": "content-filter",
}


class OpenAIStreamDecoder(ToolCallDecoder):
    """Reads OpenAI chat completion chunks.

    The stream ends with `[DONE]` or with an error. Why the message ended is told with its usage, when all was read.
    Of several choices only the one with index 0 is read; the others are frames that cannot be read.
    """

    _make_reader = EventReader

    def _prepare(self) -> None:
        super()._prepare()
        # The ids of the calls by their numbers.
        self._ids: dict[int, str] = {}
        self._finish_reason: str | None = None
        self._usage: JSON = None

    def _read(self, frame: Frame) -> Iterator[AssistantStreamChunk]:
        if frame.data.strip() == b"[DONE]":
            self._is_done = True
            yield from self._finish()
            return
        if frame.name == "error":
            self._is_done = True
            yield _error_of(self._json_or_text(frame.data))
            return
        value: dict[str, JSON] = checked(self._json(frame.data), dict)
        if value.get("error") not in (None, False, "") or value.get("object") == "error":
            self._is_done = True
            yield _error_of(value)
            return
        if isinstance(value.get("usage"), dict):
            self._usage = value["usage"]
        has_others = False
        for item in checked(value.get("choices"), list, "choices"):
            choice: dict[str, JSON] = checked(item, dict, "a choice")
            if choice.get("index") in (0, None):
                yield from self._choice(choice)
            else:
                has_others = True
        if has_others:
            raise FrameError("only the choice with index 0 can be read")

    def _end(self) -> Iterator[AssistantStreamChunk]:
        if self._is_done:
            return
        if self._finish_reason is None:
            raise FrameError("the stream ended without a finish reason or [DONE]")
        yield from self._finish()

    def _choice(self, choice: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        delta: dict[str, JSON] = checked(choice.get("delta") or {}, dict, "delta")
        if text := _text(delta, "reasoning_content") or _text(delta, "reasoning"):
            yield chunks.ReasoningDeltaChunk(text)
        yield from _content(delta.get("content"))
        if text := _text(delta, "refusal"):
            yield chunks.RefusalDeltaChunk(text)
        for position, call in enumerate(checked(delta.get("tool_calls") or [], list, "tool_calls")):
            yield from self._tool_call(checked(call, dict, "a tool call"), position)
        if delta.get("function_call") is not None:
            # The only call of a message, before there could be several.
            yield from self._tool_call({"function": delta["function_call"]}, 0)
        if reason := _text(choice, "finish_reason"):
            self._finish_reason = _FINISH_REASONS.get(reason, reason)
            yield from self._close_arguments()

    def _tool_call(self, call: dict[str, JSON], position: int) -> Iterator[AssistantStreamChunk]:
        index = call.get("index")
        index = position if index is None else checked(index, int, "index")
        function: dict[str, JSON] = checked(call.get("function") or {}, dict, "function")
        name, known = _text(function, "name"), self._ids.get(index)
        call_id = _text(call, "id") or known or f"call-{index}"
        if known is not None and not name and call_id not in self._calls:
            # Some servers make up an id for each piece. One that begins a call has its name.
            call_id = known
        self._ids[index] = call_id
        if call_id not in self._calls:
            yield from self._begin(chunks.ToolCallBeginChunk(call_id, name))
        if arguments := _text(function, "arguments"):
            yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, arguments))

    def _json_or_text(self, data: bytes) -> JSON:
        try:
            return self._json(data)
        except FrameError:
            return data.decode(errors="replace")

    def _finish(self) -> Iterator[AssistantStreamChunk]:
        yield from self._close_arguments()
        if self._finish_reason is not None:
            yield chunks.MessageFinishChunk(
                self._finish_reason,
                token_count(self._usage, "prompt_tokens"),
                token_count(self._usage, "completion_tokens"),
            )


def _content(
    content: JSON, kind: type[chunks.TextDeltaChunk | chunks.ReasoningDeltaChunk] = chunks.TextDeltaChunk
) -> Iterator[AssistantStreamChunk]:
    """Yield what a content says: a text, or a list of parts, in which there may be reasoning."""
    if isinstance(content, list):
        for item in content:
            part: dict[str, JSON] = checked(item, dict, "a part of the content")
            yield from _content(part.get("thinking"), chunks.ReasoningDeltaChunk)
            yield from _content(part.get("text"), kind)
    elif content is not None and (text := checked(content, str, "content")):
        yield kind(text)


def _text(fields: dict[str, JSON], name: str) -> str:
    """Return a text that may be null or missing."""
    return optional_text(fields, name) or ""


def _error_of(value: JSON) -> chunks.ErrorChunk:
    """Return the error of `{"error": {...}}`, of the object in it alone, or of a text."""
    if isinstance(value, dict) and value.get("error") is not None:
        value = value["error"]
    fields = value if isinstance(value, dict) else {"message": value}
    message, code = fields.get("message"), fields.get("code")
    return chunks.ErrorChunk(
        message if isinstance(message, str) and message else UNKNOWN_ERROR,
        str(code) if type(code) in (str, int) else None,
    )
