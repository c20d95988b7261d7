"""Conversion and encoding of JSON values, with the limits of what clients accept. The only importer of `msgspec.json`.

`plain` runs where a value enters the library: it copies the value into JSON's own types, or raises. `dumps` runs where
a value leaves: compact JSON that every client parses. `loads` decodes JSON of other servers.

Clients parse strictly, and some guard against prototype pollution. Therefore:

- a number that JSON or JavaScript cannot hold (NaN, Infinity, beyond 1.8e308) becomes null;
- a key `__proto__`, and a key `constructor` whose value has a key `prototype`, is dropped: clients drop such a frame,
  or the whole stream with it;
- an unpaired surrogate is written as an escape: two halves in two deltas join in the client;
- U+0085, U+2028 and U+2029 are written as escapes: Python's `splitlines` splits there.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import UserString
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from os import PathLike, fsdecode
from typing import Any, TypeAlias

import msgspec.json

from assistant_stream_ce.errors import shorten

#: Any value that JSON can hold. `Any`, because a recursive type would need casts at each use.
JSON: TypeAlias = Any

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

#: Nesting limit of values, of the state and of patched documents, also to detect cycles.
MAX_DEPTH = 200

# No list has longer indexes, and `int` rejects texts of thousands of digits.
_MAX_INDEX_DIGITS = 15

# Longer paths in error messages are cut: a key may have megabytes.
_MAX_PATH = 200

#: Types whose values need neither a check nor a copy.
ATOMS: frozenset[type] = frozenset({str, bool, type(None)})

_SUSPECT_KEYS = frozenset({"__proto__", "constructor"})

# The prototype-pollution keys, with any of their characters escaped.
_SUSPECT_TEXT = re.compile(
    b"|".join(
        b'"%b"' % b"".join(rb"(?:%c|\\u(?i:%04x))" % (letter, letter) for letter in key.encode())
        for key in _SUSPECT_KEYS
    )
)

# Line ends that JSON allows in strings, with their escapes.
_LINE_ENDS = tuple((end.encode(), rb"\u%04x" % ord(end)) for end in "\x85\u2028\u2029")

#: The largest integer that JavaScript's numbers hold exactly.
MAX_SAFE_INTEGER = 2**53 - 1

# A larger integer parses to Infinity in JavaScript.
_LARGEST = int(sys.float_info.max)


def dumps(value: JSON) -> bytes:
    """Encode a value as compact UTF-8 JSON that every client accepts.

    Raises:
        TypeError: the value contains something that JSON cannot hold.
    """
    try:
        data = _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        # A lone surrogate, a number too large, or a type that only `plain` converts. The standard encoder escapes
        # surrogates.
        return json.dumps(plain(value), separators=(",", ":")).encode()
    if b"__proto__" in data or b'"constructor"' in data:
        data = _encode(plain(value))
    return data if data.isascii() else _escape_line_ends(data)


def dumps_text(text: str) -> bytes:
    """Encode a text as a JSON string: `dumps` without the checks that only containers need.

    Raises:
        TypeError: it is not a str.
    """
    try:
        if type(text) is str:
            data = _encode(text)
            return data if text.isascii() or not _has_line_end(text) else _escape_line_ends(data)
    except UnicodeEncodeError:
        # A lone surrogate, which the standard encoder escapes.
        return json.dumps(text).encode()
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, not {type(text).__name__}")
    return dumps_text(str.__str__(text))


def dumps_texts(texts: Sequence[str], between: bytes) -> bytes:
    """Encode several texts as JSON strings, at little more than half the cost of encoding one by one.

    Args:
        texts: each of type `str`, not of a subclass.
        between: the bytes between two texts.
    """
    try:
        data = between.join(map(_encode, texts))
    except UnicodeEncodeError:
        return between.join(map(dumps_text, texts))
    return data if data.isascii() or not _has_line_end("".join(texts)) else _escape_line_ends(data)


def _has_line_end(text: str) -> bool:
    return "\u2028" in text or "\u2029" in text or "\x85" in text


def _escape_line_ends(data: bytes) -> bytes:
    for character, escape in _LINE_ENDS:
        # A search for one byte is ten times as fast as one for two or three.
        if character[0] in data and character in data:
            data = data.replace(character, escape)
    return data


def whole_text(text: str) -> str:
    """Return a text that is valid UTF-8: halves of a surrogate pair are joined, and single ones become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def weight(value: JSON) -> int:
    """Return roughly how many characters a plain value takes in a stream."""
    if type(value) is str:
        return len(value)
    if type(value) is dict or type(value) is list:
        return len(dumps(value))
    return 8


