"""The callback of `create_run`: its type, its inspection, and the check of its result."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from types import FunctionType
from typing import Any, TypeAlias

from assistant_stream_ce.controller.run_controller import RunController

#: A callback gets the controller, and returns nothing or an awaitable.
RunCallback: TypeAlias = Callable[[RunController], object]

_FLAGS: dict[Callable[[Any], bool], int] = {
    inspect.iscoroutinefunction: inspect.CO_COROUTINE,
    inspect.isgeneratorfunction: inspect.CO_GENERATOR,
    inspect.isasyncgenfunction: inspect.CO_ASYNC_GENERATOR,
}

_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def is_callable_as(kind: Callable[[Any], bool], callback: object) -> bool:
    """Return whether a callable is of a kind that `inspect` tests for, behind any `partial` and `__call__`."""
    function = _without_partials(callback)
    if type(function) is FunctionType and not function.__dict__:
        # Fast path for plain functions, as most callbacks are: 0.1 us instead of 3.
        return bool(function.__code__.co_flags & _FLAGS[kind])
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004 - the method itself is wanted


def is_generator_function(callback: object) -> bool:
    """Return whether a callable is a generator function, async or not, behind any `partial` and `__call__`."""
    function = _without_partials(callback)
    if type(function) is FunctionType and not function.__dict__:
        return bool(function.__code__.co_flags & _GENERATORS)
    return is_callable_as(inspect.isgeneratorfunction, function) or is_callable_as(inspect.isasyncgenfunction, function)


class RunName:
    """The name of a run for messages: that of its thread, and of its callback."""

    __slots__ = ("_callback", "thread")

    def __init__(self, thread: str, callback: object) -> None:
        self.thread: str = thread
        self._callback = callback

    def __str__(self) -> str:
        # Made when a message needs it, which is rare: it would cost 0.7 us at the start of each run.
        return f"{self.thread} ({name_of(self._callback)})"


def name_of(callback: object) -> str:
    """Return a callable's name for messages, without the arguments of a `partial`: they may be private."""
    function = _without_partials(callback)
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def check_result(result: object) -> None:
    """Check that a callback did not return text, bytes or an iterator, which would be lost.

    Raises:
        TypeError: it did.
    """
    if result is None:
        return
    if isinstance(result, (str, bytes, bytearray, memoryview)):
        raise TypeError(
            f"the callback returned {type(result).__name__}, which is not sent: call controller.append_text(...)"
        )
    if isinstance(result, (Iterator, AsyncIterator)):
        raise TypeError(
            f"the callback returned a {type(result).__name__}, which nobody reads: call controller.append_text(...) "
            "where it yields, or controller.add_stream(...) if it yields chunks"
        )


def _without_partials(callback: object) -> object:
    while isinstance(callback, functools.partial):
        callback = callback.func
    return callback
