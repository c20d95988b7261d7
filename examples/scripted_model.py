"""A fake language model with realistic pace, without a key and network access.

Its output is a list of steps: a pause and an event. `stream` sleeps through the pauses like a
blocking client, `stream_async` awaits them.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from itertools import count

from examples.events import Event, Message, Reasoning, Text, ToolArguments, ToolCall

Step = tuple[float, Event]

SECONDS_PER_WORD = 0.04
STORY = "Once upon a time a word set out along a wire, and behind it came another. "

_call_numbers = count(1)


class ModelFailure(Exception):
    """The model failed in the middle of its answer."""


def stream(messages: list[Message]) -> Generator[Event, None, None]:
    """Answer the conversation, blocking between the words."""
    for pause, event in _script(messages):
        time.sleep(pause)
        yield event


async def stream_async(messages: list[Message]) -> AsyncGenerator[Event, None]:
    """Answer the conversation, awaiting between the words."""
    for pause, event in _script(messages):
        await asyncio.sleep(pause)
        yield event


def is_failure(prompt: str) -> bool:
    """Tell whether the script answers this prompt with a failure."""
    return "fail on purpose" in prompt.lower()


def _script(messages: list[Message]) -> Iterator[Step]:
    last = messages[-1]
    if last["role"] == "tool":
        return _report(json.loads(last["content"]))
    if is_failure(last["content"]):
        return _failure()
    if "story" in last["content"].lower():
        return _story()
    return _weather(last["content"])


def _weather(prompt: str) -> Iterator[Step]:
    named = re.search(r"\bin ([A-Z][\w-]*)", prompt)
    city = named[1] if named else "Paris"
    yield from _paced(Reasoning, f"The user wonders about {city}. The forecast knows more than I do.")
    yield from _paced(Text, f"Let me look up the weather in {city}. ")
    yield SECONDS_PER_WORD, ToolCall(0, f"call-{next(_call_numbers)}", "get_weather")
    for piece in re.findall(r".{1,4}", json.dumps({"city": city})):
        yield SECONDS_PER_WORD, ToolArguments(0, piece)


def _report(weather: Message) -> Iterator[Step]:
    yield from _paced(Text, f"It is {weather['celsius']} °C and {weather['sky']} in {weather['city']}. ")
    yield from _paced(Text, "You will not need an umbrella, and a walk along the water would be nice.")


def _story() -> Iterator[Step]:
    yield from _paced(Reasoning, "A long story, then: there is time to press Stop.")
    for _ in range(40):
        yield from _paced(Text, STORY)


def _failure() -> Iterator[Step]:
    yield from _paced(Text, "So far everything is fine, and then ")
    raise ModelFailure("The model broke off, as it was asked to.")


def _paced(kind: type[Reasoning] | type[Text], text: str) -> Iterator[Step]:
    for word in re.findall(r"\S+\s*", text):
        yield SECONDS_PER_WORD, kind(word)
