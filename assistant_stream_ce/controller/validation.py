"""Validation of arguments: each function returns the validated value, or raises an error that names the argument."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

import msgspec

from assistant_stream_ce.chunks import AssistantStreamChunk, Severity
from assistant_stream_ce.errors import shorten
from assistant_stream_ce.jsonvalue import JSON, MAX_SAFE_INTEGER, check_text, json_size, plain

C = TypeVar("C", bound=AssistantStreamChunk)
T = TypeVar("T")

# The values of `FinishReason`, without the arbitrary strings that chunks of other streams may have.
_FINISH_REASONS = ("stop", "length", "content-filter", "tool-calls", "error", "other", "unknown")

_SEVERITIES: tuple[Severity, ...] = get_args(Severity)

text = check_text


def optional(check: Callable[[object, str], T]) -> Callable[[object, str], T | None]:
    """Return a function that accepts None besides what `check` accepts."""
    return lambda value, name: None if value is None else check(value, name)


def id(value: object, name: str) -> str:
    """Return a text that is not empty.

    Raises:
        ValueError: it is empty.
    """
    if not (checked_text := text(value, name)):
        raise ValueError(f"{name} must not be empty")
    return checked_text


def finish_reason(value: object) -> str:
    """Return a finish reason in the spelling of the data stream; OpenAI's underscores become hyphens.

    Raises:
        ValueError: there is no such reason.
    """
    reason = spelled(value)
    if reason not in _FINISH_REASONS:
        raise ValueError(
            f"finish_reason must be one of {', '.join(_FINISH_REASONS)}, not {shorten(repr(reason))}: map the "
            'reason of another API to one of these, or pass "other"'
        )
    return reason


def spelled(value: object, name: str = "finish_reason") -> str:
    """Return a finish reason of any API in the spelling of the data stream."""
    if value is None:
        # Not the hint of `text`: an empty reason is none.
        raise TypeError(f"{name} must be a str, not NoneType: write `{name} or 'unknown'` where a client may give None")
    reason = text(value, name)
    return reason.replace("_", "-") if reason in ("tool_calls", "content_filter") else reason


def count(value: object, name: str) -> int:
    """Return an int from 0 to the largest that clients read exactly.

    Raises:
        ValueError: it is larger.
    """
    number = None if isinstance(value, bool) or not hasattr(value, "__index__") else operator.index(value)
    if number is not None and abs(number) > MAX_SAFE_INTEGER:
        raise ValueError(f"{name} must be an int from 0 to 2**53 - 1, the largest that clients read exactly")
    if number is None or number < 0:
        raise TypeError(f"{name} must be an int of at least 0, not {shorten(repr(value))}")
    return number


def positive(value: object, name: str) -> int:
    """Return an int of at least 1.

    Raises:
        ValueError: it is less.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")
    return value


def seconds(value: object, name: str, *, is_positive: bool = False) -> float:
    """Return a number of seconds.

    Raises:
        ValueError: it is negative, or 0 where it must be positive.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if not (value > 0 if is_positive else value >= 0):
        raise ValueError(f"{name} must be {'more than 0' if is_positive else '0 or more'} seconds, not {value}")
    return float(value)


def place(start_index: object, end_index: object) -> tuple[int | None, int | None]:
    """Return the place of a citation, which has both ends or none.

    Raises:
        ValueError: one is missing, or the end is before the start.
    """
    start, end = optional_count(start_index, "start_index"), optional_count(end_index, "end_index")
    if (start is None) != (end is None) or (start is not None and end is not None and end < start):
        raise ValueError("start_index and end_index must be given together, and end_index must not be smaller")
    return start, end


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


optional_text, optional_count = optional(text), optional(count)
optional_items, optional_fields = optional(items), optional(fields)


def provider_metadata(value: object, name: str = "provider_metadata") -> dict[str, JSON]:
    """Return JSON objects by the name of their provider, copied.

    Raises:
        TypeError: a value is not an object, which clients refuse.
    """
    copy = fields(value, name)
    for provider, item in copy.items():
        if type(item) is not dict:
            raise TypeError(f"{name}[{shorten(repr(provider))}] must be a dict, not {type(item).__name__}")
    return copy


def part_kind(value: object, name: str = "part") -> Literal["text", "reasoning"]:
    """Return the kind of a part that grows.

    Raises:
        ValueError: there is no such kind.
    """
    if value == "text" or value == "reasoning":
        return value
    raise ValueError(f"{name} must be 'text' or 'reasoning', not {shorten(repr(value))}")


def severity(value: object, name: str = "severity") -> Severity | None:
    """Return one of `Severity`, or None.

    Raises:
        ValueError: there is no such severity.
    """
    if value is None:
        return None
    for known in _SEVERITIES:
        if value == known:
            return known
    raise ValueError(f"{name} must be one of {', '.join(_SEVERITIES)}, not {shorten(repr(value))}")


def slots(characters: int) -> int:
    """Return how many slots of the channel's capacity an item takes: one, and one more for each 1,024 characters."""
    return 1 + (characters >> 10)


def checked(chunk: C) -> C:
    """Return a chunk that was built elsewhere, with every field validated and every JSON value copied.

    Raises:
        TypeError: a field has a wrong type.
        ValueError: a field has a value that is not allowed.
    """
    changed = {}
    for name, check in _field_checks(chunk.__class__):
        before = getattr(chunk, name)
        after = check(before, name)
        if after is not before:
            changed[name] = after
    return msgspec.structs.replace(chunk, **changed) if changed else chunk


def slots_of(chunk: AssistantStreamChunk) -> int:
    """Return how many slots a chunk takes."""
    return slots(sum(map(json_size, msgspec.structs.astuple(chunk))))


_Check = Callable[[Any, str], object]

# The check for each type of a chunk's field; a field of any other type takes any JSON value.
_CHECKS: dict[object, _Check] = {
    str: text,
    str | None: optional_text,
    int: count,
    int | None: optional_count,
    bool: flag,
    list[Any]: items,
    list[Any] | None: optional_items,
    dict[str, Any]: fields,
    dict[str, Any] | None: optional_fields,
    Severity | None: severity,
    Literal["text", "reasoning"]: part_kind,
}


@functools.cache
def _field_checks(kind: type[Any]) -> list[tuple[str, _Check]]:
    return [
        (field.name, spelled if field.name == "finish_reason" else _CHECKS.get(field.type, plain))
        for field in msgspec.structs.fields(kind)
    ]
