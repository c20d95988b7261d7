"""Context managers that close objects, in threads and in coroutines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Self, TypeVar

T = TypeVar("T")


class ClosesBothWays:
    """Base of objects with `close` and `aclose`: the context manager, sync and async, that calls them at its exit."""

    __slots__ = ()

    def close(self) -> None:
        """Close the object, from a thread."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close the object, in a coroutine."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.aclose()


@contextmanager
def closing_source(source: Iterable[T], *methods: str) -> Generator[Iterator[T]]:
    """Iterate over an iterable in the block, and close it at the end, if it can be closed.

    A stream that is read elsewhere is left to its other reader, as its iterator reports.

    Args:
        source: any iterable.
        methods: the names of methods, of which the first one that it has is called.
    """
    iterator = None
    try:
        iterator = iter(source)
        yield iterator
    finally:
        found = (getattr(source, name, None) for name in methods)
        close = next(filter(None, found), None)
        if close is not None and not _is_read_elsewhere(iterator):
            close()


@asynccontextmanager
async def aclosing_source(source: AsyncIterable[T]) -> AsyncGenerator[AsyncIterator[T]]:
    """Iterate over an async iterable in the block, and await its `aclose`, if it has one; see `closing_source`."""
    iterator = None
    try:
        iterator = aiter(source)
        yield iterator
    finally:
        aclose = getattr(source, "aclose", None)
        if aclose is not None and not _is_read_elsewhere(iterator):
            await aclose()


def _is_read_elsewhere(iterator: object) -> bool:
    return getattr(iterator, "is_read_elsewhere", False) is True
