"""Drive a reader of events over a blocking or async SDK stream: the only I/O of the adapters."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from typing import Any

from assistant_stream_ce.concurrency.waiters import in_event_loop
from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.errors import StreamUsageError
from assistant_stream_ce.integrations.events import AT_END, TurnReader
from assistant_stream_ce.integrations.httpx import abort
from assistant_stream_ce.integrations.turn import Turn, TurnBuilder
from assistant_stream_ce.run import observation

# A coroutine waits for capacity (`drain`) once in this many events, because appending never waits.
_EVENTS_PER_DRAIN = 32


def drive(
    controller: RunController,
    stream: Any,
    make_reader: Callable[[TurnBuilder], TurnReader],
    *,
    reasoning: bool = True,
    parent_id: str | None = None,
    stream_of: Callable[[Any], Any] = lambda response: response,
) -> Any:
    """Forward a stream to a controller.

    Args:
        controller: the controller of the run.
        stream: an iterable, an async iterable, a context manager of one, an awaitable of one, or a function without
            arguments that returns one. One that is both an iterable and an async iterable is read with `async for` in
            a running event loop.
        make_reader: returns the reader of its events.
        reasoning: whether reasoning is sent.
        parent_id: the id of the part that the turn belongs to.
        stream_of: returns the stream in a response.

    Returns:
        The turn, or an awaitable of it for an asynchronous stream.

    Raises:
        ModelStreamError: the stream has ended before its finish, or with an error event or a malformed one.
        RunCancelled: the reader of the run has left.
        StreamUsageError: a blocking stream is read inside a running event loop.
        TypeError: `stream` is not a stream, for example a whole answer.
    """
    reader = make_reader(TurnBuilder(controller, reasoning=reasoning, parent_id=parent_id))
    reader.begin()
    # Its time begins here, before a function sends the request.
    observed = observation.turn(reader)
    if callable(stream) and not _is_stream(stream):
        stream = _made(controller, stream)
    stream = _checked(stream_of(stream))
    if is_async(stream):
        return _read_async(controller, stream, observed, stream_of)
    if in_event_loop():
        raise StreamUsageError(
            "a blocking stream would block the event loop: make the callback a plain `def`, or use an async client"
        )
    with observed as reader:
        return _read(controller, stream, reader)


def _made(controller: RunController, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception:
        # After an abort each client raises its own exception; see `_read`.
        controller.raise_if_cancelled()
        raise


def is_async(stream: Any) -> bool:
    """Return whether to read a stream in a coroutine: it is async only, or it is both and an event loop is running."""
    can_be = inspect.isawaitable(stream) or hasattr(stream, "__aiter__") or hasattr(stream, "__aenter__")
    is_blocking = hasattr(stream, "__iter__") or hasattr(stream, "__enter__")
    return can_be and (not is_blocking or in_event_loop())


def _is_stream(stream: Any) -> bool:
    return inspect.isawaitable(stream) or any(
        hasattr(stream, name) for name in ("__iter__", "__aiter__", "__enter__", "__aenter__")
    )


def _checked(stream: Any) -> Any:
    """Return a stream; raise for a whole answer, which is a dict or a pydantic model, and thereby iterable too."""
    is_whole = isinstance(stream, (str, bytes, Mapping)) or hasattr(type(stream), "model_dump")
    if is_whole or not _is_stream(stream):
        raise TypeError(
            f"stream must be a stream of events, not {type(stream).__name__}: does the request ask for a stream?"
        )
    return stream


def _read(controller: RunController, stream: Any, reader: TurnReader) -> Turn:
    try:
        with _open(stream) as events, _aborting(controller, events, stream):
            reader.opened(events)
            for event in events:
                try:
                    reader.feed(event)
                except Exception as error:
                    reader.reject(error, event)
    except Exception:
        # After an abort each client raises its own exception.
        controller.raise_if_cancelled()
        raise
    controller.raise_if_cancelled()
    return _end(reader)


async def _read_async(
    controller: RunController,
    stream: Any,
    observed: AbstractContextManager[TurnReader],
    stream_of: Callable[[Any], Any],
) -> Turn:
    with observed as reader:
        return await _read_all(controller, stream, reader, stream_of)


async def _read_all(
    controller: RunController, stream: Any, reader: TurnReader, stream_of: Callable[[Any], Any]
) -> Turn:
    count = 0
    if inspect.isawaitable(stream):
        stream = _checked(stream_of(await stream))
    async with _open_async(stream) as events:
        reader.opened(events)
        async for event in events:
            try:
                reader.feed(event)
            except Exception as error:
                reader.reject(error, event)
            count += 1
            if count % _EVENTS_PER_DRAIN == 0:
                await controller.drain()
    return _end(reader)


def _end(reader: TurnReader) -> Turn:
    try:
        return reader.end()
    except Exception as error:
        reader.reject(error, AT_END)


@contextmanager
def _open(stream: Any) -> Generator[Any]:
    """Enter a stream that is a context manager, and close any other at the end."""
    if isinstance(stream, AbstractContextManager):
        with stream as events:
            yield events
        return
    events = iter(stream)
    try:
        yield events
    finally:
        for one in (events, stream):
            close = getattr(one, "close", None)
            if close is not None:
                # A generator cannot be closed while another thread runs it, but its connection is shut down.
                with suppress(ValueError):
                    close()


@asynccontextmanager
async def _open_async(stream: Any) -> AsyncIterator[Any]:
    if isinstance(stream, AbstractAsyncContextManager):
        async with stream as events:
            yield events
        return
    events = aiter(stream)
    try:
        yield events
    finally:
        for one in (events, stream):
            close = getattr(one, "aclose", None) or getattr(one, "close", None) or getattr(one, "cancel", None)
            outcome = close() if close is not None else None
            if isinstance(outcome, Awaitable):
                await outcome


@contextmanager
def _aborting(controller: RunController, *streams: Any) -> Iterator[None]:
    """Shut down the connection of a stream when the reader leaves: closing it would not end a blocked read."""

    def abort_any() -> None:
        for stream in streams:
            try:
                abort(stream)
            except TypeError:
                continue
            return

    forget = controller.on_cancel(abort_any)
    try:
        yield
    finally:
        forget()
