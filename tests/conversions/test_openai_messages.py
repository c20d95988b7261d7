"""OpenAI messages: what is sent to a model, and what is read back."""

from __future__ import annotations

import time
from typing import Any

import pytest

from assistant_stream_ce import AssistantMessage
from assistant_stream_ce.conversions import from_openai_messages, to_openai_messages, to_ui_message
from assistant_stream_ce.message import ReasoningPart, RefusalPart, Step, TextPart, ToolCallPart

ANSWERED = ToolCallPart("c1", "look", "{}", {}, "answered", {"n": 1})


@pytest.mark.parametrize(
    "messages",
    [
        {"role": "assistant"},
        ["a"],
        [{"role": "user", "content": "a"}],
        [{"role": "assistant", "content": 5}],
        [{"role": "assistant", "tool_calls": [{"id": "c"}]}],
        [{"role": "assistant", "tool_calls": [{"function": {"name": "t", "arguments": "{}"}}]}],
        [{"role": "tool", "tool_call_id": "c", "content": "a"}],
    ],
)
def test_invalid_messages_are_a_value_error(messages: Any) -> None:
    with pytest.raises(ValueError, match=r"must be a|must have the role|not a message|no message before it"):
        from_openai_messages(messages)


def test_turns_for_the_next_request() -> None:
    message = AssistantMessage(
        [
            ReasoningPart("not sent"),
            TextPart("Let me "),
            TextPart("look.", "p"),
            ANSWERED,
            ToolCallPart("c2", "look", "{}", {}, "answered", "text", model_content=[{"type": "text", "text": "short"}]),
            TextPart("One more."),
            ToolCallPart("c3", "look", '{"q', {}, "partial"),
            ToolCallPart("c4", "look"),
        ]
    )
    function = {"name": "look", "arguments": "{}"}
    calls = [{"id": number, "type": "function", "function": function} for number in ("c1", "c2", "c4")]
    assert to_openai_messages(message) == [
        {"role": "assistant", "content": "Let me look.", "tool_calls": calls[:2]},
        {"role": "tool", "tool_call_id": "c1", "content": '{"n":1}'},
        {"role": "tool", "tool_call_id": "c2", "content": "short"},
        {"role": "assistant", "content": "One more.", "tool_calls": calls[2:]},
    ]


def test_content_parts_and_reasoning_are_read() -> None:
    content = [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}, {"type": "audio"}]
    message = from_openai_messages([{"role": "assistant", "content": content, "reasoning_content": "r"}])
    assert message.parts == [ReasoningPart("r"), TextPart("a"), RefusalPart("b")]


@pytest.mark.parametrize(
    ("content", "result"),
    [
        ([{"type": "text", "text": "2"}, {"type": "text", "text": "1"}], "21"),
        ([{"type": "image_url"}], [{"type": "image_url"}]),
        (None, None),
    ],
)
def test_text_parts_of_a_result_are_joined(content: Any, result: Any) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    sent = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": content}]
    assert from_openai_messages(sent).parts == [ToolCallPart("c1", "look", state="answered", result=result)]


def test_time_is_linear_in_steps_and_results() -> None:
    count = 20_000
    steps = [Step("", number) for number in range(count)]
    message = AssistantMessage([ToolCallPart(f"c{number}", "look", state="answered") for number in range(count)])
    start = time.process_time()
    sent = to_openai_messages(message)
    # A search for each among all takes 20 s for the answers, and 3 s for the steps.
    assert len(from_openai_messages(sent).parts) == count
    assert len(to_ui_message(AssistantMessage(message.parts, steps=steps))["parts"]) == 2 * count
    assert time.process_time() - start < 2
