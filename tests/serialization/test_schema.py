"""Types of the fields of frames, as clients check them."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.serialization.framing import FrameError
from assistant_stream_ce.serialization.schema import INTEGER, NATURAL, convert, object_type, validate_value

CALL: Any = object_type({"tool_call_id": str, "index": NATURAL}, title=str)


@pytest.mark.parametrize(
    "value",
    [
        {"toolCallId": "c", "index": 0},
        {"toolCallId": "c", "index": 1.0, "title": "t"},
        {"toolCallId": "\ud83d", "index": 0, "\ud83d": None, "more": [None]},
    ],
)
def test_valid_values_pass(value: Any) -> None:
    validate_value(value, CALL)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"index": 0}, "toolCallId"),
        ({"toolCallId": 5, "index": 0}, r"\$\.toolCallId"),
        ({"toolCallId": "c", "index": -1}, r"\$\.index"),
        ({"toolCallId": "c", "index": 0.5}, r"\$\.index"),
        ({"toolCallId": "c", "index": 0, "title": None}, r"\$\.title"),
        ({"toolCallId": 5, "index": 0, "\ud83d": 1}, r"\$\.toolCallId"),
        ([], "object"),
        (None, "object"),
    ],
)
def test_invalid_values_are_reported(value: Any, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        validate_value(value, CALL)


@pytest.mark.parametrize("value", [2**53 - 1, -(2**53) + 1, 0, 3.0])
def test_integers_are_those_of_javascript(value: float) -> None:
    validate_value(value, INTEGER)


@pytest.mark.parametrize("value", [2**53, 0.5, "1", True, None])
def test_other_values_are_no_integers(value: Any) -> None:
    with pytest.raises(FrameError):
        validate_value(value, INTEGER)


def test_a_tag_tells_types_apart() -> None:
    one: Any = object_type({"a": str}, tag=("type", "one"))
    two: Any = object_type({"b": str}, tag=("type", "two"))
    validate_value({"type": "two", "b": "x"}, one | two)
    with pytest.raises(FrameError):
        validate_value({"type": "two", "a": "x"}, one | two)


def test_a_value_becomes_an_instance() -> None:
    made = convert({"toolCallId": "c", "index": 1, "\ud83d": 0}, CALL)
    assert (made.tool_call_id, made.index) == ("c", 1)
    with pytest.raises(FrameError):
        convert({"toolCallId": "c"}, CALL)
