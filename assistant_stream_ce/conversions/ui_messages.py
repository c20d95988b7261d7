"""Histories of AI SDK 5, 6 and 7: lists of `UIMessage`, as `useChat` posts and shows them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from assistant_stream_ce.conversions.files import data_url
from assistant_stream_ce.conversions.history import (
    AssistantBuilder,
    Dropped,
    HistoryBuilder,
    call_part,
    text_or_none,
)
from assistant_stream_ce.conversions.reading import Fields, history_of, read
from assistant_stream_ce.conversions.ui_message import automatic_steps, to_ui_message
from assistant_stream_ce.jsonvalue import JSON, object_or_empty, plain
from assistant_stream_ce.message import (
    AssistantMessage,
    DataPart,
    FilePart,
    Message,
    MessageStatus,
    PartStatus,
    ReasoningPart,
    SourceDocumentPart,
    SourcePart,
    SystemMessage,
    TextPart,
    ToolApproval,
    ToolCallPart,
    Usage,
    UserPart,
)
from assistant_stream_ce.serialization.assistant_ui import without_none
from assistant_stream_ce.serialization.ui_message_stream.values import (
    DENIED,
    file_data,
    metadata_of,
    place_of,
    signature_of,
)
from assistant_stream_ce.serialization.usage import usage_fields, usage_from

_ABSENT = object()

# The fields of AI SDK 5, 6 and 7, also those that are of no use here.
_MESSAGE = frozenset({"id", "role", "parts", "metadata", "content"})
_FIELDS = {
    "text": frozenset({"type", "text", "state", "providerMetadata"}),
    "reasoning": frozenset({"type", "text", "state", "providerMetadata", "id"}),
    "file": frozenset({"type", "url", "mediaType", "filename", "providerMetadata", "providerReference"}),
    "source-url": frozenset({"type", "sourceId", "url", "title", "providerMetadata"}),
    "source-document": frozenset({"type", "sourceId", "mediaType", "title", "filename", "providerMetadata"}),
    "step-start": frozenset({"type"}),
    "data": frozenset({"type", "id", "data", "transient"}),
}  # fmt: skip
_CALL = frozenset(
    {
        "type", "toolCallId", "toolName", "state", "title", "input", "rawInput", "output", "errorText", "preliminary",
        "providerExecuted", "callProviderMetadata", "resultProviderMetadata", "providerMetadata", "approval", "dynamic",
        "toolMetadata",
    }
)  # fmt: skip
_APPROVAL = frozenset(
    {"id", "approved", "reason", "isAutomatic", "signature", "descriptor", "requestReason", "inputSchemaInput"}
)
_CALL_STATES = (
    "input-streaming", "input-available", "approval-requested", "approval-responded", "output-available",
    "output-error", "output-denied",
)  # fmt: skip


def to_ui_messages(messages: Iterable[Message]) -> list[Fields]:
    """Return a history as AI SDK has it, for `useChat({messages})` and `setMessages`.

    Args:
        messages: the history, oldest message first.

    Raises:
        TypeError: it is not an iterable of messages.
    """
    return [_to_ui(message, f"message-{number}") for number, message in enumerate(history_of(messages))]


def _to_ui(message: Message, fallback_id: str) -> Fields:
    if isinstance(message, AssistantMessage):
        # An id that does not change as long as the messages before it do not, and that no other message has.
        return to_ui_message(message) | {"id": message.id or fallback_id}
    if isinstance(message, SystemMessage):
        return {"id": message.id or fallback_id, "role": "system", "parts": [{"type": "text", "text": message.text}]}
    metadata = {"metadata": message.metadata} if message.metadata else {}
    parts = [_user_part(part) for part in message.parts]
    return {"id": message.id or fallback_id, "role": "user", **metadata, "parts": parts}


def _user_part(part: UserPart) -> Fields:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    file = {"type": "file", "mediaType": part.mime_type, "url": data_url(part), "filename": part.filename}
    return without_none(file)


def from_ui_messages(messages: object, *, trust_system: bool = False) -> tuple[list[Message], list[Dropped]]:
    """Return the history that AI SDK has, and reports of dropped data.

    Args:
        messages: a list of `UIMessage`, oldest first; it may come from a client.
        trust_system: whether messages of the system are kept.

    Raises:
        TypeError: it is not JSON.
    """
    history = HistoryBuilder(trust_system=trust_system)
    read_ui_messages(history, plain(messages, "messages"), "messages")
    return history.result()


def from_ui_message(message: object) -> AssistantMessage:
    """Return the message that a `UIMessage` represents.

    Unsupported parts are dropped. The message may come from an untrusted client.

    Args:
        message: the `UIMessage` as a dict.

    Raises:
        TypeError: it is not JSON.
        ValueError: it is not an assistant message, or a field has a wrong type.
    """
    value = read(message)
    history = _OneMessage()
    builder = _read_assistant(history, value, "message")
    read_message = builder.build()
    without_steps = msgspec.structs.replace(read_message, steps=[])
    if [step.first_part for step in read_message.steps] == automatic_steps(without_steps):
        # Those that the encoder and `to_ui_message` start by themselves.
        read_message = without_steps
    if read_message.status.type == "incomplete":
        # The only message may still be growing.
        return msgspec.structs.replace(read_message, status=MessageStatus("running"))
    if any(call.state == "complete" for call in read_message.tool_calls):
        return msgspec.structs.replace(read_message, status=MessageStatus("requires-action", "tool-calls"))
    return read_message


class _OneMessage(HistoryBuilder):
    """Reads one message strictly: malformed data is an error, and unsupported parts are dropped."""

    keeps_empty = True

    def file(self, data: JSON, media_type: JSON, filename: JSON, path: str) -> list[UserPart]:
        """Return a file unchecked, because the message may be the application's own."""
        if not isinstance(data, str) or not isinstance(media_type, str):
            self.drop(path, "a file without its url or type")
            return []
        return [FilePart(file_data(data, media_type), media_type, filename if isinstance(filename, str) else None)]

    def drop(self, path: str, reason: str) -> None:
        """Raise for malformed data."""
        raise ValueError(f"not a message: {path} is {reason}")

    def name(self, value: JSON, path: str) -> str | None:
        """Return an id or a name, which has to be a text."""
        if value is not None and not isinstance(value, str):
            self.drop(path, "not a text")
        return None if value is None else str(value)

    def ignore(self, path: str, reason: str) -> None:
        """Ignore what is unknown."""


