"""Building a history from untrusted messages."""

from __future__ import annotations

import pytest

from assistant_stream_ce.conversions.history import call_part, system_text


@pytest.mark.parametrize(
    ("arguments", "text", "args"),
    [
        ('{"a":1}', '{"a":1}', {"a": 1}),
        ('{"a', '{"a', {}),
        ({"a": 1}, '{"a":1}', {"a": 1}),
        (None, "{}", {}),
        ("", "{}", {}),
    ],
)
def test_arguments_of_a_call(arguments: object, text: str, args: object) -> None:
    call = call_part("c", "f", arguments)
    assert (call.args_text, call.args) == (text, args)


def test_instructions_as_a_text_and_as_blocks() -> None:
    assert system_text("Be kind.") == system_text([{"type": "text", "text": "Be kind."}]) == "Be kind."
    assert system_text(None) == ""
