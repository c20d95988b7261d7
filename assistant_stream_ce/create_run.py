"""Public entry point: `create_run`, and the `AssistantStream` that it returns."""

from __future__ import annotations

import contextvars
import functools
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.concurrency.closing import ClosesBothWays
from assistant_stream_ce.concurrency.waiters import in_event_loop
from assistant_stream_ce.controller import validation
from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.errors import StreamUsageError
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.run.callbacks import RunCallback, is_callable_as, is_generator_function
from assistant_stream_ce.run.drivers import ContextFactory
from assistant_stream_ce.run.forwarding import send_all, send_all_async
from assistant_stream_ce.run.hooks import RunReason, RunResult
from assistant_stream_ce.run.readers import AsyncReader, StreamSource, SyncReader
from assistant_stream_ce.run.recorder import StreamHeader, message_of
from assistant_stream_ce.run.run import Run

if TYPE_CHECKING:
    from assistant_stream_ce.message import AssistantMessage

__all__ = (
    "AssistantStream",
    "AsyncReader",
    "RunCallback",
    "RunResult",
    "StreamHeader",
    "SyncReader",
    "as_stream",
    "create_run",
)


def create_run(
    callback: RunCallback,
    *,
    state: object = None,
    on_error: Callable[[BaseException], str | None] | None = None,
    on_finish: Callable[[RunResult], object] | None = None,
    max_pending: int = 1024,
    executor: Executor | None = None,
    keep_message: bool = True,
    message_id: str | None = None,
) -> AssistantStream:
    """Create the stream of a callback's output. Nothing runs before the first read.

    Hooks are called in a thread (coroutine functions: as a task), with the context variables of the callback.

    Args:
        callback: `def` or `async def`, or any callable that returns either's result; it gets a
            `RunController`. A plain function runs in a daemon thread of its own, so it may block.
        state: initial value of `controller.state`, which the front end has too. It is copied.
        on_error: a plain function that returns the error text for the user. The text is `str(exception)` without it or
            when it returns None, and a neutral one when it fails.
        on_finish: called exactly once with a `RunResult`, before the reader sees the end; may be a coroutine function.
        max_pending: capacity of the queue in slots: a chunk takes one, and one more for each 1,024 characters. When it
            is full, threads block in their call, and coroutines may `await controller.drain()`.
        executor: runs a plain callback; None for a new thread.
        keep_message: whether the output is kept as `message`, of the stream and of the result for `on_finish`.
            False for an endless stream, whose memory would grow without limit.
        message_id: the id of the message in every format, `stream.message` and `result.message`; a new one if None. To
            continue a message that the front end shows already, pass `request.message_id` of `chat_requests`.

    Returns:
        The stream, an iterator for `for` and `async for`.

    Raises:
        TypeError: an argument has a wrong type, or `state` is not JSON.
        ValueError: `max_pending` is not positive, or `message_id` is empty.
    """
    _check_callback(callback)
    if on_error is not None or on_finish is not None:
        _check_hooks(on_error, on_finish)
    if executor is not None and not isinstance(executor, Executor):
        raise TypeError(f"executor must be a concurrent.futures.Executor, not {type(executor).__name__}")
    return AssistantStream(
        Run(
            callback,
            state=state,
            on_error=on_error,
            on_finish=on_finish,
            max_pending=validation.positive(max_pending, "max_pending"),
            executor=executor,
            keep_message=keep_message,
            message_id=message_id,
        )
    )


def _check_callback(callback: object) -> None:
    if not callable(callback):
        raise TypeError(f"callback must be callable, not {type(callback).__name__}")
    if is_generator_function(callback):
        raise TypeError("callback must not be a generator: call controller.append_text(...) where it yields")


def _check_hooks(on_error: object, on_finish: object) -> None:
    for name, hook in (("on_error", on_error), ("on_finish", on_finish)):
        if hook is not None and not callable(hook):
            raise TypeError(f"{name} must be callable, not {type(hook).__name__}")
    if on_error is not None and is_callable_as(inspect.iscoroutinefunction, on_error):
        raise TypeError("on_error must be a plain function")


