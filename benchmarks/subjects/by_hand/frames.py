"""Frames by `json.dumps`."""

from __future__ import annotations

import json


def data_stream(text: str) -> bytes:
    """Return a text frame of the data stream."""
    return f"0:{json.dumps(text)}\n".encode()


def assistant_transport(text: str) -> bytes:
    """Return a text event of the assistant transport."""
    return f"data: {json.dumps({'type': 'text-delta', 'textDelta': text, 'path': [0]})}\n\n".encode()


def openai(text: str) -> bytes:
    """Return a chat completion chunk."""
    event = {
        "id": "chatcmpl-0123456789",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "model",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
    }
    return f"data: {json.dumps(event)}\n\n".encode()


def ui_message_stream(text: str) -> bytes:
    """Return a text part of AI SDK's stream."""
    return f"data: {json.dumps({'type': 'text-delta', 'id': '1', 'delta': text})}\n\n".encode()


def ag_ui(text: str) -> bytes:
    """Return a text event of AG-UI."""
    return f"data: {json.dumps({'type': 'TEXT_MESSAGE_CONTENT', 'messageId': 'm1', 'delta': text})}\n\n".encode()


FRAMES = {
    "data-stream": data_stream,
    "assistant-transport": assistant_transport,
    "openai": openai,
    "ui-message-stream": ui_message_stream,
    "ag-ui": ag_ui,
}
MEDIA_TYPES = {wire: "text/plain" if wire == "data-stream" else "text/event-stream" for wire in FRAMES}
