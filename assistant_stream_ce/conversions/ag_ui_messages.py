"""Histories of AG-UI: lists of its messages, as `HttpAgent` posts and shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from assistant_stream_ce.conversions.answers import AnswerReader
from assistant_stream_ce.conversions.files import is_url
from assistant_stream_ce.conversions.history import Dropped, HistoryBuilder, text_or_none
from assistant_stream_ce.conversions.reading import Fields, function_call, history_of, parts_text, result_text
from assistant_stream_ce.conversions.turns import turns_of
from assistant_stream_ce.jsonvalue import JSON, object_or_empty, plain
from assistant_stream_ce.message import (
    AssistantMessage,
    Message,
    ReasoningPart,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolCallPart,
    UserPart,
)
from assistant_stream_ce.serialization.assistant_ui import without_none
from assistant_stream_ce.serialization.ui_message_stream.values import metadata_of

_MEDIA = ("image", "audio", "video", "document")

# The fields of AG-UI, also those that are of no use here.
_MESSAGE = frozenset(
    {"id", "role", "content", "name", "toolCalls", "toolCallId", "error", "encryptedValue", "metadata"}
)
_PART = frozenset({"type", "text", "source", "metadata", "mimeType", "id", "url", "data", "filename"})
_CALL = frozenset({"id", "type", "function", "encryptedValue"})


def from_ag_ui_messages(messages: object, *, trust_system: bool = False) -> tuple[list[Message], list[Dropped]]:
    """Return the history that AG-UI has, and reports of dropped data.

    Args:
        messages: a list of AG-UI messages, oldest first; it may come from a client.
        trust_system: whether messages of the roles `system` and `developer` are kept.

    Raises:
        TypeError: it is not JSON.
    """
    history = HistoryBuilder(trust_system=trust_system)
    read_ag_ui_messages(history, plain(messages, "messages"), "messages")
    return history.result()


def read_ag_ui_messages(history: HistoryBuilder, messages: JSON, path: str) -> int:
    """Add the messages of a list to a history; return the number of parts before the last step of the last answer."""
    reader = _Reader(history)
    for where, message in history.objects(messages, path):
        reader.take(message, where)
    return reader.finish()


class _Reader(AnswerReader):
    """Joins several messages of AG-UI into one message of the assistant."""

    def take(self, message: Fields, path: str) -> None:
        """Take one message of AG-UI."""
        self.log.check_fields(message, path, _MESSAGE)
        message_id = self.log.name(message.get("id"), f"{path}.id")
        match message.get("role"):
            case "assistant":
                self._take_assistant(message, message_id, path)
            case "reasoning":
                text, signature = text_or_none(message.get("content")), text_or_none(message.get("encryptedValue"))
                metadata = metadata_of(object_or_empty(message.get("metadata")))
                if text is None and signature is None and not metadata:
                    self.log.drop(path, "a reasoning message without content")
                else:
                    self.open(path).add(ReasoningPart(text or "", signature=signature, provider_metadata=metadata))
            case "tool":
                self._take_result(message, path)
            case "user":
                self.finish()
                self.log.user(self._parts(message.get("content"), f"{path}.content"), path, message_id)
            case "system" | "developer":
                self.finish()
                text = parts_text(self._parts(message.get("content"), path), "\n\n")
                self.log.system(text, message_id, path)
            case role:
                self.log.unknown(role, f"{path}.role")

    def _take_assistant(self, message: Fields, message_id: str | None, path: str) -> None:
        builder = self.open(path)
        builder.id = builder.id or message_id
        if builder.parts and not isinstance(builder.parts[-1], ReasoningPart):
            builder.step()
        for part in self._parts(message.get("content"), f"{path}.content"):
            builder.add(part)
        for where, call in self.log.objects(message.get("toolCalls"), f"{path}.toolCalls"):
            self.log.check_fields(call, where, _CALL)
            function = object_or_empty(call.get("function"))
            self.take_call(call.get("id"), function.get("name"), function.get("arguments"), where)

    def _take_result(self, message: Fields, path: str) -> None:
        error = text_or_none(message.get("error"))
        content = message.get("content")
        result = self.log.content(content, f"{path}.content")
        result = error if error and not content else result
        self.take_result(message.get("toolCallId"), path, result=result, is_error=bool(error))

    def _parts(self, content: JSON, path: str) -> list[UserPart]:
        if content is None:
            return []
        if isinstance(content, str):
            return [TextPart(content)] if content else []
        parts: list[UserPart] = []
        for where, part in self.log.objects(content, path):
            self.log.check_fields(part, where, _PART)
            kind, source = part.get("type"), part.get("source")
            if kind == "text":
                parts += self.log.text(part.get("text"), where)
            elif kind == "binary":
                # @ag-ui/client before 1.0.
                data = part.get("data") or part.get("url")
                parts += self.log.file(data, part.get("mimeType"), part.get("filename"), where)
            elif kind in _MEDIA and isinstance(source, dict):
                media_type = source.get("mimeType", part.get("mimeType")) or f"{kind}/*".replace("document/*", "")
                parts += self.log.file(source.get("value"), media_type, part.get("filename"), where)
            else:
                self.log.unknown(kind, where)
        return parts


def to_ag_ui_messages(messages: Iterable[Message]) -> list[Fields]:
    """Return a history as AG-UI has it, for `agent.setMessages` and `MESSAGES_SNAPSHOT`.

    A message of the assistant becomes one for its reasoning, its text and calls, and each result of every turn. The
    first one with text or calls has the message's id.

    Args:
        messages: the history, oldest message first.

    Raises:
        TypeError: it is not an iterable of messages.
    """
    shown: list[Fields] = []
    for number, message in enumerate(history_of(messages)):
        message_id = message.id or f"message-{number}"
        if isinstance(message, AssistantMessage):
            shown += _assistant(message, message_id)
        elif isinstance(message, SystemMessage):
            shown.append({"id": message_id, "role": "system", "content": message.text})
        else:
            shown.append({"id": message_id, "role": "user", "content": _content(message.parts)})
    return shown


def _content(parts: Sequence[UserPart]) -> JSON:
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    return [_input(part) for part in parts]


def _input(part: UserPart) -> Fields:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    family = part.mime_type.partition("/")[0]
    source = {"type": "url" if is_url(part.data) else "data", "value": part.data, "mimeType": part.mime_type}
    return {"type": family if family in _MEDIA else "document", "source": source}


def _assistant(message: AssistantMessage, message_id: str) -> list[Fields]:
    shown: list[Fields] = []
    own_id: str | None = message_id
    for number, turn in enumerate(turns_of(message)):
        for part in turn:
            if isinstance(part, ReasoningPart):
                reasoning = {"id": f"{message_id}-reasoning-{len(shown)}", "role": "reasoning", "content": part.text}
                metadata = {"providerMetadata": part.provider_metadata} if part.provider_metadata else None
                shown.append(without_none(reasoning | {"encryptedValue": part.signature, "metadata": metadata}))
        texts = [part.text for part in turn if isinstance(part, (TextPart, RefusalPart))]
        calls = [part for part in turn if isinstance(part, ToolCallPart)]
        if texts or calls:
            fields: Fields = {"id": own_id or f"{message_id}-{number}", "role": "assistant"}
            own_id = None
            if texts:
                fields["content"] = "".join(texts)
            if calls:
                fields["toolCalls"] = [function_call(call) for call in calls]
            shown.append(fields)
        answered = [call for call in calls if call.state == "answered"]
        shown += [_result(call, message_id, len(shown) + n) for n, call in enumerate(answered)]
    return shown


def _result(call: ToolCallPart, message_id: str, number: int) -> Fields:
    text = result_text(call.result)
    result = {"id": f"{message_id}-result-{number}", "role": "tool", "toolCallId": call.id, "content": text}
    return result | ({"error": text} if call.is_error else {})
