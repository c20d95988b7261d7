"""Types for the JSON objects that clients require. Fields beyond those of a type are allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from assistant_stream_ce.jsonvalue import JSON, MAX_SAFE_INTEGER, describe_types
from assistant_stream_ce.serialization.framing import FrameError

#: A type of JSON objects.
ObjectType: TypeAlias = type[msgspec.Struct]

#: An integer of JavaScript, such as 1 and 1.0.
INTEGER: Any = Annotated[float, msgspec.Meta(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER, multiple_of=1)]
#: The same from 0 on.
NATURAL: Any = Annotated[float, msgspec.Meta(ge=0, le=MAX_SAFE_INTEGER, multiple_of=1)]


def object_type(required: Mapping[str, Any], /, *, tag: tuple[str, str] | None = None, **optional: Any) -> ObjectType:
    """Return a type of JSON objects.

    Args:
        required: the types of the required fields, by their names in snake case.
        tag: the field and the value that distinguish this type from others in a union.
        optional: the types of the fields that may be missing, but not be null.
    """
    given: list[Any] = [*required.items(), *((key, kind | UnsetType, UNSET) for key, kind in optional.items())]
    tag_field, tag_value = tag or (None, None)
    kind = msgspec.defstruct("Fields", given, rename="camel", kw_only=True, tag_field=tag_field, tag=tag_value)
    describe_types(kind)
    return kind


def convert(value: JSON, kind: Any) -> Any:
    """Convert a value to a type.

    Raises:
        FrameError: it does not match; the message has the path.
    """
    try:
        try:
            return msgspec.convert(value, kind)
        except UnicodeEncodeError:
            if not isinstance(value, dict):
                raise
            # msgspec looks keys up as UTF-8, which cannot hold a lone surrogate. No field has such a name.
            return msgspec.convert({key: item for key, item in value.items() if _is_utf8(key)}, kind)
    except msgspec.ValidationError as error:
        raise FrameError(str(error)) from None
    except UnicodeEncodeError:
        raise FrameError("a tag in it has a lone surrogate") from None


def validate_value(value: JSON, kind: Any) -> None:
    """Check that a value matches a type.

    Raises:
        FrameError: it does not match; the message has the path.
    """
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise FrameError(str(error)) from None
    except UnicodeEncodeError:
        validate_value(_in_utf8(value), kind)


def _is_utf8(text: str) -> bool:
    return text.isascii() or text.encode(errors="replace").decode() == text


def _in_utf8(value: JSON) -> JSON:
    """Return a value with lone surrogates replaced by question marks; no field or tag name contains either."""
    if isinstance(value, dict):
        return {_in_utf8(key): _in_utf8(item) for key, item in value.items()}
    if isinstance(value, list):
        return list(map(_in_utf8, value))
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
