"""A whole run as one value: what it said, what it did, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from assistant_stream_ce import chunks
from assistant_stream_ce.channel import in_event_loop
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.create_run import AssistantStream
from assistant_stream_ce.errors import RunCancelled, StreamUsageError
from assistant_stream_ce.hooks import RunReason
from assistant_stream_ce.jsonvalue import JSON, clone, plain
from assistant_stream_ce.state.operations import apply
from assistant_stream_ce.testing.watching import Source, Watch, run_of, state_of, stream_of

__all__ = ("Collected", "CollectedToolCall", "collect")


@dataclass
class CollectedToolCall:
    """One tool call, put together from its chunks. `tool_name` is None where an earlier message began the call."""

    tool_call_id: str
    tool_name: str | None = None
    args_text: str = ""
    result: JSON = None
    artifact: JSON = None
    is_error: bool = False
    #: Whether there was a result; one may be None.
    is_answered: bool = False

    @property
    def args(self) -> JSON:
        """The arguments; without any text `{}`.

        Raises:
            ValueError: their text is not JSON.
        """
        return json.loads(self.args_text or "{}")


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
    def text(self) -> str:
        """The whole text of the answer, under any parent."""
        return "".join(chunk.text_delta for chunk in self.chunks if isinstance(chunk, chunks.TextDeltaChunk))

    @property
    def reasoning(self) -> str:
        """The whole reasoning, under any parent."""
        deltas = (chunk for chunk in self.chunks if isinstance(chunk, chunks.ReasoningDeltaChunk))
        return "".join(chunk.reasoning_delta for chunk in deltas)

    @property
    def tool_calls(self) -> list[CollectedToolCall]:
        """The tool calls, in the order of their begins."""
        calls: dict[str, CollectedToolCall] = {}
        for chunk in self.chunks:
            match chunk:
                case chunks.ToolCallBeginChunk(call_id, name):
                    calls[call_id] = CollectedToolCall(call_id, name)
                case chunks.ToolCallChunk(call_id, name, args):
                    calls[call_id] = CollectedToolCall(call_id, name, json.dumps(args))
                case chunks.ToolCallDeltaChunk(call_id, text):
                    calls.setdefault(call_id, CollectedToolCall(call_id)).args_text += text
                case chunks.ToolResultChunk(call_id, result, artifact, is_error):
                    call = calls.setdefault(call_id, CollectedToolCall(call_id))
                    call.result, call.artifact, call.is_error, call.is_answered = result, artifact, is_error, True
        return list(calls.values())

    @property
    def state(self) -> JSON:
        """The state as a front end has it at the end.

        Raises:
            StateError: a front end could not apply an edit. A callback's are checked before they are sent.
        """
        state = clone(self._initial_state)
        for chunk in self.chunks:
            if isinstance(chunk, chunks.UpdateStateChunk):
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
                self._keep(error)
        self._has_ended = True

    async def _read_async(self) -> None:
        with Watch(run_of(self._stream), self._timeout):
            async with self._stream:
                reader = aiter(self._stream)
                try:
                    async for chunk in reader:
                        self._chunks.append(chunk)
                except (Exception, RunCancelled) as error:
                    self._keep(error)
        self._has_ended = True

    def _keep(self, error: BaseException) -> None:
        if isinstance(error, AssertionError):
            raise error
        self._error = error

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
    return Collected(stream, state_of(stream) if is_own else plain(state, "state"), timeout)
