"""The hooks of one run: `on_error`, `on_finish` and `on_cancel`, and what becomes of a hook that fails.

A hook that raises is logged, and the run goes on as if it had not: the reader still gets the end of its
stream. What means to end the program (`SystemExit`, `KeyboardInterrupt`) is left to the caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import msgspec

from assistant_stream_ce.cancellation import Callback, Signal
from assistant_stream_ce.concurrency.waiters import in_event_loop
from assistant_stream_ce.errors import UNKNOWN_ERROR, RunCancelled
from assistant_stream_ce.run.loops import shared_loop, start_thread
from assistant_stream_ce.run.recorder import Recording, message_of

if TYPE_CHECKING:
    from assistant_stream_ce.message import AssistantMessage

__all__ = ("Hooks", "RunReason", "RunResult", "raisable", "run_coroutine", "wait_for_coroutine")

logger = logging.getLogger("assistant_stream_ce")

#: How a run ended; see `RunResult`.
RunReason: TypeAlias = Literal["completed", "failed", "cancelled", "abandoned"]


class RunResult(msgspec.Struct, frozen=True, dict=True):
    """How a run ended, as `on_finish` gets it.

    `reason` is "completed" (the callback returned), "failed" (it raised; `error` is the exception),
    "cancelled" (the reader left and the callback ended), or "abandoned" (the reader left and the callback's
    thread still runs, because nothing can stop a thread).
    """

    reason: RunReason
    error: BaseException | None = None

    @classmethod
    def of(cls, reason: RunReason, error: BaseException | None, recording: Recording | None) -> Self:
        """Return the result of a run with what was said in it."""
        result = cls(reason, error)
        # No field, so that it takes no part in a comparison.
        result.__dict__["recording"] = recording
        return result

    @property
    def message(self) -> AssistantMessage:
        """All that was said, also what the reader has not read, as a message. From any thread.

        It is made when it is asked for.

        Raises:
            StreamUsageError: the stream was made with `keep_message=False`.
        """
        return message_of(self.__dict__.get("recording"))


class Hooks:
    """Calls the hooks of one run. From any thread; nothing here holds a lock."""

    def __init__(
        self,
        name: str,
        on_error: Callable[[BaseException], str | None] | None,
        on_finish: Callable[[RunResult], object] | None,
    ) -> None:
        self._name = name
        self._on_error = on_error
        self._on_finish = on_finish
        #: Set when all `on_cancel` callbacks were called.
        self.told = Signal()

    def error_text(self, error: BaseException) -> str:
        """Return what the user is told of an exception; nothing of it when `on_error` was given and fails."""
        try:
            text = None if self._on_error is None else self._on_error(error)
        except Exception:
            logger.exception("%s: on_error raised", self._name)
            return UNKNOWN_ERROR
        if text is None:
            return _text_of(error)
        if isinstance(text, str):
            return text
        logger.error("%s: on_error returned a %s, a str or None is wanted", self._name, type(text).__name__)
        return UNKNOWN_ERROR

    def finish(self, result: RunResult) -> Coroutine[Any, Any, None] | None:
        """Call `on_finish`; return what is left to await if it is a coroutine function."""
        if self._on_finish is None:
            return None
        try:
            outcome = self._on_finish(result)
        except Exception:
            logger.exception("%s: on_finish raised", self._name)
            return None
        return self._await_finish(outcome) if inspect.isawaitable(outcome) else None

    async def _await_finish(self, outcome: Awaitable[object]) -> None:
        try:
            await outcome
        except Exception:
            logger.exception("%s: on_finish raised", self._name)

    def tell(self, callbacks: list[Callback]) -> None:
        """Call `on_cancel` callbacks in a thread of their own, and set `told` after them; never blocks."""
        if not callbacks:
            self.told.set()
            return

        def tell_all() -> None:
            self._call_back(callbacks)
            self.told.set()

        try:
            start_thread(tell_all, f"{self._name}-on-cancel")
        except RuntimeError:
            # The interpreter is ending and starts no threads any more.
            tell_all()

    def tell_late(self, callback: Callback) -> None:
        """Call an `on_cancel` callback that was registered too late: here, but never on a loop."""
        if in_event_loop():
            start_thread(lambda: self._call_back([callback]), f"{self._name}-on-cancel")
        else:
            self._call_back([callback])

    def _call_back(self, callbacks: list[Callback]) -> None:
        for callback in callbacks:
            try:
                callback()
            except RunCancelled:
                # It used the controller, which has nobody to send to.
                continue
            except BaseException:
                # At the top of a thread: nobody is left to take it.
                logger.exception("%s: an on_cancel callback raised", self._name)


def _text_of(error: BaseException) -> str:
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def raisable(error: BaseException) -> BaseException:
    """Return an exception as the reader can raise it."""
    if isinstance(error, asyncio.CancelledError):
        # The callback's own code was cancelled. To the reader it would look as if the reader were.
        return RunCancelled("the callback was cancelled by its own code").with_traceback(error.__traceback__)
    if isinstance(error, (StopIteration, StopAsyncIteration)):
        # Raised from an iterator these look like its end.
        return RuntimeError(f"the callback raised {type(error).__name__}").with_traceback(error.__traceback__)
    return error


def run_coroutine(
    coroutine: Coroutine[Any, Any, None], reader_loop: asyncio.AbstractEventLoop | None
) -> Future[None] | None:
    """Start the rest of an `on_finish` on the reader's loop, where its pooled clients live, or on the shared one.

    Returns:
        The future of its end; None when it was run to its end here, because no loop can take it any more.
    """
    try:
        loop = shared_loop() if reader_loop is None or not reader_loop.is_running() else reader_loop
        return asyncio.run_coroutine_threadsafe(coroutine, loop)
    except RuntimeError:
        # The loop was closed meanwhile, or the interpreter is ending and starts no threads any more.
        if in_event_loop():
            coroutine.close()
        else:
            asyncio.run(coroutine)
        return None


def wait_for_coroutine(
    coroutine: Coroutine[Any, Any, None] | None, reader_loop: asyncio.AbstractEventLoop | None
) -> None:
    """Wait, in a worker thread, for the rest of an `on_finish`, if there is any."""
    future = None if coroutine is None else run_coroutine(coroutine, reader_loop)
    if future is not None:
        # The loop may end before it does.
        with contextlib.suppress(CancelledError):
            future.result()
