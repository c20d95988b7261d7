"""Histories of OpenAI's responses."""

from __future__ import annotations

from assistant_stream_ce.conversions import from_openai_responses, to_openai_responses
from tests.conversions.histories import HISTORIES


def test_a_conversation_with_a_tool() -> None:
    items = to_openai_responses(HISTORIES["a tool"])
    assert [item.get("type", item.get("role")) for item in items] == [
        "user",
        "assistant",
        "function_call",
        "function_call_output",
        "assistant",
        "user",
    ]


def test_encrypted_reasoning_survives() -> None:
    items = [
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "a"}], "encrypted_content": "e"},
        {"role": "assistant", "content": "b"},
    ]
    messages, dropped = from_openai_responses(items)
    assert (to_openai_responses(messages), dropped) == (items, [])


def test_a_custom_tool_is_read() -> None:
    items = [
        {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "SELECT 1"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "1"},
    ]
    [message], dropped = from_openai_responses(items)
    assert (message.tool_calls[0].args, message.tool_calls[0].result, dropped) == ({"input": "SELECT 1"}, 1, [])
