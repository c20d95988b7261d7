"""Histories of OpenAI's chat completions."""

from __future__ import annotations

from assistant_stream_ce.conversions import from_openai_chat, to_openai_chat
from tests.conversions.histories import HISTORIES


def test_a_conversation_with_a_tool() -> None:
    assert to_openai_chat(HISTORIES["a tool"], system="Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "21"},
        {"role": "assistant", "content": "21 degrees."},
        {"role": "user", "content": "Thanks"},
    ]


def test_files() -> None:
    [user] = to_openai_chat(HISTORIES["files"])
    assert [part["type"] for part in user["content"]] == [
        "text",
        "image_url",
        "image_url",
        "file",
        "text",
        "text",
        "input_audio",
        "text",
    ]


def test_reasoning_goes_back_only_between_tool_calls() -> None:
    [_, said, *_] = to_openai_chat(HISTORIES["reasoning of every provider"])
    assert said["reasoning_content"] == "unsigned"
    later = [*HISTORIES["reasoning of every provider"], *HISTORIES["one question"]]
    assert "reasoning_content" not in str(to_openai_chat(later))


def test_the_legacy_function_call_is_read() -> None:
    native = [
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "done"},
    ]
    [message], dropped = from_openai_chat(native)
    assert (message.tool_calls[0].result, dropped) == ("done", [])
