"""Helpers of the conversions: validation of messages that clients sent, and field values of several formats."""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

from assistant_stream_ce.jsonvalue import JSON, dumps, plain
from assistant_stream_ce.message import AssistantMessage, Usage
from assistant_stream_ce.serialization.usage import usage_details
from assistant_stream_ce.serialization.usage import usage_fields as usage_totals

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


def step_starts(message: AssistantMessage) -> Counter[int]:
    """Return how many steps begin at each part, by its index. Steps of which only the finish is known do not count."""
    return Counter(step.first_part for step in message.steps if step.message_id is not None)


def result_text(result: JSON) -> str:
    """Return the result of a tool as text: a str unchanged, any other value as JSON."""
    return result if isinstance(result, str) else dumps(result).decode()


def usage_fields(usage: Usage) -> Fields:
    """Return a usage with the field names of assistant-ui and AI SDK."""
    return {**usage_totals(usage), **usage_details(usage)}


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
