"""Chunks of Google's Gemini, as google-genai yields them.

Format: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

from assistant_stream_ce.integrations.events import (
    TurnReader,
    delta_of,
    field,
    fields_of,
    integer,
    native,
    native_object,
    reason_of,
    text_of,
)
from assistant_stream_ce.integrations.turn import CallBuilder, Turn, TurnBuilder, TurnFinish
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.message import Usage

REASONS: dict[str, TurnFinish] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content-filter",
    "RECITATION": "content-filter",
    "BLOCKLIST": "content-filter",
    "PROHIBITED_CONTENT": "content-filter",
    "SPII": "content-filter",
    "IMAGE_SAFETY": "content-filter",
    "LANGUAGE": "content-filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "TOO_MANY_TOOL_CALLS": "error",
}

# Limit of a list in streamed arguments, in items.
_MOST_ITEMS = 10_000

_BLOCKED = "PROMPT_BLOCKED"


class GoogleReader(TurnReader):
    """Reads chunks. Function calls usually have no id, and arrive whole or in pieces of JSON path and value."""

    def __init__(self, out: TurnBuilder) -> None:
        super().__init__(out)
        # The parts in the provider's format: neighbouring texts are joined, other parts are unchanged.
        self._parts: list[dict[str, JSON]] = []
        self._growing: _GrowingArguments | None = None
        self._server_call: CallBuilder | None = None
        self._usage: Any = None
        # The pieces of text that continue the last part, and its `thought`.
        self._texts: list[str] = []
        self._thought: Any = None

    def feed(self, event: Any) -> None:
        """Process a chunk."""
        fields = fields_of(event)
        if self.out.id is None:
            self.out.id = text_of(event, "response_id") or None
            self.out.model = text_of(event, "model_version") or self.out.model
        if (usage := fields.get("usage_metadata")) is not None:
            # Only the last one is complete.
            self._usage = usage
        for candidate in (fields.get("candidates") or ())[:1]:
            chosen = fields_of(candidate)
            for part in fields_of(chosen.get("content")).get("parts") or ():
                self._part(part)
            if (
                chosen.get("grounding_metadata")
                or chosen.get("citation_metadata")
                or chosen.get("url_context_metadata")
            ):
                self._ground(candidate)
            if (reason := chosen.get("finish_reason")) is not None:
                self._finish(reason)
        if (feedback := fields.get("prompt_feedback")) is not None and field(feedback, "block_reason"):
            self.provider_reason = _BLOCKED

    def end(self) -> Turn:
        """Return the turn; see the base class."""
        self._close_growing()
        self._count(self._usage)
        if self.provider_reason is None:
            self.cut()
        self._join()
        messages: list[dict[str, JSON]] = [{"role": "model", "parts": self._parts}] if self._parts else []
        reason = "content-filter" if self.provider_reason == _BLOCKED else reason_of(REASONS, self.provider_reason)
        return self.out.finish(reason, self.provider_reason, messages)

    def _finish(self, reason: Any) -> None:
        word = getattr(reason, "value", reason)
        if isinstance(word, str) and word != "FINISH_REASON_UNSPECIFIED":
            self.provider_reason: str | None = self.provider_reason or word

    def _count(self, usage: Any) -> None:
        thoughts = integer(usage, "thoughts_token_count")
        self.out.usage = Usage(
            integer(usage, "prompt_token_count") + integer(usage, "tool_use_prompt_token_count"),
            integer(usage, "candidates_token_count") + thoughts,
            integer(usage, "cached_content_token_count"),
            reasoning_tokens=thoughts,
        )

    def _part(self, part: Any) -> None:
        fields = fields_of(part)
        text, thought = fields.get("text"), fields.get("thought")
        if isinstance(text, str) and (
            len(getattr(part, "__pydantic_fields_set__", fields)) == 1
            or len(fields) - [*fields.values()].count(None) == 1 + (thought is not None)
        ):
            # Most parts have only a text: copying the whole part costs ten times as much.
            if self._texts and thought is self._thought:
                self._texts.append(text)
                (self.out.think if thought else self.out.text)(text)
            else:
                self._close_growing()
                self._text(text, thought is True, {"text": text, **({} if thought is None else {"thought": thought})})
            return
        if (call := fields.get("function_call")) is not None:
            self._call(call, part)
            return
        self._close_growing()
        if text is not None:
            self._text(delta_of(part, "text"), thought is True, native(part, by_alias=False))
            return
        self._join()
        self._parts.append(native_object(part, by_alias=False))
        if (data := field(part, "inline_data")) is not None:
            content = field(data, "data")
            encoded = content if isinstance(content, str) else base64.b64encode(content or b"").decode()
            self.out.file(encoded, text_of(data, "mime_type") or "application/octet-stream")
        elif (file := field(part, "file_data")) is not None:
            self.out.file(text_of(file, "file_uri"), text_of(file, "mime_type") or "application/octet-stream")
        else:
            self._server_tool(part)

    def _text(self, text: str, is_thought: bool, made: dict[str, JSON]) -> None:
        last = self._parts[-1] if self._parts else {}
        # A signature belongs to the part that has it, so that part is not joined.
        joins = "text" in last and bool(last.get("thought")) == is_thought and not _signature(last)
        if joins and not _signature(made):
            self._texts.append(text)
            self._thought = made.get("thought")
        elif text or _signature(made):
            self._join()
            self._parts.append(made)
        (self.out.think if is_thought else self.out.text)(text)
        self.out.metadata("reasoning" if is_thought else "text", "google", thoughtSignature=_signature(made))

    def _join(self) -> None:
        """Add the pieces of text that have arrived after the last part to it."""
        if self._texts:
            self._parts[-1]["text"] += "".join(self._texts)
            self._texts.clear()

    def _call(self, call: Any, part: Any) -> None:
        self._join()
        name, call_id = text_of(call, "name"), text_of(call, "id") or None
        pieces, goes_on = field(call, "partial_args") or (), field(call, "will_continue") is True
        if not (goes_on or pieces or (self._growing is not None and not name)):
            self._close_growing()
            made = native(part, by_alias=False)
            builder = self.out.call(name, call_id, metadata=_call_metadata(made))
            builder.set(native(field(call, "args") or {}))
            builder.close()
            self._parts.append(made)
            return
        if name:
            self._close_growing()
            made = native(part, by_alias=False)
            made["function_call"] = {"name": name, **({"id": call_id} if call_id else {}), "args": {}}
            self._parts.append(made)
            builder = self.out.call(name, call_id, metadata=_call_metadata(made))
            self._growing = _GrowingArguments(builder, made["function_call"]["args"])
        if self._growing is not None:
            for piece in pieces:
                self._growing.add(native(piece, by_alias=False))
            if not goes_on:
                self._close_growing()

    def _close_growing(self) -> None:
        """Close a call with streamed arguments; its closing piece may be missing."""
        if self._growing is not None:
            self._growing.close()
            self._growing = None

    def _server_tool(self, part: Any) -> None:
        """Read a tool that Google ran."""
        if (code := field(part, "executable_code")) is not None:
            self._server_call = self.out.call("code_execution", is_ours=False)
            self._server_call.set(native(code))
        elif (call := field(part, "tool_call")) is not None:
            name = text_of(call, "tool_type") or text_of(call, "name") or "server_tool"
            self._server_call = self.out.call(name, text_of(call, "id") or None, is_ours=False)
            self._server_call.set(native(field(call, "args") or {}))
        elif self._server_call is not None:
            result = field(part, "code_execution_result") or field(part, "tool_response")
            outcome = getattr(field(result, "outcome"), "value", field(result, "outcome"))
            is_error = isinstance(outcome, str) and outcome not in ("OUTCOME_OK", "OUTCOME_UNSPECIFIED")
            self._server_call.result(native(result), is_error=is_error)
            self._server_call = None

    def _ground(self, candidate: Any) -> None:
        for chunk in field(field(candidate, "grounding_metadata"), "grounding_chunks") or ():
            web = field(chunk, "web") or field(chunk, "maps") or field(chunk, "retrieved_context")
            self.out.source(field(web, "uri"), field(web, "title"))
        for citation in field(field(candidate, "citation_metadata"), "citations") or ():
            self.out.source(field(citation, "uri"), field(citation, "title"))
        for page in field(field(candidate, "url_context_metadata"), "url_metadata") or ():
            self.out.source(field(page, "retrieved_url"))


def _signature(part: dict[str, JSON]) -> JSON:
    return part.get("thought_signature") or part.get("thoughtSignature")


def _call_metadata(part: dict[str, JSON]) -> dict[str, JSON] | None:
    signature = _signature(part)
    return {"google": {"thoughtSignature": signature}} if signature else None


class _GrowingArguments:
    """Arguments of a call that arrive as JSON paths and values, which may be pieces of a text."""

    def __init__(self, call: CallBuilder, args: dict[str, JSON]) -> None:
        self._call = call
        self._args = args

    def add(self, piece: dict[str, JSON]) -> None:
        """Add a piece."""
        path = _segments(str(piece.get("json_path") or piece.get("jsonPath") or ""))
        if not path:
            return
        target: Any = self._args
        for here, following in pairwise(path):
            target = _child(target, here, [] if isinstance(following, int) else {})
        key = path[-1]
        for name in ("string_value", "number_value", "bool_value", "null_value"):
            value = piece.get(name, piece.get(name.split("_")[0] + "Value"))
            if value is None and name != "null_value":
                continue
            if name == "null_value":
                value = None
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            before = _child(target, key, None)
            _put(target, key, before + value if isinstance(before, str) and isinstance(value, str) else value)
            return

    def close(self) -> None:
        """Send the whole arguments."""
        self._call.set(self._args)
        self._call.close()


def _segments(path: str) -> list[str | int]:
    """Return the segments of a JSON path such as `$.items[0].name`."""
    segments: list[str | int] = []
    for name in path.removeprefix("$").replace("[", ".[").split("."):
        if name.startswith("["):
            inner = name.strip("[]").strip("'\"")
            segments.append(int(inner) if inner.isdigit() else inner)
        elif name:
            segments.append(name)
    return segments


def _child(container: Any, key: str | int, default: Any) -> Any:
    """Return an item of a dict or list; a missing one is set to `default`."""
    if isinstance(container, list) and isinstance(key, int):
        while len(container) <= min(key, _MOST_ITEMS):
            container.append(None)
        found = container[min(key, _MOST_ITEMS)]
    elif isinstance(container, dict):
        found = container.get(key)
    else:
        return default
    if found is None and default is not None:
        _put(container, key, default)
        return default
    return found


def _put(container: Any, key: Any, value: Any) -> None:
    if isinstance(container, list) and isinstance(key, int):
        key = min(key, _MOST_ITEMS)
    elif not isinstance(container, dict):
        return
    container[key] = value