def as_stream(source: ChunkSource) -> AssistantStream:
    """Return a source of chunks as a stream: itself, or a run that forwards the chunks unchanged.

    They are not validated as by `RunController.add_stream`: stored chunks may refer to a state or a tool call of an
    earlier run.

    Args:
        source: a stream, an async iterable, or an iterable of chunks.

    Raises:
        TypeError: it is neither a stream nor an iterable.
    """
    if isinstance(source, AssistantStream):
        source._source.check_readable()
        return source
    if isinstance(source, AsyncIterable):
        return create_run(functools.partial(_pass_on_async, source), keep_message=False)
    if isinstance(source, Iterable) and not isinstance(source, (str, bytes, Mapping)):
        return create_run(functools.partial(_pass_on, source), keep_message=False)
    hint = "; did you mean create_run(callback)?" if callable(source) else ""
    raise TypeError(f"stream must be an AssistantStream or an iterable of chunks, not {type(source).__name__}{hint}")


def _pass_on(source: Iterable[AssistantStreamChunk], controller: RunController) -> None:
    send_all(source, controller.run_context.channel.put)


async def _pass_on_async(source: AsyncIterable[AssistantStreamChunk], controller: RunController) -> None:
    await send_all_async(source, controller.run_context.channel.put, controller.drain)


