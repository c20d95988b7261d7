"""The context manager, sync and async, of objects with `close` and `aclose`."""

from __future__ import annotations

import pytest

from assistant_stream_ce.concurrency.closing import ClosesBothWays


class Door(ClosesBothWays):
    """Records how it was closed."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def close(self) -> None:
        self.calls.append("close")

    async def aclose(self) -> None:
        self.calls.append("aclose")


def test_with_closes_also_after_an_error() -> None:
    door = Door()
    with pytest.raises(KeyError), door as entered:
        assert entered is door
        raise KeyError
    assert door.calls == ["close"]


async def test_async_with_awaits_aclose_also_after_an_error() -> None:
    door = Door()
    with pytest.raises(KeyError):
        async with door as entered:
            assert entered is door
            raise KeyError
    assert door.calls == ["aclose"]
