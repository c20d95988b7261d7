"""Lifecycle of one run: start, completion, cancellation, and notification of hooks. Internal; see `create_run`.

A run is a state machine that only moves forward::

    CREATED --> RUNNING --> FINISHING --> ENDED
       |           |            ^
       +-----------+-> CANCELLING

The thread or task that enters FINISHING reports the end: the error chunk, `on_finish`, then the end of the channel, in
this order, so that a reader that sees the end sees everything before it. It is the callback's own when the callback
ends, and another one when the callback never began, was dropped or is abandoned.

A disconnect cancels the run. `Run.cancel` is synchronous, because in a cancelled anyio scope the first `await` of a
clean-up raises: it closes the channel, sets the cancellation event, cancels nested runs, starts the `on_cancel`
callbacks, and sets the timers that cancel the task and abandon the run. Everything after that is best effort.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import itertools
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from enum import IntEnum
from typing import Any, Literal, TypeAlias

from assistant_stream_ce.chunks import ErrorChunk
from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.concurrency.waiters import OneShotEvent, Waiter, running_loop
from assistant_stream_ce.controller.run_context import ChunkSource, RunContext
from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.errors import (
    READER_HAS_LEFT,
    RUN_HAS_ENDED,
    RunCancelled,
    RunEndedError,
    StreamTooLongError,
)
from assistant_stream_ce.run import observation
from assistant_stream_ce.run.callbacks import RunCallback, RunName, is_callable_as
from assistant_stream_ce.run.drivers import CallScope, Driver, ExecutorDriver, TaskDriver, ThreadDriver, current_run
from assistant_stream_ce.run.execution import Report, run_in_task, run_in_thread
from assistant_stream_ce.run.forwarding import Forwarding, forward
from assistant_stream_ce.run.hooks import Hooks, RunReason, RunResult, raisable
from assistant_stream_ce.run.logger import logger
from assistant_stream_ce.run.loops import shared_loop, start_thread
from assistant_stream_ce.run.recorder import MessageId, MessageRecorder
from assistant_stream_ce.run.registry import add_live_run, discard_live_run

#: Policy for a lost reader: cancel the run, or continue it without a reader (resumable streams).
LostReaderPolicy: TypeAlias = Literal["cancel", "continue"]

# Seconds after a disconnect in which a callback may end by itself before its task is cancelled, and the most that
# `close` waits for a thread.
_GRACE_SECONDS = 0.05

# Seconds after that in which a callback may still run before it is abandoned.
_PATIENCE_SECONDS = 2.0

# Seconds that `close` waits for the clean-up of a coroutine after its task was cancelled.
_CLEANUP_SECONDS = 1.0

#: The error text of a run that ends because the server shuts down.
GOODBYE = "The server is shutting down."

_run_numbers = itertools.count(1)


class RunState(IntEnum):
    """The states of a run, in order."""

    #: Nothing runs before the first read.
    CREATED = 0
    #: The callback was started.
    RUNNING = 1
    #: The reader has left, or the server shuts down: the callback should end.
    CANCELLING = 2
    #: The callback has ended or was abandoned: hooks are called.
    FINISHING = 3
    #: `on_finish` has returned.
    ENDED = 4


# Each lookup of a member in the enum would cost 0.14 us.
CREATED, RUNNING, CANCELLING, FINISHING, ENDED = RunState

_SOURCES: dict[RunState, tuple[RunState, ...]] = {
    RUNNING: (CREATED,),
    CANCELLING: (CREATED, RUNNING),
    FINISHING: (RUNNING, CANCELLING),
}


class Run:
    """Drives one callback. Thread-safe; no method blocks."""

    def __init__(
        self,
        callback: RunCallback,
        *,
        state: object,
        on_error: Callable[[BaseException], str | None] | None,
        on_finish: Callable[[RunResult], object] | None,
        max_pending: int,
        executor: Executor | None,
        keep_message: bool,
        message_id: str | None = None,
    ) -> None:
        self.run_context: RunContext = RunContext(state, max_pending, self)
        self.message_id: MessageId = MessageId(message_id)
        #: None if the message is not kept.
        self.recorder: MessageRecorder | None = (
            MessageRecorder(self.run_context, self.message_id) if keep_message else None
        )
        #: Set when the run has ended, `on_finish` included.
        self.ended: OneShotEvent = OneShotEvent()
        self.lost_reader_policy: LostReaderPolicy = "cancel"
        self.logs_errors = False
        #: The driver of the callback; None before the start.
        self.driver: Driver | None = None
        #: The run in whose callback this one was created, and whether it was cancelled together with a parent.
        self.creator: Callable[[], Run | None] | None = current_run.get()
        self.was_cancelled_by_parent: bool = False
        self.scope: CallScope = CallScope()
        self._callback = callback
        self._executor = executor
        self._controller = RunController(self.run_context)
        self._name = RunName(f"assistant-stream-{next(_run_numbers)}", callback)
        self.hooks: Hooks = Hooks(self._name, self.scope, on_error, on_finish)
        #: The result of the run, and its report.
        self.report: Report = Report(self.run_context, self.hooks, self.scope, self.recorder)
        # Guards `_state` and `_children`; each transition happens exactly once.
        self._lock = new_lock()
        self._state = CREATED
        self.is_cancelled: bool = False
        # None when the reader is a thread.
        self.reader_loop: asyncio.AbstractEventLoop | None = None
        self.forwardings: list[Forwarding] = []
        # None unless runs are instrumented.
        self._observation: observation.RunObservation | None = None
        self._children: weakref.WeakSet[Run] | None = None
        # The time until which the response of a run that is shut down waits for its end.
        self.deadline: float = 0.0

    def _transition(self, state: RunState, sources: tuple[RunState, ...] = ()) -> RunState | None:
        """Enter a state; return the previous one, or None if the transition is not allowed."""
        with self._lock:
            previous = self._state
            if previous not in (sources or _SOURCES[state]):
                return None
            self._state = state
            if state is CANCELLING:
                self.is_cancelled = True
            return previous

    @property
    def reason(self) -> RunReason | None:
        """How the run ended; None before that."""
        return self.report.reason

    @property
    def needs_reader(self) -> bool:
        """Whether to cancel the run when its stream was dropped."""
        if self._state is CREATED:
            return self.hooks.has_any(has_failed=False)
        return self._state is RUNNING

    @property
    def close_seconds(self) -> float:
        """The most seconds that `close` waits for the end."""
        is_thread = self.driver is not None and not isinstance(self.driver, TaskDriver)
        return _GRACE_SECONDS if is_thread else _GRACE_SECONDS + _CLEANUP_SECONDS

    # --- start ---

    def start(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Start the callback, on the first call only.

        Args:
            loop: the reader's loop; None when it reads in a thread.
        """
        if self._transition(RUNNING) is None:
            return
        self.reader_loop = loop
        add_live_run(self)
        context = self.scope.open()
        context.run(current_run.set, weakref.ref(self))
        if observation.current is not None:
            self._observation = observation.current.run_started(self.run_context.channel, context)
        try:
            self._start_driver(context)
        except Exception as error:
            # No thread could be started, or the executor was shut down: the reader gets the exception.
            self.finish_elsewhere(error)

    def start_detached(self, loop: asyncio.AbstractEventLoop | None = None, reader: Waiter | None = None) -> None:
        """Start the callback without a reader; one that is given only takes batches, see `Channel.start_taking`."""
        self.lost_reader_policy = "continue"
        if reader is None:
            self.run_context.channel.detach()
        else:
            self.run_context.channel.start_taking(reader)
        self.start(loop)

    def _start_driver(self, context: contextvars.Context) -> None:
        if is_callable_as(inspect.iscoroutinefunction, self._callback):
            self._start_task(context, self.call)
            return
        self.run_context.channel.add_producer_loops()
        work = functools.partial(self._run_in_thread, context)
        if self._executor is None:
            self.driver = thread = ThreadDriver(work)
            thread.start(self._name.thread)
        else:
            self.driver = executor = ExecutorDriver(work)
            executor.start(self._executor, self.end_if_dropped)
        if self.is_cancelled:
            self._cancel_driver()

    def _run_in_thread(self, context: contextvars.Context) -> None:
        awaitable = context.run(run_in_thread, self)
        if awaitable is None:
            return
        # A plain function returned an awaitable: the blocking part is done, and a task runs the awaitable.
        try:
            self._start_task(context, lambda: awaitable)
        except RuntimeError as error:
            # The reader's loop was closed concurrently.
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            self.finish_elsewhere(error)

    def _start_task(self, context: contextvars.Context, make: Callable[[], Any]) -> None:
        loop = self.reader_loop or shared_loop()
        self.driver = driver = TaskDriver(loop, _GRACE_SECONDS)
        self.run_context.channel.add_producer_loops(loop)
        driver.start(functools.partial(run_in_task, self, make), self._name.thread, context, self.end_if_dropped)
        if self.is_cancelled:
            self._cancel_driver()

    def end_if_dropped(self, driver: asyncio.Future[None] | Future[None]) -> None:
        """Finish a run whose driver never called the callback: cancelled in a queue or before its first step."""
        if self.is_over():
            return
        if driver.cancelled():
            self.finish_elsewhere(asyncio.CancelledError(), is_from_outside=True)
        elif (error := driver.exception()) is not None:
            self.finish_elsewhere(error)

    def call(self) -> Any:
        """Call the callback."""
        return self._callback(self._controller)

    # --- for controllers ---

    def forward(self, source: ChunkSource, controller: RunController) -> Awaitable[None]:
        """Forward a source of chunks to a controller; the run does not end before the source."""
        token = current_run.set(weakref.ref(self))
        try:
            forwarding = forward(source, controller)
        finally:
            current_run.reset(token)
        if not forwarding.is_done:
            self.forwardings.append(forwarding)
        elif self.is_cancelled and not self._is_in_own_loop():
            raise RunCancelled(READER_HAS_LEFT)
        return forwarding

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Register an `on_cancel` callback, or call it if the run is cancelled; return what unregisters it."""
        callback = functools.partial(contextvars.copy_context().run, self.scope.call_here, callback)
        registration = self.run_context.cancellation.add(callback)
        if registration is None:
            self.hooks.call_late(callback)
            return lambda: None
        return functools.partial(self.run_context.cancellation.remove, registration)

    def on_closed(self) -> None:
        """Handle a chunk sent after the end: raise, or return to drop it."""
        if not self.is_cancelled:
            if self.run_context.channel.is_refusing:
                raise StreamTooLongError("the stream has reached its max_bytes: send less, or raise the limit")
            raise RunEndedError(RUN_HAS_ENDED)
        if not self._is_in_own_loop():
            # `begin_cancel` sets it only after it has closed the channel, but the caller must find `is_cancelled` true.
            self.run_context.cancellation.signal.set()
            raise RunCancelled(READER_HAS_LEFT)

    def _is_in_own_loop(self) -> bool:
        """Return whether the caller runs on the loop of the callback's task, which must not block."""
        return isinstance(self.driver, TaskDriver) and running_loop() is self.driver.loop

    def adopt(self, child: Run) -> None:
        """Register a run that is read in this one's callback, to be cancelled together with it."""
        with self._lock:
            if self._state > CANCELLING:
                # A hook reads the stream.
                return
            if self._children is None:
                self._children = weakref.WeakSet()
            self._children.add(child)
        if self.is_cancelled:
            child.cancel_with_parent()

    def cancel_with_parent(self) -> None:
        """Cancel the run because its reader's own run is cancelled."""
        self.was_cancelled_by_parent = True
        self.cancel()

    # --- the end ---

    def is_over(self) -> bool:
        """Return whether the end is decided."""
        # Its task may still run an `on_finish`, which may save something and must not be cancelled.
        return self._state >= FINISHING

    def finish(self, error: BaseException | None, *, is_from_outside: bool = False) -> bool:
        """Decide how the run ended; return whether this call was the first, whose caller has to report it.

        Args:
            error: the exception of the callback, or None.
            is_from_outside: whether a CancelledError means that the run's own task was cancelled.
        """
        previous = self._transition(FINISHING)
        if previous is None:
            return False
        self.run_context.cancellation.end()
        # The error chunk is still to be sent.
        self.run_context.channel.is_refusing = False
        if previous is CANCELLING:
            if isinstance(error, Exception):
                logger.debug("%s: raised after its reader had left", self, exc_info=error)
            self.report.decide("cancelled")
        elif isinstance(error, asyncio.CancelledError) and is_from_outside:
            # A loop that shuts down cancels all its tasks. A reader must not mistake that for a normal end.
            self.report.decide("cancelled", RunCancelled("the run was cancelled from outside"))
        elif error is not None:
            self.report.decide("failed", raisable(error))
            if self.logs_errors:
                logger.error("%s raised", self, exc_info=error)
        return True

    def finish_elsewhere(self, error: BaseException | None, *, is_from_outside: bool = False) -> None:
        """Finish a run whose callback has no thread or task of its own; never blocks."""
        if self.finish(error, is_from_outside=is_from_outside):
            self._report_elsewhere()

    def _report_elsewhere(self) -> None:
        # A run that never began is not registered yet, but a shutdown waits for its hooks too.
        add_live_run(self)
        self.report.send_elsewhere(self.reader_loop or running_loop(), self.end)

    def end(self) -> None:
        """End the run after the report."""
        # Without the lock: only the caller that has reported the end comes here.
        self._state = ENDED
        self.report.end()
        observed, end = self._observation, None
        if observed is not None:
            # Before the reader takes the exception of the report.
            end = observation.RunEnd(self.reason or "failed", self.report.error, self._cancelled_by)
        self.run_context.channel.finish()
        if observed is not None and end is not None:
            observed.end(end)
        discard_live_run(self)
        self.ended.set()

    @property
    def _cancelled_by(self) -> observation.CancelReason | None:
        if self.reason not in ("cancelled", "abandoned"):
            return None
        if self.was_cancelled_by_parent:
            return "parent"
        if self.deadline:
            return "shutdown"
        return "reader" if self.is_cancelled else "outside"

    # --- cancellation ---

    def on_reader_lost(self) -> None:
        """Handle a disconnect by the policy of the run: cancel it, or continue without a reader."""
        if self.lost_reader_policy == "continue":
            self.run_context.channel.detach()
        else:
            self.cancel()

    def cancel(self, *, keeps_waiting: bool = False) -> None:
        """Cancel the run without waiting; abandon a late callback. Drops what waits for the reader by default."""
        channel = self.run_context.channel
        if self.begin_cancel(channel.finish if keeps_waiting else channel.close):
            self.abandon_later()
        # No reader is left to raise it, and its traceback refers to the run.
        self.report.error = None

    def shut_down(self, deadline: float) -> None:
        """Cancel the run because the server shuts down, with an error chunk; its response waits until `deadline`."""
        self.deadline = deadline
        self.begin_cancel(functools.partial(self.run_context.channel.finish, ErrorChunk(GOODBYE)))

    def begin_cancel(self, end_channel: Callable[[], None]) -> bool:
        """Cancel the run, but do not abandon it later; return whether this call was the first."""
        previous = self._transition(CANCELLING)
        if previous is None:
            return False
        # The channel is closed first: once the event is set, every controller call must raise or be dropped.
        end_channel()
        callbacks = self.run_context.cancellation.cancel()
        for child in list(self._children or ()):
            child.cancel_with_parent()
        self.hooks.call_cancel_callbacks(callbacks)
        if previous is CREATED:
            self.finish_elsewhere(None)
        else:
            self._cancel_driver()
        return True

    def _cancel_driver(self) -> None:
        try:
            if self.driver is not None:
                self.driver.cancel(self.is_over)
        except RuntimeError:
            # The loop was closed before its task had ended.
            self.finish_elsewhere(None)

    def abandon_later(self) -> None:
        """Set the timer that abandons the cancelled callback."""
        if self._state is not CANCELLING:
            return
        # A weak reference, so that a run that ends in time is freed before the timer fires.
        abandon = functools.partial(_call, weakref.WeakMethod(self.abandon))
        loop = running_loop()
        with contextlib.suppress(RuntimeError):
            if isinstance(self.driver, TaskDriver):
                self.driver.call_later(_GRACE_SECONDS + _PATIENCE_SECONDS, abandon)
            elif loop is not None:
                loop.call_later(_PATIENCE_SECONDS, abandon)
            else:
                start_thread(self._wait_and_abandon, f"{self._name.thread}-wait")

    def _wait_and_abandon(self) -> None:
        self.ended.wait_sync(_PATIENCE_SECONDS)
        self.abandon()

    def abandon(self) -> None:
        """Abandon a cancelled callback that did not end in time. No-op for any other run."""
        if self._transition(FINISHING, (CANCELLING,)) is None:
            return
        if isinstance(self.driver, TaskDriver):
            advice = "It suppresses its cancellation: let asyncio.CancelledError pass"
        else:
            advice = (
                "A thread cannot be stopped: register controller.on_cancel to end what it waits for, or check "
                "controller.is_cancelled"
            )
        logger.warning("%s still runs, although its reader has left. %s", self, advice)
        self.run_context.cancellation.end()
        self.report.decide("abandoned")
        self._report_elsewhere()

    def give_up(self) -> None:
        """Abandon a run at the end of the process; if the loop of its task has stopped, report it as cancelled."""
        if isinstance(self.driver, TaskDriver) and not self.driver.loop.is_running():
            self.finish_elsewhere(None)
        else:
            self.abandon()

    def __str__(self) -> str:
        return str(self._name)


def _call(find_method: weakref.WeakMethod[Callable[[], None]]) -> None:
    method = find_method()
    if method is not None:
        method()
