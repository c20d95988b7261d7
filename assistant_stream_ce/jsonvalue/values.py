"""JSON values: their types and limits, and the conversion of Python values to JSON's own types."""

from __future__ import annotations

import math
import sys
from collections import UserString
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from os import PathLike, fsdecode
from typing import Any, TypeAlias

import msgspec

from assistant_stream_ce.errors import shorten

#: Any value that JSON can hold. `Any`, because a recursive type would need casts at each use.
JSON: TypeAlias = Any

#: Nesting limit of values, of the state and of patched documents, also to detect cycles.
MAX_DEPTH = 200

# No list has longer indexes, and `int` rejects texts of thousands of digits.
_MAX_INDEX_DIGITS = 15

# Longer paths in error messages are cut: a key may have megabytes.
_MAX_PATH = 200

#: Types whose values need neither a check nor a copy.
ATOMS: frozenset[type] = frozenset({str, bool, type(None)})

#: Keys by which a client's prototypes could be polluted.
SUSPECT_KEYS: frozenset[str] = frozenset({"__proto__", "constructor"})

#: The largest integer that JavaScript's numbers hold exactly.
MAX_SAFE_INTEGER = 2**53 - 1

# A larger integer parses to Infinity in JavaScript.
_LARGEST = int(sys.float_info.max)


def has_prototype(value: object) -> bool:
    """Return whether the value of a key `constructor` pollutes a client's prototypes."""
    return isinstance(value, Mapping) and "prototype" in value


def check_text(value: object, name: str) -> str:
    """Return a str, converted to a plain one if it is of a subclass.

    Raises:
        TypeError: it is not a str. The message contains `name`.
    """
    if not isinstance(value, str):
        has_text = type(value).__module__ != "builtins" and type(value).__str__ is not object.__str__
        hint = f": pass str({name})" if has_text else ""
        if value is None:
            hint = f": write `{name} or ''` where a client may give None"
        raise TypeError(f"{name} must be a str, not {type(value).__name__}{hint}")
    return str.__str__(value)


def list_index(segment: str) -> int | None:
    """Return the list index that a segment of a path denotes, or None if it is not a canonical decimal index."""
    is_index = segment.isascii() and segment.isdigit() and (segment[0] != "0" or segment == "0")
    return int(segment) if is_index and len(segment) <= _MAX_INDEX_DIGITS else None


def object_or_empty(value: object) -> dict[str, JSON]:
    """Return a JSON object; an empty one for any other value."""
    return value if isinstance(value, dict) else {}


def objects_in(values: object) -> list[dict[str, JSON]]:
    """Return the JSON objects of a list; an empty list for any other value."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def plain(value: object, name: str = "value") -> JSON:
    """Copy a value into plain JSON types.

    Accepts mappings, sequences, sets, dataclasses, `datetime`, `UUID`, `Decimal`, enums, bytes (as base64), paths, IP
    addresses, msgspec structs, pydantic models, numpy scalars and arrays, BSON ids, and lazy translations.

    Args:
        value: the value; it is neither changed nor kept.
        name: its name in error messages, where a path is added (`result.items[2]`).

    Raises:
        TypeError: the value, or something inside it, is not JSON, refers to itself, or has two keys that become
            the same text. The message has the path.
    """
    try:
        return copy_plain(value)
    except NotPlainError:
        return _plain(value, name, 0)


class NotPlainError(Exception):
    """Raised for a value that only `plain` can copy: it has other types than JSON's, or keys to drop."""


class Copyable:
    """Proxy that can return an atomic plain copy of its value."""

    __slots__ = ()

    def _last_value(self) -> JSON:
        """Return the plain value."""
        raise NotImplementedError


