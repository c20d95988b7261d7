"""Chunks of OpenAI's chat completions, and of everything compatible: groq, mistral, litellm, gateways.

Format: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from assistant_stream_ce.integrations.events import (
    TurnReader,
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
from assistant_stream_ce.serialization.openai_stream.tool_calls import ToolCallDeltas

REASONS: dict[str, TurnFinish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
    "content_filter": "content-filter",
    "model_length": "length",
    "error": "error",
    "network_error": "error",
    "insufficient_system_resource": "error",
}


# Unknown fields of a chunk that are read.
_NOTEWORTHY = frozenset({"data", "error", "type", "x_groq"})

# Fields of a delta that only some providers send.
_THOUGHTS = frozenset({"reasoning_content", "reasoning", "reasoning_details", "thinking_blocks"})
_PLAIN_THOUGHTS = frozenset({"reasoning_content", "reasoning"})
_RARE = frozenset({"annotations", "images", "audio", "executed_tools"})


class ChatReader(TurnReader):
    """Reads chunks, and the `chunk` events of the helper `chat.completions.stream()`. Only the first choice counts."""

    def __init__(self, out: TurnBuilder) -> None:
        super().__init__(out)
        self._calls = ToolCallDeltas()
        self._texts: list[str] = []
        self._refusals: list[str] = []
        # The reasoning by the provider's name of its field, under which it is sent back.
        self._reasoning: dict[str, list[str]] = {}
        self._details: list[dict[str, JSON]] = []
        self._thinking_blocks: list[JSON] = []
        self._audio: list[str] = []
        self._executed: dict[Any, CallBuilder] = {}
        self._has_final_usage = False

    def feed(self, event: Any) -> None:
        """Process a chunk."""
        only = _only_content(event) if self.out.id is not None else None
        if only is None:
            self._feed_any(event)
        elif type(only) is str:
            self._text(only)
        elif type(only) is tuple:
            self._reason(*only)
        else:
            self._tool_calls(only)

    def _feed_any(self, event: Any) -> None:
        if (kind := field(event, "type")) is not None and field(event, "choices") is None:
            if kind != "chunk":
                return
            event = field(event, "chunk")
        elif field(event, "data") is not None and field(event, "choices") is None:
            # mistral wraps its chunks.
            event = field(event, "data")
        if self.out.id is None:
            self.out.id, self.out.model = text_of(event, "id") or None, text_of(event, "model") or None
        for choice in field(event, "choices") or ():
            if not integer(choice, "index"):
                self._choice(choice)
        usage = field(event, "usage") or field(field(event, "x_groq"), "usage")
        if usage is not None:
            self._count(usage)
            # Snowflake sends no finish reason; a chunk with only the usage comes after the end.
            self._has_final_usage |= not field(event, "choices")
        if (error := field(event, "error")) is not None:
            self._error(error)

    def end(self) -> Turn:
        """Return the turn; see the base class."""
        if self.provider_reason is None and not self._has_final_usage:
            self.cut()
        self.out.end_deltas(self._calls)
        reason = reason_of(REASONS, self.provider_reason or "stop")
        return self.out.finish(reason, self.provider_reason, self._messages())

    def flush(self) -> None:
        """Send what was held back; see the base class."""
        self.out.end_deltas(self._calls, is_cut=True)
        super().flush()

    def _choice(self, choice: Any) -> None:
        delta = field(choice, "delta") or field(choice, "message")
        if delta is not None:
            self._delta(delta)
        if (error := field(choice, "error")) is not None:
            self._error(error)
        reason = field(choice, "finish_reason")
        reason = getattr(reason, "value", reason)
        if isinstance(reason, str) and reason:
            # Some providers send it twice.
            self.provider_reason: str | None = self.provider_reason or reason

    def _delta(self, delta: Any) -> None:
        delta = _filled(delta)
        if not _THOUGHTS.isdisjoint(delta):
            self._think(delta)
        content = field(delta, "content")
        if isinstance(content, str):
            self._text(content)
        elif content is not None:
            self._parts(content)
        if refusal := text_of(delta, "refusal"):
            self._refusals.append(refusal)
            self.out.refusal(refusal)
        self._tool_calls(field(delta, "tool_calls") or ())
        if (legacy := field(delta, "function_call")) is not None:
            self.out.forward(self._calls.add({"index": 0, "function": native(legacy)}))
        if not _RARE.isdisjoint(delta):
            self._rare(delta)

    def _rare(self, delta: Any) -> None:
        """Read fields that only some providers send."""
        for annotation in field(delta, "annotations") or ():
            citation = field(annotation, "url_citation") or annotation
            place = field(citation, "start_index"), field(citation, "end_index")
            self.out.source(field(citation, "url"), field(citation, "title"), *place)
        for image in field(delta, "images") or ():
            url = text_of(field(image, "image_url"), "url")
            head, _, data = url.partition(";base64,")
            self.out.file(data or url, head.removeprefix("data:") if data else "image/*")
        if (audio := field(delta, "audio")) is not None:
            self._text(text_of(audio, "transcript"))
            self._audio.append(text_of(audio, "data"))
        for number, tool in enumerate(field(delta, "executed_tools") or ()):
            self._executed_tool(number, tool)

    def _text(self, text: str) -> None:
        if text:
            if self._calls.calls:
                self.out.forward(self._calls.begin_waiting())
            self._texts.append(text)
            self.out.text(text)

    def _tool_calls(self, calls: Sequence[Any]) -> None:
        for position, call in enumerate(calls, len(calls) > 1):
            fields = fields_of(call)
            function = fields_of(fields.get("function"))
            args = function.get("arguments")
            if type(args) is not str:
                args = native(args)
            index, call_id = fields.get("index"), fields.get("id")
            self.out.forward(self._calls.add_fields(index, call_id, function.get("name"), args, position))

    def _parts(self, parts: Iterable[Any]) -> None:
        """Read a content that is a list, as Mistral's reasoning models and some gateways send it."""
        for part in parts:
            match text_of(part, "type"):
                case "text":
                    self._text(text_of(part, "text"))
                case "thinking":
                    for piece in field(part, "thinking") or ():
                        self._reason("thinking", piece if isinstance(piece, str) else text_of(piece, "text"))
                case "reference":
                    for reference in field(part, "reference_ids") or ():
                        self.out.document(f"reference-{reference}", "text/plain", f"Reference {reference}")

    def _think(self, delta: Any) -> None:
        """Read the reasoning from one of its fields: litellm sends the same text in two."""
        plain = False
        for name in ("reasoning_content", "reasoning"):
            if text := text_of(delta, name):
                self._reason(name, text)
                plain = True
                break
        for detail in field(delta, "reasoning_details") or ():
            self._detail(native_object(detail))
            if not plain:
                self.out.think(text_of(detail, "text") or text_of(detail, "summary"))
        for block in field(delta, "thinking_blocks") or ():
            self._thinking_blocks.append(native(block))

    def _reason(self, name: str, text: str) -> None:
        if text:
            self._reasoning.setdefault(name, []).append(text)
            self.out.think(text)

    def _detail(self, detail: dict[str, JSON]) -> None:
        """Store a detail of the reasoning; pieces with the same index and type are joined."""
        last = self._details[-1] if self._details else None
        same = last is not None and all(last.get(key) == detail.get(key) for key in ("type", "index"))
        if not same or last is None:
            self._details.append(detail)
            return
        for key, value in detail.items():
            joins = key in ("text", "summary", "data") and isinstance(value, str) and isinstance(last.get(key), str)
            last[key] = last[key] + value if joins else value if value is not None else last.get(key)

    def _executed_tool(self, number: int, tool: Any) -> None:
        """Read a tool that Groq ran: once at its start, and once with its output."""
        key = number if field(tool, "index") is None else integer(tool, "index")
        if key not in self._executed:
            call = self._executed[key] = self.out.call(text_of(tool, "type") or "tool", is_ours=False)
            call.set(text_of(tool, "arguments"))
        if (output := field(tool, "output")) is not None:
            self._executed.pop(key).result(native(output))

    def _count(self, usage: Any) -> None:
        """Set the usage; the last one counts."""
        self.out.usage = Usage(
            integer(usage, "prompt_tokens"),
            integer(usage, "completion_tokens"),
            integer(field(usage, "prompt_tokens_details"), "cached_tokens")
            or integer(usage, "prompt_cache_hit_tokens"),
            reasoning_tokens=integer(field(usage, "completion_tokens_details"), "reasoning_tokens"),
        )

    def _error(self, error: Any) -> None:
        code = field(error, "code")
        text = error if isinstance(error, str) else text_of(error, "message")
        self.fail(text or "the model reported an error", None if code is None else str(code))

    def _messages(self) -> list[dict[str, JSON]]:
        message: dict[str, JSON] = {"role": "assistant", "content": "".join(self._texts) or None}
        if self._refusals:
            message["refusal"] = "".join(self._refusals)
        for name, texts in self._reasoning.items():
            if name == "thinking":
                thought = {"type": "thinking", "thinking": [{"type": "text", "text": "".join(texts)}]}
                texts_after = [{"type": "text", "text": message["content"]}] if message["content"] else []
                message["content"] = [thought, *texts_after]
            else:
                message[name] = "".join(texts)
        if self._details:
            message["reasoning_details"] = self._details
        if self._thinking_blocks:
            message["thinking_blocks"] = self._thinking_blocks
        if self.out.calls:
            calls = [call for call in self.out.calls if call.is_ours]
            message["tool_calls"] = [
                {
                    "id": call.provider_id or call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.text or "{}"},
                }
                for call in calls
            ]
        return [message] if len(message) > 2 or message["content"] else []


