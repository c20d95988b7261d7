"""Histories of assistant-ui: lists of `ThreadMessageLike`, as its runtimes take them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from assistant_stream_ce.conversions.assistant_ui import from_assistant_ui, to_assistant_ui
from assistant_stream_ce.conversions.files import data_url
from assistant_stream_ce.conversions.history import Dropped, HistoryBuilder, system_text
from assistant_stream_ce.conversions.reading import Fields, history_of, text_parts
from assistant_stream_ce.jsonvalue import JSON, plain
from assistant_stream_ce.message import AssistantMessage, FilePart, Message, SystemMessage, TextPart, UserPart
from assistant_stream_ce.serialization.assistant_ui import without_none


def to_assistant_ui_messages(messages: Iterable[Message]) -> list[Fields]:
    """Return a history as assistant-ui has it, for `initialMessages` and `thread.import`.

    Args:
        messages: the history, oldest message first.

    Raises:
        TypeError: it is not an iterable of messages.
    """
    return [_message(message, f"message-{number}") for number, message in enumerate(history_of(messages))]


def _message(message: Message, fallback_id: str) -> Fields:
    if isinstance(message, AssistantMessage):
        return to_assistant_ui(message) | {"id": message.id or fallback_id}
    if isinstance(message, SystemMessage):
        content = [{"type": "text", "text": message.text}]
        return {"id": message.id or fallback_id, "role": "system", "content": content}
    custom = {"metadata": {"custom": message.metadata}} if message.metadata else {}
    content = [_part(part) for part in message.parts]
    return {"id": message.id or fallback_id, "role": "user", "content": content, **custom}


def _part(part: UserPart) -> Fields:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if part.mime_type.startswith("image/"):
        return without_none({"type": "image", "image": data_url(part), "filename": part.filename})
    return without_none({"type": "file", "data": part.data, "mimeType": part.mime_type, "filename": part.filename})


def from_assistant_ui_messages(messages: object, *, trust_system: bool = False) -> tuple[list[Message], list[Dropped]]:
    """Return the history that assistant-ui has, and reports of dropped data.

    Args:
        messages: a list of its messages, oldest first; it may come from a client.
        trust_system: whether messages of the system are kept.

    Raises:
        TypeError: it is not JSON.
    """
    history = HistoryBuilder(trust_system=trust_system)
    for path, message in history.objects(plain(messages, "messages"), "messages"):
        _read(history, message, path)
    return history.result()


def _read(history: HistoryBuilder, message: Fields, path: str) -> None:
    message_id = history.name(message.get("id"), f"{path}.id")
    content = text_parts(message.get("content", message.get("parts")))
    match message.get("role"):
        case "user":
            metadata = message.get("metadata")
            custom = metadata.get("custom") if isinstance(metadata, dict) else None
            history.user(_user_parts(history, message, content, path), path, message_id, custom)
        case "assistant":
            _read_assistant(history, message, content, path)
        case "system":
            history.system(system_text(content), message_id, path)
        case role:
            history.unknown(role, f"{path}.role")


def _user_parts(history: HistoryBuilder, message: Fields, content: JSON, path: str) -> list[UserPart]:
    parts: list[UserPart] = []
    found = list(history.objects(content, f"{path}.content"))
    for where, attachment in history.objects(message.get("attachments"), f"{path}.attachments"):
        found += history.objects(attachment.get("content"), f"{where}.content")
    for where, part in found:
        match part.get("type"):
            case "text":
                parts += history.text(part.get("text"), where)
            case "image":
                parts += history.file(part.get("image"), "image/*", part.get("filename"), where)
            case "file":
                parts += history.file(part.get("data"), part.get("mimeType"), part.get("filename"), where)
            case kind:
                history.unknown(kind, where)
    return parts


def _read_assistant(history: HistoryBuilder, message: Fields, content: JSON, path: str) -> None:
    """Add a message of the assistant without the parts that cannot be read."""
    kept: list[JSON] = []
    for where, part in history.objects(content, f"{path}.content"):
        if part.get("type") == "file":
            # It may come from a client, as a user's file may.
            for file in history.file(part.get("data"), part.get("mimeType"), part.get("filename"), where):
                assert isinstance(file, FilePart)
                kept.append(part | {"data": file.data, "mimeType": file.mime_type})
            continue
        try:
            single = from_assistant_ui({"role": "assistant", "content": [part]})
        except ValueError as error:
            history.drop(where, str(error)[:200])
            continue
        if single.parts:
            kept.append(part)
        else:
            history.unknown(part.get("type"), where)
    beside = {name: value for name, value in message.items() if name not in ("content", "parts", "id")}
    try:
        read = from_assistant_ui({**beside, "content": kept})
    except ValueError as error:
        history.drop(f"{path}.metadata", str(error)[:200])
        read = from_assistant_ui({"role": "assistant", "content": kept})
    message_id = history.name(message.get("id"), f"{path}.id")
    if read.parts or read.data or read.annotations:
        history.messages.append(msgspec.structs.replace(read, id=message_id))
    else:
        history.drop(path, "an assistant message without content")
