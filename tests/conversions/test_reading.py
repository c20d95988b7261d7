"""Validation of messages that clients sent."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.conversions import from_assistant_ui, from_ui_message


@pytest.mark.parametrize("convert", [from_assistant_ui, from_ui_message])
@pytest.mark.parametrize(
    "message",
    [
        5,
        [],
        {},
        {"role": "user", "content": [], "parts": []},
        {"role": "assistant", "content": 5, "parts": 5},
        {"role": "assistant", "content": ["a"], "parts": ["a"]},
        {"role": "assistant", "content": [{"type": "text"}], "parts": [{"type": "text", "text": 5}]},
        {"role": "assistant", "content": [], "parts": [], "metadata": "a"},
        {"role": "assistant", "content": [], "parts": [], "id": 5},
    ],
)
def test_an_invalid_message_is_a_value_error(convert: Any, message: Any) -> None:
    with pytest.raises(ValueError, match=r"must be a|must have the role|not a message"):
        convert(message)