def copy_plain(value: Any, depth: int = 0) -> JSON:
    """Copy a value that is already plain JSON, as most are: the fast path of `plain`.

    Raises:
        NotPlainError: it is not plain JSON.
    """
    kind = type(value)
    if kind in ATOMS or (kind is int and -_LARGEST <= value <= _LARGEST):
        return value
    if kind is dict and depth < MAX_DEPTH:
        copy = {}
        for key, item in value.items():
            if type(key) is not str or key in SUSPECT_KEYS:
                raise NotPlainError
            copy[key] = item if type(item) in ATOMS else copy_plain(item, depth + 1)
        return copy
    if kind is list and depth < MAX_DEPTH:
        return [item if type(item) in ATOMS else copy_plain(item, depth + 1) for item in value]
    if kind is float and math.isfinite(value):
        return value
    raise NotPlainError


def clone(value: JSON) -> JSON:
    """Copy a value that is known to be plain JSON, faster than `plain`."""
    if type(value) is dict:
        return {key: clone(item) for key, item in value.items()}
    if type(value) is list:
        return [clone(item) for item in value]
    return value


def key_text(key: object, path: str) -> str:
    """Return the text of a mapping's key, as `json.dumps` would write it.

    Args:
        key: the key.
        path: the name of the mapping in error messages.

    Raises:
        TypeError: it is not a text, number, boolean or None, nor becomes one.
    """
    if isinstance(key, Copyable):
        raise TypeError(f"{path} has a key that is a dict or list: keys must be text")
    if isinstance(key, str):
        return str(_plain(key, path, 0))
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    converted = _plain(key, f"a key of {path}", 0)
    if isinstance(converted, (str, int, float)):
        return str(converted)
    raise TypeError(f"{path} has a key of type {type(key).__qualname__}: keys must be text")


def _plain(value: object, path: str, depth: int) -> JSON:
    return _CONVERT.get(type(value), _other)(value, path, depth)


def _float(value: float, _path: str, _depth: int) -> JSON:
    value = float(value)
    return value if math.isfinite(value) else None


def _int(value: int, _path: str, _depth: int) -> JSON:
    value = int(value)
    return value if -_LARGEST <= value <= _LARGEST else None


def _mapping(value: Mapping[Any, object], path: str, depth: int) -> JSON:
    _check_depth(path, depth)
    copy: dict[str, JSON] = {}
    for key, item in value.items():
        text = key if type(key) is str else key_text(key, path)
        if text == "__proto__" or (text == "constructor" and has_prototype(item)):
            continue
        if text in copy:
            raise TypeError(f"{path} has two keys that both become {shorten(text)!r} in JSON: use different names")
        copy[text] = _plain(item, f"{path}.{text}"[:_MAX_PATH], depth + 1)
    return copy


def _sequence(value: Sequence[object], path: str, depth: int) -> JSON:
    _check_depth(path, depth)
    return [_plain(item, f"{path}[{index}]"[:_MAX_PATH], depth + 1) for index, item in enumerate(value)]


def _other(value: object, path: str, depth: int) -> JSON:
    """Convert a value of any other type: a subclass, an abstract type, or one of msgspec or `_simplified`."""
    if isinstance(value, Copyable):
        return value._last_value()
    if not isinstance(value, _BYTES):
        for kind, convert in _ABSTRACT_TYPES:
            if isinstance(value, kind):
                return convert(value, path, depth)
    if hasattr(type(value), "__dataclass_fields__"):
        # msgspec leaves out the defaults of one that it has created itself. Imported here, for those who need it.
        from dataclasses import fields

        dataclass: Any = value
        present = {one.name: getattr(value, one.name) for one in fields(dataclass) if hasattr(value, one.name)}
        return _mapping(present, path, depth)
    _check_depth(path, depth)
    try:
        return _plain(msgspec.to_builtins(value, str_keys=True, enc_hook=_simplified), path, depth + 1)
    except RecursionError as error:
        raise _too_deep(path) from error
    except Exception as error:
        # Also what the value's own conversion raises, for example that of a pydantic model.
        raise TypeError(f"{path} is not JSON: {shorten(str(error), 400)}") from error


