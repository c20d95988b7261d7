"""Incomplete argument text; tests/conformance compares the values with those of the front end."""

from __future__ import annotations

import time
from typing import Any

import pytest

from assistant_stream_ce.message.partial_json import parse_partial


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("{", {}),
        ('{"cit', {}),
        ('{"city"', {}),
        ('{"city": ', {}),
        ('{"city": "Par', {"city": "Par"}),
        ('{"city": "Par\\', {"city": "Par"}),
        ('{"city": "Par\\u00e', {"city": "Par"}),
        ('{"city": "Paris", "n', {"city": "Paris"}),
        ('{"n": -', {}),
        ('{"n": -1.', {"n": -1}),
        ('{"n": 1e+', {"n": 1}),
        ('{"n": tr', {"n": True}),
        ('{"n": nul', {"n": None}),
        ('{"n": [1, {"a": fal', {"n": [1, {"a": False}]}),
        ('{"n": [1, ', {"n": [1]}),
        ('[1, "a', [1, "a"]),
        ('{"a": "\\ud83d', {"a": "\ud83d"}),
        # What is none, or none yet.
        (" ", None),
        ("12", None),
        ('"text', None),
        ('{"a": 1} and more', {"a": 1}),
        ('{"a" "b": 1', None),
        ('{"a": "\\x', None),
        ('{"a": NaN}', {}),
        # A front end refuses these whole.
        ('{"__proto__": 1}', None),
        ('{"constructor": {"prototype": 1', None),
        ('{"__proto__', {}),
    ],
)
def test_open_containers_and_strings_are_closed(text: str, value: Any) -> None:
    assert parse_partial(text) == value


@pytest.mark.parametrize(
    "text", ['{"a":"' + "x" * 1_000_000, '{"a":[' + "1," * 300_000, '{"a":"' + "\\n" * 500_000, "[" * 300_000]
)
def test_a_long_text_takes_time_in_proportion(text: str) -> None:
    start = time.process_time()
    parse_partial(text)
    assert time.process_time() - start < 5


def test_what_is_nested_too_deep_is_not_scanned_to_its_end() -> None:
    started = time.process_time()
    assert parse_partial("[" * 20_000_000) is None
    assert time.process_time() - started < 3
