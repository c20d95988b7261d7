"""Checks of arguments: each returns the value as the library keeps it, or names the argument it refuses."""

from __future__ import annotations

__all__ = ("count", "finish_reason", "flag", "optional_text", "places", "text")


def text(value: object, name: str) -> str:
    """Return a str, made plain if it is of a subclass."""
    if not isinstance(value, str):
        hint = f": write `{name} or ''` where a client may give None" if value is None else ""
        raise TypeError(f"{name} must be a str, not {type(value).__name__}{hint}")
    return str.__str__(value)


def optional_text(value: object, name: str) -> str | None:
    """Return a str or None."""
    return None if value is None else text(value, name)


def finish_reason(value: object) -> str:
    """Return a finish reason in the words of the data stream, which spells OpenAI's with hyphens."""
    reason = text(value, "finish_reason")
    return reason.replace("_", "-") if reason in ("tool_calls", "content_filter") else reason


def count(value: object, name: str) -> int:
    """Return an int that is not negative."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{name} must be an int of at least 0, not {value!r}")
    return value


def flag(value: object, name: str) -> bool:
    """Return a bool."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
    return value


def places(characters: int) -> int:
    """Return how many places of the channel's bound something takes: one, and one more for each 1,024 characters."""
    return 1 + (characters >> 10)