# Types whose values, subclasses included, are sent as `str(value)`; by module name, so that none is imported.
_SENT_AS_TEXT = frozenset(
    {
        *(f"ipaddress.IPv{version}{kind}" for version in (4, 6) for kind in ("Address", "Interface", "Network")),
        "bson.objectid.ObjectId",
        "django.utils.functional.Promise",
        "babel.support.LazyProxy",
        "flask_babel.speaklater.LazyString",
        "pydantic.networks._BaseUrl",
        "pydantic_core._pydantic_core.Url",
        "yarl.URL",
        "yarl._url.URL",
    }
)


# Conversions of subclasses of standard types (pandas, pendulum, freezegun) to types that msgspec supports.
_TO_BASE: dict[str, Callable[[Any, Any], object]] = {
    **dict.fromkeys(
        ("datetime.datetime", "datetime.date", "datetime.time"),
        # pandas' NaT (not a time) is not equal to itself.
        lambda _base, value: value.isoformat() if value == value else None,
    ),
    "datetime.timedelta": lambda base, value: base(value.days, value.seconds, value.microseconds),
    "decimal.Decimal": lambda base, value: base(value),
}


def _simplified(value: object) -> object:
    """Convert a value that msgspec does not support to one that it does. The `enc_hook` of `msgspec.to_builtins`."""
    if isinstance(value, Copyable):
        return value._last_value()
    if isinstance(value, PathLike):
        return fsdecode(value)
    if isinstance(value, _BYTES):
        return bytes(value)
    kind = type(value)
    for base in kind.__mro__:
        name = f"{base.__module__}.{base.__qualname__}"
        if name in _SENT_AS_TEXT:
            return str(value)
        if base is not kind and name in _TO_BASE:
            return _TO_BASE[name](base, value)
    for abstract, to_plain in _ABSTRACT_TYPES:
        if isinstance(value, abstract):
            return to_plain(value, "value", 0)
    # A pydantic model; a scalar or an array of numpy, whose longest floats convert to themselves.
    for name, options in (("model_dump", {"mode": "json"}), ("tolist", {})):
        if callable(convert := getattr(value, name, None)):
            return float(value) if kind.__name__ in ("longdouble", "float128") else convert(**options)  # type: ignore[arg-type]
    fix = "list(value)" if hasattr(kind, "__iter__") else "str(value)"
    raise TypeError(
        f"cannot send {shorten(f'{kind.__module__}.{kind.__qualname__}')}. "
        f"Convert it to a dict, list, str, number or None first, for example with {fix}"
    )


def _check_depth(path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _too_deep(path)


def _too_deep(path: str) -> TypeError:
    name = f"{path[:60]}..." if len(path) > 60 else path
    return TypeError(f"{name} is nested more than {MAX_DEPTH} deep, or contains itself: send a flat copy")


_Convert: TypeAlias = Callable[[Any, str, int], JSON]

_CONVERT: dict[type, _Convert] = {
    **dict.fromkeys(ATOMS, lambda value, _path, _depth: value),
    int: _int,
    float: _float,
    dict: _mapping,
    list: _sequence,
    tuple: _sequence,
}

# In this order, because an enum member may also be a str.
_ABSTRACT_TYPES: tuple[tuple[type, _Convert], ...] = (
    (Enum, lambda value, path, depth: _plain(value.value, path, depth + 1)),
    (str, lambda value, _path, _depth: str.__str__(value)),
    (int, _int),
    (float, _float),
    (Mapping, _mapping),
    (UserString, lambda value, _path, _depth: str(value)),
    (Sequence, _sequence),
)

# Sequences that are sent as base64.
_BYTES = (bytes, bytearray, memoryview)


def describe_types(*kinds: Any) -> None:
    """Let msgspec describe types to which values are converted, at import.

    It does so at the first use of a type, and the process crashes if two threads use it first at the same time.

    Args:
        kinds: the types.
    """
    for kind in kinds:
        msgspec.json.Decoder(kind)
