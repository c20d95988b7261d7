"""What the helpers share: a stream of whatever a test has, and a watch over its run that tells what it is doing."""

from __future__ import annotations

import asyncio
import inspect
import sys
import traceback
from collections.abc import Awaitable, Callable, Generator, Iterator
from types import FrameType, TracebackType
from typing import Any, Self, TypeAlias

from assistant_stream_ce.cancellation import Signal
from assistant_stream_ce.concurrency.channel import in_event_loop
from assistant_stream_ce.controller.run_controller import ChunkSource
from assistant_stream_ce.create_run import AssistantStream, as_stream, create_run
from assistant_stream_ce.run import run as run_module
from assistant_stream_ce.run.callbacks import RunCallback
from assistant_stream_ce.run.loops import start_thread
from assistant_stream_ce.run.run import Run

__all__ = ("DONE", "Done", "Source", "Watch", "doing", "kept", "run_of", "seconds_of", "stream_of", "wait_for")

#: What a test has: a callback, a stream, or any iterable of chunks.
Source: TypeAlias = RunCallback | ChunkSource


def stream_of(source: Source, state: object, options: dict[str, Any]) -> AssistantStream:
    """Return a stream of what a test has.

    Raises:
        TypeError: it is none of the above, or it is no callback and there are options for `create_run`.
    """
    if callable(source) and not isinstance(source, AssistantStream):
        return create_run(source, state=state, **options)
    if options:
        raise TypeError(f"only a callback takes the options of create_run: {', '.join(options)}")
    return as_stream(source)


def run_of(stream: AssistantStream) -> Run:
    """Return the run behind a stream, which only these helpers look at."""
    return stream._run


def kept(error: BaseException) -> BaseException:
    """Return what a callback has raised, to be kept; raise an `AssertionError`, which is the test's own."""
    if isinstance(error, AssertionError):
        raise error
    return error


def seconds_of(timeout: float) -> str:
    """Return how messages name a timeout."""
    return f"{timeout:g} s"


class Watch:
    """Leaves a run that takes too long. For a `with` block around the reading, in a thread or in a coroutine.

    It waits in a thread of its own, so it also sees a coroutine that blocks its loop; that one it can only report
    when the loop goes on.

    Raises:
        TimeoutError: at the end of the block, if it took too long. It says what the callback was doing.
    """

    def __init__(self, run: Run, timeout: float) -> None:
        self._run = run
        self._timeout = timeout
        # Set by whoever comes first: the end of the block, or of the time.
        self._over = Signal()
        self._report = ""

    def __enter__(self) -> Self:
        start_thread(self._wait, "assistant-stream-watch")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._over.set():
            raise TimeoutError(self._report) from None

    def _wait(self) -> None:
        if not self._over.wait_sync(self._timeout):
            # Before the run is told, while it still is where it hangs.
            self._report = f"nothing came to its end in {seconds_of(self._timeout)}: {doing(self._run)}"
            if self._over.set():
                self._run.leave()


def doing(run: Run) -> str:
    """Return what the callback of a run is doing at this moment, with its stack."""
    if run.ended.is_set():
        return f"{run} has ended"
    lines = traceback.StackSummary.extract((frame, frame.f_lineno) for frame in _frames(run)).format()
    where = "".join(lines).rstrip()
    return f"{run} is here:\n{where}" if where else f"{run} has not begun, or its place is unknown"


def _frames(run: Run) -> list[FrameType]:
    """Return the frames of a callback, the innermost last, without those of what drives it."""
    loop_task = run._task
    task = None if loop_task is None else loop_task._task
    if loop_task is None or task is None:
        frames = _frames_of_thread(run._thread_id)
    elif inspect.getcoroutinestate(coroutine := task.get_coro()) == inspect.CORO_RUNNING:  # type: ignore[arg-type]
        # It blocks its loop: the thread shows where.
        frames = _frames_of_thread(getattr(loop_task.loop, "_thread_id", None) or 0)
    else:
        frames = list(_frames_of_coroutine(coroutine))
    drivers = [number for number, frame in enumerate(frames) if frame.f_code.co_filename == run_module.__file__]
    return frames[drivers[-1] + 1 :] if drivers else frames


def _frames_of_thread(ident: int) -> list[FrameType]:
    frames: list[FrameType] = []
    frame = sys._current_frames().get(ident)
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def _frames_of_coroutine(awaited: Any) -> Iterator[FrameType]:
    """Yield the frames of a coroutine that waits, and of what it waits for."""
    while awaited is not None:
        for prefix, inner in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
            if (frame := getattr(awaited, f"{prefix}_frame", None)) is not None:
                yield frame
                awaited = getattr(awaited, inner)
                break
        else:
            return


class Done:
    """What a call returns that has waited already, or had nothing to wait for: it may be awaited too."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


DONE = Done()


def wait_for(signal: Signal, timeout: float, report: Callable[[], str]) -> Awaitable[None]:
    """Wait for a signal: in a thread it blocks, in a coroutine `await` what it returns.

    Raises:
        TimeoutError: it was not set in so many seconds; with the text that `report` returns.
    """
    if in_event_loop():
        return _wait_for(signal, timeout, report)
    if not signal.wait_sync(timeout):
        raise TimeoutError(report())
    return DONE


async def _wait_for(signal: Signal, timeout: float, report: Callable[[], str]) -> None:
    try:
        async with asyncio.timeout(timeout):
            await signal.wait()
    except TimeoutError:
        raise TimeoutError(report()) from None
