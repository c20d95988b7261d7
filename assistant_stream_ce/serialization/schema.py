"""What clients demand of the fields of a frame, said as types. Fields that a type does not name are allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.serialization.decoding import BadFrameError

__all__ = ("INTEGER", "NATURAL", "Fields", "fields", "hold_against")

#: A type of JSON objects.
Fields: TypeAlias = type[msgspec.Struct]

_LARGEST = 2**53 - 1

#: An integer of JavaScript, which 1.0 is too.
INTEGER: Any = Annotated[float, msgspec.Meta(ge=-_LARGEST, le=_LARGEST, multiple_of=1)]
#: The same from 0 on.
NATURAL: Any = Annotated[float, msgspec.Meta(ge=0, le=_LARGEST, multiple_of=1)]


def fields(required: Mapping[str, Any], /, *, tag: tuple[str, str] | None = None, **optional: Any) -> Fields:
    """Return a type of objects, by the Python spelling of its fields.

    Args:
        required: the fields that must be there, `Any` for any value.
        tag: a field with the one value that tells this type from others in a union.
        optional: those that may be missing, but not be null.
    """
    given: list[Any] = [*required.items(), *((key, kind | UnsetType, UNSET) for key, kind in optional.items())]
    tag_field, tag_value = tag or (None, None)
    return msgspec.defstruct("Fields", given, rename="camel", kw_only=True, tag_field=tag_field, tag=tag_value)


def hold_against(value: JSON, kind: Any) -> None:
    """Compare a value with a type.

    Raises:
        BadFrameError: it does not match; the message says where.
    """
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BadFrameError(str(error)) from None
