"""Validation of messages that clients sent."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.conversions import (
    from_assistant_ui,
    from_ui_message,
    to_ag_ui_messages,
    to_anthropic,
    to_assistant_ui,
    to_assistant_ui_messages,
    to_bedrock,
    to_google,
    to_openai_chat,
    to_openai_messages,
    to_openai_responses,
    to_ui_message,
    to_ui_messages,
)
from assistant_stream_ce.message import TextPart, UserMessage

TO_PROVIDERS = [to_openai_chat, to_openai_responses, to_anthropic, to_google, to_bedrock]
TO_HISTORIES = [*TO_PROVIDERS, to_ui_messages, to_assistant_ui_messages, to_ag_ui_messages]
QUESTION = UserMessage([TextPart("hi")])


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


@pytest.mark.parametrize("convert", TO_HISTORIES)
@pytest.mark.parametrize(
    ("messages", "what"),
    [
        (None, "a list of messages, not NoneType"),
        ("hi", "a list of messages, not str"),
        ({"messages": []}, "a list of messages, not dict"),
        (QUESTION, "a list of messages, not UserMessage"),
        ([{"role": "user", "content": "hi"}], r"not dict: use a parser or a `from_` function"),
        ([None], "not NoneType"),
        ([UserMessage("hi")], r"not str: write UserMessage\(\[TextPart"),  # type: ignore[arg-type]
        ([UserMessage([{"type": "text"}])], r"not dict: write UserMessage"),  # type: ignore[list-item]
    ],
)
def test_a_history_of_something_else_is_a_type_error(convert: Any, messages: Any, what: str) -> None:
    with pytest.raises(TypeError, match=what):
        convert(messages)


@pytest.mark.parametrize("convert", TO_PROVIDERS)
def test_instructions_are_a_text(convert: Any) -> None:
    with pytest.raises(TypeError, match="system must be a str or None, not list"):
        convert([QUESTION], system=["Be kind."])


@pytest.mark.parametrize("convert", TO_HISTORIES)
def test_a_history_is_any_iterable(convert: Any) -> None:
    assert convert(iter([QUESTION])) == convert((QUESTION,)) == convert([QUESTION])


@pytest.mark.parametrize("convert", [to_ui_message, to_assistant_ui, to_openai_messages])
@pytest.mark.parametrize("message", [None, {}, QUESTION, "hi"])
def test_a_message_of_something_else_is_a_type_error(convert: Any, message: Any) -> None:
    with pytest.raises(TypeError, match=f"message must be an AssistantMessage, not {type(message).__name__}"):
        convert(message)
