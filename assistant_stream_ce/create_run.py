"""The front of a run: `create_run`, the stream that it returns, and the two readers of a stream.

How a run is driven and ended is in `run`, its hooks in `hooks`; what a process keeps for its runs in `background`.
This room is the only one that starts a thread, a task or a loop.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import contextvars
import functools
import inspect
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from types import TracebackType
from typing import TYPE_CHECKING, Self

from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.concurrency.waiters import in_event_loop
from assistant_stream_ce.controller.run_controller import ChunkSource, RunController
from assistant_stream_ce.errors import StreamUsageError
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.run.callbacks import RunCallback, Surrounding, is_callable_as
from assistant_stream_ce.run.forwarding import send_all, send_all_async
from assistant_stream_ce.run.hooks import RunReason, RunResult
from assistant_stream_ce.run.recorder import message_of
from assistant_stream_ce.run.run import Run

if TYPE_CHECKING:
    from assistant_stream_ce.message import AssistantMessage

__all__ = ("AssistantStream", "AsyncReader", "RunCallback", "RunResult", "SyncReader", "as_stream", "create_run")


def create_run(
    callback: RunCallback,
    *,
    state: object = None,
    on_error: Callable[[BaseException], str | None] | None = None,
    on_finish: Callable[[RunResult], object] | None = None,
    max_pending: int = 1024,
    executor: Executor | None = None,
    keep_message: bool = True,
) -> AssistantStream:
    """Make a stream of what a callback says and does. Nothing runs before the first read.

    Args:
        callback: `def` or `async def`, or any callable that returns either's result; it gets a
            `RunController`. A plain function runs in a daemon thread of its own, so it may block.
        state: where `controller.state` starts, as the front end has it already. It is copied.
        on_error: turns the callback's exception into the text that the user sees; `str(exception)` when
            left out or when it returns None, and a fixed text when it fails. Called in the run's own thread or task.
        on_finish: called exactly once with a `RunResult`, before the reader sees the end, in the run's own
            thread or task; may be a coroutine function.
        max_pending: about how many chunks may wait for the reader; a text counts once more for each 1,024
            characters. Then threads wait in their call, and coroutines may `await controller.drain()`.
        executor: where a plain callback runs instead of in its own thread.
        keep_message: whether what is said is kept as `message`, of the stream and of the result for `on_finish`.
            False for a stream without an end, which would become ever larger.

    Returns:
        The stream, for one `for` or one `async for`.

    Raises:
        TypeError: an argument has a wrong type, or `state` is not JSON.
        ValueError: `max_pending` is not positive.
    """
    if not callable(callback):
        raise TypeError(f"callback must be callable, not {type(callback).__name__}")
    if is_callable_as(inspect.isgeneratorfunction, callback) or is_callable_as(inspect.isasyncgenfunction, callback):
        raise TypeError("callback must not be a generator: call controller.append_text(...) where it yields")
    for name, hook in (("on_error", on_error), ("on_finish", on_finish)):
        if hook is not None and not callable(hook):
            raise TypeError(f"{name} must be callable, not {type(hook).__name__}")
    if on_error is not None and is_callable_as(inspect.iscoroutinefunction, on_error):
        raise TypeError("on_error must be a plain function: its text is wanted at once")
    if executor is not None and not isinstance(executor, Executor):
        raise TypeError(f"executor must be a concurrent.futures.Executor, not {type(executor).__name__}")
    if not isinstance(max_pending, int) or isinstance(max_pending, bool):
        raise TypeError(f"max_pending must be an int, not {type(max_pending).__name__}")
    if max_pending < 1:
        raise ValueError(f"max_pending must be at least 1, not {max_pending}")
    return AssistantStream(
        Run(
            callback,
            state=state,
            on_error=on_error,
            on_finish=on_finish,
            max_pending=max_pending,
            executor=executor,
            keep_message=keep_message,
        )
    )


def as_stream(source: ChunkSource) -> AssistantStream:
    """Return a source of chunks as a stream: itself, or a run that passes the chunks on as they are.

    They are not checked, as `RunController.add_stream` would: stored chunks may belong to a state, or answer
    a tool call, of which nothing is known here.

    Raises:
        TypeError: it is neither a stream nor an iterable.
    """
    if isinstance(source, AssistantStream):
        return source
    if isinstance(source, AsyncIterable):
        return create_run(functools.partial(_pass_on_async, source), keep_message=False)
    if isinstance(source, Iterable) and not isinstance(source, (str, bytes, Mapping)):
        return create_run(functools.partial(_pass_on, source), keep_message=False)
    hint = "; did you mean create_run(callback)?" if callable(source) else ""
    raise TypeError(f"stream must be an AssistantStream or an iterable of chunks, not {type(source).__name__}{hint}")


def _pass_on(source: Iterable[AssistantStreamChunk], controller: RunController) -> None:
    send_all(source, controller.link.channel.put)


async def _pass_on_async(source: AsyncIterable[AssistantStreamChunk], controller: RunController) -> None:
    await send_all_async(source, controller.link.channel.put, controller.drain)


class AssistantStream:
    """The chunks of one run, to be read once: with `for`, or with `async for`.

    Made by `create_run`. Use it in a `with` or `async with` block where it may not be read to its end.
    Every method may be called from any thread.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._owner = _Owner(run)
        # Guards `_is_taken`.
        self._lock = new_lock()
        self._is_taken = False

    def __iter__(self) -> SyncReader:
        """Read in a thread.

        Raises:
            StreamUsageError: inside a running event loop, or when the stream has a reader already.
        """
        if in_event_loop():
            raise StreamUsageError("`for` would block the running event loop: use `async for`")
        self._take()
        return SyncReader(self._run, self._owner)

    def __aiter__(self) -> AsyncReader:
        """Read in a coroutine.

        Raises:
            StreamUsageError: the stream has a reader already.
        """
        self._take()
        return AsyncReader(self._run, self._owner)

    @property
    def is_cancelled(self) -> bool:
        """Whether the stream was left before the callback had ended."""
        return self._run.link.cancellation.signal.is_set()

    @property
    def message(self) -> AssistantMessage:
        """All that was said so far, as a message; after the end of the stream, the whole one.

        Also what the reader has not read. It is made when it is asked for. A running stream has a message of status
        `running`, and one that was left has the status `incomplete` with the reason `cancelled`.

        Raises:
            StreamUsageError: the stream was made with `keep_message=False`.
        """
        return message_of(self._run.recording)

    @property
    def state(self) -> JSON:
        """The state as it is now: a plain copy. From any thread, before, during and after the run."""
        return self._run.link.state.copy()

    @property
    def reason(self) -> RunReason | None:
        """How the run ended, in the words of `RunResult`; None while it has not."""
        return self._run.reason

    def cancel(self) -> None:
        """Leave the stream without waiting: the callback is told at once. From any thread, also in a loop.

        A thread that still runs two seconds later is given up, with a warning.
        """
        self._run.cancel()

    def close(self) -> None:
        """Leave the stream, and wait for the callback to end, for a thread at most 50 ms.

        A thread that still runs then is given up, with a warning. Does nothing when the run has ended. Inside a
        running event loop it does not wait: it is `cancel`.
        """
        self._run.close()

    async def aclose(self) -> None:
        """Leave the stream, and wait for the callback to end, for a thread at most 50 ms; see `close`."""
        await self._run.aclose()

    async def wait_for_end(self) -> None:
        """Wait for the end of a callback that was cancelled: of a thread at most 50 ms, of a coroutine a second."""
        await self._run.wait_for_end()

    def bind(self, surrounding: Surrounding | None = None) -> contextvars.Context:
        """Tie the run to a web response that is made here.

        The run will see the context variables that are set here, and not those of the place of the first read: a
        server reads the body when the request's context has gone. What the callback raises is logged, because
        no code of the application reads the stream.

        Args:
            surrounding: makes a context manager that is held open around the callback, in its own thread or task.

        Returns:
            The context in which the callback will run.
        """
        context = self._run.context = contextvars.copy_context()
        self._run.logs_errors = True
        if surrounding is not None:
            self._run.surroundings.append(surrounding)
        return context

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _take(self) -> None:
        with self._lock:
            if self._is_taken:
                raise StreamUsageError("the stream is read already, and it can be read once: call create_run again")
            self._is_taken = True