def read_ui_messages(history: HistoryBuilder, messages: JSON, path: str) -> None:
    """Add the messages of a list to a history."""
    for where, message in history.objects(messages, path):
        _read_message(history, message, where)


def _read_message(history: HistoryBuilder, message: Fields, path: str) -> None:
    history.check_fields(message, path, _MESSAGE)
    message_id = history.name(message.get("id"), f"{path}.id")
    parts = message.get("parts")
    if parts is None and isinstance(message.get("content"), str):
        # AI SDK 4, and hand-written requests.
        parts = [{"type": "text", "text": message["content"]}]
    match message.get("role"):
        case "user":
            user_parts: list[UserPart] = []
            for where, part in history.objects(parts, f"{path}.parts"):
                user_parts += _user_part_from(history, part, where)
            history.user(user_parts, path, message_id, message.get("metadata"))
        case "assistant":
            history.assistant(_read_assistant(history, message | {"parts": parts}, path), path)
        case "system":
            texts = [text_or_none(part.get("text")) for _, part in history.objects(parts, f"{path}.parts")]
            history.system("\n\n".join(filter(None, texts)), message_id, path)
        case role:
            history.unknown(role, f"{path}.role")


def _read_assistant(history: HistoryBuilder, message: Fields, path: str) -> AssistantBuilder:
    builder = AssistantBuilder(history, history.name(message.get("id") or None, f"{path}.id"))
    for where, part in history.objects(message.get("parts"), f"{path}.parts"):
        _read_part(history, builder, part, where)
    metadata = message.get("metadata")
    if isinstance(metadata, dict):
        builder.usage = usage_from(metadata.get("usage"))
        builder.metadata = _without_written(metadata, builder.usage)
    elif metadata is not None:
        history.drop(f"{path}.metadata", "not an object")
    return builder


