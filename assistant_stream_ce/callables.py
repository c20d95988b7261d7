"""What `create_run` takes as a callback, and what can be told of it before it is called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, TypeAlias

from assistant_stream_ce.controller import RunController

__all__ = ("RunCallback", "Surrounding", "is_callable_as", "name_of")

#: What `create_run` takes: it gets the controller, and returns nothing or an awaitable.
RunCallback: TypeAlias = Callable[[RunController], object]

#: Makes a context manager to hold open around a callback, in the callback's own thread or task; only there, inside the
#: event loop, it may be an asynchronous one.
Surrounding: TypeAlias = Callable[[], AbstractContextManager[object] | AbstractAsyncContextManager[object]]


def is_callable_as(kind: Callable[[Any], bool], callback: object) -> bool:
    """Return whether a callable is of a kind of `inspect`'s, looking through `partial` and `__call__`."""
    function = _without_partials(callback)
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004 - the method itself is wanted


def name_of(callback: object) -> str:
    """Return a callable's name for messages, without the arguments of a `partial`: they may be private."""
    function = _without_partials(callback)
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _without_partials(callback: object) -> object:
    while isinstance(callback, functools.partial):
        callback = callback.func
    return callback
