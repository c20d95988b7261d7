"""Reading answers whose entries and results lie apart."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.conversions import (
    Dropped,
    from_anthropic,
    from_bedrock,
    from_openai_chat,
    from_openai_responses,
)
from assistant_stream_ce.conversions.answers import AnswerReader
from assistant_stream_ce.conversions.history import HistoryBuilder
from assistant_stream_ce.message import AssistantMessage, TextPart


def test_the_turns_of_an_answer_are_joined() -> None:
    history = HistoryBuilder()
    reader = AnswerReader(history)
    reader.open_turn("m.0", "a")
    reader.take_call("c1", "f", {}, "m.0")
    assert reader.take_result("c1", "m.1", result=1)
    reader.open_turn("m.2").add(TextPart("done"))
    assert reader.finish() == 1
    [message], dropped = history.result()
    assert isinstance(message, AssistantMessage)
    assert (message.id, [part.type for part in message.parts], dropped) == ("a", ["tool-call", "text"], [])


def test_a_result_without_a_call_and_a_second_result_are_reported() -> None:
    history = HistoryBuilder()
    reader = AnswerReader(history)
    assert not reader.take_result("c1", "m.0", result=1)
    reader.take_call("c1", "f", {}, "m.1")
    assert reader.take_result("c1", "m.2", result=1)
    assert not reader.take_result("c1", "m.3", result=2)
    assert [one.path for one in history.dropped] == ["m.0", "m.3"]


def test_a_call_without_a_name_is_reported() -> None:
    history = HistoryBuilder()
    AnswerReader(history).take_call("c1", None, {}, "m.0")
    assert history.dropped == [Dropped("m.0", "a tool call without its id or name")]


def test_an_open_call_at_the_end_waits_for_its_result() -> None:
    history = HistoryBuilder()
    reader = AnswerReader(history)
    reader.take_call("c1", "f", {}, "m.0")
    reader.finish()
    [message], _ = history.result()
    assert isinstance(message, AssistantMessage)
    assert message.status.type == "requires-action"


TEXT = {"type": "text", "text": "21"}
URL = "https://example.org/a.png"
CALL = {"id": "k", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("read", "messages", "path"),
    [
        (
            from_openai_chat,
            [
                {"role": "assistant", "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "k", "content": [TEXT, {"type": "image_url", "image_url": URL}]},
            ],
            "messages.1.content.1",
        ),
        (
            from_openai_responses,
            [
                {"type": "function_call", "call_id": "k", "name": "f", "arguments": "{}"},
                {
                    "type": "function_call_output",
                    "call_id": "k",
                    "output": [TEXT, {"type": "input_image", "image_url": URL}],
                },
            ],
            "messages.1.output.1",
        ),
        (
            from_anthropic,
            [
                {"role": "assistant", "content": [{"type": "tool_use", "id": "k", "name": "f", "input": {}}]},
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "k", "content": [TEXT, {"type": "new"}]}],
                },
            ],
            "messages.1.content.0.content.1",
        ),
        (
            from_bedrock,
            [
                {"role": "assistant", "content": [{"toolUse": {"toolUseId": "k", "name": "f", "input": {}}}]},
                {
                    "role": "user",
                    "content": [{"toolResult": {"toolUseId": "k", "content": [{"text": "21"}, {"new": 1}]}}],
                },
            ],
            "messages.1.content.0.toolResult.content.1",
        ),
    ],
)
def test_what_is_no_text_in_a_result_is_reported(read: Any, messages: Any, path: str) -> None:
    [message], dropped = read(messages)
    assert message.parts[0].result == 21
    assert [one.path for one in dropped] == [path]


def test_each_block_of_a_result_of_bedrock_is_read() -> None:
    blocks = [{"json": {"a": 1}}, {"text": "and"}, {"json": {"b": 2}}]
    [message], dropped = from_bedrock(
        [
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "k", "name": "f", "input": {}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "k", "content": blocks}}]},
        ]
    )
    assert isinstance(message, AssistantMessage)
    assert (message.tool_calls[0].result, dropped) == ('{"a":1}and{"b":2}', [])


def test_a_part_of_an_assistant_message_has_its_path() -> None:
    _, dropped = from_openai_chat([{"role": "assistant", "content": [TEXT, {"type": "new"}]}])
    assert [one.path for one in dropped] == ["messages.0.content.1"]
