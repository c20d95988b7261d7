"""Execution of a callback in its thread or task, from entering its context managers to the report of its end."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from assistant_stream_ce.run.callbacks import check_result
from assistant_stream_ce.run.forwarding import Forwarding
from assistant_stream_ce.run.report import Report
from assistant_stream_ce.run.scope import CallScope, enter_contexts, enter_contexts_async

logger = logging.getLogger("assistant_stream_ce")


class ExecutedRun(Protocol):
    """What the execution needs of a run."""

    scope: CallScope
    report: Report
    is_cancelled: bool
    reader_loop: asyncio.AbstractEventLoop | None
    #: The streams that a coroutine forwards.
    forwardings: list[Forwarding]

    def call(self) -> Any:
        """Call the callback."""

    def is_over(self) -> bool:
        """Return whether the end is decided."""

    def finish(self, error: BaseException | None, *, is_from_outside: bool = False) -> bool:
        """Decide how the run ends; return whether the caller has to report it."""

    def finish_elsewhere(self, error: BaseException | None) -> None:
        """Finish and report without this thread or task."""

    def end(self) -> None:
        """End the run, once it is reported."""


async def run_in_task(run: ExecutedRun, make: Callable[[], Awaitable[object]]) -> None:
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
                # The reader raises it again: a KeyboardInterrupt too, there and not in the loop's internals.
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


def run_in_thread(run: ExecutedRun) -> Awaitable[object] | None:
    """Run a blocking callback; return the awaitable that it returned, which is the rest of it."""
    error: BaseException | None = None
    is_owner = False
    try:
        with enter_contexts(run.scope.factories):
            try:
                # In an executor's queue it may have waited until nobody wants it any more.
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


def _fail_around(run: ExecutedRun, error: BaseException) -> None:
    """Report that a context manager around the callback failed, at its start or at its end."""
    if run.is_over():
        logger.error("%s: the clean-up around the callback failed", run, exc_info=error)
    else:
        run.finish_elsewhere(error)
