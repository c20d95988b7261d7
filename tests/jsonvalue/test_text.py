"""JSON texts: what is written is strict JSON that every client parses, and what is read is checked."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant_stream_ce.jsonvalue import (
    dumps,
    dumps_text,
    dumps_texts,
    has_refused_key,
    json_size,
    loads,
    loads_or_text,
    plain,
    whole_text,
)
from tests.jsonvalue.samples import Text, json_values
from tests.support import django_settings  # noqa: F401 - configures Django


@given(json_values)
def test_dumps_is_strict_json_of_the_plain_value(value: Any) -> None:
    data = dumps(value)
    data.decode()  # valid UTF-8, lone surrogates included
    assert b"\n" not in data

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert json.loads(data, parse_constant=refuse) == plain(value)


@given(st.text(st.characters(exclude_categories=())))
def test_dumps_text(text: str) -> None:
    # Valid UTF-8, lone surrogates included.
    assert json.loads(dumps_text(text).decode()) == text


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\r", "\n"])
def test_no_character_in_json_splits_a_line(character: str) -> None:
    text = f"é{character}b"
    for data in (
        dumps_text(text),
        dumps(text),
        dumps({text: text}),
        dumps_texts([text, "a", text], b","),
        dumps(f"{text}\ud83d"),
        dumps_text(Text(text)),
    ):
        assert len(data.decode().splitlines()) == 1
    assert json.loads(dumps_text(text)) == text
    assert json.loads(dumps({text: [text]})) == {text: [text]}
    assert json.loads(b"[%b]" % dumps_texts([text, text], b",")) == [text, text]


def test_two_halves_of_a_surrogate_pair_are_escapes_that_join() -> None:
    high, low = "\ud83d", "\ude00"
    assert dumps_text(high) == rb'"\ud83d"'
    assert json.loads(dumps_text(high)[:-1] + dumps_text(low)[1:]) == "😀"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("", ""), ("a\U0001f600", "a\U0001f600"), ("\ud83d\ude00", "\U0001f600"), ("a\ud83db", "a\ufffdb")],
)
def test_whole_text(text: str, wanted: str) -> None:
    assert whole_text(text) == wanted


def test_dumps_drops_keys_that_clients_reject() -> None:
    assert dumps({"__proto__": 1, "text": "__proto__"}) == b'{"text":"__proto__"}'


@pytest.mark.parametrize("value", ["x" * 5000, {"a": "x" * 5000}, ["x" * 5000]])
def test_the_size_is_about_the_encoded_size(value: object) -> None:
    assert 5000 <= json_size(value) <= 5100


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b' {"a": [1, 2.5, true, null, "\\u00e9"]} ', {"a": [1, 2.5, True, None, "é"]}),
        (b'"\\ud83d"', "\ud83d"),
        (b'["\\ud83d\\ude00", "\\ude00"]', ["\U0001f600", "\ude00"]),
        (b"[1e400, -1e400]", [None, None]),
        (str(10**300).encode(), 10**300),
        (str(10**400).encode(), None),
        (b'{"__proto__": 1, "constructor": {"prototype": 1}, "a": {"constructor": 1}}', {"a": {"constructor": 1}}),
        (b"[" * 200 + b"]" * 200, functools.reduce(lambda value, _: [value], range(199), [])),
    ],
)
def test_loads(data: bytes, wanted: object) -> None:
    assert loads(data) == wanted


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"1 2",
        b"NaN",
        b"[Infinity]",
        b"'a'",
        b'"\x01"',
        b'"\xff"',
        b"\xff",
        b"9" * 5000,
        b"[" * 250 + b"]" * 250,
    ]
    + [opening * 100_000 for opening in (b"[", b'{"a":', b'["\\ud83d",')],
)
def test_loads_refuses(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        loads(data)


@pytest.mark.parametrize(
    ("data", "is_refused"),
    [
        (b'[{"__proto__" :1}]', True),
        (b'{"\\u005f_pro\\u0074o_\\u005F":1}', True),
        (b'{"a":{"constructor":{"prototype":null}}}', True),
        (b'{"constructor":{"a":1}}', False),
        (b'{"constructor":["prototype"]}', False),
        (b'{"a":"\\"__proto__\\":"}', False),
        (b'{"__proto":1,"prototype":1}', False),
        (b'{"__proto__":', False),
        (b'{"__proto__":"\xff"}', False),
        (b'{"__proto__":' + b"[" * 100_000, False),
    ],
)
def test_refused_keys_are_found_in_a_text(data: bytes, is_refused: bool) -> None:
    assert has_refused_key(data) is is_refused


def test_a_text_that_is_not_json_is_itself() -> None:
    assert loads_or_text('{"a":1}') == {"a": 1}
    assert loads_or_text("21 degrees") == "21 degrees"
