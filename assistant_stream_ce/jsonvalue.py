"""The JSON boundary: what may be sent, and how it is made safe. The only importer of `msgspec.json`.

`plain` runs where a value enters the library: it copies the value into plain
`dict`, `list`, `str`, `int`, `float`, `bool` and `None`, or raises. `dumps` runs where a value
leaves: it writes compact JSON that every front end parses. `loads` reads what came from another server.

The front ends parse strictly, and some guard against prototype pollution, so both agree on:

- a number that JSON or JavaScript cannot hold (NaN, Infinity, beyond 1.8e308) becomes null;
- a key `__proto__`, and a key `constructor` whose value has a key `prototype`, is left out: the
  clients drop such a frame, or the whole stream with it;
- an unpaired surrogate is written as an escape: two halves sent in two deltas join in the client.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias

import msgspec.json

__all__ = (
    "ATOMS",
    "JSON",
    "MAX_DEPTH",
    "NotPlainError",
    "clone",
    "copy_plain",
    "dumps",
    "dumps_text",
    "dumps_texts",
    "has_refused_key",
    "key_text",
    "list_index",
    "loads",
    "loads_as_client",
    "plain",
    "weight",
    "whole_text",
)

#: Any value that JSON can hold. Spelled as `Any` because Python cannot say it without casts at each use.
JSON: TypeAlias = Any

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

#: Nesting limit of values, of the state and of patched documents. Deeper values are cycles, or no front end shows them.
MAX_DEPTH = 200
_TOO_DEEP = f"nested more than {MAX_DEPTH} deep"

# No list is longer, and `int` refuses texts of thousands of digits.
_MAX_INDEX_DIGITS = 15

#: Types whose values need neither a check nor a copy.
ATOMS = frozenset({str, bool, type(None)})

_SUSPECT_KEYS = frozenset({"__proto__", "constructor"})

# The same as JSON text may spell them.
_SUSPECT_TEXT = re.compile(
    b"|".join(
        b'"%b"' % b"".join(rb"(?:%c|\\u(?i:%04x))" % (letter, letter) for letter in key.encode())
        for key in sorted(_SUSPECT_KEYS)
    )
)

_LINE_ENDS = tuple((end.encode(), rb"\u%04x" % ord(end)) for end in "\x85\u2028\u2029")

# A larger integer parses to Infinity in JavaScript.
_LARGEST = int(sys.float_info.max)


def dumps(value: JSON) -> bytes:
    """Write a value as compact UTF-8 JSON that every client accepts.

    Raises:
        TypeError: the value holds something that JSON cannot say.
    """
    try:
        data = _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        # A lone surrogate, a number too large, or a type that only `plain` knows. The standard encoder
        # escapes surrogates.
        return json.dumps(plain(value), separators=(",", ":")).encode()
    if b"__proto__" in data or b'"constructor"' in data:
        data = _encode(plain(value))
    return data if data.isascii() else _escape_line_ends(data)


def dumps_text(text: str) -> bytes:
    """Write a text as a JSON string: `dumps` without the checks that only containers need.

    Raises:
        TypeError: it is no text.
    """
    try:
        if type(text) is str:
            data = _encode(text)
            return data if data.isascii() else _escape_line_ends(data)
    except UnicodeEncodeError:
        # A lone surrogate, which the standard encoder escapes.
        return json.dumps(text).encode()
    if not isinstance(text, str):
        raise TypeError(f"a str is wanted, not {type(text).__name__}")
    return dumps_text(str.__str__(text))


def dumps_texts(texts: Sequence[str], between: bytes) -> bytes:
    """Write several texts as JSON strings, with bytes between them: for little more than half of what one by one costs.

    Args:
        texts: each exactly a `str`.
        between: what stands between them.
    """
    try:
        data = between.join(map(_encode, texts))
        return data if data.isascii() else _escape_line_ends(data)
    except UnicodeEncodeError:
        return between.join(map(dumps_text, texts))


def _escape_line_ends(data: bytes) -> bytes:
    """Escape U+0085, U+2028 and U+2029: JSON allows them, but Python clients that split lines cut there."""
    # A replacement that finds nothing costs a quarter of what `in` does.
    for raw, escaped in _LINE_ENDS:
        data = data.replace(raw, escaped)
    return data


def whole_text(text: str) -> str:
    """Return a text that is valid UTF-8: halves of a surrogate pair are joined, and single ones become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def loads(data: bytes | str) -> JSON:
    """Read JSON, made safe as `plain` does it.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
        ValueError: it is not strict JSON, or nested too deep.
    """
    try:
        return plain(_read(data))
    except (RecursionError, TypeError):
        raise ValueError(_TOO_DEEP) from None


