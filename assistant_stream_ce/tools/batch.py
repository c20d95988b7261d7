"""Run several calls of user code at once: blocking ones in threads, coroutines on an event loop.

A thread cannot be stopped: one that exceeds its time is reported in the log, and what it returns is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Sequence
from functools import partial
from typing import Any

from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.concurrency.waiters import OneShotEvent, running_loop
from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.errors import RunCancelled
from assistant_stream_ce.run.drivers import CallScope, TaskDriver, enter_contexts_async
from assistant_stream_ce.run.logger import logger
from assistant_stream_ce.run.loops import shared_loop, start_thread
from assistant_stream_ce.run.run import Run

_MOST_AT_ONCE = 8

# Seconds in which a coroutine may end by itself before its task is cancelled.
_GRACE_SECONDS = 0.05

# Seconds after a disconnect in which a thread may still run before it is reported.
_PATIENCE_SECONDS = 2.0

_ADVICE = "A thread cannot be stopped: set a timeout where it waits, or check controller.is_cancelled"


class Job(ABC):
    """One call of user code. Exactly one of `succeed`, `fail` and `expire` is called, in any thread or on a loop.

    Attributes:
        name: for messages.
        is_async: whether `call` is called on an event loop.
        timeout: seconds that it may take, or None.
    """

    name: str
    is_async: bool
    timeout: float | None = None

    @abstractmethod
    def call(self) -> object:
        """Call the user code."""

    @abstractmethod
    def show(self, value: object) -> None:
        """Handle a value that a generator yields."""

    @abstractmethod
    def succeed(self, value: object) -> None:
        """Handle the result: what the code returns, or the last value of a generator."""

    @abstractmethod
    def fail(self, error: BaseException) -> None:
        """Handle an exception."""

    @abstractmethod
    def expire(self) -> None:
        """Handle the end of the time."""


class _Running:
    """What the batch keeps of a job that runs."""

    def __init__(self, job: Job) -> None:
        self.deadline = None if job.timeout is None else time.monotonic() + job.timeout
        #: Set once: by the code's own end, or by the end of its time.
        self.is_claimed = False
        self.driver: TaskDriver | None = None
        #: Set when its thread has ended.
        self.ended = OneShotEvent()

    def cancel(self) -> None:
        """Cancel its task, if it has one. Thread-safe."""
        if self.driver is not None:
            # The loop may be closed.
            with contextlib.suppress(RuntimeError):
                self.driver.cancel(lambda: False)


class Batch:
    """Runs jobs, at most eight at once, in the context of the callback that creates it.

    Args:
        controller: the controller of the run; the jobs end when its reader leaves.
        jobs: the jobs, in the order of their start.
    """

    def __init__(self, controller: RunController, jobs: Sequence[Job]) -> None:
        self._controller = controller
        self._scope = CallScope()
        self._loop: asyncio.AbstractEventLoop | None = running_loop()
        # Guards the fields below. Never held while a job is called.
        self._lock = new_lock()
        self._waiting = deque(jobs)
        self._running: dict[Job, _Running] = {}
        self._is_cancelled = False
        # Set, and replaced, at every change that the waiting code has to see.
        self._changed = OneShotEvent()
        self._error: BaseException | None = None

    def run(self) -> None:
        """Run the jobs, and wait in this thread for their end.

        Raises:
            RunCancelled: the reader has left.
        """
        with self._started():
            while (state := self._pending()) is not None:
                state[0].wait_sync(state[1])

    async def arun(self) -> None:
        """Run the jobs, and wait in this coroutine for their end.

        Raises:
            RunCancelled: the reader has left.
        """
        with self._started():
            while (state := self._pending()) is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(state[1]):
                        await state[0].wait()

    @contextlib.contextmanager
    def _started(self) -> Generator[None]:
        if not self._waiting:
            yield
            return
        self._controller.raise_if_cancelled()
        forget = self._controller.on_cancel(self._cancel)
        try:
            self._start_more()
            yield
        except BaseException:
            self._cancel()
            raise
        finally:
            forget()
        if self._error is not None:
            raise self._error
        self._controller.raise_if_cancelled()

    def _cancel(self) -> None:
        """Start no more jobs, and leave those that run."""
        with self._lock:
            self._is_cancelled = True
            self._waiting.clear()
            left = [(job, running) for job, running in self._running.items() if not running.is_claimed]
            for _, running in left:
                running.is_claimed = True
            self._running.clear()
            self._notify()
        for _, running in left:
            running.cancel()
        threads = [(job.name, running.ended) for job, running in left if running.driver is None]
        if threads:
            with contextlib.suppress(RuntimeError):
                # The interpreter may be shutting down.
                start_thread(partial(_report, threads), "assistant-stream-tools-wait")

    def _pending(self) -> tuple[OneShotEvent, float | None] | None:
        """End the jobs whose time is over; return what to wait for, and how long, or None at the end."""
        now = time.monotonic()
        with self._lock:
            over = [
                (job, running)
                for job, running in self._running.items()
                if running.deadline is not None and running.deadline <= now and not running.is_claimed
            ]
            for _, running in over:
                running.is_claimed = True
        for job, running in over:
            self._expire(job, running)
        with self._lock:
            if not self._running and not self._waiting:
                return None
            deadlines = [
                running.deadline
                for running in self._running.values()
                if running.deadline is not None and not running.is_claimed
            ]
            return self._changed, max(0.0, min(deadlines) - now) if deadlines else None

    def _expire(self, job: Job, running: _Running) -> None:
        running.cancel()
        if running.driver is None:
            logger.warning(
                "the tool %s still runs, although its timeout of %g s is over. %s", job.name, job.timeout, _ADVICE
            )
        self._settle(job, job.expire)

    # --- the jobs ---

    def _start_more(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or len(self._running) >= _MOST_AT_ONCE:
                    return
                job = self._waiting.popleft()
                running = self._running[job] = _Running(job)
                self._notify()
            if job.is_async:
                self._start_task(job, running, job.call)
            else:
                self._start_thread(job, running)

    def _start_thread(self, job: Job, running: _Running) -> None:
        try:
            start_thread(
                partial(self._scope.call, partial(self._run_in_thread, job, running)),
                f"assistant-stream-tool-{job.name}",
            )
        except RuntimeError as error:
            # The interpreter is shutting down and starts no more threads.
            self._end(job, running, None, error)

    def _run_in_thread(self, job: Job, running: _Running) -> None:
        try:
            if running.is_claimed:
                # The reader left before the first step.
                return
            value = job.call()
            if inspect.isawaitable(value) or inspect.isasyncgen(value):
                made = value
                self._start_task(job, running, lambda: made)
                return
            if inspect.isgenerator(value):
                value = self._read(job, running, value)
        except BaseException as error:
            self._end(job, running, None, error)
        else:
            self._end(job, running, value, None)
        finally:
            running.ended.set()

    def _read(self, job: Job, running: _Running, values: Generator[Any, Any, Any]) -> object:
        last: object = None
        with contextlib.closing(values):
            for last in values:
                if running.is_claimed:
                    break
                job.show(last)
        return last

    def _start_task(self, job: Job, running: _Running, call: Callable[[], object]) -> None:
        loop = self._loop
        if loop is None:
            run = self._controller.run_context.run
            loop = run.reader_loop if isinstance(run, Run) else None
            loop = shared_loop() if loop is None or not loop.is_running() else loop
            # A slow reader must not block it: other runs use the loop too.
            self._controller.run_context.channel.add_producer_loops(loop)
        running.driver = driver = TaskDriver(loop, _GRACE_SECONDS)

        def end(task: asyncio.Task[None]) -> None:
            if task.cancelled():
                # Before its first step; otherwise the task has reported its end.
                self._end(job, running, None, asyncio.CancelledError())

        try:
            driver.start(partial(self._run_in_task, job, running, call), job.name, self._scope.context.copy(), end)
        except RuntimeError as error:
            self._end(job, running, None, error)

    async def _run_in_task(self, job: Job, running: _Running, call: Callable[[], object]) -> None:
        if running.is_claimed:
            return
        try:
            async with await enter_contexts_async(self._scope.factories):
                value = call()
                if inspect.isasyncgen(value):
                    async with contextlib.aclosing(value) as values:
                        value = None
                        async for value in values:
                            if running.is_claimed:
                                break
                            job.show(value)
                            await self._controller.drain()
                elif isinstance(value, Awaitable):
                    value = await value
        except BaseException as error:
            self._end(job, running, None, error)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            self._end(job, running, value, None)

    def _end(self, job: Job, running: _Running, value: object, error: BaseException | None) -> None:
        with self._lock:
            if running.is_claimed:
                return
            running.is_claimed = True
        if error is None:
            self._settle(job, partial(job.succeed, value))
        elif isinstance(error, (Exception, asyncio.CancelledError, RunCancelled)):
            self._settle(job, partial(job.fail, error))
        else:
            self._settle(job, partial(_raise, error))

    def _settle(self, job: Job, report: Callable[[], object]) -> None:
        """Report the end of a job, then start the next."""
        try:
            if not self._is_cancelled:
                report()
        except BaseException as error:
            # The waiting code raises it; it is RunCancelled where the reader has left.
            self._error = self._error or error
            self._cancel()
        finally:
            with self._lock:
                self._running.pop(job, None)
                self._notify()
        self._start_more()

    def _notify(self) -> None:
        """Wake the waiting code. With the lock held."""
        changed, self._changed = self._changed, OneShotEvent()
        changed.set()


def _report(threads: list[tuple[str, OneShotEvent]]) -> None:
    """Report in one warning the tools whose threads do not end in time."""
    end = time.monotonic() + _PATIENCE_SECONDS
    names = [name for name, ended in threads if not ended.wait_sync(end - time.monotonic())]
    if names:
        logger.warning("the tools %s still run, although their reader has left. %s", ", ".join(names), _ADVICE)


def _raise(error: BaseException) -> None:
    raise error
