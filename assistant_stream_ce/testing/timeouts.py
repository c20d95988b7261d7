"""Timeouts that report where the callback hangs, and other functions that the test helpers share."""

from __future__ import annotations

import asyncio
import inspect
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol, Self, TypeAlias

from assistant_stream_ce.concurrency.waiters import OneShotEvent, in_event_loop
from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.create_run import AssistantStream, as_stream, create_run
from assistant_stream_ce.errors import RunCancelled, StreamUsageError, shorten
from assistant_stream_ce.run.callbacks import RunCallback
from assistant_stream_ce.run.drivers import TaskDriver
from assistant_stream_ce.run.execution import run_in_task
from assistant_stream_ce.run.loops import start_thread
from assistant_stream_ce.run.run import Run

#: What the helpers read: a callback, a stream, or any iterable of chunks.
RunSource: TypeAlias = RunCallback | ChunkSource

# The code that calls a callback: a function directly, or a coroutine in a task.
_CALLERS = {Run.call.__code__, run_in_task.__code__}


def stream_of(source: RunSource, state: object, options: dict[str, Any]) -> AssistantStream:
    """Return the stream of a source.

    Raises:
        TypeError: the source has a wrong type, or it is no callback and there are options for `create_run`.
    """
    if callable(source) and not isinstance(source, AssistantStream):
        return create_run(source, state=state, **options)
    if options:
        raise TypeError(f"only a callback takes the options of create_run: {shorten(', '.join(options))}")
    return as_stream(source)


def run_of(stream: AssistantStream) -> Run:
    """Return the run of a stream, which has no public access to it."""
    return stream._run


class Outcome(Protocol):
    """The items that were read, and the exception that ended the read."""

    error: BaseException | None


@contextmanager
def keep_error(outcome: Outcome) -> Generator[None]:
    """Keep an exception of the callback in the outcome; an `AssertionError`, which is the test's own, is raised."""
    try:
        yield
    except AssertionError:
        raise
    except (Exception, RunCancelled) as error:
        outcome.error = error


def refuse_event_loop(name: str, instead: str) -> None:
    """Raise in a running event loop, which a blocking call would stop.

    Raises:
        StreamUsageError: a loop is running in this thread.
    """
    if in_event_loop():
        raise StreamUsageError(f"{name} would block the running event loop: use `await {instead}`")


class Timeout:
    """Context manager that cancels a run which takes too long, in a thread or in a coroutine.

    It waits in a thread of its own, so that it also detects a coroutine that blocks its loop. That one is reported
    once the loop continues.

    Args:
        run: the run that is read in the block.
        timeout: the limit in seconds.

    Raises:
        TimeoutError: at the end of the block, if it took longer. The message has the stack of the callback.
    """

    def __init__(self, run: Run, timeout: float) -> None:
        self._run = run
        self._timeout = timeout
        # Set by the end of the block or by the timeout.
        self._over = OneShotEvent()
        self._report = ""

    def __enter__(self) -> Self:
        start_thread(self._wait, "assistant-stream-timeout")
        return self

    def __exit__(self, *raised: object) -> None:
        if not self._over.set():
            raise TimeoutError(self._report) from None

    def _wait(self) -> None:
        if not self._over.wait_sync(self._timeout):
            # Before the cancellation, while the callback still hangs.
            self._report = f"the run did not end in {self._timeout:g} s: {describe_stack(self._run)}"
            if self._over.set():
                self._run.cancel()


def describe_stack(run: Run) -> str:
    """Return a description of the current position of a callback, with its stack."""
    if run.ended.is_set():
        return f"{run} has ended"
    lines = traceback.StackSummary.extract((frame, frame.f_lineno) for frame in _frames(run)).format()
    stack = "".join(lines).rstrip()
    return f"{run} is here:\n{stack}" if stack else f"{run} has not begun, or its stack is unknown"


def _frames(run: Run) -> list[FrameType]:
    """Return the frames of a callback, innermost last, without those of its driver."""
    driver = run.driver
    task = driver.task if isinstance(driver, TaskDriver) else None
    if not isinstance(driver, TaskDriver) or task is None:
        frames = _frames_of_thread(0 if driver is None else driver.thread_id)
    elif inspect.getcoroutinestate(coroutine := task.get_coro()) == inspect.CORO_RUNNING:  # type: ignore[arg-type]
        # It blocks its loop, whose thread has the stack.
        frames = _frames_of_thread(getattr(driver.loop, "_thread_id", None) or 0)
    else:
        frames = list(_frames_of_coroutine(coroutine))
    callers = [number for number, frame in enumerate(frames) if frame.f_code in _CALLERS]
    return frames[callers[-1] + 1 :] if callers else frames


def _frames_of_thread(ident: int) -> list[FrameType]:
    innermost = sys._current_frames().get(ident)
    return [] if innermost is None else [frame for frame, _ in traceback.walk_stack(innermost)][::-1]


def _frames_of_coroutine(awaited: Any) -> Iterator[FrameType]:
    """Yield the frames of a suspended coroutine, and of those it awaits."""
    while awaited is not None:
        for prefix, inner in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
            if (frame := getattr(awaited, f"{prefix}_frame", None)) is not None:
                yield frame
                awaited = getattr(awaited, inner)
                break
        else:
            return


def wait_for_event(event: OneShotEvent, timeout: float, report: Callable[[], str]) -> None:
    """Wait for an event in a thread.

    Raises:
        TimeoutError: it was not set within `timeout` seconds; the message is what `report` returns.
    """
    if not event.wait_sync(timeout):
        raise TimeoutError(report())


async def await_event(event: OneShotEvent, timeout: float, report: Callable[[], str]) -> None:
    """Wait for an event in a coroutine; see `wait_for_event`."""
    try:
        async with asyncio.timeout(timeout):
            await event.wait()
    except TimeoutError:
        raise TimeoutError(report()) from None
