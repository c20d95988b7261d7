"""Context managers that close: of objects with `close` and `aclose`, and around the read of any iterable."""

from __future__ import annotations

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


class Both(Door):
    """Has `cancel` too."""

    def cancel(self) -> None:
        self.calls.append("cancel")


@pytest.mark.parametrize(
    ("source", "methods", "calls"),
    [
        (Door(), ("close",), ["close"]),
        (Door(), ("cancel", "close"), ["close"]),
        (Both(), ("cancel", "close"), ["cancel"]),
    ],
)
def test_a_source_is_closed_by_its_first_method_also_after_an_error(
    source: Door, methods: tuple[str, ...], calls: list[str]
) -> None:
    with pytest.raises(KeyError), closing_source(source, *methods):
        raise KeyError
    assert source.calls == calls


async def test_an_async_source_is_closed_also_after_an_error() -> None:
    door = Door()
    with pytest.raises(KeyError):
        async with aclosing_source(door):
            raise KeyError
    assert door.calls == ["aclose"]


async def test_a_source_without_a_method_to_close_it_is_left_alone() -> None:
    with closing_source([], "close"):
        pass
    async with aclosing_source([]):
        pass


async def test_a_source_that_is_read_elsewhere_is_left_open() -> None:
    door = Door()
    with pytest.raises(StreamUsageError), closing_source(door, "close"):
        raise StreamUsageError
    with pytest.raises(StreamUsageError):
        async with aclosing_source(door):
            raise StreamUsageError
    assert door.calls == []
