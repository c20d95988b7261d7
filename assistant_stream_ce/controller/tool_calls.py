"""Tool calls: the table that keeps their frames in order, and the controller of one call."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.concurrency.channel import Channel
from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.controller import validation as arguments
from assistant_stream_ce.controller.validation import flag, items, places
from assistant_stream_ce.errors import RunCancelled, ToolCallError
from assistant_stream_ce.jsonvalue import JSON, plain, weight

_Phase: TypeAlias = Literal["open", "closed", "answered"]


class ToolCalls:
    """The tool calls of one run, and how far each has come.

    The front ends end the stream, or silently drop a frame, when a call's frames come out of order. So
    each step is checked and sent under one lock. It waits for room before it takes the lock, because a
    coroutine may want the lock too.
    """

    def __init__(self, channel: Channel[AssistantStreamChunk]) -> None:
        self._channel = channel
        # Guards `_phases`, and that chunks of a call leave in the order of its phases.
        self._lock = new_lock()
        self._phases: dict[str, _Phase] = {}

    def begin(self, chunk: chunks.ToolCallBeginChunk) -> None:
        """Send the begin of a call."""
        self._start(chunk, "open", 1)

    def add(self, chunk: chunks.ToolCallChunk) -> None:
        """Send a call with its whole arguments."""
        self._start(chunk, "closed", places(weight(chunk.args)))

    def _start(self, chunk: chunks.ToolCallBeginChunk | chunks.ToolCallChunk, phase: _Phase, size: int) -> None:
        call_id = chunk.tool_call_id
        self._channel.wait_for_capacity()
        with self._lock:
            if call_id in self._phases:
                raise ToolCallError(f"tool call {call_id!r} exists already: leave the id out to get a fresh one")
            self._channel.put(chunk, size, may_block=False)
            self._phases[call_id] = phase

    def append_args(self, chunk: chunks.ToolCallDeltaChunk) -> None:
        """Send more of a call's argument text."""
        call_id = chunk.tool_call_id
        self._channel.wait_for_capacity()
        with self._lock:
            phase = self._phases.get(call_id)
            if phase is None:
                raise ToolCallError(f"tool call {call_id!r} was not begun: call add_tool_call first")
            if phase != "open":
                raise ToolCallError(
                    f"the arguments of tool call {call_id!r} are complete: append them before close(), "
                    "set_response() and the end of the step"
                )
            self._channel.put(chunk, places(len(chunk.args_text_delta)), may_block=False)

    def add_result(
        self, call_id: str, result: object, artifact: object, is_error: bool, model_content: Sequence[object] | None
    ) -> None:
        """Send the result of a call, of this run or of an earlier message."""
        result, artifact = plain(result, "result"), plain(artifact, "artifact")
        content = None if model_content is None else items(model_content, "model_content")
        chunk = chunks.ToolResultChunk(call_id, result, artifact, flag(is_error, "is_error"), content)
        self._channel.wait_for_capacity()
        with self._lock:
            if self._phases.get(call_id) == "answered":
                raise ToolCallError(f"tool call {call_id!r} has its result already: a call has one result")
            self._channel.put(chunk, places(weight(result) + weight(artifact) + weight(content)), may_block=False)
            self._phases[call_id] = "answered"

    def close(self, call_id: str, args: JSON = None) -> None:
        """Complete the arguments of an open call; do nothing for any other.

        Args:
            call_id: the call.
            args: the whole arguments, if they are not what the text is.
        """
        self._channel.wait_for_capacity()
        with self._lock:
            self._close(call_id, args)

    def close_all(self) -> None:
        """Say that the arguments of all open calls are complete; never waits for room."""
        with self._lock:
            for call_id in self._phases:
                self._close(call_id)

    def finish(self, chunk: AssistantStreamChunk) -> None:
        """Send the end of a step or message, which ends the arguments of every call in the clients."""
        self._channel.wait_for_capacity()
        with self._lock:
            self._channel.put(chunk, may_block=False)
            for call_id, phase in self._phases.items():
                if phase == "open":
                    self._phases[call_id] = "closed"

    def _close(self, call_id: str, args: JSON = None) -> None:
        if self._phases.get(call_id) == "open":
            self._channel.put(chunks.ToolCallDeltaChunk(call_id, "", True, args), places(weight(args)), may_block=False)
            self._phases[call_id] = "closed"


class ToolCallController:
    """One tool call: its arguments as they are generated, then its result.

    Made by `RunController.add_tool_call`. May be awaited (it is there already), and used with `with` or
    `async with`, which close it. From any thread and from coroutines.
    """

    __slots__ = ("__weakref__", "_calls", "_tool_call_id", "_tool_name")

    def __init__(self, calls: ToolCalls, tool_call_id: str, tool_name: str) -> None:
        self._calls = calls
        self._tool_call_id = tool_call_id
        self._tool_name = tool_name

    @property
    def tool_call_id(self) -> str:
        """The id that the result refers to."""
        return self._tool_call_id

    @property
    def tool_name(self) -> str:
        """The name of the tool."""
        return self._tool_name

    def append_args_text(self, text: str) -> None:
        """Append argument text.

        Args:
            text: a piece of the JSON text, of any size.

        Raises:
            TypeError: `text` is not a str.
            ToolCallError: the arguments are complete already.
        """
        if isinstance(text, dict):
            raise TypeError("text must be a str, not dict: pass json.dumps(...) of it")
        delta = arguments.text(text, "text")
        if delta:
            self._calls.append_args(chunks.ToolCallDeltaChunk(self._tool_call_id, delta))

    def set_response(
        self,
        result: object,
        *,
        artifact: object = None,
        is_error: bool = False,
        model_content: Sequence[object] | None = None,
    ) -> None:
        """Set what the tool returned; it ends the arguments too.

        Args:
            result: any JSON value, for the model and the user.
            artifact: any JSON value, for the front end only.
            is_error: whether the tool failed.
            model_content: what the model reads of the result, where it is not the result itself: a list of parts like
                `{"type": "text", "text": "..."}`.

        Raises:
            TypeError: a value is not JSON.
            ToolCallError: the call has its result already.
        """
        self._calls.add_result(self._tool_call_id, result, artifact, is_error, model_content)

    def set_result(self, result: object) -> None:
        """Set the result. Deprecated: use `set_response`.

        Args:
            result: the result, any JSON value.
        """
        warnings.warn("set_result() is deprecated, use set_response()", DeprecationWarning, stacklevel=2)
        self.set_response(result)

    def close(self) -> None:
        """Say that the arguments are complete, so that a front-end tool can start. A second call does nothing."""
        self._calls.close(self._tool_call_id)

    def __await__(self) -> Generator[Any, None, Self]:
        return self
        yield

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # To close a cancelled call would only raise the same again.
        if not isinstance(error, RunCancelled):
            self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)
