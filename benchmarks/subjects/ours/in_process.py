"""Called directly: what a callback sends, encoded."""

from __future__ import annotations

import asyncio
import functools

from assistant_stream_ce import create_run
from assistant_stream_ce.serialization import (
    AGUIEncoder,
    AssistantTransportEncoder,
    DataStreamEncoder,
    EncodedStream,
    OpenAIStreamEncoder,
    UIMessageStreamEncoder,
)
from benchmarks.subjects import work

ENCODERS = {
    "data-stream": DataStreamEncoder,
    "assistant-transport": AssistantTransportEncoder,
    "openai": OpenAIStreamEncoder,
    "ui-message-stream": UIMessageStreamEncoder,
    "ag-ui": AGUIEncoder,
}


def encode(count: int, wire: str, producer: str, reader: str) -> int:
    """Append so many chunks, read with `for` or `async for`; return the bytes."""
    stream = ENCODERS[wire]().encode_stream(create_run(work.callback(producer, count)))
    return sum(map(len, stream)) if reader == "for" else asyncio.run(_read(stream))


def edit_state(count: int, runs: int, edit: str, producer: str) -> int:
    """Edit a state so many times, in so many runs; return the bytes."""

    async def run() -> int:
        stream = create_run(functools.partial(work.edit, edit, producer, count), state=work.STATE)
        return await _read(AssistantTransportEncoder().encode_stream(stream))

    return asyncio.run(work.repeat(run, runs))


def start_and_end(count: int, producer: str) -> int:
    """Run a callback that sends one word, so many times; return the bytes."""

    async def runs() -> int:
        return sum([await _read(DataStreamEncoder().encode_stream(create_run(one_word))) for _ in range(count)])

    one_word = work.callback(producer, 1)
    return asyncio.run(runs())


async def _read(stream: EncodedStream) -> int:
    return sum([len(data) async for data in stream])