class _Owner:
    """Shared by the handle and the reader of a run: when both are gone, nobody can read it any more."""

    __slots__ = ("_run",)

    def __init__(self, run: Run) -> None:
        self._run = run

    def __del__(self) -> None:
        if self._run.is_live:
            # This may be the garbage collector's doing, in the middle of anything, with any lock held by this very
            # thread: the only safe thing is to start a bare thread, which takes none.
            with contextlib.suppress(RuntimeError):
                _thread.start_new_thread(self._run.cancel, ())


class SyncReader(Iterator[AssistantStreamChunk]):
    """Reads a run in a thread. An interrupt (Ctrl-C) while it waits leaves the run."""

    def __init__(self, run: Run, owner: object) -> None:
        self._run = run
        self._owner = owner
        self._batch: Iterator[AssistantStreamChunk] = iter(())
        self._get = run.link.channel.get_sync
        self._has_started = False

    def __next__(self) -> AssistantStreamChunk:
        for chunk in self._batch:
            return chunk
        batch = self.read()
        if batch is None:
            raise StopIteration
        self._batch = iter(batch)
        return next(self._batch)

    def read(self, timeout: float | None = None) -> list[AssistantStreamChunk] | None:
        """Return all chunks that wait, after waiting for one; `[]` after `timeout` seconds, None at the end.

        Raises:
            BaseException: what the callback raised, once everything before it was read.
        """
        if not self._has_started:
            self._has_started = True
            self._run.start(None)
        try:
            batch = self._get(timeout)
        except BaseException:
            self._run.leave()
            raise
        if batch is None:
            self._run.raise_error()
        return batch


