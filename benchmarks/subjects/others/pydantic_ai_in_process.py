"""pydantic-ai's stream for AI SDK clients: text as server-sent events, from an async iterator of its events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from pydantic_ai.messages import PartDeltaEvent, PartEndEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.ui.vercel_ai import VercelAIEventStream
from pydantic_ai.ui.vercel_ai.request_types import SubmitMessage

from benchmarks.subjects import work


async def events(texts: AsyncIterator[str]) -> AsyncIterator[PartStartEvent | PartDeltaEvent | PartEndEvent]:
    """Yield a text as its events."""
    yield PartStartEvent(index=0, part=TextPart(""))
    async for text in texts:
        yield PartDeltaEvent(index=0, delta=TextPartDelta(content_delta=text))
    yield PartEndEvent(index=0, part=TextPart(""))


def event_stream() -> VercelAIEventStream:
    """Return what encodes the events of one run."""
    return VercelAIEventStream(SubmitMessage(id="1", messages=[]))


def encode(count: int, producer: str) -> int:
    """Encode so many texts; return the bytes."""

    async def texts() -> AsyncIterator[str]:
        for _ in range(count):
            yield work.TEXT
            if producer == "yielding":
                await asyncio.sleep(0)

    async def read() -> int:
        stream = event_stream()
        encoded = stream.encode_stream(stream.transform_stream(events(texts())))
        return sum([len(data.encode()) async for data in encoded])

    return asyncio.run(read())
