"""Requests of the front ends: each has its own shape with the user's last message."""

from __future__ import annotations

from typing import Any


def prompt_of(body: dict[str, Any]) -> str:
    """Return `prompt`, or the text of the last user message."""
    if "prompt" in body:
        return str(body["prompt"])
    commands = body.get("commands") or []
    added = [command["message"] for command in commands if command.get("type") == "add-message"]
    messages = [*(body.get("messages") or []), *added]
    return next((_text_of(one) for one in reversed(messages) if one.get("role") == "user"), "")


def _text_of(message: dict[str, Any]) -> str:
    content = message.get("content") or message.get("parts") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
