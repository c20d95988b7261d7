"""Histories of OpenAI's Responses API: lists of input items.

Format: https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from collections.abc import Iterable

from assistant_stream_ce.conversions.answers import AnswerReader
from assistant_stream_ce.conversions.files import data_url, is_url
from assistant_stream_ce.conversions.history import AssistantBuilder, Dropped, HistoryBuilder, text_or_none
from assistant_stream_ce.conversions.reading import Fields, parts_text
from assistant_stream_ce.conversions.turns import (
    Call,
    Entry,
    ModelTurn,
    ProviderNames,
    metadata_for,
    prepare,
    text_or_note,
)
from assistant_stream_ce.jsonvalue import JSON, dumps, plain
from assistant_stream_ce.message import Message, ReasoningPart, RefusalPart, TextPart, UserMessage, UserPart

NAMES = ProviderNames()


def to_openai_responses(messages: Iterable[Message], *, system: str | None = None) -> list[Fields]:
    """Return a history as the `input` items of a response.

    Encrypted reasoning goes back unchanged, under `openai.itemId` and `openai.reasoningEncryptedContent` of the part's
    metadata; other reasoning is left out, because the API refuses it.

    Args:
        messages: the history, oldest message first.
        system: instructions, as the first item.

    Raises:
        TypeError: an argument has a wrong type.
    """
    instructions, entries = prepare(messages, NAMES, system)
    items: list[Fields] = [{"role": "system", "content": instructions}] if instructions else []
    for entry in entries:
        items += _entry(entry)
    return items


def _entry(entry: Entry) -> list[Fields]:
    if isinstance(entry, UserMessage):
        parts = [_user_part(part) for part in entry.parts]
        only_text = len(parts) == 1 and parts[0]["type"] == "input_text"
        return [{"role": "user", "content": parts[0]["text"] if only_text else parts}]
    if not isinstance(entry, ModelTurn):
        return []
    items: list[Fields] = []
    for part in entry.parts:
        match part:
            case TextPart() | RefusalPart():
                items.append({"role": "assistant", "content": part.text})
            case ReasoningPart():
                _add_reasoning(items, part)
            case Call():
                arguments = dumps(part.arguments).decode()
                call = {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": arguments}
                items.append(call)
    # Other reasoning cannot be sent back.
    items = [item for item in items if item.get("type") != "reasoning" or "encrypted_content" in item]
    outputs = [{"type": "function_call_output", "call_id": call.id, "output": call.text} for call in entry.answered]
    return items + outputs


def _add_reasoning(items: list[Fields], part: ReasoningPart) -> None:
    """Add a reasoning item; further parts with its id are further summaries of it."""
    own = metadata_for(part, "openai")
    item_id, encrypted = own.get("itemId"), own.get("reasoningEncryptedContent")
    if not isinstance(item_id, str):
        return
    text = "\n\n".join(filter(None, (part.summary, part.text)))
    summary = [{"type": "summary_text", "text": text}] if text else []
    if items and items[-1].get("id") == item_id:
        items[-1]["summary"] += summary
    else:
        items.append({"type": "reasoning", "id": item_id, "summary": summary})
    if isinstance(encrypted, str):
        items[-1]["encrypted_content"] = encrypted


def _user_part(part: UserPart) -> Fields:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": part.text}
    if part.mime_type.startswith("image/"):
        return {"type": "input_image", "image_url": data_url(part), "detail": "auto"}
    if part.mime_type == "application/pdf":
        if is_url(part.data):
            return {"type": "input_file", "file_url": part.data}
        return {"type": "input_file", "filename": part.filename or "file.pdf", "file_data": data_url(part)}
    return {"type": "input_text", "text": text_or_note(part)}


def from_openai_responses(messages: object, *, system: str | None = None) -> tuple[list[Message], list[Dropped]]:
    """Return the history of a list of input and output items, and reports of dropped data.

    Args:
        messages: the items, oldest first.
        system: the `instructions`, as the first message.

    Raises:
        TypeError: they are not JSON.
    """
    history = HistoryBuilder(trust_system=True)
    history.system(system or "", None, "system")
    reader = _Reader(history)
    for path, item in history.objects(plain(messages, "messages"), "messages"):
        reader.take(item, path)
    reader.finish()
    return history.result()


class _Reader(AnswerReader):
    """Joins the items of each answer."""

    def __init__(self, log: HistoryBuilder) -> None:
        super().__init__(log)
        self._was_answered = False

    def take(self, item: Fields, path: str) -> None:
        """Take an item."""
        kind = item.get("type", "message")
        match kind:
            case "message":
                self._take_message(item, path)
            case "reasoning":
                self._take_reasoning(item, path)
            case "function_call" | "custom_tool_call":
                self._take_call(item, path)
            case "function_call_output" | "custom_tool_call_output":
                self._take_output(item, path)
            case _:
                self.log.unknown(kind, path)

    def _turn(self, path: str) -> AssistantBuilder:
        was_answered, self._was_answered = self._was_answered, False
        return self.open_turn(path) if was_answered else self.open(path)

    def _take_message(self, item: Fields, path: str) -> None:
        role = item.get("role")
        parts = self._parts(item.get("content"), f"{path}.content")
        if role == "assistant":
            builder = self._turn(path)
            for part in parts:
                builder.add(part)
            return
        self.finish()
        if role == "user":
            self.log.user(parts, path)
        elif role in ("system", "developer"):
            self.log.system(parts_text(parts, "\n\n"), None, path)
        else:
            self.log.unknown(role, f"{path}.role")

    def _take_reasoning(self, item: Fields, path: str) -> None:
        own = {"itemId": item.get("id"), "reasoningEncryptedContent": item.get("encrypted_content")}
        metadata = {"openai": {name: value for name, value in own.items() if isinstance(value, str)}}
        builder = self._turn(path)
        summaries = [part.get("text") for _, part in self.log.objects(item.get("summary"), f"{path}.summary")]
        for text in [text for text in summaries if isinstance(text, str)] or [""]:
            builder.add(ReasoningPart(text, provider_metadata=metadata))

    def _take_call(self, item: Fields, path: str) -> None:
        is_custom = item["type"] == "custom_tool_call"
        arguments = {"input": item.get("input")} if is_custom else item.get("arguments")
        self._turn(path)
        self.take_call(item.get("call_id"), item.get("name"), arguments, path)

    def _take_output(self, item: Fields, path: str) -> None:
        result = self.result_of(item.get("output"), f"{path}.output", self._part)
        self._was_answered |= self.take_result(item.get("call_id"), path, result=result)

    def _parts(self, content: JSON, path: str) -> list[UserPart]:
        if isinstance(content, str):
            return [TextPart(content)] if content else []
        return [piece for where, part in self.log.objects(content, path) for piece in self._part(part, where)]

    def _part(self, part: Fields, path: str) -> list[UserPart]:
        match part.get("type"):
            case "input_text" | "output_text" | "text":
                return self.log.text(part.get("text"), path)
            case "refusal":
                return self.log.text(part.get("refusal"), path)
            case "input_image" if text_or_none(part.get("image_url")):
                return self.log.file(part["image_url"], "image/*", None, path)
            case "input_file" if part.get("file_data") or part.get("file_url"):
                data = part.get("file_data") or part.get("file_url")
                return self.log.file(data, "application/pdf", part.get("filename"), path)
            case kind:
                self.log.unknown(kind, path)
                return []