def _filled(delta: Any) -> dict[str, Any]:
    """Return the fields of a delta that have a value, unknown ones included."""
    values = fields_of(delta)
    if extra := getattr(delta, "__pydantic_extra__", None):
        values = {**values, **extra}
    return {name: value for name, value in values.items() if value}


def _only_content(event: Any) -> str | tuple[str, str] | Sequence[Any] | None:
    """Return the only content of a chunk, as most have: a text, reasoning, or pieces of tool calls; None for any other.

    It costs a tenth of looking for everything that a chunk may have.

    Returns:
        The text; reasoning with the name of its field before it; or the list of pieces.
    """
    if type(event) is dict:
        return None
    try:
        fields = event.__dict__
        [choice] = fields["choices"]
        chosen = choice.__dict__
        if chosen["finish_reason"] or chosen["index"] or fields["usage"] or fields.get("x_groq"):
            return None
        delta = chosen["delta"]
        if (extra := choice.__pydantic_extra__) and "error" in extra:
            return None
        if (extra := event.__pydantic_extra__) and not _NOTEWORTHY.isdisjoint(extra):
            return None
        pieces = delta.__dict__
        text, calls = pieces["content"], pieces.get("tool_calls")
        if len(delta.__pydantic_fields_set__) > 1 or text is calls:
            # Some servers send all fields, most of them null.
            own = len(pieces) - [*pieces.values()].count(None) - (pieces["role"] is not None)
            if (extra := delta.__pydantic_extra__) and any(extra.values()):
                return _only_thought(extra, own if text is None else own - (text == ""))
            if own != 1:
                return None
        return text if type(text) is str else calls
    except (AttributeError, KeyError, TypeError, ValueError):
        # A chunk without choices, or of an SDK with other classes.
        return None


def _only_thought(extra: dict[str, Any], others: int) -> tuple[str, str] | None:
    """Return the reasoning of a delta, if that is its only unknown field and it has no other fields."""
    found = [(name, value) for name, value in extra.items() if value]
    if others or len(found) > 1 or found[0][0] not in _PLAIN_THOUGHTS or type(found[0][1]) is not str:
        return None
    return found[0]
