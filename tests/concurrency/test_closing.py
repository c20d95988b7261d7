"""Context managers that close: of objects with `close` and `aclose`, and around the read of any iterable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

import pytest

from assistant_stream_ce import StreamUsageError
from assistant_stream_ce.concurrency.closing import ClosesBothWays, aclosing_source, closing_source


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


class Pieces(Door):
    """An iterable without items that records how it was closed, and may be read by another reader."""

    def __init__(self, *, is_read_elsewhere: bool = False) -> None:
        super().__init__()
        self.is_read_elsewhere = is_read_elsewhere

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        raise StopIteration

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        raise StopAsyncIteration


class Both(Pieces):
    """Has `cancel` too."""

    def cancel(self) -> None:
        self.calls.append("cancel")


@pytest.mark.parametrize(
    ("source", "methods", "calls"),
    [
        (Pieces(), ("close",), ["close"]),
        (Pieces(), ("cancel", "close"), ["close"]),
        (Both(), ("cancel", "close"), ["cancel"]),
    ],
)
def test_a_source_is_closed_by_its_first_method_also_after_an_error(
    source: Pieces, methods: tuple[str, ...], calls: list[str]
) -> None:
    with pytest.raises(KeyError), closing_source(source, *methods) as items:
        assert list(items) == []
        raise KeyError
    assert source.calls == calls


async def test_an_async_source_is_closed_also_after_an_error() -> None:
    pieces = Pieces()
    with pytest.raises(KeyError):
        async with aclosing_source(pieces) as items:
            assert [item async for item in items] == []
            raise KeyError
    assert pieces.calls == ["aclose"]


async def test_a_source_without_a_method_to_close_it_is_left_alone() -> None:
    with closing_source([1], "close") as items:
        assert list(items) == [1]

    class Plain:
        def __aiter__(self) -> AsyncIterator[int]:
            return Pieces()

    async with aclosing_source(Plain()) as found:
        assert [item async for item in found] == []


async def test_a_source_that_is_read_elsewhere_is_left_open() -> None:
    pieces = Pieces(is_read_elsewhere=True)
    with closing_source(pieces, "close"):
        pass
    async with aclosing_source(pieces):
        pass
    assert pieces.calls == []


async def test_a_source_that_cannot_be_iterated_is_closed() -> None:
    class Broken(Door):
        def __iter__(self) -> Iterator[int]:
            raise StreamUsageError

        def __aiter__(self) -> AsyncIterator[int]:
            raise StreamUsageError

    broken = Broken()
    with pytest.raises(StreamUsageError), closing_source(broken, "close"):
        pytest.fail("there is nothing to read")
    with pytest.raises(StreamUsageError):
        async with aclosing_source(broken):
            pytest.fail("there is nothing to read")
    assert broken.calls == ["close", "aclose"]
