"""The hooks of one run: `on_error`, `on_finish` and `on_cancel`, and what happens when a hook fails.

Any exception of a hook is logged, and the run continues: the reader still gets the end of its stream. Only `SystemExit`
and `KeyboardInterrupt` are kept for the reader to raise.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import msgspec

from assistant_stream_ce.cancellation import Callback
from assistant_stream_ce.concurrency.waiters import OneShotEvent, in_event_loop
from assistant_stream_ce.errors import UNKNOWN_ERROR, RunCancelled
from assistant_stream_ce.run.callbacks import is_callable_as
from assistant_stream_ce.run.drivers import CallScope, TaskDriver, enter_contexts_async
from assistant_stream_ce.run.logger import logger
from assistant_stream_ce.run.loops import shared_loop, start_thread_or_call
from assistant_stream_ce.run.recorder import MessageRecorder, message_of

if TYPE_CHECKING:
    from assistant_stream_ce.message import AssistantMessage


# Seconds between two looks at the loop of an async `on_finish`.
_CLOSED_LOOP_CHECK = 0.5

#: How a run ended; see `RunResult`.
RunReason: TypeAlias = Literal["completed", "failed", "cancelled", "abandoned"]


class RunResult(msgspec.Struct, frozen=True, dict=True):
    """How a run ended, passed to `on_finish`.

    `reason` is "completed" (the callback returned), "failed" (it raised; `error` is the exception),
    "cancelled" (the reader left and the callback ended), or "abandoned" (the reader left and the callback
    still runs: a thread cannot be stopped, and a coroutine may suppress its cancellation).
    """

    reason: RunReason
    error: BaseException | None = None

    @classmethod
    def of(cls, reason: RunReason, error: BaseException | None, recorder: MessageRecorder | None) -> Self:
        """Return the result of a run with its message."""
        result = cls(reason, error)
        # Not a field, so that comparisons ignore it.
        result.__dict__["recorder"] = recorder
        return result

    @property
    def message(self) -> AssistantMessage:
        """The whole output as a message, unread chunks included. Thread-safe; built on each access.

        Raises:
            StreamUsageError: the stream was created with `keep_message=False`.
        """
        return message_of(self.__dict__.get("recorder"))


class Hooks:
    """Calls the hooks of one run. Thread-safe; no lock is held while a hook runs.

    Args:
        name: the name of the run as text, for log messages.
        scope: the context in which they are called.
        on_error: see `create_run`.
        on_finish: see `create_run`.
    """

    def __init__(
        self,
        name: object,
        scope: CallScope,
        on_error: Callable[[BaseException], str | None] | None,
        on_finish: Callable[[RunResult], object] | None,
    ) -> None:
        self._name = name
        self._scope = scope
        self._on_error = on_error
        self._on_finish = on_finish
        #: Set when all `on_cancel` callbacks have returned; None if none was called.
        self.cancel_callbacks_done: OneShotEvent | None = None
        #: The `SystemExit` or `KeyboardInterrupt` that a hook raised.
        self.exit: BaseException | None = None

    def has_any(self, *, has_failed: bool) -> bool:
        """Return whether there is a hook to call at the end of the run."""
        return self._on_finish is not None or (has_failed and self._on_error is not None)

    def may_block(self, *, has_failed: bool) -> bool:
        """Return whether one of them is a plain function."""
        if has_failed and self._on_error is not None:
            return True
        return self._on_finish is not None and not is_callable_as(inspect.iscoroutinefunction, self._on_finish)

    def error_text(self, error: BaseException) -> str:
        """Return the error text for the user; a neutral one when `on_error` fails."""
        try:
            text = None if self._on_error is None else self._on_error(error)
        except BaseException as raised:
            self._handle("on_error", raised)
            return UNKNOWN_ERROR
        if text is None:
            return text_of(error)
        if isinstance(text, str):
            return text
        logger.error("%s: on_error must return str or None, not %s", self._name, type(text).__name__)
        return UNKNOWN_ERROR

    def finish(
        self, reason: RunReason, error: BaseException | None, recorder: MessageRecorder | None
    ) -> Coroutine[Any, Any, None] | None:
        """Call `on_finish` with the result of the run. Returns its coroutine, if it is async."""
        if self._on_finish is None:
            return None
        try:
            outcome = self._on_finish(RunResult.of(reason, error, recorder))
        except BaseException as raised:
            self._handle("on_finish", raised)
            return None
        return self._await_finish(outcome) if inspect.isawaitable(outcome) else None

    async def _await_finish(self, outcome: Awaitable[object]) -> None:
        try:
            await outcome
        except BaseException as raised:
            self._handle("on_finish", raised)

    def wait_for(self, coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop | None) -> None:
        """Run the coroutine of an `on_finish`, and wait for it in a worker thread.

        Args:
            coroutine: the coroutine that `finish` returned.
            loop: the reader's loop, to which pooled clients are bound; the shared loop if None or if it does not run.
        """
        _AsyncFinish(coroutine, str(self._name), self._scope, self._handle).run(loop)

    def call_cancel_callbacks(self, callbacks: list[Callback]) -> None:
        """Call `on_cancel` callbacks in a new thread. Never blocks."""
        if callbacks:
            self.cancel_callbacks_done = done = OneShotEvent()
            self._start(functools.partial(self._call, callbacks, done))

    def call_late(self, callback: Callback) -> None:
        """Call an `on_cancel` callback that was registered after the cancellation; wait for it outside a loop."""
        done = OneShotEvent()
        self._start(functools.partial(self._call, [callback], done))
        if not in_event_loop():
            done.wait_sync()

    def _start(self, work: Callable[[], object]) -> None:
        start_thread_or_call(work, f"{self._name}-on-cancel")

    def _call(self, callbacks: list[Callback], done: OneShotEvent) -> None:
        for callback in callbacks:
            try:
                outcome = callback()
                if inspect.iscoroutine(outcome):
                    outcome.close()
                    logger.error("%s: an on_cancel callback returned a coroutine: pass a plain function", self._name)
            except RunCancelled:
                # It used the controller after the disconnect.
                continue
            except BaseException:
                # Logged, because a thread has no caller to raise to.
                logger.exception("%s: an on_cancel callback raised", self._name)
        done.set()

    def _handle(self, hook: str, raised: BaseException) -> None:
        if isinstance(raised, (SystemExit, KeyboardInterrupt)):
            self.exit = raised
        else:
            logger.error("%s: %s raised", self._name, hook, exc_info=raised)


class _AsyncFinish:
    """Runs the coroutine of an `on_finish` as a task on an event loop, for a worker thread that waits for its end."""

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, None],
        name: str,
        scope: CallScope,
        handle: Callable[[str, BaseException], None],
    ) -> None:
        self._coroutine = coroutine
        self._name = name
        self._scope = scope
        self._handle = handle
        self._context = contextvars.copy_context()
        self._done = OneShotEvent()

    def run(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Run it on the loop, or on the shared one where that is None or does not run. Blocks until its end."""
        try:
            self._start(shared_loop() if loop is None or not loop.is_running() else loop)
        except RuntimeError:
            # The loop was closed concurrently, or the interpreter is shutting down and starts no more threads.
            if in_event_loop():
                self._coroutine.close()
            else:
                asyncio.run(self._coroutine)
            return
        # With a timeout, because a loop that is closed with a task on it reports that to nobody.
        while not self._done.wait_sync(_CLOSED_LOOP_CHECK):
            if self._loop.is_closed() and not self._done.is_set():
                self._leave_closed_loop()

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        TaskDriver(loop).start(self._await, self._name, self._context, self._end)

    async def _await(self) -> None:
        try:
            async with await enter_contexts_async(self._scope.factories):
                await self._coroutine
        finally:
            # Here, because a loop that stops now calls no callback of its tasks any more.
            if self._has_begun():
                self._done.set()

    def _has_begun(self) -> bool:
        return inspect.getcoroutinestate(self._coroutine) != "CORO_CREATED"

    def _end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() and not self._has_begun() and self._move():
            # The reader's loop has ended, and cancelled the task before its first step.
            return
        if not task.cancelled() and (error := task.exception()) is not None:
            self._handle("a context manager around on_finish", error)
        self._done.set()

    def _move(self) -> bool:
        """Start anew on the shared loop. Returns whether that was possible."""
        with contextlib.suppress(RuntimeError):
            left, loop = self._loop, shared_loop()
            if loop is not left:
                self._start(loop)
                return True
        return False

    def _leave_closed_loop(self) -> None:
        if self._has_begun() or not self._move():
            self._handle("on_finish", RuntimeError("its event loop was closed before on_finish had ended"))
            self._done.set()


def mask_errors(error: BaseException) -> str:
    """Return one neutral sentence for any exception: an `on_error` for applications that face the internet.

    Thread-safe. The exception is logged as without it.

    Args:
        error: the exception of the callback; nothing of it is sent to the client.
    """
    return UNKNOWN_ERROR


def text_of(error: BaseException) -> str:
    """Return the text of an exception, or its type's name where that has none or fails."""
    try:
        return str(error) or type(error).__name__
    except BaseException:
        # Its own `__str__` failed, which must not hide the exception itself.
        return type(error).__name__


def raisable(error: BaseException) -> BaseException:
    """Return the exception, or one in its place that a reader can raise."""
    if isinstance(error, asyncio.CancelledError):
        # Code inside the callback was cancelled; to the reader it would look like its own cancellation.
        return RunCancelled("the callback was cancelled by its own code").with_traceback(error.__traceback__)
    if isinstance(error, (StopIteration, StopAsyncIteration)):
        # An iterator that raises these would seem to be at its end.
        return RuntimeError(f"the callback raised {type(error).__name__}").with_traceback(error.__traceback__)
    return error
