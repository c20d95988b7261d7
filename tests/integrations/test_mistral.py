"""The streams of mistral are chat completion chunks."""

from __future__ import annotations

from typing import Any

from assistant_stream_ce import create_run
from assistant_stream_ce.integrations import mistral
from tests.integrations.samples import CHAT
from tests.integrations.tools import WEATHER


def test_a_stream_is_forwarded() -> None:
    turns: list[Any] = []
    list(create_run(lambda controller: turns.append(mistral.forward(controller, iter(CHAT)))))
    [turn] = turns
    assert turn.text == "Let me look."
    [call] = turn.tool_calls
    assert mistral.tool_results(turn, {call.id: 21}) == [{"role": "tool", "tool_call_id": "c1", "content": "21"}]


def test_a_tool_is_described() -> None:
    assert mistral.tool_schemas([WEATHER])[0]["function"]["name"] == "weather"
