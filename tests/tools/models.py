"""A model that answers each request with the next of its turns, as chunks of a chat completion; and a run with it."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from assistant_stream_ce import AssistantStreamChunk, RunController, create_run
from assistant_stream_ce.chunks import ToolResultChunk
from assistant_stream_ce.integrations import openai
from assistant_stream_ce.tools import Answer, Tools

#: How the callback is written, and how the stream is read.
KINDS = ("def, for", "def, async for", "async def, for", "async def, async for")


def calls(*called: tuple[str, Any], text: str = "", finish: str = "tool_calls", first: int = 1) -> list[Any]:
    """Return a turn that calls tools, with the ids `c1`, `c2`, ...; arguments may be JSON text."""
    deltas: list[Any] = [{"content": text}] if text else []
    for number, (name, args) in enumerate(called):
        arguments = args if isinstance(args, str) else json.dumps(args)
        call = {"index": number, "id": f"c{first + number}", "function": {"name": name, "arguments": arguments}}
        deltas.append({"tool_calls": [call]})
    return _chunks(deltas, finish)


def says(text: str, finish: str = "stop") -> list[Any]:
    """Return a turn of text."""
    return _chunks([{"content": text}], finish)


def _chunks(deltas: list[Any], finish: str) -> list[Any]:
    found = [{"id": "r", "model": "m", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    found.append({"id": "r", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return [*found, {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}]


class Model:
    """Answers with one turn after the other, then with the last one again.

    Attributes:
        requests: the messages of each request, as they were then.
    """

    def __init__(self, *turns: list[Any]) -> None:
        self.turns = list(turns)
        self.requests: list[list[Any]] = []

    def _next(self, messages: list[Any]) -> list[Any]:
        self.requests.append(copy.deepcopy(messages))
        return self.turns[min(len(self.requests), len(self.turns)) - 1]

    def ask(self, messages: list[Any]) -> Iterator[Any]:
        return iter(self._next(messages))

    async def aask(self, messages: list[Any]) -> AsyncIterator[Any]:
        return each(self._next(messages))


async def each(events: list[Any]) -> AsyncIterator[Any]:
    """Yield events, as an async client does."""
    for event in events:
        await asyncio.sleep(0)
        yield event


@dataclass
class Played:
    """What came of a run."""

    chunks: list[AssistantStreamChunk] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    @property
    def answer(self) -> Answer:
        [answer] = self.answers
        return answer

    @property
    def results(self) -> dict[str, Any]:
        """The final results that were shown, in the order in which they came."""
        return {chunk.tool_call_id: chunk.result for chunk in self.final}

    @property
    def errors(self) -> dict[str, str]:
        return {chunk.tool_call_id: chunk.result for chunk in self.final if chunk.is_error}

    @property
    def final(self) -> list[ToolResultChunk]:
        return [
            chunk
            for chunk in self.chunks
            if isinstance(chunk, ToolResultChunk) and not getattr(chunk, "preliminary", False)
        ]

    def of(self, kind: str) -> list[Any]:
        return [chunk for chunk in self.chunks if chunk.type == kind]


def play(
    kind: str,
    model: Model,
    tools: Tools | None = None,
    messages: list[Any] | None = None,
    *,
    before: Callable[[RunController], Any] | None = None,
    abefore: Callable[[RunController], Any] | None = None,
    **options: Any,
) -> Played:
    """Answer with a model in a run of a kind, and read the run to its end.

    Args:
        kind: one of `KINDS`.
        model: the model.
        tools: the tools.
        messages: the list of messages.
        before: makes the messages in a `def` callback.
        abefore: makes them in an `async def` callback.
        options: more arguments of `answer`.
    """
    played = Played()
    given = [{"role": "user", "content": "hi"}] if messages is None else messages

    def run(controller: RunController) -> None:
        asked = before(controller) if before is not None else given
        played.answers.append(openai.answer(controller, model.ask, asked, tools=tools, **options))

    async def arun(controller: RunController) -> None:
        asked = await abefore(controller) if abefore is not None else given
        played.answers.append(await openai.answer(controller, model.aask, asked, tools=tools, **options))

    read(kind, run if kind.startswith("def") else arun, played.chunks)
    return played


def read(kind: str, callback: Callable[[RunController], Any], chunks: list[AssistantStreamChunk]) -> None:
    """Read the run of a callback to its end."""
    if kind.endswith("async for"):

        async def collect() -> None:
            async for chunk in create_run(callback):
                chunks.append(chunk)

        asyncio.run(collect())
    else:
        for chunk in create_run(callback):
            chunks.append(chunk)
