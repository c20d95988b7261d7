"""Drivers that run a callback (thread, executor or event loop task), and the scope in which user code is called.

| callback    | read with `async for`        | read with `for`                                |
|-------------|------------------------------|------------------------------------------------|
| `async def` | a task on the reader's loop  | a task on the process's shared background loop |
| `def`       | a thread (or the `executor`) | a thread (or the `executor`); no loop at all   |
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from assistant_stream_ce.concurrency.waiters import running_loop
from assistant_stream_ce.run.logger import logger
from assistant_stream_ce.run.loops import start_thread

if TYPE_CHECKING:
    from assistant_stream_ce.run.run import Run

T = TypeVar("T")

#: Returns a context manager to enter around user code, in its thread or task. Only around a coroutine it may be an
#: asynchronous one.
ContextFactory: TypeAlias = Callable[[], AbstractContextManager[object] | AbstractAsyncContextManager[object]]

_factories: contextvars.ContextVar[tuple[ContextFactory, ...]] = contextvars.ContextVar(
    "assistant_stream_factories", default=()
)

#: The run whose callback or hook is running: its cancellation cancels the runs that are read there.
current_run: contextvars.ContextVar[Callable[[], Run | None] | None] = contextvars.ContextVar(
    "assistant_stream_run", default=None
)

# The context of a callback that nothing surrounds; shared, as it has no state.
_NO_CONTEXT: nullcontext[None] = nullcontext()


class CallScope:
    """The context variables and context managers in which the user code of one run is called.

    Runs that are created in that code inherit both.
    """

    __slots__ = ("_is_bound", "context")

    def __init__(self) -> None:
        self.context: contextvars.Context = contextvars.copy_context()
        self._is_bound = False

    def bind(self, factory: ContextFactory | None) -> None:
        """Bind the run to the context variables of this call instead of those at its start."""
        self.context = contextvars.copy_context()
        self._is_bound = True
        if factory is not None:
            self.context.run(_factories.set, (*self.factories, factory))

    def open(self) -> contextvars.Context:
        """Return the context of the run at its start: the caller's, unless it is bound."""
        if not self._is_bound:
            factories = self.factories
            self.context = contextvars.copy_context()
            if factories and not self.factories:
                # Created in a callback, but started where its context variables are missing, as in a thread pool.
                self.context.run(_factories.set, factories)
        return self.context

    @property
    def factories(self) -> tuple[ContextFactory, ...]:
        """The factories of the context managers, the outermost first."""
        return self.context.get(_factories, ())

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in this thread, in a copy of the callback's context and inside its context managers.

        A copy, because another thread may have entered the context.
        """
        return self.context.copy().run(self.call_here, function)

    def call_here(self, function: Callable[[], T]) -> T:
        """Call a function in the current context, inside the context managers."""
        try:
            manager = enter_contexts(self.factories)
        except Exception:
            logger.exception("a context manager around a callback failed; its hook is called without it")
            manager = _NO_CONTEXT
        with manager:
            return function()


def enter_contexts(factories: tuple[ContextFactory, ...]) -> AbstractContextManager[object]:
    """Enter the contexts around a blocking callback, whose exception will pass through them."""
    if not factories:
        return _NO_CONTEXT
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
        return _NO_CONTEXT
    async with AsyncExitStack() as stack:
        for factory in factories:
            manager = factory()
            if isinstance(manager, AbstractAsyncContextManager):
                await stack.enter_async_context(manager)
            else:
                stack.enter_context(manager)
        return stack.pop_all()


class Driver(Protocol):
    """Runs a callback. Every method is thread-safe and does not block."""

    #: The id of the callback's thread; 0 before it runs, and for a task.
    thread_id: int

    def cancel(self, is_over: Callable[[], bool]) -> None:
        """Stop the callback if possible, unless `is_over` returns true by then.

        Raises:
            RuntimeError: the loop of its task is closed.
        """


class ThreadDriver:
    """Runs a callback in its own daemon thread, which cannot be stopped."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.thread_id: int = 0
        self._work = work

    def start(self, name: str) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the interpreter is ending and starts no threads any more.
        """
        start_thread(self._run, name)

    def _run(self) -> None:
        self.thread_id = threading.get_ident()
        self._work()
        # It refers to the run, which refers to this driver: avoid a cycle.
        del self._work

    def cancel(self, is_over: Callable[[], bool]) -> None:
        """Do nothing: the next call of the controller raises `RunCancelled`."""


class ExecutorDriver:
    """Runs a callback in an executor. It can be cancelled while it is queued."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.thread_id: int = 0
        self._work = work
        self._future: Future[None] | None = None

    def start(self, executor: Executor, on_done: Callable[[Future[None]], object]) -> None:
        """Submit the callback.

        Args:
            executor: the executor to submit to.
            on_done: called with the future when it is done, also when it was cancelled in the queue.

        Raises:
            RuntimeError: the executor was shut down.
        """
        self._future = future = executor.submit(self._run)
        future.add_done_callback(on_done)
        if future.done():
            self._future = None

    def _run(self) -> None:
        self.thread_id = threading.get_ident()
        self._work()
        # Both refer to the run, which refers to this driver: avoid a cycle.
        del self._work
        self._future = None

    def cancel(self, is_over: Callable[[], bool]) -> None:
        """Remove the callback from the executor's queue."""
        future = self._future
        if future is not None:
            future.cancel()


class TaskDriver:
    """Runs a coroutine as a task on an event loop, which may be another thread's.

    Args:
        loop: the loop.
        grace: seconds between `cancel` and the cancellation of the task.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, grace: float = 0.0) -> None:
        self.thread_id = 0
        self.loop = loop
        self._grace = grace
        #: Created on the loop.
        self.task: asyncio.Task[None] | None = None
        self._is_cancelled = False

    def start(
        self,
        make: Callable[[], Coroutine[Any, Any, None]],
        name: str,
        context: contextvars.Context,
        on_done: Callable[[asyncio.Task[None]], object],
    ) -> None:
        """Start the task.

        Args:
            make: returns its coroutine; called on the loop.
            name: its name.
            context: its context variables.
            on_done: called on the loop at its end.

        Raises:
            RuntimeError: the loop is closed.
        """

        def create() -> None:
            self.task = self.loop.create_task(make(), name=name, context=context)
            self.task.add_done_callback(on_done)

        if running_loop() is self.loop:
            create()
        else:
            self.loop.call_soon_threadsafe(create)

    def cancel(self, is_over: Callable[[], bool]) -> None:
        """Cancel the task once after the grace, unless `is_over` returns true by then."""
        self.call_later(self._grace, functools.partial(self._cancel, is_over))

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        """Call a function on the loop after so many seconds.

        Raises:
            RuntimeError: the loop is closed.
        """
        self.loop.call_soon_threadsafe(lambda: self.loop.call_later(seconds, function))

    def _cancel(self, is_over: Callable[[], bool]) -> None:
        if self.task is not None and not self._is_cancelled and not is_over():
            self._is_cancelled = True
            self.task.cancel()