def _without_written(metadata: Fields, usage: Usage) -> Fields:
    """Return metadata without the usage that `to_ui_message` writes; applications may keep more there."""
    given = metadata.get("usage")
    if not isinstance(given, dict):
        return metadata
    written = {**usage_fields(usage), "totalTokens": usage.input_tokens + usage.output_tokens}
    further = {name: value for name, value in given.items() if written.get(name, _ABSENT) != value}
    rest = {name: value for name, value in metadata.items() if name != "usage"}
    return {**rest, "usage": further} if further else rest


def _user_part_from(history: HistoryBuilder, part: Fields, path: str) -> list[UserPart]:
    kind = part.get("type")
    if kind in ("text", "file"):
        history.check_fields(part, path, _FIELDS[kind])
    match kind:
        case "text":
            return history.text(part.get("text"), path)
        case "file":
            return history.file(part.get("url"), part.get("mediaType"), part.get("filename"), path)
        case kind:
            history.unknown(kind, path)
            return []


def _read_part(history: HistoryBuilder, builder: AssistantBuilder, part: Fields, path: str) -> None:
    kind = part.get("type")
    if not isinstance(kind, str):
        history.unknown(kind, path)
        return
    if (known := _FIELDS.get("data" if kind.startswith("data-") else kind)) is not None:
        history.check_fields(part, path, known)
    if kind == "step-start":
        builder.step()
    elif kind == "dynamic-tool" or kind.startswith("tool-"):
        _read_call(history, builder, part, kind, path)
    elif kind.startswith("data-"):
        _read_data(history, builder, part, kind.removeprefix("data-"), path)
    elif kind in ("text", "reasoning"):
        _read_text(history, builder, part, path)
    elif kind == "file":
        for file in history.file(part.get("url"), part.get("mediaType"), part.get("filename"), path):
            builder.add(file)
    elif kind in ("source-url", "source-document"):
        _read_source(history, builder, part, path)
    else:
        history.unknown(kind, path)


def _read_text(history: HistoryBuilder, builder: AssistantBuilder, part: Fields, path: str) -> None:
    text, metadata = part.get("text"), metadata_of(part)
    if not isinstance(text, str):
        history.drop(path, "a text part without text")
        return
    if (state := part.get("state")) not in (None, "streaming", "done"):
        history.unknown_state(state, f"{path}.state")
    was_cut = state == "streaming"
    status: PartStatus = "running" if was_cut else "complete"
    if part["type"] == "text":
        if text or metadata or history.keeps_empty:
            builder.add(TextPart(text, status=status, provider_metadata=metadata), was_cut=was_cut)
    elif text or metadata or history.keeps_empty:
        reasoning = ReasoningPart(text, signature=signature_of(part), status=status, provider_metadata=metadata)
        builder.add(reasoning, was_cut=was_cut)


def _read_source(history: HistoryBuilder, builder: AssistantBuilder, part: Fields, path: str) -> None:
    source_id = history.name(part.get("sourceId"), f"{path}.sourceId")
    texts = {name: part.get(name) for name in ("url", "mediaType", "title", "filename")}
    url, media_type, title, filename = (text if isinstance(text, str) else None for text in texts.values())
    if source_id is not None and part["type"] == "source-url" and url is not None:
        builder.add(SourcePart(source_id, url, title=title, **place_of(part)))
    elif source_id is not None and part["type"] == "source-document" and media_type is not None:
        builder.add(SourceDocumentPart(source_id, media_type, title or "", filename, **place_of(part)))
    else:
        history.drop(path, "a source without its id, url or type")


