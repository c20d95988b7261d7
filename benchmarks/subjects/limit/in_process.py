"""Called directly: msgspec alone, without a queue, a run or a chunk."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from benchmarks.subjects import work

_JSON = msgspec.json.Encoder()

_CHOICE = {"index": 0, "delta": {"content": ""}, "finish_reason": None}
_EVENT = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 0, "model": "model", "choices": [_CHOICE]}


def _data_stream(text: str) -> bytes:
    return b"0:%b\n" % _JSON.encode(text)


def _assistant_transport(text: str) -> bytes:
    return b"data: %b\n\n" % _JSON.encode({"type": "text-delta", "textDelta": text, "path": [0]})


def _openai(text: str) -> bytes:
    return b"data: %b\n\n" % _JSON.encode(_EVENT | {"choices": [_CHOICE | {"delta": {"content": text}}]})


def _ui_message_stream(text: str) -> bytes:
    return b"data: %b\n\n" % _JSON.encode({"type": "text-delta", "id": "1", "delta": text})


def _ag_ui(text: str) -> bytes:
    return b"data: %b\n\n" % _JSON.encode({"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": text})


_FRAMES = {
    "data-stream": _data_stream,
    "assistant-transport": _assistant_transport,
    "openai": _openai,
    "ui-message-stream": _ui_message_stream,
    "ag-ui": _ag_ui,
}


def encode(count: int, wire: str, producer: str) -> int:
    """Encode so many texts; return the bytes."""
    frame = _FRAMES[wire]

    async def run() -> int:
        size = 0
        for _ in range(count):
            size += len(frame(work.TEXT))
            if producer == "yielding":
                await asyncio.sleep(0)
        return size

    return asyncio.run(run())


def edit_state(count: int, runs: int, edit: str, producer: str) -> int:
    """Encode the operations of so many edits, in so many runs, and make none; return the bytes."""
    paths = {"append": "items", "text": "text", "append-state-text": "text", "nested-set": "user/settings/theme"}
    value: Any = work.TEXT if "text" in edit else 1
    path = paths.get(edit, "items").split("/")
    if edit in ("insert", "delete"):
        value = list(range(work.SHORT // 2))
    operation = {"type": "append-text" if "text" in edit else "set", "path": path, "value": value}

    async def run() -> int:
        size = 0
        for _ in range(count):
            size += len(b"data: %b\n\n" % _JSON.encode({"type": "update-state", "operations": [operation]}))
            if producer == "yielding":
                await asyncio.sleep(0)
        return size

    return asyncio.run(work.repeat(run, runs))
