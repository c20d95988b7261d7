"""Requests of OpenAI clients."""

from __future__ import annotations

from assistant_stream_ce.chat_requests import (
    ChatRequest,
    parse_openai_chat,
)
from assistant_stream_ce.message import AssistantMessage, UserMessage
from tests.chat_requests.captured import body


def roles(request: ChatRequest) -> str:
    return "".join(type(message).__name__[0] for message in request.messages)


def test_openai_chat() -> None:
    request = parse_openai_chat(body("openai-chat-request"))
    assert roles(request) == "UAU"
    first = request.messages[0]
    assert isinstance(first, UserMessage)
    assert [part.mime_type for part in first.files] == ["image/png", "application/pdf", "audio/wav"]
    answer = request.messages[1]
    assert isinstance(answer, AssistantMessage)
    assert (answer.tool_calls[0].args, answer.tool_calls[0].result) == ({"a": 1}, "r")
    assert [one.reason for one in request.dropped] == ["a system message of the client"] * 2
    assert request.settings["max_completion_tokens"] == 9
    assert request.extra == {"model": "m", "stream": True, "stream_options": {"include_usage": True}}
    assert [tool.name for tool in request.tools] == ["f"]
    trusted = parse_openai_chat(body("openai-chat-request"), trust_system=True)
    assert roles(trusted) == "SSUAU"
