"""One run of a callback: how it is started, how it ends, and who learns of it. Internal; `create_run` is its front.

| callback    | read with `async for`        | read with `for`                                |
|-------------|------------------------------|------------------------------------------------|
| `async def` | a task on the reader's loop  | a task on the process's shared background loop |
| `def`       | a thread (or the `executor`) | a thread (or the `executor`); no loop at all   |

A run's own thread or task concludes it: the error chunk, `on_finish`, then the end of the channel, in
this order, so that whoever sees the end sees everything before it.

When the reader leaves first, `Run.leave` does all that matters synchronously, because in a cancelled anyio
scope the first `await` of a clean-up is its last: it sets the signal, closes the channel, has the
`on_cancel` callbacks called, and arms the timer that cancels the task. To wait after that is courtesy.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import itertools
import logging
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor, Future
from typing import Any

from assistant_stream_ce.cancellation import Callback, Signal
from assistant_stream_ce.chunks import ErrorChunk
from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.concurrency.waiters import in_event_loop, running_loop
from assistant_stream_ce.controller.run_controller import ChunkSource, RunController, RunLink
from assistant_stream_ce.errors import RUN_HAS_ENDED, RunCancelled, RunEndedError
from assistant_stream_ce.run.callbacks import (
    RunCallback,
    Surrounding,
    is_callable_as,
    name_of,
    open_surroundings,
    open_surroundings_async,
    refuse_iterator,
)
from assistant_stream_ce.run.drivers import LoopTask
from assistant_stream_ce.run.forwarding import Forwarding, forward
from assistant_stream_ce.run.hooks import Hooks, RunReason, RunResult, run_coroutine, wait_for_coroutine
from assistant_stream_ce.run.loops import add_live_run, discard_live_run, shared_loop, start_thread
from assistant_stream_ce.run.outcome import Outcome
from assistant_stream_ce.run.recorder import Recording

__all__ = ("Run",)

logger = logging.getLogger("assistant_stream_ce")

# After the reader has left: what a callback gets to end by itself before its task is cancelled, and the
# longest that `close` waits for a thread.
_GRACE_SECONDS = 0.05

# How long the thread of a web response may still run, until its next call of the controller, before it is given up.
_PATIENCE_SECONDS = 2.0

# How long `close` waits for the clean-up of a coroutine after its task was cancelled.
_CLEANUP_SECONDS = 1.0

_GOODBYE = "The server is shutting down."

_run_numbers = itertools.count(1)


class Run:
    """Drives one callback. Every method may be called from any thread; none but the waiting ones blocks."""

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
    ) -> None:
        self.link = RunLink(state, max_pending, self)
        #: None where the message is not kept.
        self.recording = Recording(self.link) if keep_message else None
        self.ended = Signal()
        self.context: contextvars.Context | None = None
        self.surroundings: list[Surrounding] = []
        self.logs_errors = False
        self._callback = callback
        self._executor = executor
        self._controller = RunController(self.link)
        self._name = f"assistant-stream-{next(_run_numbers)}"
        name = str(self)
        self._hooks = Hooks(name, on_error, on_finish)
        self._outcome = Outcome(name, self.link, self._hooks, self.recording)
        # Guards the three flags: each of these happens once, whoever comes first.
        self._lock = new_lock()
        self._has_started = False
        self._has_left = False
        self._has_concluded = False
        # None when the reader is a thread.
        self._reader_loop: asyncio.AbstractEventLoop | None = None
        # How the callback is driven: by a task on a loop, by an executor's future, or by a thread.
        self._task: LoopTask | None = None
        self._future: Future[None] | None = None
        self._thread_id = 0
        self._forwardings: list[Forwarding] = []

    @property
    def is_live(self) -> bool:
        """Whether the callback was started and has neither ended nor been left."""
        return self._has_started and not self._has_left and not self._has_concluded

    @property
    def reason(self) -> RunReason | None:
        """How the run ended; None before that."""
        return self._outcome.reason

    # --- start ---

    def start(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Start the callback, on the first call only.

        Args:
            loop: the reader's loop; None when it reads in a thread.
        """
        if self._has_started:
            return
        with self._lock:
            if self._has_started or self._has_left:
                return
            self._has_started = True
        self._reader_loop = loop
        add_live_run(self)
        context = contextvars.copy_context() if self.context is None else self.context
        try:
            if is_callable_as(inspect.iscoroutinefunction, self._callback):
                self._start_task(context, functools.partial(self._callback, self._controller))
            elif self._executor is not None:
                self._future = self._executor.submit(self._work, context)
                self._future.add_done_callback(self._end_if_dropped)
            else:
                start_thread(functools.partial(self._work, context), self._name)
        except Exception as error:
            # No thread could be started, or the executor was shut down: the reader gets the reason.
            self._conclude_elsewhere(error)

    def _start_task(self, context: contextvars.Context, make: Callable[[], Any]) -> None:
        self._task = LoopTask(self._reader_loop or shared_loop())
        self._task.start(functools.partial(self._run_coroutine, make), self._name, context, self._end_if_dropped)
        if self._has_left:
            self._task.cancel_after(_GRACE_SECONDS, self._is_over)

    def _end_if_dropped(self, driver: asyncio.Future[None] | Future[None]) -> None:
        """Conclude a run whose driver never came to it: cancelled in its queue, or before its first step."""
        if self._has_concluded:
            return
        if driver.cancelled():
            self._conclude_elsewhere(asyncio.CancelledError(), is_from_outside=True)
        elif (error := driver.exception()) is not None:
            self._conclude_elsewhere(error)

    # --- the two drivers ---

    async def _run_coroutine(self, make: Callable[[], Any]) -> None:
        error: BaseException | None = None
        task = asyncio.current_task()
        try:
            async with await open_surroundings_async(self.surroundings):
                try:
                    refuse_iterator(await make())
                    for forwarding in self._forwardings:
                        await forwarding.join()
                except BaseException as raised:
                    # The reader raises it again: a KeyboardInterrupt too, there and not in the loop's internals.
                    error = raised
                    for forwarding in self._forwardings:
                        forwarding.cancel()
                rest = self._conclude(error, is_from_outside=task is not None and task.cancelling() > 0)
                if rest is not None:
                    await rest
                if error is not None:
                    raise error
        except BaseException as raised:
            if raised is not error:
                self._fail_around(raised)
        finally:
            # Its traceback holds this frame.
            del error
            self._end()

    def _work(self, context: contextvars.Context) -> None:
        self._thread_id = threading.get_ident()
        awaitable = context.run(self._call)
        if awaitable is None:
            self._end()
            return
        # A plain function that returned an awaitable: what blocked is done, the rest is a coroutine's.
        try:
            self._start_task(context, lambda: awaitable)
        except RuntimeError as error:
            # The reader's loop was closed meanwhile.
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            self._conclude_elsewhere(error)

    def _call(self) -> Awaitable[object] | None:
        error: BaseException | None = None
        try:
            with open_surroundings(self.surroundings):
                try:
                    # In an executor's queue it may have waited until nobody wants it any more.
                    result = None if self._has_left else self._callback(self._controller)
                    if inspect.isawaitable(result):
                        return result
                    refuse_iterator(result)
                except BaseException as raised:
                    error = raised
                wait_for_coroutine(self._conclude(error), self._reader_loop)
                if error is not None:
                    raise error
        except BaseException as raised:
            if raised is not error:
                self._fail_around(raised)
        finally:
            # Its traceback holds this frame.
            del error
        return None

    def _fail_around(self, error: BaseException) -> None:
        """Report that what surrounds the callback failed, at its start or at its end."""
        if self._has_concluded:
            logger.error("%s: the clean-up around the callback failed", self, exc_info=error)
        else:
            self._conclude_elsewhere(error)

    def forward(self, source: ChunkSource, controller: RunController) -> Awaitable[None]:
        """Read a source of chunks into a controller; the run does not end before it."""
        forwarding = forward(source, controller)
        if not forwarding.is_done:
            self._forwardings.append(forwarding)
        return forwarding

    # --- the end ---

    def _conclude(
        self, error: BaseException | None, *, is_from_outside: bool = False
    ) -> Coroutine[Any, Any, None] | None:
        """Report how the callback ended; return what is left to await of `on_finish`.

        Args:
            error: what the callback raised.
            is_from_outside: whether a CancelledError is somebody's who cancelled the run's own task.
        """
        with self._lock:
            if self._has_concluded:
                return None
            self._has_concluded = True
        self.link.cancellation.end()
        return self._outcome.report(
            error, is_left=self._has_left, is_from_outside=is_from_outside, logs_errors=self.logs_errors
        )

    def _conclude_elsewhere(self, error: BaseException | None, *, is_from_outside: bool = False) -> None:
        """Conclude and end a run that has no thread or task of its own to do so; never blocks."""
        rest = self._conclude(error, is_from_outside=is_from_outside)
        future = None if rest is None else run_coroutine(rest, self._reader_loop or running_loop())
        if future is None:
            self._end()
        else:
            future.add_done_callback(lambda _: self._end())

    def _end(self) -> None:
        self.link.channel.finish()
        discard_live_run(self)
        self.ended.set()

    def raise_error(self) -> None:
        """Raise, once, what the callback raised."""
        self._outcome.raise_error()

    def refuse(self) -> None:
        """Raise for a chunk that comes too late, or return to have it discarded."""
        if not self._has_left:
            raise RunEndedError(RUN_HAS_ENDED)
        if not in_event_loop():
            # As `_stop` will, right after it ends the channel: who catches the exception finds `is_cancelled` true.
            self.link.cancellation.signal.set()
            raise RunCancelled("the reader has left")

    # --- the reader leaves ---

    def leave(self) -> None:
        """Tell the callback that nobody reads any more; does nothing when the run is over."""
        self._stop(self.link.channel.close)
        self._outcome.forget_error()

    def shut_down(self) -> None:
        """End the stream with an error chunk for the reader, and tell the callback."""
        self._stop(functools.partial(self.link.channel.finish, ErrorChunk(_GOODBYE)))

    def _stop(self, end_channel: Callable[[], None]) -> None:
        with self._lock:
            if self._has_left or self._has_concluded:
                return
            self._has_left = True
            has_started = self._has_started
        # The channel first: whoever sees the signal finds every call refused.
        end_channel()
        self._hooks.tell(self.link.cancellation.cancel())
        if not has_started:
            self._conclude_elsewhere(None)
        elif self._task is not None:
            self._task.cancel_after(_GRACE_SECONDS, self._is_over)
        elif self._future is not None:
            self._future.cancel()

    def _is_over(self) -> bool:
        # What may still run in its task then is an `on_finish` that saves something: it is not cancelled.
        return self._has_concluded

    def tell_late(self, callback: Callback) -> None:
        """Call an `on_cancel` callback that was registered too late."""
        self._hooks.tell_late(callback)

    def cancel(self) -> None:
        """Leave without waiting; a thread that does not end by its next call of the controller is given up later."""
        self.leave()
        if self._task is not None or self._has_concluded:
            return
        if (loop := running_loop()) is not None:
            # Weakly: the run is alive while its thread runs, and one that ends in time goes before the timer.
            loop.call_later(_PATIENCE_SECONDS, _abandon, weakref.ref(self))
        else:
            start_thread(self._wait_and_abandon, f"{self._name}-wait")

    def _wait_and_abandon(self) -> None:
        self.ended.wait_sync(_PATIENCE_SECONDS)
        self.abandon()

    def close(self) -> None:
        """Leave, and wait for the end: of a thread at most for the grace, of a coroutine for its clean-up."""
        if running_loop() is not None or threading.get_ident() == self._thread_id:
            self.cancel()
            return
        self.leave()
        deadline = time.monotonic() + self._close_seconds()
        if self.ended.wait_sync(self._close_seconds()) and self._has_left:
            self._hooks.told.wait_sync(max(0.0, deadline - time.monotonic()))
        self.abandon()

    async def aclose(self) -> None:
        """Leave, and wait as `close` does, without blocking the loop."""
        self.leave()
        if self._task is None or not self._task.is_current:
            await self.wait_for_end()
            self.abandon()

    async def wait_for_end(self) -> None:
        """Wait, after leaving, as long as `aclose` does."""
        # As mostly after a web response that was read to its end: the timer below would cost 3 us of each.
        if self.ended.is_set() and not self._has_left:
            return
        try:
            async with asyncio.timeout(self._close_seconds()):
                await self.ended.wait()
                if self._has_left:
                    await self._hooks.told.wait()
        except TimeoutError:
            return

    def _close_seconds(self) -> float:
        is_thread = self._has_started and self._task is None
        return _GRACE_SECONDS if is_thread else _GRACE_SECONDS + _CLEANUP_SECONDS

    def abandon(self) -> None:
        """Give up a thread that still runs; do nothing for any other run."""
        with self._lock:
            if self._task is not None or self._has_concluded:
                return
            self._has_concluded = True
        logger.warning(
            "%s still runs, although its reader has left. A thread cannot be stopped: register controller.on_cancel "
            "to end what it waits for, or check controller.is_cancelled",
            self,
        )
        discard_live_run(self)
        rest = self._outcome.finish("abandoned")
        if rest is not None:
            run_coroutine(rest, self._reader_loop)

    def give_up(self) -> None:
        """Report the end of a run that the process cuts off: of a thread, or of a task whose loop has stopped."""
        if self._task is None:
            self.abandon()
        elif not self._task.loop.is_running():
            self._conclude_elsewhere(None)

    def __str__(self) -> str:
        return f"{self._name} ({name_of(self._callback)})"


def _abandon(find_run: weakref.ref[Run]) -> None:
    run = find_run()
    if run is not None:
        run.abandon()
