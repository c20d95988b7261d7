"""Context managers that close objects, in threads and in coroutines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Self

from assistant_stream_ce.errors import StreamUsageError


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
def closing_source(source: object, *methods: str) -> Generator[None]:
    """Close an iterable at the end of the block, if it can be closed, and unless it is read elsewhere.

    Args:
        source: any iterable.
        methods: the names of methods, of which the first one that it has is called.
    """
    try:
        yield
    except StreamUsageError:
        # Another reader has it, and keeps it.
        methods = ()
        raise
    finally:
        found = (getattr(source, name, None) for name in methods)
        close = next(filter(None, found), None)
        if close is not None:
            close()


@asynccontextmanager
async def aclosing_source(source: object) -> AsyncGenerator[None]:
    """Await `aclose` of an async iterable at the end of the block, if it has that, and is not read elsewhere."""
    aclose = getattr(source, "aclose", None)
    try:
        yield
    except StreamUsageError:
        aclose = None
        raise
    finally:
        if aclose is not None:
            await aclose()
