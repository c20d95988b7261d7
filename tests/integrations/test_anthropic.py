"""Tools in the format of anthropic."""

from __future__ import annotations

from assistant_stream_ce.integrations import anthropic
from tests.integrations.tools import WEATHER


def test_a_tool_is_described() -> None:
    described = str(anthropic.tool_schemas([WEATHER]))
    for text in ("weather", "The weather of a city.", "city"):
        assert text in described


def test_no_tools() -> None:
    assert anthropic.tool_schemas([]) == []
