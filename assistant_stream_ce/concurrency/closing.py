"""Context manager for objects that are closed from threads and from coroutines."""

from __future__ import annotations

from typing import Self


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