class AssistantStream(ClosesBothWays, Iterator[AssistantStreamChunk], AsyncIterator[AssistantStreamChunk]):
    """The chunks of one run: an iterator for `for` and `next`, and for `async for` and `anext`.

    Created by `create_run`. A second loop continues where the first one stopped. Use the stream as a context manager
    where it may not be read to its end. Thread-safe, but only one thread or task may read at a time.
    """

    # Without a dict, so that FastAPI's encoder cannot read the attributes of a stream that an endpoint returns.
    __slots__ = ("__weakref__", "_async_reader", "_run", "_source", "_sync_reader")

    def __init__(self, run: Run) -> None:
        self._run = run
        self._source = StreamSource(run)
        self._sync_reader: SyncReader | None = None
        self._async_reader: AsyncReader | None = None

    def __iter__(self) -> SyncReader:
        """Read in a thread.

        Raises:
            StreamUsageError: inside a running event loop, or when the stream was read to its end.
        """
        if in_event_loop():
            raise StreamUsageError(
                "`for` would block the running event loop: use `async for`; from an endpoint, return "
                "DataStreamResponse(stream)"
            )
        self._source.check_readable()
        return SyncReader(self._source)

    def __aiter__(self) -> AsyncReader:
        """Read in a coroutine.

        Raises:
            StreamUsageError: the stream was read to its end.
        """
        self._source.check_readable()
        return AsyncReader(self._source)

    def __next__(self) -> AssistantStreamChunk:
        if in_event_loop():
            raise StreamUsageError("`next` would block the running event loop: use `await anext(stream)`")
        if self._sync_reader is None:
            self._sync_reader = SyncReader(self._source)
        return next(self._sync_reader)

    async def __anext__(self) -> AssistantStreamChunk:
        if self._async_reader is None:
            self._async_reader = AsyncReader(self._source)
        return await anext(self._async_reader)

    def peek(self) -> AssistantStreamChunk | None:
        """Wait in a thread for the first unread chunk, and return it without consuming it; None at the end.

        Starts the callback. To choose a response's status by the first chunk, create the response before, so that the
        callback runs in its context.

        Raises:
            BaseException: the callback's exception, if it came before any other chunk. The stream can still be read: it
                has the error chunk, and raises the exception again.
            StreamUsageError: inside a running event loop.
        """
        if in_event_loop():
            raise StreamUsageError("peek() would block the running event loop: use `await stream.apeek()`")
        return None if self._source.has_ended else self._source.peek(SyncReader(self._source).read())

    async def apeek(self) -> AssistantStreamChunk | None:
        """Wait in a coroutine for the first unread chunk; see `peek`."""
        return None if self._source.has_ended else self._source.peek(await AsyncReader(self._source).read())

    @property
    def is_cancelled(self) -> bool:
        """Whether the run was cancelled: the stream was left before the callback had ended."""
        # Not the event of the controller: a reader may be at the end of the channel before that is set.
        return self._run.is_cancelled

    @property
    def was_interrupted(self) -> bool:
        """Whether the run was cancelled without an error for the reader, as by `cancel` and not by `shutdown`."""
        return self.is_cancelled and not self._run.deadline

    @property
    def message(self) -> AssistantMessage:
        """The output so far as a message; after the end of the stream, the whole one.

        It includes chunks that were not read, and is built on each access. Its status is `running` during the run, and
        `incomplete` with the reason `cancelled` after a cancellation.

        Raises:
            StreamUsageError: the stream was created with `keep_message=False`.
        """
        return message_of(self._run.recorder)

    @property
    def message_id(self) -> str:
        """The id of the message: the one given to `create_run`, or a generated one. Thread-safe."""
        return str(self._run.message_id)

    @property
    def header(self) -> StreamHeader:
        """The ids that encoders write for this stream. Thread-safe."""
        return StreamHeader(self.message_id, self._run.message_id.is_given)

    @property
    def state(self) -> JSON:
        """A plain copy of the current state, before, during and after the run. Thread-safe."""
        return self._run.run_context.state.copy()

    @property
    def initial_state(self) -> JSON:
        """A plain copy of the state with which an encoder of this stream begins: the present one."""
        return self.state

    @property
    def skipped(self) -> Sequence[AssistantStreamChunk]:
        """The chunks before the cursor of a `FollowedStream`; empty for any other stream."""
        return ()

    def response_headers(self, encoder: Any) -> Mapping[str, str]:
        """Return the headers that a response of this stream has besides the encoder's.

        Args:
            encoder: the encoder of the response, before it is used.
        """
        return {}

    @property
    def reason(self) -> RunReason | None:
        """How the run ended, as in `RunResult`; None while it has not."""
        return self._run.reason

    def cancel(self) -> None:
        """Stop the run without waiting: the callback is notified at once. Thread-safe, also in a loop.

        A reader gets the chunks that wait, and then the end, without an exception. A response or encoder ends its
        format as an interrupted answer: with `abort` in the UI message stream, the finish reason "length" for OpenAI,
        and the finish reason "interrupted" in the others. A callback that still runs two seconds later is abandoned,
        with a warning.
        """
        self._run.cancel(keeps_waiting=True)

    def close(self) -> None:
        """Cancel the run, and wait for the callback to end, for a thread at most 50 ms.

        A thread that still runs then is abandoned, with a warning. Does nothing when the run has ended. Inside a
        running event loop it does not wait, like `cancel`.
        """
        self._source.close()

    async def aclose(self) -> None:
        """Cancel the run, and wait for the callback to end, for a thread at most 50 ms; see `close`."""
        await self._source.aclose()

    def release(self) -> None:
        """Cancel the run as a server does after a disconnect: wait only for a run that is shut down."""
        self._source.release()

    async def wait_for_end(self) -> None:
        """Wait for the end of a cancelled run, at most as long as `aclose` or `shutdown` would."""
        await self._source.wait_for_end()

    def bind(self, factory: ContextFactory | None = None) -> contextvars.Context:
        """Bind the run to a web response that is created here.

        The callback and the hooks see the context variables of this call instead of those at the first read: a server
        reads the body after the request's context has ended. The callback's exception is logged, because no code of the
        application reads the stream.

        Args:
            factory: returns a context manager that is entered around the callback and each hook, in its thread or task.

        Returns:
            The context in which the callback will run.
        """
        self._run.logs_errors = True
        self._run.scope.bind(factory)
        return self._run.scope.context
