"""Decoder of OpenAI's `chat.completion.chunk` events, as OpenAI-compatible servers of all kinds send them.

They differ in the details: fields are null or missing, reasoning has several names or is a part of the content, the
usage comes with the last chunk, after it or with each, errors have several shapes, and sources are annotations of the
text or lists beside it. `tool_calls` has the rules for tool calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.errors import UNKNOWN_ERROR
from assistant_stream_ce.jsonvalue import JSON, object_or_empty, objects_in
from assistant_stream_ce.serialization.decoder import Decoder, checked, optional_text, token_count
from assistant_stream_ce.serialization.framing import EventReader, Frame, FrameError
from assistant_stream_ce.serialization.openai_stream.tool_calls import ToolCallDeltas

# Finish reasons that chunks spell differently.
_FINISH_REASONS = {
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
    "content_filter": "content-filter",
    "model_length": "length",
}

_DATA_URL = re.compile(r"data:([^;,]+)(?:;[^,]*)?;base64,")


class OpenAIStreamDecoder(Decoder):
    """Decodes OpenAI chat completion chunks.

    The stream ends with `[DONE]`, with its body after a finish reason, or with an error. The message finish comes then,
    with the usage. Of several choices, the one with index 0 is read.
    """

    _make_reader = EventReader

    def _prepare(self) -> None:
        self._calls = ToolCallDeltas()
        # The single call of a message, of the deprecated `function_call`.
        self._function_call = ToolCallDeltas()
        self._finish_reason: str | None = None
        self._usage: JSON = None
        self._urls: set[str] = set()

    def _read(self, frame: Frame) -> Iterator[AssistantStreamChunk]:
        if frame.data.strip() == b"[DONE]":
            self._is_done = True
            yield from self._finish()
        elif frame.name == "error":
            yield from self._fail_with(self._json_or_text(frame.data))
        else:
            yield from self._read_value(checked(self._json(frame.data), dict))

    def _read_value(self, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        if value.get("error") not in (None, False, "") or value.get("object") == "error":
            yield from self._fail_with(value)
            return
        groq = object_or_empty(value.get("x_groq"))
        self._note_usage(groq)
        self._note_usage(value)
        if "choices" not in value:
            raise FrameError("it has no choices")
        for item in checked(value["choices"] or [], list, "choices"):
            choice: dict[str, JSON] = checked(item, dict, "a choice")
            if choice.get("index") in (0, None) and not self._is_done:
                yield from self._choice(choice)
        if groq.get("error") and not self._is_done:
            yield from self._fail_with(groq["error"])
        # Search results first, because citations have no titles.
        yield from self._sources(value.get("search_results"))
        yield from self._sources(value.get("citations"))

    def _may_end_in(self, frame: Frame) -> bool:
        return frame.data.strip() == b"[DONE]"

    def _end(self) -> Iterator[AssistantStreamChunk]:
        if self._is_done:
            return
        if self._finish_reason is None:
            yield from self._calls.end(is_cut=True)
            yield from self._function_call.end(is_cut=True)
            if self._bytes_fed and not self._is_strict:
                # An incomplete answer must not look complete.
                yield self._message_finish("interrupted")
            raise FrameError("the stream ended without a finish reason or [DONE]")
        yield from self._finish()

    def _note_usage(self, fields: dict[str, JSON]) -> None:
        usage = fields.get("usage")
        if isinstance(usage, dict):
            self._usage = usage

    def _choice(self, choice: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        if isinstance(choice.get("error"), (dict, str)) and choice["error"]:
            yield from self._fail_with(choice["error"])
            return
        self._note_usage(choice)
        delta: dict[str, JSON] = checked(choice.get("delta") or {}, dict, "delta")
        parts = [*_reasoning(delta), *_content(delta.get("content")), *_extras(delta), *self._cited(delta)]
        if parts:
            yield from self._calls.begin_waiting()
            yield from parts
        calls: list[JSON] = checked(delta.get("tool_calls") or [], list, "tool_calls")
        for position, call in enumerate(calls, start=1):
            yield from self._calls.add(_checked_call(call), position if len(calls) > 1 else 0)
        if delta.get("function_call") is not None:
            yield from self._function_call.add(_checked_call({"index": 0, "function": delta["function_call"]}))
        if reason := _text(choice, "finish_reason"):
            self._finish_reason = self._finish_reason or _FINISH_REASONS.get(reason, reason)

    def _cited(self, delta: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        """Yield the sources of annotations, of citations, and of searches that Groq runs."""
        for annotation in objects_in(delta.get("annotations")):
            yield from self._sources([annotation.get("url_citation") or annotation])
        yield from self._sources(delta.get("citations"))
        for tool in objects_in(delta.get("executed_tools")):
            results = tool.get("search_results")
            yield from self._sources(results.get("results") if isinstance(results, dict) else results)

    def _sources(self, values: JSON) -> Iterator[AssistantStreamChunk]:
        """Yield a source for each new URL in a list of URLs or of objects with URLs."""
        for value in values if isinstance(values, list) else ():
            fields = value if isinstance(value, dict) else {"url": value}
            url, title = fields.get("url"), fields.get("title")
            if isinstance(url, str) and url.startswith(("https://", "http://")) and url not in self._urls:
                self._urls.add(url)
                start, end = fields.get("start_index"), fields.get("end_index")
                has_place = type(start) is int and type(end) is int and 0 <= start <= end
                place: Any = {"start_index": start, "end_index": end} if has_place else {}
                known = title if isinstance(title, str) and title else None
                yield chunks.SourceChunk(url, url, title=known, **place)

    def _fail_with(self, value: JSON) -> Iterator[AssistantStreamChunk]:
        self._is_done = True
        yield from self._calls.begin_waiting()
        yield _error_of(value)

    def _json_or_text(self, data: bytes) -> JSON:
        try:
            return self._json(data)
        except FrameError:
            return data.decode(errors="replace")

    def _finish(self) -> Iterator[AssistantStreamChunk]:
        yield from self._calls.end()
        yield from self._function_call.end()
        if self._finish_reason is not None:
            yield self._message_finish(self._finish_reason)
        elif self._usage is not None:
            has_calls = self._calls.calls or self._function_call.calls
            yield self._message_finish("tool-calls" if has_calls else "unknown")

    def _message_finish(self, reason: str) -> chunks.MessageFinishChunk:
        usage = object_or_empty(self._usage)
        read, written = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
        return chunks.MessageFinishChunk(
            reason,
            token_count(usage, "prompt_tokens", "input_tokens"),
            token_count(usage, "completion_tokens", "output_tokens"),
            # DeepSeek has its own name.
            token_count(read, "cached_tokens") or token_count(usage, "prompt_cache_hit_tokens"),
            # Of OpenRouter only.
            token_count(read, "cache_write_tokens"),
            token_count(written, "reasoning_tokens"),
        )


def _reasoning(delta: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
    """Yield reasoning: litellm sends it under two names, OpenRouter as text and as details."""
    plain = delta.get("reasoning_content") or delta.get("reasoning")
    if isinstance(plain, (list, dict)):
        yield from _content(plain if isinstance(plain, list) else [plain], chunks.ReasoningDeltaChunk)
    elif plain is not None and checked(plain, str, "reasoning"):
        yield chunks.ReasoningDeltaChunk(plain)
    for details in (delta.get("reasoning_details"), delta.get("thinking_blocks")):
        for detail in objects_in(details):
            text = detail.get("text") or detail.get("summary") or detail.get("thinking")
            if not plain and isinstance(text, str) and text:
                yield chunks.ReasoningDeltaChunk(text)
            signature = detail.get("signature")
            if isinstance(signature, str) and signature:
                yield chunks.ReasoningSignatureChunk(signature)


def _content(
    content: JSON, kind: type[chunks.TextDeltaChunk | chunks.ReasoningDeltaChunk] = chunks.TextDeltaChunk
) -> Iterator[AssistantStreamChunk]:
    """Yield the content: a text, or a list of parts, with reasoning, refusals and images among them."""
    if isinstance(content, list):
        for item in content:
            part: dict[str, JSON] = checked(item, dict, "a part of the content")
            is_reasoning = part.get("type") in ("reasoning", "thinking", "summary_text")
            for name in ("thinking", "reasoning", "summary"):
                yield from _content(part.get(name), chunks.ReasoningDeltaChunk)
            yield from _content(part.get("text"), chunks.ReasoningDeltaChunk if is_reasoning else kind)
            yield from _extras(part)
    elif content is not None and (text := checked(content, str, "content")):
        yield kind(text)


def _extras(fields: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
    """Yield the chunks of fields beside the text of a delta or part: a refusal, a transcript, images."""
    if text := _text(fields, "refusal"):
        yield chunks.RefusalDeltaChunk(text)
    audio = fields.get("audio")
    if isinstance(audio, dict) and (text := _text(audio, "transcript")):
        yield chunks.TextDeltaChunk(text)
    for image in (*objects_in(fields.get("images")), fields):
        url = image.get("image_url")
        url = url.get("url") if isinstance(url, dict) else url
        if isinstance(url, str) and url:
            match = _DATA_URL.match(url)
            # The media type of an image at a URL is unknown.
            yield chunks.FileChunk(url[match.end() :], match[1]) if match else chunks.FileChunk(url, "image/*")


def _checked_call(value: JSON) -> dict[str, JSON]:
    call: dict[str, JSON] = checked(value, dict, "a tool call")
    function: dict[str, JSON] = checked(call.get("function") or {}, dict, "function")
    _text(function, "name")
    return call


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
