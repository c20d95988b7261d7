"""Tools in the format of bedrock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.integrations import bedrock
from tests.integrations.samples import BEDROCK
from tests.integrations.tools import WEATHER


def test_a_tool_is_described() -> None:
    described = str(bedrock.tool_schemas([WEATHER]))
    for text in ("weather", "The weather of a city.", "city"):
        assert text in described


def test_no_tools() -> None:
    assert bedrock.tool_schemas([]) == []


async def test_a_response_of_an_asynchronous_client() -> None:
    """As aioboto3 returns it: an awaitable of a dict."""
    turns: list[bedrock.Turn] = []

    async def events() -> AsyncIterator[Any]:
        for event in BEDROCK:
            yield event

    async def converse() -> dict[str, Any]:
        return {"stream": events()}

    async def run(controller: RunController) -> None:
        turns.append(await bedrock.forward(controller, converse()))
        turns.append(await bedrock.forward(controller, converse))

    async for _ in create_run(run):
        pass
    assert [turn.text for turn in turns] == ["Let me look."] * 2
