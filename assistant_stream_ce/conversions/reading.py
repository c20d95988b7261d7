"""What the conversions share: looks at what others have written, each of which says what is wrong."""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

from assistant_stream_ce.jsonvalue import JSON, dumps, plain
from assistant_stream_ce.message import AssistantMessage, Usage
from assistant_stream_ce.serialization.decoder import token_count

__all__ = ("Fields", "fields", "items", "read", "result_text", "step_starts", "tokens_from", "total_tokens")

Fields: TypeAlias = dict[str, JSON]


def fields(value: object, name: str) -> Fields:
    """Return a value that has to be a dict.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a dict, not {type(value).__name__}")
    return value


def items(value: object, name: str) -> list[Fields]:
    """Return a value that has to be a list of dicts; None is an empty one.

    Raises:
        ValueError: it is none.
    """
    if value is not None and not isinstance(value, list):
        raise ValueError(f"{name} must be a list, not {type(value).__name__}")
    return [fields(item, f"an item of {name}") for item in value or ()]


def step_starts(message: AssistantMessage) -> Counter[int]:
    """Return how many steps begin with which parts, by their numbers: of the steps whose beginning was told."""
    return Counter(step.first_part for step in message.steps if step.message_id is not None)


def result_text(result: JSON) -> str:
    """Return a tool's result as text: a text as it is, and all else as JSON."""
    return result if isinstance(result, str) else dumps(result).decode()


def total_tokens(usage: Usage) -> Fields:
    """Return a usage in the words of assistant-ui and AI SDK."""
    return {"inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens}


def tokens_from(usage: JSON) -> Fields:
    """Return the fields of a `Usage` from one in these words. What is no count is 0: applications write here, too."""
    return {"input_tokens": token_count(usage, "inputTokens"), "output_tokens": token_count(usage, "outputTokens")}


def read(value: object) -> Fields:
    """Return a message of a front end as plain data.

    Raises:
        TypeError: it is not JSON.
        ValueError: it is no message of the assistant.
    """
    message = fields(plain(value, "message"), "message")
    if message.get("role") != "assistant":
        raise ValueError(f"a message of the assistant is wanted, not one with the role {message.get('role')!r}")
    return message
