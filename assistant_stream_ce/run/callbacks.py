"""What `create_run` takes as a callback, and what can be told of it before it is called."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack, nullcontext
from types import FunctionType
from typing import Any, TypeAlias

from assistant_stream_ce.controller.run_controller import RunController

__all__ = (
    "RunCallback",
    "Surrounding",
    "is_callable_as",
    "name_of",
    "open_surroundings",
    "open_surroundings_async",
    "refuse_iterator",
)

#: What `create_run` takes: it gets the controller, and returns nothing or an awaitable.
RunCallback: TypeAlias = Callable[[RunController], object]

#: Makes a context manager to hold open around a callback, in the callback's own thread or task; only there, inside the
#: event loop, it may be an asynchronous one.
Surrounding: TypeAlias = Callable[[], AbstractContextManager[object] | AbstractAsyncContextManager[object]]

_FLAGS: dict[Callable[[Any], bool], int] = {
    inspect.iscoroutinefunction: inspect.CO_COROUTINE,
    inspect.isgeneratorfunction: inspect.CO_GENERATOR,
    inspect.isasyncgenfunction: inspect.CO_ASYNC_GENERATOR,
}


def is_callable_as(kind: Callable[[Any], bool], callback: object) -> bool:
    """Return whether a callable is of a kind of `inspect`'s, looking through `partial` and `__call__`."""
    function = _without_partials(callback)
    if type(function) is FunctionType and not function.__dict__:
        # Most callbacks, and nobody has marked it as something else: 0.1 us instead of 3.
        return bool(function.__code__.co_flags & _FLAGS[kind])
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004 - the method itself is wanted


def name_of(callback: object) -> str:
    """Return a callable's name for messages, without the arguments of a `partial`: they may be private."""
    function = _without_partials(callback)
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def refuse_iterator(result: object) -> None:
    """Raise for a callback that returned a generator: nothing in it has run, and nobody would read it.

    Raises:
        TypeError: the result is an iterator, or an asynchronous one.
    """
    if result is not None and isinstance(result, (Iterator, AsyncIterator)):
        raise TypeError(
            f"the callback returned a {type(result).__name__}, which nobody reads: call controller.append_text(...) "
            "where it yields, or controller.add_stream(...) if it yields chunks"
        )


def _without_partials(callback: object) -> object:
    while isinstance(callback, functools.partial):
        callback = callback.func
    return callback


def open_surroundings(surroundings: list[Surrounding]) -> AbstractContextManager[object]:
    """Enter what surrounds a blocking callback; the callback's exception will pass through it."""
    if not surroundings:
        return nullcontext()
    with ExitStack() as stack:
        for surrounding in surroundings:
            manager = surrounding()
            assert isinstance(manager, AbstractContextManager)
            stack.enter_context(manager)
        return stack.pop_all()


async def open_surroundings_async(surroundings: list[Surrounding]) -> AbstractAsyncContextManager[object]:
    """Enter what surrounds a coroutine callback; the callback's exception will pass through it."""
    if not surroundings:
        # Of a quiet stream's memory a stack would be a twentieth.
        return nullcontext()
    async with AsyncExitStack() as stack:
        for surrounding in surroundings:
            manager = surrounding()
            if isinstance(manager, AbstractAsyncContextManager):
                await stack.enter_async_context(manager)
            else:
                stack.enter_context(manager)
        return stack.pop_all()
