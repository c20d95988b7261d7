"""AG-UI's events for tests, and the chunks that they become."""

from __future__ import annotations

import json
from typing import Any

from assistant_stream_ce import (
    MessageFinishChunk,
    ToolCallBeginChunk,
    ToolCallDeltaChunk,
    UpdateStateChunk,
)

RUN = {"type": "RUN_STARTED", "threadId": "t", "runId": "r"}
FINISHED = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}
STOPPED = MessageFinishChunk("stop")
WAITS = MessageFinishChunk("tool-calls")
CALL = {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "tool"}
CALL_END = {"type": "TOOL_CALL_END", "toolCallId": "c"}
BEGIN = ToolCallBeginChunk("c", "tool")
FINAL = ToolCallDeltaChunk("c", "", is_final=True)


def stream(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def run(*events: Any) -> bytes:
    return stream(RUN, *events, FINISHED)


def text_start(message_id: str = "m", **more: Any) -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_START", "messageId": message_id, "role": "assistant", **more}


def text(delta: str, message_id: str = "m") -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": message_id, "delta": delta}


def text_end(message_id: str = "m") -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_END", "messageId": message_id}


def thought(delta: str, message_id: str = "t", **more: Any) -> list[dict[str, Any]]:
    return [
        {"type": "REASONING_START", "messageId": message_id},
        {"type": "REASONING_MESSAGE_START", "messageId": message_id, "role": "reasoning", **more},
        {"type": "REASONING_MESSAGE_CONTENT", "messageId": message_id, "delta": delta},
        {"type": "REASONING_MESSAGE_END", "messageId": message_id},
        {"type": "REASONING_END", "messageId": message_id},
    ]


def secret(entity: str, subtype: str = "message") -> dict[str, Any]:
    return {"type": "REASONING_ENCRYPTED_VALUE", "subtype": subtype, "entityId": entity, "encryptedValue": "v"}


def args(delta: str) -> dict[str, Any]:
    return {"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": delta}


def result(content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "TOOL_CALL_RESULT", "messageId": "tm", "toolCallId": "c", "content": content, **more}


def short(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"{kind}_CHUNK", **fields}


def snapshot(state: Any) -> dict[str, Any]:
    return {"type": "STATE_SNAPSHOT", "snapshot": state}


def delta(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"type": "STATE_DELTA", "delta": list(operations)}


def custom(name: str, value: Any, **metadata: Any) -> dict[str, Any]:
    return {"type": "CUSTOM", "name": name, "value": value, **({"metadata": metadata} if metadata else {})}


def activity(content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "ACTIVITY_SNAPSHOT", "messageId": "a", "activityType": "plan", "content": content, **more}


def edit(path: list[str], value: Any) -> UpdateStateChunk:
    return UpdateStateChunk([{"type": "set", "path": path, "value": value}])
