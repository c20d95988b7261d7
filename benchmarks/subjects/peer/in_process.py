"""Called directly: what a callback sends, encoded. Starlette, which it is made for, turns its text into bytes."""

from __future__ import annotations

import asyncio
import copy
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

from assistant_stream import create_run
from assistant_stream.serialization import AssistantTransportEncoder, DataStreamEncoder, OpenAIStreamEncoder

from benchmarks.subjects import work

ENCODERS = {
    "data-stream": DataStreamEncoder,
    "assistant-transport": AssistantTransportEncoder,
    "openai": OpenAIStreamEncoder,
}


def encode(count: int, wire: str, producer: str) -> int:
    """Append so many chunks; return the bytes."""
    return asyncio.run(_read(ENCODERS[wire]().encode_stream(create_run(_callback(producer, count)))))


def edit_state(count: int, runs: int, edit: str, producer: str) -> int:
    """Edit a state so many times, in so many runs; return the bytes."""

    async def run() -> int:
        # It changes what it is given.
        stream = create_run(functools.partial(work.edit, edit, producer, count), state=copy.deepcopy(work.STATE))
        return await _read(AssistantTransportEncoder().encode_stream(stream))

    return asyncio.run(work.repeat(run, runs))


def start_and_end(count: int, producer: str) -> int:
    """Run a callback that sends one word, so many times; return the bytes."""

    async def runs() -> int:
        return sum([await _read(DataStreamEncoder().encode_stream(create_run(one_word))) for _ in range(count)])

    one_word = _callback(producer, 1)
    return asyncio.run(runs())


def _callback(producer: str, count: int) -> Callable[[Any], Any]:
    callback = work.callback(producer, count)
    if producer != "thread":
        return callback

    async def in_thread(controller: Any) -> None:
        await asyncio.to_thread(callback, controller)

    return in_thread


async def _read(stream: AsyncIterator[str]) -> int:
    return sum([len(data.encode()) async for data in stream])
