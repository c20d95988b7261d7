"""Histories of Anthropic."""

from __future__ import annotations

from assistant_stream_ce.conversions import from_anthropic, to_anthropic
from tests.conversions.histories import HISTORIES


def test_a_conversation_with_a_tool() -> None:
    system, messages = to_anthropic(HISTORIES["a tool"], system="Be brief.")
    assert system == "Be brief."
    assert [message["role"] for message in messages] == ["user", "assistant", "user", "assistant", "user"]
    assert messages[2]["content"] == [{"type": "tool_result", "tool_use_id": "c1", "content": "21"}]


def test_a_prefill_has_no_white_space_at_its_end() -> None:
    _, messages = to_anthropic(HISTORIES["ends with the assistant"])
    assert messages[-1]["content"] == [{"type": "text", "text": "Prefill"}]


def test_tools_of_the_provider_are_read_with_their_results() -> None:
    content = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": "https://e"}]},
    ]
    [message], dropped = from_anthropic([{"role": "assistant", "content": content}])
    [call] = message.tool_calls
    assert (call.provider_executed, call.result, dropped) == (True, [{"url": "https://e"}], [])
