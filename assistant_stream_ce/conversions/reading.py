"""Helpers of the conversions: validation of messages that clients sent, and field values of several formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from assistant_stream_ce.jsonvalue import JSON, dumps, plain
from assistant_stream_ce.message import (
    AssistantMessage,
    FilePart,
    Message,
    SystemMessage,
    TextPart,
    ToolCallPart,
    UserMessage,
)

Fields: TypeAlias = dict[str, JSON]


def fields(value: object, name: str) -> Fields:
    """Return a value that must be a dict.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a dict, not {type(value).__name__}")
    return value


def items(value: object, name: str) -> list[Fields]:
    """Return a value that must be a list of dicts; None counts as an empty list.

    Raises:
        ValueError: it is not.
    """
    if value is not None and not isinstance(value, list):
        raise ValueError(f"{name} must be a list, not {type(value).__name__}")
    return [fields(item, f"an item of {name}") for item in value or ()]


def history_of(messages: object) -> list[Message]:
    """Return the messages of a history.

    Raises:
        TypeError: it is not an iterable of messages, or a part of a user's message is neither a text nor a file.
    """
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise TypeError(f"messages must be a list of messages, not {type(messages).__name__}")
    history: list[Message] = list(messages)
    for message in history:
        if isinstance(message, UserMessage):
            for part in message.parts:
                if not isinstance(part, (TextPart, FilePart)):
                    raise TypeError(
                        f"a part of a UserMessage must be a TextPart or FilePart, not {type(part).__name__}: "
                        "write UserMessage([TextPart(text)])"
                    )
        elif not isinstance(message, (AssistantMessage, SystemMessage)):
            raise TypeError(
                "messages must hold UserMessage, AssistantMessage and SystemMessage, not "
                f"{type(message).__name__}: use a parser or a `from_` function, such as from_ui_messages"
            )
    return history


def step_starts(message: AssistantMessage) -> Counter[int]:
    """Return how many steps begin at each part, by its index. Steps of which only the finish is known do not count.

    Raises:
        TypeError: it is not a message of the assistant.
    """
    if not isinstance(message, AssistantMessage):
        raise TypeError(f"message must be an AssistantMessage, not {type(message).__name__}")
    return Counter(step.first_part for step in message.steps if step.message_id is not None)


def result_text(result: JSON) -> str:
    """Return the result of a tool as text: a str unchanged, any other value as JSON."""
    return result if isinstance(result, str) else dumps(result).decode()


def content_text(content: JSON) -> str | None:
    """Return the joined text of a list of text parts; None for any other content."""
    texts = [_text_of(part) for part in content] if isinstance(content, list) else [None]
    return None if None in texts else "".join(filter(None, texts))


def _text_of(part: JSON) -> str | None:
    is_text = isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
    return str(part["text"]) if is_text else None


def model_result(part: ToolCallPart) -> str:
    """Return the result of a tool as the model reads it: its content for the model, where that is text."""
    text = content_text(part.model_content or None)
    return result_text(part.result) if text is None else text


def function_call(part: ToolCallPart) -> Fields:
    """Return a tool call as OpenAI and AG-UI write it."""
    return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.args_text}}


def text_parts(content: JSON) -> JSON:
    """Return a content as a list of parts: a text is the only one."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def parts_text(parts: Iterable[object], between: str = "") -> str:
    """Return the joined text of the text parts among others."""
    return between.join(part.text for part in parts if isinstance(part, TextPart))


def read(value: object) -> Fields:
    """Return a front end's message as plain data.

    Raises:
        TypeError: it is not JSON.
        ValueError: it is not an assistant message.
    """
    message = fields(plain(value, "message"), "message")
    if message.get("role") != "assistant":
        raise ValueError(f"the message must have the role 'assistant', not {message.get('role')!r:.100}")
    return message
