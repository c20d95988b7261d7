"""Histories of Google's Gemini: lists of contents, as google-genai takes them.

Bytes (file data, thought signatures) are base64 text, as in the API's JSON; the SDK decodes it. Format:
https://ai.google.dev/api/caching#Content
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from assistant_stream_ce.conversions.answers import BlockReader
from assistant_stream_ce.conversions.files import is_base64, is_url
from assistant_stream_ce.conversions.history import AssistantBuilder, Dropped, HistoryBuilder, system_text, text_or_none
from assistant_stream_ce.conversions.reading import Fields
from assistant_stream_ce.conversions.turns import (
    Call,
    ProviderNames,
    alternating,
    metadata_for,
    prepare,
    text_or_note,
)
from assistant_stream_ce.jsonvalue import JSON, plain
from assistant_stream_ce.message import (
    FilePart,
    Message,
    MessagePart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    UserPart,
)

NAMES = ProviderNames()

_READABLE = ("image/", "audio/", "video/", "text/", "application/pdf", "application/json")


def to_google(messages: Iterable[Message], *, system: str | None = None) -> tuple[str | None, list[Fields]]:
    """Return a history as the `system_instruction` and `contents` of a request to Gemini.

    Thought signatures go back unchanged, under `google.thoughtSignature` of the part's metadata; reasoning without one
    is left out.

    Args:
        messages: the history, oldest message first.
        system: instructions that come first.

    Raises:
        TypeError: an argument has a wrong type.
    """
    instructions, entries = prepare(messages, NAMES, system)
    made = alternating(entries, _user_part, _model_part, _response_part, model="model")
    return instructions or None, [{"role": role, "parts": parts} for role, parts in made]


def _user_part(part: UserPart) -> Fields:
    return {"text": part.text} if isinstance(part, TextPart) else _file(part)


def _file(part: FilePart) -> Fields:
    if is_url(part.data):
        return {"file_data": {"file_uri": part.data, "mime_type": part.mime_type}}
    if part.mime_type.startswith(_READABLE):
        return {"inline_data": {"mime_type": part.mime_type, "data": part.data}}
    return {"text": text_or_note(part)}


def _model_part(part: MessagePart | Call) -> Fields | None:
    match part:
        case TextPart():
            # An empty text with a signature signs the text before it.
            return {"text": part.text, **_signature(part)} if part.text or _signature(part) else None
        case RefusalPart():
            return {"text": part.text}
        case ReasoningPart() if signed := _signature(part):
            return {"text": part.text, "thought": True, **signed}
        case Call():
            return {"function_call": {"name": part.name, "args": part.arguments}, **_signature(part.part)}
        case FilePart():
            return _file(part)
    return None


def _signature(part: TextPart | ReasoningPart | ToolCallPart) -> Fields:
    signature = metadata_for(part, "google").get("thoughtSignature")
    return {"thought_signature": signature} if isinstance(signature, str) and is_base64(signature) else {}


def _response_part(call: Call) -> Fields:
    result = call.part.result if call.part.model_content is None and not call.is_error else call.text
    return {"function_response": {"name": call.name, "response": {"error" if call.is_error else "output": result}}}


def from_google(messages: object, *, system: object = None) -> tuple[list[Message], list[Dropped]]:
    """Return the history of contents, and reports of dropped data.

    Args:
        messages: contents as dicts, in snake or camel case; bytes may be base64 text.
        system: the system instruction: a text, or a content.

    Raises:
        TypeError: they are not JSON.
    """
    instruction = plain(system, "system")
    parts = instruction.get("parts") if isinstance(instruction, dict) else instruction
    return _Reader.history(messages, system_text(parts))


def _get(fields: Fields, name: str) -> JSON:
    """Return a field by its name in snake case, or in camel case."""
    head, *rest = name.split("_")
    return fields.get(name, fields.get(head + "".join(word.title() for word in rest)))


class _Reader(BlockReader):
    """Joins the turns of each answer; gives calls ids, as most have none."""

    def __init__(self, log: HistoryBuilder) -> None:
        super().__init__(log)
        self._calls = 0
        # The calls without a result: their ids, by name, oldest first.
        self._open: dict[str, OrderedDict[str, None]] = {}

    def finish(self) -> int:
        """Add the answer that is open; see the base class."""
        self._open.clear()
        return super().finish()

    def take(self, content: Fields, path: str) -> None:
        """Take a content."""
        parts = list(self.log.objects(content.get("parts"), f"{path}.parts"))
        role = content.get("role", "user")
        if role == "model":
            self.take_turn(parts, path)
        elif role in ("user", "function", "tool"):
            self.take_user(parts, path)
        else:
            self.log.unknown(role, f"{path}.role")

    def take_block(self, builder: AssistantBuilder, block: Fields, path: str) -> None:
        signature = _get(block, "thought_signature")
        metadata = {"google": {"thoughtSignature": signature}} if isinstance(signature, str) else {}
        call = _get(block, "function_call")
        if isinstance(call, dict):
            self._calls += 1
            call_id = text_or_none(call.get("id")) or f"call_{self._calls}"
            self._open.setdefault(str(call.get("name")), OrderedDict())[call_id] = None
            self.take_call(call_id, call.get("name"), call.get("args"), path, provider_metadata=metadata)
        elif isinstance(text := block.get("text"), str) and (text or metadata):
            kind = ReasoningPart if block.get("thought") else TextPart
            builder.add(kind(text, provider_metadata=metadata))
        else:
            for other in self.part(block, path):
                builder.add(other)

    def take_answer(self, block: Fields, path: str) -> bool:
        """Take a result of a tool; return false for any other part."""
        response = _get(block, "function_response")
        if not isinstance(response, dict):
            return False
        waiting = self._open.get(str(response.get("name")))
        call_id = text_or_none(response.get("id"))
        if waiting and call_id is None:
            call_id, _ = waiting.popitem(last=False)
        elif waiting and call_id is not None:
            waiting.pop(call_id, None)
        value = response.get("response")
        key = next(iter(value)) if isinstance(value, dict) and len(value) == 1 else None
        result = value[key] if isinstance(value, dict) and key in ("error", "output", "result") else value
        self.take_result(call_id, path, result=result, is_error=key == "error")
        return True

    def part(self, block: Fields, path: str) -> list[UserPart]:
        inline, file = _get(block, "inline_data"), _get(block, "file_data")
        if isinstance(block.get("text"), str):
            return self.log.text(block["text"], path)
        if isinstance(inline, dict):
            return self.log.file(inline.get("data"), _get(inline, "mime_type"), _get(inline, "display_name"), path)
        if isinstance(file, dict):
            return self.log.file(_get(file, "file_uri"), _get(file, "mime_type"), None, path)
        self.log.unknown(next(iter(block), None), path)
        return []
