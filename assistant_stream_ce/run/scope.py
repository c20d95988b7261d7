"""The scope in which the user code of a run is called: its context variables, and the context managers around it."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack, nullcontext
from typing import Any, TypeAlias, TypeVar

logger = logging.getLogger("assistant_stream_ce")

T = TypeVar("T")

#: Makes a context manager to hold open around user code, in the thread or task of that code; only there, inside an
#: event loop, it may be an asynchronous one.
ContextFactory: TypeAlias = Callable[[], AbstractContextManager[object] | AbstractAsyncContextManager[object]]

_factories: contextvars.ContextVar[tuple[ContextFactory, ...]] = contextvars.ContextVar(
    "assistant_stream_factories", default=()
)

#: Finds the run whose callback or hook the current code belongs to: it cancels the runs that are read there.
current_run: contextvars.ContextVar[Callable[[], Any] | None] = contextvars.ContextVar(
    "assistant_stream_run", default=None
)


class CallScope:
    """Where the user code of one run is called: in these context variables, inside these context managers.

    Runs that are created inside it inherit both.
    """

    __slots__ = ("_is_bound", "context", "factories")

    def __init__(self) -> None:
        self._is_bound = False
        self._capture()

    def _capture(self) -> None:
        self.context = contextvars.copy_context()
        self.factories: tuple[ContextFactory, ...] = self.context.get(_factories, ())

    def bind(self, factory: ContextFactory | None) -> None:
        """Keep the caller's context variables for the run, whatever those at its start are."""
        self._capture()
        self._is_bound = True
        if factory is not None:
            self.factories = (*self.factories, factory)
            self.context.run(_factories.set, self.factories)

    def open(self) -> contextvars.Context:
        """Return the context of the run at its start: the caller's, unless it is bound."""
        if not self._is_bound:
            self._capture()
        return self.context

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in this thread as the callback would be called, in a copy of its context.

        Another thread may be in the context itself.
        """
        return self.context.copy().run(self.call_here, function)

    def call_here(self, function: Callable[[], T]) -> T:
        """Call a function in the current context, inside the context managers."""
        try:
            manager = enter_contexts(self.factories)
        except Exception:
            logger.exception("what surrounds a callback failed; its hook is called without")
            manager = nullcontext()
        with manager:
            return function()


def enter_contexts(factories: tuple[ContextFactory, ...]) -> AbstractContextManager[object]:
    """Enter the contexts around a blocking callback, whose exception will pass through them."""
    if not factories:
        return nullcontext()
    with ExitStack() as stack:
        for factory in factories:
            manager = factory()
            assert isinstance(manager, AbstractContextManager)
            stack.enter_context(manager)
        return stack.pop_all()


async def enter_contexts_async(factories: tuple[ContextFactory, ...]) -> AbstractAsyncContextManager[object]:
    """Enter the contexts around a coroutine, whose exception will pass through them."""
    if not factories:
        # A stack would be a twentieth of a quiet stream's memory.
        return nullcontext()
    async with AsyncExitStack() as stack:
        for factory in factories:
            manager = factory()
            if isinstance(manager, AbstractAsyncContextManager):
                await stack.enter_async_context(manager)
            else:
                stack.enter_context(manager)
        return stack.pop_all()