class AsyncReader(AsyncIterator[AssistantStreamChunk]):
    """Reads a run in a coroutine. Cancelling it while it waits leaves the run."""

    def __init__(self, run: Run, owner: object) -> None:
        self._run = run
        self._owner = owner
        self._batch: Iterator[AssistantStreamChunk] = iter(())
        self._get = run.link.channel.get
        self._has_started = False
        self._is_reading = False
        self._timer: asyncio.TimerHandle | None = None
        self._last_read = 0.0

    async def __anext__(self) -> AssistantStreamChunk:
        for chunk in self._batch:
            return chunk
        batch = await self.read()
        if batch is None:
            raise StopAsyncIteration
        self._batch = iter(batch)
        return next(self._batch)

    async def aclose(self) -> None:
        """Leave the stream; see `AssistantStream.aclose`."""
        self.stop_timer()
        await self._run.aclose()

    async def read(self, timeout: float | None = None) -> list[AssistantStreamChunk] | None:
        """Return all chunks that wait, after waiting for one; `[]` after `timeout` seconds, None at the end.

        The first call sets `timeout` for all.

        Raises:
            StreamUsageError: another task waits in this call.
            BaseException: what the callback raised, once everything before it was read.
        """
        if self._is_reading:
            raise StreamUsageError("another task waits for this stream already: read it from one task")
        if not self._has_started:
            self._start(timeout)
        self._last_read = time.monotonic()
        self._is_reading = True
        try:
            batch = await self._get()
        except BaseException:
            self.stop_timer()
            self._run.leave()
            raise
        finally:
            self._is_reading = False
        if batch is None:
            self.stop_timer()
            self._run.raise_error()
        return batch

    def _start(self, timeout: float | None) -> None:
        self._has_started = True
        loop = asyncio.get_running_loop()
        self._run.start(loop)
        if timeout is not None:
            # One timer for the whole stream, which looks how long it has been quiet: a timer for each read
            # would cost more than the read.
            self._timer = loop.call_later(timeout, self._nudge, loop, timeout)

    def _nudge(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        channel = self._run.link.channel
        if channel.has_ended:
            return
        quiet = time.monotonic() - self._last_read
        if quiet >= timeout:
            channel.wake_reader()
            quiet = 0.0
        self._timer = loop.call_later(timeout - quiet, self._nudge, loop, timeout)

    def stop_timer(self) -> None:
        """Stop the heartbeat of a reader that reads no more. On its loop."""
        if self._timer is not None:
            self._timer.cancel()
