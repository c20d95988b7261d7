"""Results for the calls of a turn."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from assistant_stream_ce.conversions.turns import ProviderNames
from assistant_stream_ce.integrations import google, langchain, ollama
from assistant_stream_ce.integrations.openai_chat_events import ChatReader
from assistant_stream_ce.integrations.results import answered, schemas
from assistant_stream_ce.tools import Tools
from tests.integrations.feeding import feed
from tests.integrations.samples import CHAT
from tests.integrations.tools import Described


def test_values_and_failures() -> None:
    _, turn = feed(ChatReader, CHAT)
    [call] = turn.tool_calls
    assert [found[1:] for found in answered(turn, {call.id: {"a": 1}})] == [({"a": 1}, '{"a":1}', False)]
    assert [found[1:] for found in answered(turn, {call.id: ValueError("no")})] == [("no", "no", True)]


def test_a_call_without_a_result_is_named() -> None:
    _, turn = feed(ChatReader, CHAT)
    with pytest.raises(KeyError, match="weather"):
        list(answered(turn, {}))


def test_a_tool_without_parameters() -> None:
    assert list(schemas([Described("f", None)])) == [("f", "", {"type": "object", "properties": {}})]


def test_a_plain_function_is_a_tool() -> None:
    def double(number: int) -> int:
        """Double a number."""
        return number * 2

    assert list(schemas([double])) == list(schemas(Tools([double])))


@pytest.mark.parametrize("sdk", [google, ollama, langchain])
def test_a_result_has_the_name_that_the_model_was_given(sdk: Any) -> None:
    _, turn = feed(ChatReader, CHAT)
    [call] = turn.tool_calls
    own = msgspec.structs.replace(turn, tool_calls=[msgspec.structs.replace(call, name="get weather!")])
    answer = str(sdk.tool_results(own, {call.id: 1}))
    assert ProviderNames().name("get weather!") in answer
    assert "get weather!" not in answer
