"""Bridges between threads and event loops for web responses: sync iterables for a loop, and the reverse.

Middleware may wrap a body in a sync iterable while the server reads it in a loop, and the other way round.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from assistant_stream_ce.concurrency.channel import Channel
from assistant_stream_ce.concurrency.closing import aclosing_source, closing_source
from assistant_stream_ce.errors import READER_HAS_LEFT, RunCancelled
from assistant_stream_ce.run.loops import shared_loop, start_thread

T = TypeVar("T")

# The number of items that are read ahead of the consumer.
_READ_AHEAD = 8


async def race(work: Coroutine[Any, Any, None], signal: Coroutine[Any, Any, None]) -> None:
    """Run two coroutines until one of them returns, and cancel the other.

    Args:
        work: the main coroutine.
        signal: ends the work when it returns.

    Raises:
        BaseException: what `work` raised, or `signal` if that returned first.
    """
    loop = asyncio.get_running_loop()
    worker, watcher = loop.create_task(work), loop.create_task(signal)
    try:
        await asyncio.wait((worker, watcher), return_when=asyncio.FIRST_COMPLETED)
    finally:
        worker.cancel()
        watcher.cancel()
    await asyncio.wait((worker, watcher))
    for task in (worker, watcher):
        if not task.cancelled():
            task.result()


class _Relay(Generic[T]):
    """Carries the items of an iterable from its producer to its consumer, and then the producer's error."""

    def __init__(self) -> None:
        self.channel: Channel[T] = Channel(_READ_AHEAD, self._refuse, self._close)
        self._error: BaseException | None = None

    def _refuse(self) -> None:
        raise RunCancelled(READER_HAS_LEFT)

    def _close(self) -> None:
        self.channel.close()

    def read(self, source: Iterable[T]) -> None:
        # A consumer that has left cannot close it: the iterable belongs to this thread.
        with self._reporting(), closing_source(source, "close") as items:
            for item in items:
                self.channel.put(item)

    async def read_async(self, source: AsyncIterable[T]) -> None:
        with self._reporting():
            async with aclosing_source(source) as items:
                async for item in items:
                    self.channel.put(item)
                    await self.channel.drain()

    @contextmanager
    def _reporting(self) -> Generator[None]:
        try:
            yield
        except RunCancelled:
            # The consumer has left.
            pass
        except BaseException as error:
            self._error = error
        finally:
            self.channel.finish()

    def raise_error(self) -> None:
        if self._error is not None:
            raise self._error


async def iterate_in_thread(source: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items of a blocking iterable, which is read in its own thread."""
    relay: _Relay[T] = _Relay()
    start_thread(lambda: relay.read(source), "assistant-stream-iterate")
    try:
        while (batch := await relay.channel.get()) is not None:
            for item in batch:
                yield item
    finally:
        relay.channel.close()
    relay.raise_error()


def iterate_on_shared_loop(source: AsyncIterable[T]) -> Iterator[T]:
    """Yield the items of an async iterable, which is read on the shared loop."""
    relay: _Relay[T] = _Relay()
    future = asyncio.run_coroutine_threadsafe(relay.read_async(source), shared_loop())
    try:
        while (batch := relay.channel.get_sync()) is not None:
            yield from batch
    finally:
        relay.channel.close()
        future.cancel()
    relay.raise_error()
