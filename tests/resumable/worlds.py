"""The calls of `ResumableStreams` from threads and from coroutines, for tests that are written once for both."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from assistant_stream_ce import AssistantStream, AssistantStreamChunk

SECONDS = 30


class Sync:
    """Call and read in the test's thread."""

    def call(self, streams: Any, name: str, *args: Any, **options: Any) -> Any:
        """Call a method of the streams."""
        return getattr(streams, name)(*args, **options)

    def read_into(self, stream: AssistantStream, chunks: list[AssistantStreamChunk], most: int = 1_000_000) -> None:
        """Read so many chunks, or to the end."""
        for chunk in stream:
            chunks.append(chunk)
            if len(chunks) == most:
                return

    def close_stream(self, stream: AssistantStream) -> None:
        """Leave."""
        stream.close()

    def close(self) -> None:
        """Do nothing."""


class Async:
    """Call and read on an event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(SECONDS)

    def call(self, streams: Any, name: str, *args: Any, **options: Any) -> Any:
        """Call the coroutine method of the streams."""
        return self._run(getattr(streams, f"a{name}")(*args, **options))

    def read_into(self, stream: AssistantStream, chunks: list[AssistantStreamChunk], most: int = 1_000_000) -> None:
        """Read so many chunks, or to the end."""

        async def read() -> None:
            async for chunk in stream:
                chunks.append(chunk)
                if len(chunks) == most:
                    return

        self._run(read())

    def close_stream(self, stream: AssistantStream) -> None:
        """Leave."""
        self._run(stream.aclose())

    def close(self) -> None:
        """Stop the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()


World = Sync | Async


def read(world: World, stream: AssistantStream) -> list[AssistantStreamChunk]:
    """Return all chunks of a stream."""
    chunks: list[AssistantStreamChunk] = []
    world.read_into(stream, chunks)
    return chunks


def texts(chunks: list[AssistantStreamChunk]) -> str:
    """Return the text of chunks."""
    return "".join(getattr(chunk, "text_delta", "") for chunk in chunks)