def join_surrogates(text: str) -> str:
    """Return a text in which the halves of surrogate pairs that arrived in two pieces are joined."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return text


def loads_raw(data: bytes | str) -> JSON:
    """Decode strict JSON, with the keys that `loads` drops, for code that checks them itself.

    Raises:
        RecursionError: it is nested too deep.
        ValueError: it is not strict JSON, or not UTF-8.
    """
    return _read(data)


def loads(data: bytes | str) -> JSON:
    """Decode JSON, with the keys dropped that `plain` drops.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
        ValueError: it is not strict JSON, or nested too deep.
    """
    try:
        return plain(_read(data))
    except (RecursionError, TypeError):
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None


def loads_as_client(text: str) -> JSON:
    """Decode JSON as front ends do, which reject the whole text where `loads` drops a key.

    Raises:
        ValueError: it is not strict JSON, nested too deep, or contains a prototype-pollution key.
    """
    try:
        value = _read(text)
        try:
            return copy_plain(value)
        except NotPlainError:
            _refuse_prototypes(value)
            return plain(value)
    except (RecursionError, TypeError):
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None


def _read(data: bytes | str) -> JSON:
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeEncodeError):
        # An unpaired surrogate or a number that no float holds, which the standard decoder accepts, or not JSON.
        return json.loads(data if isinstance(data, str) else data.decode(), parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> JSON:
    raise ValueError(f"{name} is not JSON")


def _refuse_prototypes(value: JSON) -> None:
    if type(value) is dict:
        if "__proto__" in value or _has_prototype(value.get("constructor")):
            raise ValueError("it contains a prototype-pollution key (`__proto__`)")
        for item in value.values():
            _refuse_prototypes(item)
    elif type(value) is list:
        for item in value:
            _refuse_prototypes(item)


def _has_prototype(value: object) -> bool:
    return isinstance(value, Mapping) and "prototype" in value


def has_refused_key(data: bytes) -> bool:
    """Return whether a JSON text has a key that `loads` drops and clients reject; False if it is not JSON."""
    if _SUSPECT_TEXT.search(data) is None:
        return False
    has_found = False

    def check(value: dict[str, JSON]) -> dict[str, JSON]:
        nonlocal has_found
        has_found |= "__proto__" in value or _has_prototype(value.get("constructor"))
        return value

    try:
        json.loads(data, object_hook=check)
    except (ValueError, RecursionError):
        return False
    return has_found


def check_text(value: object, name: str) -> str:
    """Return a str, converted to a plain one if it is of a subclass.

    Raises:
        TypeError: it is not a str. The message contains `name`.
    """
    if not isinstance(value, str):
        hint = "" if type(value).__module__ == "builtins" else f": pass str({name})"
        if value is None:
            hint = f": write `{name} or ''` where a client may give None"
        raise TypeError(f"{name} must be a str, not {type(value).__name__}{hint}")
    return str.__str__(value)


def list_index(segment: str) -> int | None:
    """Return the list index that a segment of a path denotes, or None if it is not a canonical decimal index."""
    is_index = segment.isascii() and segment.isdigit() and (segment[0] != "0" or segment == "0")
    return int(segment) if is_index and len(segment) <= _MAX_INDEX_DIGITS else None


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

    def value(self) -> JSON:
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
            if type(key) is not str or key in _SUSPECT_KEYS:
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
        if text == "__proto__" or (text == "constructor" and _has_prototype(item)):
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
        return value.value()
    if not isinstance(value, _BYTES):
        for kind, convert in _ABSTRACT_TYPES:
            if isinstance(value, kind):
                return convert(value, path, depth)
    _check_depth(path, depth)
    try:
        return _plain(msgspec.to_builtins(value, str_keys=True, enc_hook=_simplified), path, depth + 1)
    except (TypeError, NotImplementedError, RecursionError) as error:
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
        return value.value()
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
        raise TypeError(f"{path[:60]}... is nested more than {MAX_DEPTH} deep, or contains itself: send a flat copy")


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
