"""A whole run as one value: what it said, what it did, and how it ended."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from assistant_stream_ce.chunks import AssistantStreamChunk, UpdateStateChunk
from assistant_stream_ce.concurrency.channel import in_event_loop
from assistant_stream_ce.create_run import AssistantStream
from assistant_stream_ce.errors import RunCancelled, StreamUsageError
from assistant_stream_ce.jsonvalue import JSON, clone, plain
from assistant_stream_ce.message import AssistantMessage, ReasoningPart, ToolCallPart
from assistant_stream_ce.message.accumulator import MessageAccumulator
from assistant_stream_ce.run.hooks import RunReason
from assistant_stream_ce.state.operations import apply
from assistant_stream_ce.testing.watching import Source, Watch, kept, run_of, stream_of

__all__ = ("Collected", "collect")


class Collected:
    """What a run said and did, and how it ended. Made by `collect`."""

    def __init__(self, stream: AssistantStream, state: JSON, timeout: float) -> None:
        self._stream = stream
        self._initial_state = state
        self._timeout = timeout
        self._has_ended = False
        self._chunks: list[AssistantStreamChunk] = []
        self._error: BaseException | None = None
        # A coroutine that nobody awaits makes Python warn.
        self._reading = self._read_async() if in_event_loop() else None
        if self._reading is None:
            self._read()

    def __await__(self) -> Generator[Any, None, Collected]:
        if self._reading is not None and not self._has_ended:
            yield from self._reading.__await__()
        return self

    @property
    def chunks(self) -> list[AssistantStreamChunk]:
        """All chunks, an error chunk at the end of a failed run included."""
        self._check_ended()
        return self._chunks

    @property
    def error(self) -> BaseException | None:
        """What the callback raised."""
        self._check_ended()
        return self._error

    @property
    def reason(self) -> RunReason | None:
        """How the run ended, as `on_finish` is told: "completed", "failed", "cancelled" or "abandoned"."""
        self._check_ended()
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
        """The whole text of the answer."""
        return self.message.text

    @property
    def reasoning(self) -> str:
        """The whole reasoning."""
        return "".join(part.text for part in self.message.parts if isinstance(part, ReasoningPart))

    @property
    def tool_calls(self) -> list[ToolCallPart]:
        """The tool calls, in the order of their begins."""
        return self.message.tool_calls

    @property
    def state(self) -> JSON:
        """The state as a front end has it at the end.

        Raises:
            StateError: a front end could not apply an edit. A callback's are checked before they are sent.
        """
        state = clone(self._initial_state)
        for chunk in self.chunks:
            if isinstance(chunk, UpdateStateChunk):
                for operation in chunk.operations:
                    state = apply(state, operation)
        return state

    def __repr__(self) -> str:
        return f"<Collected {self._stream.reason}: {len(self._chunks)} chunks, error {self._error!r}>"

    def _read(self) -> None:
        with Watch(run_of(self._stream), self._timeout), self._stream:
            reader = iter(self._stream)
            try:
                self._chunks.extend(reader)
            except (Exception, RunCancelled) as error:
                self._error = kept(error)
        self._has_ended = True

    async def _read_async(self) -> None:
        with Watch(run_of(self._stream), self._timeout):
            async with self._stream:
                reader = aiter(self._stream)
                try:
                    async for chunk in reader:
                        self._chunks.append(chunk)
                except (Exception, RunCancelled) as error:
                    self._error = kept(error)
        self._has_ended = True

    def _check_ended(self) -> None:
        if not self._has_ended:
            raise StreamUsageError("in a coroutine the result of collect() must be awaited: await collect(...)")


def collect(source: Source, *, state: object = None, timeout: float = 10.0, **options: Any) -> Collected:
    """Read a run to its end, and return what it said and did.

    In a thread it blocks. In a coroutine `await` what it returns. What the callback raises is not raised, but
    kept as `error`; only an `AssertionError`, and what is no `Exception`, is raised, for it is the test's own.

    Args:
        source: a callback, a stream that nobody reads yet, or any iterable of chunks.
        state: where the state starts, for a callback or an iterable; a stream knows its own.
        timeout: after so many seconds the run is left.
        options: for `create_run`, with a callback.

    Raises:
        TimeoutError: the run has not ended in time. The message has the stack of the callback.
        StreamUsageError: the stream was read before.
        TypeError: `source` is none of the above, or an argument is not for it.
    """
    if isinstance(source, AssistantStream) and state is not None:
        raise TypeError("state is for a callback or an iterable of chunks: a stream knows its own")
    stream = stream_of(source, state, options)
    is_own = callable(source) or isinstance(source, AssistantStream)
    return Collected(stream, stream.state if is_own else plain(state, "state"), timeout)