def _read_data(history: HistoryBuilder, builder: AssistantBuilder, part: Fields, name: str, path: str) -> None:
    data, data_id = part.get("data"), history.name(part.get("id"), f"{path}.id")
    if name == "data" and data_id is None:
        builder.data.append(data)
    elif name == "annotations" and isinstance(data, list):
        builder.annotations += data
    elif name == "state" and data_id == "state":
        builder.state = data
    elif (checked := history.name(name, f"{path}.type")) is not None:
        builder.add(DataPart(checked, data, data_id))


def _read_call(history: HistoryBuilder, builder: AssistantBuilder, part: Fields, kind: str, path: str) -> None:
    is_dynamic = kind == "dynamic-tool"
    name = history.name(part.get("toolName") if is_dynamic else kind.removeprefix("tool-"), f"{path}.toolName")
    call_id = history.name(part.get("toolCallId"), f"{path}.toolCallId")
    if name is None or call_id is None:
        history.drop(path, "a tool call without its id or name")
        return
    history.check_fields(part, path, _CALL)
    builder.add_call(_call_from(history, part, call_id, name, is_dynamic, path), path)


def _call_from(
    history: HistoryBuilder, part: Fields, call_id: str, name: str, is_dynamic: bool, path: str
) -> ToolCallPart:
    state = part.get("state")
    if state not in _CALL_STATES:
        history.unknown_state(state, f"{path}.state")
    approval = _approval_of(history, part, path)
    fields: Fields = {
        "provider_executed": part.get("providerExecuted") is True,
        "dynamic": is_dynamic,
        "approval": approval,
        "provider_metadata": metadata_of(part, "callProviderMetadata"),
    }
    fields |= _progress(part, state)
    # Versions before 7 have input that is not complete JSON in a separate field.
    raw, value = history.arguments(part.get("rawInput"), f"{path}.rawInput"), part.get("input")
    if value is None and isinstance(raw, dict):
        value = raw
    if state == "output-error":
        value = history.arguments(value, f"{path}.input")
    if state == "input-streaming" and not value:
        text = raw if isinstance(raw, str) else ""
        return msgspec.structs.replace(call_part(call_id, name, text, **fields), args_text=text)
    if isinstance(raw, str) and value is None:
        return call_part(call_id, name, raw, **fields)
    if isinstance(value, str) and state != "output-error":
        # The input of a custom tool: a text, not the JSON of one.
        return ToolCallPart(call_id, name, _text_json(value), value, **fields)
    return call_part(call_id, name, value, **fields)


def _progress(part: Fields, state: JSON) -> Fields:
    """Return the fields of a call's state and result; none for a call that waits for its result."""
    match state:
        case "input-streaming":
            return {"state": "partial"}
        case "output-available" if part.get("preliminary") is not True:
            return {"state": "answered", "result": part.get("output")}
        case "output-error":
            return {"state": "answered", "result": part.get("errorText"), "is_error": True}
        case "output-denied":
            reason = text_or_none(object_or_empty(part.get("approval")).get("reason"))
            return {"state": "answered", "result": reason or DENIED, "is_error": True}
    return {}


def _text_json(text: str) -> str:
    return call_part("", "", [text]).args_text[1:-1]


def _approval_of(history: HistoryBuilder, part: Fields, path: str) -> ToolApproval | None:
    value = part.get("approval")
    if not isinstance(value, dict):
        return None
    history.check_fields(value, f"{path}.approval", _APPROVAL)
    approval_id = history.name(value.get("id"), f"{path}.approval.id")
    if approval_id is None:
        return None
    approved = value.get("approved")
    if approved is not None and not isinstance(approved, bool):
        history.drop(f"{path}.approval.approved", "an approval that is neither true nor false")
        approved = False
    return ToolApproval(approval_id, approved, text_or_none(value.get("reason")), text_or_none(value.get("signature")))
