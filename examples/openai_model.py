"""A real model through the `openai` package, with the same events as the scripted one.

The package reads OPENAI_API_KEY and OPENAI_BASE_URL; OPENAI_MODEL names the model.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Any

from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionChunk

from examples.events import Event, Message, Reasoning, Text, ToolArguments, ToolCall
from examples.weather import DESCRIPTION

INSTRUCTIONS = "You are a friendly assistant. Call get_weather before you speak about the weather. Be brief."


def stream(messages: list[Message]) -> Generator[Event, None, None]:
    """Answer the conversation with the blocking client."""
    with OpenAI() as client, client.chat.completions.create(**_request(messages)) as completion:
        for chunk in completion:
            yield from _events(chunk)


async def stream_async(messages: list[Message]) -> AsyncGenerator[Event, None]:
    """Answer the conversation with the async client."""
    async with (
        AsyncOpenAI() as client,
        await client.chat.completions.create(**_request(messages)) as completion,
    ):
        async for chunk in completion:
            for event in _events(chunk):
                yield event


def _request(messages: list[Message]) -> dict[str, Any]:
    return {
        "model": os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
        "messages": [{"role": "system", "content": INSTRUCTIONS}, *messages],
        "tools": [DESCRIPTION],
        "stream": True,
    }


def _events(chunk: ChatCompletionChunk) -> Iterator[Event]:
    for choice in chunk.choices:
        delta = choice.delta
        # Not a field of OpenAI's own API: compatible servers send a model's thoughts under this name.
        if reasoning := getattr(delta, "reasoning_content", None):
            yield Reasoning(reasoning)
        if delta.content:
            yield Text(delta.content)
        for call in delta.tool_calls or ():
            # Only the first delta of a call carries its id and name; the later ones are known by the index.
            if call.id and call.function and call.function.name:
                yield ToolCall(call.index, call.id, call.function.name)
            if call.function and call.function.arguments:
                yield ToolArguments(call.index, call.function.arguments)
