"""Tools in the format of openai."""

from __future__ import annotations

import pytest

from assistant_stream_ce.integrations import openai
from tests.integrations.feeding import feed
from tests.integrations.samples import CHAT, RESPONSES
from tests.integrations.tools import WEATHER


def test_a_tool_is_described() -> None:
    described = str(openai.tool_schemas([WEATHER]))
    for text in ("weather", "The weather of a city.", "city"):
        assert text in described


def test_no_tools() -> None:
    assert openai.tool_schemas([]) == []


def test_the_two_forms_of_a_tool() -> None:
    [chat] = openai.tool_schemas([WEATHER])
    [response] = openai.tool_schemas([WEATHER], api="responses")
    assert chat["function"]["name"] == response["name"] == "weather"
    assert response["type"] == "function"
    with pytest.raises(ValueError, match='"chat" or "responses"'):
        openai.tool_schemas([WEATHER], api="completions")  # type: ignore[arg-type]


def test_the_kind_of_stream_is_seen_in_its_first_event() -> None:
    assert feed(openai.OpenAIReader, CHAT)[1].text == feed(openai.OpenAIReader, RESPONSES)[1].text == "Let me look."
