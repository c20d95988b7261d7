"""Histories of OpenAI's chat completions and everything compatible.

Format: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from assistant_stream_ce.conversions.answers import AnswerReader
from assistant_stream_ce.conversions.files import data_url, is_url
from assistant_stream_ce.conversions.history import Dropped, HistoryBuilder, text_or_none
from assistant_stream_ce.conversions.reading import Fields, parts_text
from assistant_stream_ce.conversions.turns import Entry, ModelTurn, ProviderNames, prepare, text_or_note
from assistant_stream_ce.jsonvalue import JSON, dumps, object_or_empty, plain
from assistant_stream_ce.message import Message, ReasoningPart, RefusalPart, TextPart, UserMessage, UserPart

#: OpenAI refuses ids of more than 40 characters.
NAMES = ProviderNames(max_id=40)

# The fields of messages and their parts, also those that are of no use here.
_MESSAGE = frozenset(
    {
        "role", "content", "name", "id", "refusal", "audio", "annotations", "tool_calls", "function_call",
        "tool_call_id", "reasoning", "reasoning_content", "reasoning_details",
    }
)  # fmt: skip
_PART = frozenset({"type", "text", "refusal", "image_url", "file", "input_audio", "annotations", "cache_control"})

_AUDIO = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


def to_openai_chat(messages: Iterable[Message], *, system: str | None = None) -> list[Fields]:
    """Return a history as the `messages` of a chat completion.

    Reasoning that no provider has signed goes back as `reasoning_content` while the model still works on its answer,
    as DeepSeek, Moonshot and others require between tool calls.

    Args:
        messages: the history, oldest message first.
        system: instructions, as the first message.

    Raises:
        TypeError: an argument has a wrong type.
    """
    instructions, entries = prepare(messages, NAMES, system)
    made: list[Fields] = [{"role": "system", "content": instructions}] if instructions else []
    for entry in entries:
        made += _entry(entry)
    return made


def _entry(entry: Entry) -> list[Fields]:
    if isinstance(entry, UserMessage):
        parts = [_user_part(part) for part in entry.parts]
        only_text = len(parts) == 1 and parts[0]["type"] == "text"
        return [{"role": "user", "content": parts[0]["text"] if only_text else parts}]
    return _turn(entry) if isinstance(entry, ModelTurn) else []


def _user_part(part: UserPart) -> Fields:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if part.mime_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": data_url(part)}}
    if not is_url(part.data):
        if part.mime_type in _AUDIO:
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": _AUDIO[part.mime_type]}}
        if part.mime_type == "application/pdf":
            file = {"filename": part.filename or "file.pdf", "file_data": data_url(part)}
            return {"type": "file", "file": file}
    return {"type": "text", "text": text_or_note(part)}


def _turn(turn: ModelTurn) -> list[Fields]:
    text = parts_text(turn.parts)
    refusal = "".join(part.text for part in turn.parts if isinstance(part, RefusalPart))
    reasoning = "".join(
        part.text for part in turn.parts if isinstance(part, ReasoningPart) and not part.provider_metadata
    )
    if not (text or refusal or turn.calls):
        return []
    fields: Fields = {"role": "assistant", "content": text or None}
    if refusal:
        fields["refusal"] = refusal
    if reasoning and turn.is_new and turn.calls:
        fields["reasoning_content"] = reasoning
    if turn.calls:
        fields["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": dumps(call.arguments).decode()},
            }
            for call in turn.calls
        ]
    results = [{"role": "tool", "tool_call_id": call.id, "content": call.text} for call in turn.answered]
    return [fields, *results]


def from_openai_chat(messages: object, *, system: str | None = None) -> tuple[list[Message], list[Dropped]]:
    """Return the history of the `messages` of a chat completion, and reports of dropped data.

    Args:
        messages: a list of messages of all roles.
        system: instructions, as the first message.

    Raises:
        TypeError: it is not JSON.
    """
    history = HistoryBuilder(trust_system=True)
    history.system(system or "", None, "system")
    read_openai_chat(history, plain(messages, "messages"), "messages")
    return history.result()


def read_openai_chat(history: HistoryBuilder, messages: JSON, path: str) -> int:
    """Add the messages of a list to a history; return the number of parts before the last turn of the last answer."""
    reader = AnswerReader(history)
    for where, message in history.objects(messages, path):
        history.check_fields(message, where, _MESSAGE)
        role = message.get("role")
        if role == "assistant":
            _read_assistant(reader, message, where)
        elif role in ("tool", "function"):
            _read_result(reader, message, where)
        else:
            reader.finish()
            _read_other(history, message, where)
    return reader.finish()


def _read_other(history: HistoryBuilder, message: Fields, path: str) -> None:
    role = message.get("role")
    parts = _parts(history, message.get("content"), f"{path}.content")
    if role == "user":
        history.user(parts, path, text_or_none(message.get("id")))
    elif role in ("system", "developer"):
        history.system(parts_text(parts, "\n\n"), None, path)
    else:
        history.unknown(role, f"{path}.role")


def _read_assistant(reader: AnswerReader, message: Fields, path: str) -> None:
    history, builder = reader.log, reader.open_turn(path, text_or_none(message.get("id")))
    reasoning = text_or_none(message.get("reasoning_content")) or text_or_none(message.get("reasoning"))
    if reasoning is not None:
        builder.add(ReasoningPart(reasoning))
    content = message.get("content")
    if isinstance(content, list):
        for where, part in history.objects(content, f"{path}.content"):
            if part.get("type") == "refusal":
                builder.refusal(part.get("refusal"))
            else:
                for piece in _part(history, part, where):
                    builder.add(piece)
    elif content:
        for piece in _parts(history, content, f"{path}.content"):
            builder.add(piece)
    builder.refusal(message.get("refusal"))
    calls = list(history.objects(message.get("tool_calls"), f"{path}.tool_calls"))
    if isinstance(legacy := message.get("function_call"), dict):
        calls.append((f"{path}.function_call", {"id": legacy.get("name"), "function": legacy}))
    for where, call in calls:
        function = object_or_empty(call.get("function", call.get("custom")))
        arguments = function.get("arguments", function.get("input"))
        reader.take_call(call.get("id"), function.get("name"), arguments, where)


def _read_result(reader: AnswerReader, message: Fields, path: str) -> None:
    result = reader.result_of(message.get("content"), f"{path}.content", functools.partial(_part, reader.log))
    reader.take_result(message.get("tool_call_id", message.get("name")), path, result=result)


def _parts(history: HistoryBuilder, content: JSON, path: str) -> list[UserPart]:
    if isinstance(content, str):
        return [TextPart(content)] if content else []
    return [piece for where, part in history.objects(content, path) for piece in _part(history, part, where)]


def _part(history: HistoryBuilder, part: Fields, path: str) -> list[UserPart]:
    history.check_fields(part, path, _PART)
    match part.get("type"):
        case "text" | "input_text":
            return history.text(part.get("text"), path)
        case "image_url":
            image = part.get("image_url")
            url = image.get("url") if isinstance(image, dict) else image
            return history.file(url, "image/*", None, path)
        case "file" if isinstance(file := part.get("file"), dict):
            kind = "application/pdf" if str(file.get("filename")).endswith(".pdf") else None
            return history.file(file.get("file_data"), kind, file.get("filename"), path)
        case "input_audio" if isinstance(audio := part.get("input_audio"), dict):
            kind = "audio/mpeg" if audio.get("format") == "mp3" else f"audio/{audio.get('format')}"
            return history.file(audio.get("data"), kind, None, path)
        case kind:
            history.unknown(kind, path)
            return []
