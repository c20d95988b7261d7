"""Execution of a callback in its thread or task, and the report of its result: error chunk, message, `on_finish`.

Hooks are user code: they are called in the callback's thread, or else in a new one, in the run's context variables and
inside its context managers. Only coroutines run on an event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from assistant_stream_ce.chunks import ErrorChunk
from assistant_stream_ce.concurrency.waiters import OneShotEvent
from assistant_stream_ce.controller.run_context import RunContext
from assistant_stream_ce.errors import RunCancelled, RunEndedError
from assistant_stream_ce.run.callbacks import check_result
from assistant_stream_ce.run.drivers import CallScope, enter_contexts, enter_contexts_async
from assistant_stream_ce.run.hooks import Hooks, RunReason, text_of
from assistant_stream_ce.run.logger import logger
from assistant_stream_ce.run.loops import start_thread_or_call
from assistant_stream_ce.run.recorder import MessageRecorder

if TYPE_CHECKING:
    from assistant_stream_ce.run.run import Run

# Of the threads that report the end of a run.
_THREAD_NAME = "assistant-stream-finish"


async def run_in_task(run: Run, make: Callable[[], Awaitable[object]]) -> None:
    """Run a coroutine callback, whose awaitable `make` returns."""
    error: BaseException | None = None
    is_owner = False
    task = asyncio.current_task()
    try:
        async with await enter_contexts_async(run.scope.factories):
            try:
                check_result(await make())
                for forwarding in run.forwardings:
                    await forwarding.join()
            except BaseException as raised:
                # The reader raises it, even a KeyboardInterrupt, which must not be raised in the loop's internals.
                error = raised
                for forwarding in run.forwardings:
                    forwarding.cancel()
            is_owner = run.finish(error, is_from_outside=task is not None and task.cancelling() > 0)
            if is_owner:
                await run.report.send_in_task()
            if error is not None:
                raise error
    except BaseException as raised:
        if raised is not error:
            _fail_around(run, raised)
    finally:
        # Its traceback holds this frame.
        del error
        if is_owner:
            run.end()
            if task is not None:
                # It has nothing to do, and its turn on the loop would be a twentieth of a short run.
                task.remove_done_callback(run.end_if_dropped)


def run_in_thread(run: Run) -> Awaitable[object] | None:
    """Run a blocking callback; return the awaitable that it returned, if any, for a task to run."""
    error: BaseException | None = None
    is_owner = False
    try:
        with enter_contexts(run.scope.factories):
            try:
                # The reader may have left while the callback waited in the executor's queue.
                result = None if run.is_cancelled else run.call()
                if inspect.isawaitable(result):
                    return result
                check_result(result)
            except BaseException as raised:
                error = raised
            is_owner = run.finish(error)
            if is_owner:
                run.report.send_in_thread(run.reader_loop)
            if error is not None:
                raise error
    except BaseException as raised:
        if raised is not error:
            _fail_around(run, raised)
    finally:
        # Its traceback holds this frame.
        del error
        if is_owner:
            run.end()
    return None


def _fail_around(run: Run, error: BaseException) -> None:
    """Report that a context manager around the callback failed, on entry or exit."""
    if run.is_over():
        logger.error("%s: the clean-up around the callback failed", run, exc_info=error)
    else:
        run.finish_elsewhere(error)


class Report:
    """The result of one run: how it ended, and its report. The run decides and sends it once."""

    def __init__(
        self, run_context: RunContext, hooks: Hooks, scope: CallScope, recorder: MessageRecorder | None
    ) -> None:
        self._run_context = run_context
        self._hooks = hooks
        self._scope = scope
        self._recorder = recorder
        self._reason: RunReason = "completed"
        self._failure: BaseException | None = None
        #: How the run ended; None before `on_finish` is called.
        self.reason: RunReason | None = None
        #: The exception for the reader to raise at the end, and the chunk that reports it.
        self.error: BaseException | None = None
        self.error_chunk: ErrorChunk | None = None

    def decide(self, reason: RunReason, error: BaseException | None = None) -> None:
        """Set how the run ended, and the exception that its reader raises."""
        self._reason = reason
        self._failure = error

    def _has_failed(self) -> bool:
        return self._reason == "failed"

    def _send(self) -> Coroutine[Any, Any, None] | None:
        """Report the result and call `on_finish`. Returns its coroutine, if it is async."""
        # Kept only where the reader clears it: its traceback refers to the run.
        error, self._failure = self._failure, None
        if error is not None:
            self.error = error
            self._run_context.explain(error)
            self._send_error(self._hooks.error_text(error) if self._has_failed() else text_of(error))
        if self._run_context.document is not None:
            self._run_context.document.end()
        if self._recorder is not None:
            self._recorder.end(is_cancelled=self._reason in ("cancelled", "abandoned"))
        # Set last, so that a reader that sees `reason` also sees the complete message.
        self.reason = self._reason
        return self._hooks.finish(self._reason, error if self._has_failed() else None, self._recorder)

    def _send_error(self, text: str) -> None:
        self.error_chunk = ErrorChunk(text)
        with contextlib.suppress(RunCancelled, RunEndedError):
            self._run_context.calls.close_all()
            self._run_context.channel.put(self.error_chunk, may_block=False)

    def send_in_thread(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Report in this thread; wait for an async `on_finish`, which runs on the loop or on the shared one."""
        rest = self._send()
        if rest is not None:
            self._hooks.wait_for(rest, loop)

    async def send_in_task(self) -> None:
        """Report in the callback's task, but call plain functions in a thread."""
        if self._hooks.may_block(has_failed=self._has_failed()):
            rest = await self._send_in_other_thread()
        else:
            rest = self._send()
        if rest is not None:
            await rest

    async def _send_in_other_thread(self) -> Coroutine[Any, Any, None] | None:
        done = OneShotEvent()
        rests: list[Coroutine[Any, Any, None] | None] = []

        def send() -> None:
            try:
                rests.append(self._scope.call(self._send))
            finally:
                done.set()

        start_thread_or_call(send, _THREAD_NAME)
        while not done.is_set():
            # The end of the loop must not interrupt a hook.
            with contextlib.suppress(asyncio.CancelledError):
                await done.wait()
        return rests[0] if rests else None

    def send_elsewhere(self, loop: asyncio.AbstractEventLoop | None, on_end: Callable[[], None]) -> None:
        """Report in a new thread, for a callback without a thread or task of its own; never blocks.

        Args:
            loop: as in `send_in_thread`.
            on_end: called at the end.
        """
        if not self._hooks.has_any(has_failed=self._has_failed()):
            self._send()
            on_end()
            return

        def send() -> None:
            try:
                self._scope.call(functools.partial(self.send_in_thread, loop))
            finally:
                on_end()

        start_thread_or_call(send, _THREAD_NAME)

    def end(self) -> None:
        """Have the reader raise the `SystemExit` or `KeyboardInterrupt` of a hook."""
        if self._hooks.exit is not None:
            self.error, self._hooks.exit = self._hooks.exit, None

    def raise_error(self) -> None:
        """Raise the exception for the reader, once."""
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
        finally:
            # Its traceback refers to this frame: avoid a cycle.
            del error
