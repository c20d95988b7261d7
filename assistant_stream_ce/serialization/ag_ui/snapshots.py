"""Expansion of AG-UI's `MESSAGES_SNAPSHOT` into events for the messages of this answer that were not streamed.

A snapshot is the whole conversation. Agents send it beside the events of an answer, or in place of them.
"""

from __future__ import annotations

from typing import Any

from assistant_stream_ce.jsonvalue import JSON, object_or_empty, objects_in
from assistant_stream_ce.serialization.ag_ui.chunk_events import TypedEvent
from assistant_stream_ce.serialization.decoder import text_or

_CONTENT = ("TEXT_MESSAGE_", "REASONING_MESSAGE_", "TOOL_CALL_")


class SnapshotExpander:
    """Expands the snapshots of one stream."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        # The ids of messages and calls that were streamed or are history, the calls with a result, and the ids of
        # messages that were streamed.
        self._messages: set[str] = set()
        self._calls: set[str] = set()
        self._answered: set[str] = set()
        self._streamed: set[str] = set()
        # The pieces of open texts, and the hashes of those that have ended: ids in snapshots may be others.
        self._open_texts: dict[str, list[str]] = {}
        self._text_hashes: set[int] = set()
        # A snapshot before any content; it is the history if content follows.
        self._held: JSON = []
        self._has_content = False

    def expand(self, kind: str, event: dict[str, JSON]) -> list[TypedEvent]:
        """Process the next event of the stream; return the events of messages that are only in a snapshot."""
        if kind == "TEXT_MESSAGE_CONTENT" and self._has_content:
            # Most events are of this type.
            self._note(kind, event)
        elif kind == "RUN_STARTED":
            self._forget()
            self._note_history(object_or_empty(event.get("input")).get("messages"))
        elif kind == "MESSAGES_SNAPSHOT":
            self._held = event.get("messages")
            return self.rest() if self._has_content else []
        elif kind in ("RUN_FINISHED", "RUN_ERROR"):
            return self.rest()
        elif kind.startswith(_CONTENT):
            self._note_history(self._held)
            self._held, self._has_content = [], True
            self._note(kind, event)
        return []

    def rest(self) -> list[TypedEvent]:
        """Return the events of the messages in the last snapshot that were not streamed."""
        messages, self._held = objects_in(self._held), []
        # Earlier messages are history: those up to the user's, and those before the first one that was streamed.
        users = [number for number, message in enumerate(messages) if message.get("role") == "user"]
        streamed = [number for number, message in enumerate(messages) if text_or(message, "id", "") in self._streamed]
        start = max(users[-1] + 1 if users else 0, streamed[0] if streamed else 0)
        return [event for message in messages[start:] for event in self._missing(message)]

    def _note_history(self, messages: JSON) -> None:
        for message in objects_in(messages):
            self._messages.add(text_or(message, "id", ""))
            self._answered.add(text_or(message, "toolCallId", ""))
            self._calls |= {text_or(call, "id", "") for call in objects_in(message.get("toolCalls"))}

    def _note(self, kind: str, event: dict[str, JSON]) -> None:
        message_id = text_or(event, "messageId", "")
        match kind:
            case "TEXT_MESSAGE_CONTENT":
                self._open_texts.setdefault(message_id, []).append(text_or(event, "delta", ""))
            case "TEXT_MESSAGE_END":
                self._text_hashes.add(hash("".join(self._open_texts.pop(message_id, ()))))
            case "TEXT_MESSAGE_START" | "REASONING_MESSAGE_START":
                self._messages.add(message_id)
                self._streamed.add(message_id)
            case "TOOL_CALL_START":
                self._calls.add(text_or(event, "toolCallId", ""))
                self._streamed.add(text_or(event, "parentMessageId", ""))
            case "TOOL_CALL_RESULT":
                self._answered.add(text_or(event, "toolCallId", ""))

    def _missing(self, message: dict[str, Any]) -> list[TypedEvent]:
        """Return the events of the parts of a message that were not streamed."""
        message_id, content = text_or(message, "id", ""), message.get("content")
        is_known = message_id != "" and message_id in self._messages
        match message.get("role"):
            case "assistant":
                events = []
                if isinstance(content, str) and content and not is_known and hash(content) not in self._text_hashes:
                    events = _text("TEXT_MESSAGE", message_id, content)
                for call in objects_in(message.get("toolCalls")):
                    if text_or(call, "id", "") not in self._calls:
                        events += _call(call, message_id)
            case "tool" if text_or(message, "toolCallId", "") not in self._answered:
                events = _result(message)
            case "reasoning" if isinstance(content, str) and not is_known:
                encrypted = text_or(message, "encryptedValue", "")
                value = {"subtype": "message", "entityId": message_id, "encryptedValue": encrypted}
                signature = [("REASONING_ENCRYPTED_VALUE", value)] if encrypted else []
                events = _text("REASONING_MESSAGE", message_id, content) + signature
            case "activity" if (
                isinstance(content, dict) and bool(text_or(message, "activityType", "")) and not is_known
            ):
                activity = {"messageId": message_id, "activityType": message["activityType"], "content": content}
                events = [("ACTIVITY_SNAPSHOT", activity)]
            case _:
                return []
        self._messages.add(message_id)
        for kind, event in events:
            self._note(kind, event)
        return events


def _text(prefix: str, message_id: JSON, text: str) -> list[TypedEvent]:
    address = {"messageId": message_id}
    content = [(f"{prefix}_CONTENT", {**address, "delta": text})] if text else []
    return [(f"{prefix}_START", {**address, "role": "assistant"}), *content, (f"{prefix}_END", address)]


def _call(call: dict[str, Any], message_id: JSON) -> list[TypedEvent]:
    function, address = call.get("function"), {"toolCallId": call.get("id")}
    if not isinstance(function, dict) or not text_or(call, "id", "") or not isinstance(function.get("name"), str):
        return []
    return [
        ("TOOL_CALL_START", {**address, "toolCallName": function["name"], "parentMessageId": message_id}),
        ("TOOL_CALL_ARGS", {**address, "delta": text_or(function, "arguments", "")}),
        ("TOOL_CALL_END", address),
    ]


def _result(message: dict[str, Any]) -> list[TypedEvent]:
    content, error, metadata = message.get("content"), text_or(message, "error", ""), message.get("metadata")
    if not isinstance(content, (str, list)) or not text_or(message, "toolCallId", ""):
        return []
    if error:
        metadata = {**object_or_empty(metadata), "isError": True}
    return [
        ("TOOL_CALL_RESULT", {"toolCallId": message["toolCallId"], "content": content or error, "metadata": metadata})
    ]