def loads_as_client(text: str) -> JSON:
    """Read JSON as the front ends do, which refuse the whole where `loads` leaves out a key.

    Raises:
        ValueError: it is not strict JSON, nested too deep, or has a key that reaches for a prototype.
    """
    try:
        value = _read(text)
        try:
            return copy_plain(value)
        except NotPlainError:
            _refuse_prototypes(value)
            return plain(value)
    except (RecursionError, TypeError):
        raise ValueError(_TOO_DEEP) from None


def _read(data: bytes | str) -> JSON:
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeEncodeError):
        # An unpaired surrogate or a number that no float holds, which the standard decoder takes, or no JSON.
        return json.loads(data if isinstance(data, str) else data.decode(), parse_constant=_refuse_constant)


def _refuse_prototypes(value: JSON) -> None:
    if type(value) is dict:
        if "__proto__" in value or _has_prototype(value.get("constructor")):
            raise ValueError("it has a key that reaches for a prototype")
        for item in value.values():
            _refuse_prototypes(item)
    elif type(value) is list:
        for item in value:
            _refuse_prototypes(item)


def has_refused_key(data: bytes) -> bool:
    """Return whether a JSON text has a key that guarding clients refuse and `loads` leaves out; False for no JSON."""
    if _SUSPECT_TEXT.search(data) is None:
        return False
    has_found = False

    def note(value: dict[str, JSON]) -> dict[str, JSON]:
        nonlocal has_found
        has_found |= "__proto__" in value or _has_prototype(value.get("constructor"))
        return value

    try:
        json.loads(data, object_hook=note)
    except (ValueError, RecursionError):
        return False
    return has_found


def plain(value: object, name: str = "value") -> JSON:
    """Copy a value into plain JSON types.

    Takes mappings, sequences, sets, dataclasses, `datetime`, `UUID`, `Decimal`, enums, bytes
    (as base64), msgspec structs and pydantic models.

    Args:
        value: what to copy; it is never changed and never kept.
        name: how the error message calls it; a path is added (`result.items[2]`).

    Raises:
        TypeError: the value, or something inside it, is not JSON, refers to itself, or has two keys
            that become the same text. The message gives the path.
    """
    try:
        return copy_plain(value)
    except NotPlainError:
        return _plain(value, name, 0)


class NotPlainError(Exception):
    """A value is not made of exactly the types of JSON, or holds what must be left out: `plain` knows what to do."""


class Copyable:
    """What stands for a plain value, and copies it in one step, whatever other threads do to it."""

    __slots__ = ()

    def value(self) -> JSON:
        """Return the plain value."""
        raise NotImplementedError


