"""Read a whole run and return its chunks, message, state and end as one value."""

from __future__ import annotations

from typing import Any

from assistant_stream_ce.chunks import AssistantStreamChunk, UpdateStateChunk
from assistant_stream_ce.create_run import AssistantStream
from assistant_stream_ce.errors import shorten
from assistant_stream_ce.jsonvalue import JSON, clone, plain
from assistant_stream_ce.message import AssistantMessage, ReasoningPart, ToolCallPart
from assistant_stream_ce.message.accumulator import MessageAccumulator
from assistant_stream_ce.run.hooks import RunReason
from assistant_stream_ce.state.operations import apply
from assistant_stream_ce.testing.timeouts import RunSource, Timeout, keep_error, refuse_event_loop, run_of, stream_of


class Collected:
    """Everything a run sent, and how it ended. Made by `collect` and `acollect`.

    Attributes:
        chunks: all chunks, including the error chunk of a failed run.
        error: the exception that the callback raised; None if it raised none.
    """

    def __init__(self, stream: AssistantStream, state: JSON) -> None:
        self._stream = stream
        self._initial_state = state
        self.chunks: list[AssistantStreamChunk] = []
        self.error: BaseException | None = None

    @property
    def reason(self) -> RunReason | None:
        """How the run ended, as in `RunResult`: "completed", "failed", "cancelled" or "abandoned"."""
        return self._stream.reason

    @property
    def message(self) -> AssistantMessage:
        """The message that the chunks add up to."""
        accumulator = MessageAccumulator(state=self._initial_state)
        accumulator.extend(self.chunks)
        accumulator.finish(is_cancelled=self.reason in ("cancelled", "abandoned"))
        return accumulator.message

    @property
    def text(self) -> str:
        """The text of the answer, of all text parts together."""
        return self.message.text

    @property
    def reasoning(self) -> str:
        """The reasoning, of all reasoning parts together."""
        return "".join(part.text for part in self.message.parts if isinstance(part, ReasoningPart))

    @property
    def tool_calls(self) -> list[ToolCallPart]:
        """The tool calls, in the order in which they began."""
        return self.message.tool_calls

    @property
    def state(self) -> JSON:
        """The state as a front end has it at the end.

        Raises:
            StateError: a front end could not apply an edit. A callback's edits are checked before they are sent.
        """
        state = clone(self._initial_state)
        for chunk in self.chunks:
            if isinstance(chunk, UpdateStateChunk):
                for operation in chunk.operations:
                    state = apply(state, operation)
        return state

    def __repr__(self) -> str:
        return f"<Collected {self._stream.reason}: {len(self.chunks)} chunks, error {shorten(repr(self.error))}>"


def collect(source: RunSource, *, state: object = None, timeout: float = 10.0, **options: Any) -> Collected:
    """Read a run to its end in a thread; `acollect` is the same for a coroutine.

    An exception of the callback is not raised but kept as `error`. Only an `AssertionError`, which is the test's own,
    and what is no `Exception` are raised.

    Args:
        source: a callback, an unread stream, or any iterable of chunks.
        state: the initial state, for a callback or an iterable of chunks; a stream has its own.
        timeout: seconds after which the run is cancelled.
        options: options of `create_run`, for a callback.

    Raises:
        StreamUsageError: the stream was read before, or an event loop is running in this thread.
        TimeoutError: the run did not end in time. The message has the stack of the callback.
        TypeError: `source` has a wrong type, or an argument does not apply to it.
    """
    refuse_event_loop("collect()", "acollect(...)")
    collected = _prepare(source, state, options)
    stream = collected._stream
    with Timeout(run_of(stream), timeout), stream:
        reader = iter(stream)
        with keep_error(collected):
            collected.chunks.extend(reader)
    return collected


async def acollect(source: RunSource, *, state: object = None, timeout: float = 10.0, **options: Any) -> Collected:
    """Read a run to its end in a coroutine; arguments and exceptions are those of `collect`."""
    collected = _prepare(source, state, options)
    stream = collected._stream
    with Timeout(run_of(stream), timeout):
        async with stream:
            reader = aiter(stream)
            with keep_error(collected):
                async for chunk in reader:
                    collected.chunks.append(chunk)
    return collected


def _prepare(source: RunSource, state: object, options: dict[str, Any]) -> Collected:
    if isinstance(source, AssistantStream) and state is not None:
        raise TypeError("state is for a callback or an iterable of chunks: a stream has its own")
    stream = stream_of(source, state, options)
    is_own = callable(source) or isinstance(source, AssistantStream)
    return Collected(stream, stream.state if is_own else plain(state, "state"))
