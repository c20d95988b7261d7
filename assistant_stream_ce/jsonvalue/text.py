"""Encode and decode JSON texts, within the limits of what clients accept. The only importer of `msgspec.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import msgspec.json

from assistant_stream_ce.jsonvalue.values import (
    JSON,
    MAX_DEPTH,
    SUSPECT_KEYS,
    NotPlainError,
    copy_plain,
    has_prototype,
    plain,
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

# The prototype-pollution keys, with any of their characters escaped.
_SUSPECT_TEXT = re.compile(
    b"|".join(
        b'"%b"' % b"".join(rb"(?:%c|\\u(?i:%04x))" % (letter, letter) for letter in key.encode())
        for key in SUSPECT_KEYS
    )
)

# Line ends that JSON allows in strings, with their escapes.
_LINE_ENDS = tuple((end.encode(), rb"\u%04x" % ord(end)) for end in "\x85\u2028\u2029")


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


def json_size(value: JSON) -> int:
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
        if "__proto__" in value or has_prototype(value.get("constructor")):
            raise ValueError("it contains a prototype-pollution key (`__proto__`)")
        for item in value.values():
            _refuse_prototypes(item)
    elif type(value) is list:
        for item in value:
            _refuse_prototypes(item)


def has_refused_key(data: bytes) -> bool:
    """Return whether a JSON text has a key that `loads` drops and clients reject; False if it is not JSON."""
    if _SUSPECT_TEXT.search(data) is None:
        return False
    has_found = False

    def check(value: dict[str, JSON]) -> dict[str, JSON]:
        nonlocal has_found
        has_found |= "__proto__" in value or has_prototype(value.get("constructor"))
        return value

    try:
        json.loads(data, object_hook=check)
    except (ValueError, RecursionError):
        return False
    return has_found


def loads_or_text(text: str) -> JSON:
    """Return the value of a JSON text, or any other text unchanged."""
    try:
        return loads(text)
    except ValueError:
        return text