def copy_plain(value: Any, depth: int = 0) -> JSON:
    """Copy a value that is JSON already, as most are; the fast half of `plain`.

    Raises:
        NotPlainError: it is not.
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
    """Copy a value that is plain JSON already, faster than `plain`."""
    if type(value) is dict:
        return {key: clone(item) for key, item in value.items()}
    if type(value) is list:
        return [clone(item) for item in value]
    return value


def key_text(key: object, path: str) -> str:
    """Return the text of a mapping's key, as `json.dumps` would write it.

    Raises:
        TypeError: it is no text, number, boolean or None, nor anything that becomes one.
    """
    if isinstance(key, Copyable):
        raise TypeError(f"{path} has a key that is a dict or list: keys must be text")
    if isinstance(key, str):
        return str(_plain(key, path, 0))
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    key_as_json = _plain(key, f"a key of {path}", 0)
    if isinstance(key_as_json, (str, int, float)):
        return str(key_as_json)
    raise TypeError(f"{path} has a key of type {type(key).__qualname__}: keys must be text")


def list_index(segment: str) -> int | None:
    """Return the list index that a segment of a path denotes, or None if it is not a canonical decimal index."""
    is_index = segment.isascii() and segment.isdigit() and (segment[0] != "0" or segment == "0")
    return int(segment) if is_index and len(segment) <= _MAX_INDEX_DIGITS else None


def weight(value: JSON) -> int:
    """Return about how many characters a plain value takes on the wire."""
    if type(value) is str:
        return len(value)
    if type(value) is dict or type(value) is list:
        return len(dumps(value))
    return 8


def _plain(value: object, path: str, depth: int) -> JSON:
    convert = _CONVERT.get(type(value), _other)
    return convert(value, path, depth)


def _same(value: object, _path: str, _depth: int) -> JSON:
    return value


def _float(value: float, _path: str, _depth: int) -> JSON:
    return value if math.isfinite(value) else None


def _int(value: int, _path: str, _depth: int) -> JSON:
    return value if -_LARGEST <= value <= _LARGEST else None


def _mapping(value: Mapping[Any, object], path: str, depth: int) -> JSON:
    _check_depth(path, depth)
    copy: dict[str, JSON] = {}
    for key, item in value.items():
        text = key if type(key) is str else key_text(key, path)
        if text == "__proto__" or (text == "constructor" and _has_prototype(item)):
            continue
        if text in copy:
            raise TypeError(f"{path} has two keys that both become {text!r} in JSON: give them different names")
        copy[text] = _plain(item, f"{path}.{text}", depth + 1)
    return copy


def _sequence(value: Sequence[object], path: str, depth: int) -> JSON:
    _check_depth(path, depth)
    return [_plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]


def _other(value: object, path: str, depth: int) -> JSON:
    """Convert what is not exactly a JSON type: subclasses, look-alikes, and what msgspec or pydantic knows."""
    if isinstance(value, Copyable):
        return value.value()
    if not isinstance(value, _BYTES):
        for kind, convert in _LOOK_ALIKES:
            if isinstance(value, kind):
                return convert(value, path, depth)
    _check_depth(path, depth)
    try:
        return _plain(msgspec.to_builtins(value, str_keys=True, enc_hook=_hook), path, depth + 1)
    except (TypeError, NotImplementedError, RecursionError) as error:
        raise TypeError(
            f"{path} is not JSON: cannot send {type(value).__module__}.{type(value).__qualname__} ({error}). "
            "Convert it to a dict, list, str, number or None first"
        ) from error


def _refuse_constant(name: str) -> JSON:
    raise ValueError(f"{name} is not JSON")


def _hook(value: object) -> object:
    """Give msgspec something it can convert in place of a value that it does not know."""
    if isinstance(value, (str, int, float, Mapping)):
        return _other(value, "value", 0)
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    raise TypeError(f"unknown type {type(value).__qualname__}")


def _has_prototype(value: object) -> bool:
    return isinstance(value, Mapping) and "prototype" in value


def _enum(value: Enum, path: str, depth: int) -> JSON:
    return _plain(value.value, path, depth + 1)


def _str_subclass(value: str, _path: str, _depth: int) -> JSON:
    return str.__str__(value)


def _int_subclass(value: int, path: str, depth: int) -> JSON:
    return _int(int(value), path, depth)


def _float_subclass(value: float, path: str, depth: int) -> JSON:
    return _float(float(value), path, depth)


def _check_depth(path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TypeError(f"{path[:60]}... is nested more than {MAX_DEPTH} deep, or contains itself: send a flat copy")


_Convert: TypeAlias = Callable[[Any, str, int], JSON]

_CONVERT: dict[type, _Convert] = {
    str: _same,
    bool: _same,
    type(None): _same,
    int: _int,
    float: _float,
    dict: _mapping,
    list: _sequence,
    tuple: _sequence,
}

# In this order: an enum member may be a str as well, and bytes are a Sequence but travel as base64.
_LOOK_ALIKES: tuple[tuple[type, _Convert], ...] = (
    (Enum, _enum),
    (str, _str_subclass),
    (int, _int_subclass),
    (float, _float_subclass),
    (Mapping, _mapping),
    (Sequence, _sequence),
)

_BYTES = (bytes, bytearray, memoryview)
