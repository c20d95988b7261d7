"""Checks of arguments: each returns the value as the library keeps it, or names the argument it refuses."""

from __future__ import annotations

from typing import get_args

from assistant_stream_ce.chunks import Severity
from assistant_stream_ce.errors import shorten
from assistant_stream_ce.jsonvalue import JSON, MAX_SAFE_INTEGER, check_text, plain

text = check_text


def optional_text(value: object, name: str) -> str | None:
    """Return a str or None."""
    return None if value is None else text(value, name)


def finish_reason(value: object) -> str:
    """Return a finish reason in the words of the data stream, which spells OpenAI's with hyphens."""
    reason = text(value, "finish_reason")
    return reason.replace("_", "-") if reason in ("tool_calls", "content_filter") else reason


def count(value: object, name: str) -> int:
    """Return an int that is neither negative nor larger than clients can read."""
    if isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER:
        raise ValueError(f"{name} must be an int from 0 to 2**53 - 1, the largest that clients read exactly")
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{name} must be an int of at least 0, not {shorten(repr(value))}")
    return value


def flag(value: object, name: str) -> bool:
    """Return a bool."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
    return value


def items(value: object, name: str) -> list[JSON]:
    """Return a list of JSON values, copied."""
    copy = plain(value, name)
    if type(copy) is not list:
        raise TypeError(f"{name} must be a list, not {type(value).__name__}")
    return copy


def fields(value: object, name: str) -> dict[str, JSON]:
    """Return a JSON object, copied."""
    copy = plain(value, name)
    if type(copy) is not dict:
        raise TypeError(f"{name} must be a dict, not {type(value).__name__}")
    return copy


def severity(value: object) -> Severity | None:
    """Return one of the words for how grave an error is, or None."""
    for word in get_args(Severity):
        if value == word:
            return word  # type: ignore[no-any-return]
    if value is None:
        return None
    raise ValueError(f"severity must be one of {', '.join(get_args(Severity))}, not {value!r}")


def places(characters: int) -> int:
    """Return how many places of the channel's bound something takes: one, and one more for each 1,024 characters."""
    return 1 + (characters >> 10)
