"""Tool calls of a run: the registry that keeps their chunks in order, and the controller of one call."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Generator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.concurrency.channel import Channel
from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.controller import validation
from assistant_stream_ce.controller.validation import slots, slots_of
from assistant_stream_ce.errors import RunCancelled, ToolCallError, shorten
from assistant_stream_ce.jsonvalue import JSON, json_size, plain

# "asked": it waits for an approval; "running": it has a preliminary result.
_Phase: TypeAlias = Literal["open", "closed", "asked", "running", "answered"]


class ToolCallRegistry:
    """The tool calls of one run, and the phase of each. Thread-safe.

    Front ends end the stream, or silently drop a chunk, when a call's chunks arrive out of order. So each step is
    checked and sent under one lock. Waiting for capacity happens before the lock is taken, because a coroutine may need
    the lock too.
    """

    def __init__(self, channel: Channel[AssistantStreamChunk]) -> None:
        self._channel = channel
        # Guards `_phases`, and keeps the chunks of a call in the order of its phases.
        self._lock = new_lock()
        self._phases: dict[str, _Phase] = {}
        # The open calls, so that the end of a step looks at no others.
        self._open: dict[str, None] = {}
        self._approval_ids: set[str] = set()

    def begin(self, chunk: chunks.ToolCallBeginChunk) -> None:
        """Send the begin of a call."""
        self._start(chunk, "open", 1)

    def add(self, chunk: chunks.ToolCallChunk) -> None:
        """Send a call with all its arguments."""
        self._start(chunk, "closed", slots(json_size(chunk.args)))

    def append_args(self, chunk: chunks.ToolCallDeltaChunk) -> None:
        """Send more of a call's argument text; after a final chunk the arguments are complete."""
        call_id = chunk.tool_call_id
        self._channel.wait_for_capacity()
        with self._lock:
            if not chunk.args_text_delta:
                if chunk.is_final:
                    self._close(call_id, chunk.args)
                self._channel.check_open()
                return
            phase = self._phases.get(call_id)
            if phase is None:
                raise ToolCallError(f"tool call {_quoted(call_id)} was not begun: call add_tool_call first")
            if phase != "open":
                raise ToolCallError(
                    f"the arguments of tool call {_quoted(call_id)} are complete: append them before close(), "
                    "set_response() and the end of the step"
                )
            self._channel.put(chunk, slots(len(chunk.args_text_delta)), may_block=False)
            if chunk.is_final:
                self._set_phase(call_id, "closed")

    def add_result(self, chunk: chunks.ToolResultChunk) -> None:
        """Send the result of a call, of this run or of an earlier message."""
        call_id = chunk.tool_call_id
        self._channel.wait_for_capacity()
        with self._lock:
            if self._phases.get(call_id) == "answered":
                raise ToolCallError(f"tool call {_quoted(call_id)} has its result already: a call has one result")
            self._channel.put(chunk, slots_of(chunk), may_block=False)
            self._set_phase(call_id, "running" if chunk.preliminary else "answered")

    def request_approval(self, chunk: chunks.ToolApprovalRequestChunk) -> None:
        """Send the request for an approval of a call, which completes its arguments."""
        call_id, approval_id = chunk.tool_call_id, chunk.approval_id
        self._channel.wait_for_capacity()
        with self._lock:
            phase = self._phases.get(call_id)
            if phase is None:
                raise ToolCallError(f"tool call {_quoted(call_id)} was not begun: call add_tool_call first")
            if phase not in ("open", "closed"):
                raise ToolCallError(f"tool call {_quoted(call_id)} has {_STARTED[phase]} already")
            if approval_id in self._approval_ids:
                raise ToolCallError(
                    f"approval id {_quoted(approval_id)} exists already: leave it out to get a fresh one"
                )
            self._close(call_id)
            self._channel.put(chunk, slots_of(chunk), may_block=False)
            self._approval_ids.add(approval_id)
            self._set_phase(call_id, "asked")

    def close(self, call_id: str) -> None:
        """Complete the arguments of a call if it is open."""
        self._channel.wait_for_capacity()
        with self._lock:
            self._close(call_id)

    def close_all(self) -> None:
        """Complete the arguments of all open calls. Never waits for capacity."""
        with self._lock:
            for call_id in list(self._open):
                self._close(call_id)

    def has(self, call_id: str) -> bool:
        """Return whether the run has a call with an id."""
        with self._lock:
            return call_id in self._phases

    def finish(self, chunk: AssistantStreamChunk) -> None:
        """Send the end of a step or message, which completes the arguments of every call in the clients."""
        self._channel.wait_for_capacity()
        with self._lock:
            self._channel.put(chunk, may_block=False)
            for call_id in list(self._open):
                self._set_phase(call_id, "closed")

    def _start(self, chunk: chunks.ToolCallBeginChunk | chunks.ToolCallChunk, phase: _Phase, weight: int) -> None:
        call_id = chunk.tool_call_id
        self._channel.wait_for_capacity()
        with self._lock:
            if call_id in self._phases:
                raise ToolCallError(f"tool call {_quoted(call_id)} exists already: leave the id out to get a fresh one")
            self._channel.put(chunk, weight, may_block=False)
            self._set_phase(call_id, phase)

    def _set_phase(self, call_id: str, phase: _Phase) -> None:
        self._phases[call_id] = phase
        if phase == "open":
            self._open[call_id] = None
        else:
            self._open.pop(call_id, None)

    def _close(self, call_id: str, args: JSON = None) -> None:
        if call_id in self._open:
            self._channel.put(
                chunks.ToolCallDeltaChunk(call_id, "", True, args), slots(json_size(args)), may_block=False
            )
            self._set_phase(call_id, "closed")


_STARTED: Mapping[_Phase, str] = {"asked": "an approval request", "running": "a result", "answered": "its result"}


def _quoted(call_id: str) -> str:
    return shorten(repr(call_id))


def result_chunk(
    call_id: str,
    result: object,
    artifact: object,
    is_error: bool,
    model_content: Sequence[object] | None,
    denied: bool,
    preliminary: bool,
) -> chunks.ToolResultChunk:
    """Return the chunk for the result of a call, with checked and copied values."""
    is_error = validation.flag(is_error, "is_error") or validation.flag(denied, "denied")
    if validation.flag(preliminary, "preliminary") and is_error:
        raise ValueError("a preliminary result must not be an error or a denial, as these are final")
    return chunks.ToolResultChunk(
        call_id,
        plain(result, "result"),
        plain(artifact, "artifact"),
        is_error,
        validation.optional_items(model_content, "model_content"),
        denied,
        preliminary,
    )


def send_approval_request(calls: ToolCallRegistry, call_id: str, approval_id: str | None, signature: str | None) -> str:
    """Send a request for an approval, and return its id."""
    id = f"approval_{uuid.uuid4().hex[:24]}" if approval_id is None else validation.id(approval_id, "approval_id")
    signature = validation.optional_text(signature, "signature")
    calls.request_approval(chunks.ToolApprovalRequestChunk(call_id, id, signature))
    return id


class ToolCallController:
    """One tool call: its arguments as they are generated, then its result.

    Created by `RunController.add_tool_call`. It may be awaited (a no-op), and used with `with` or `async with`, which
    close it. Thread-safe, and usable from coroutines.
    """

    __slots__ = ("__weakref__", "_calls", "_tool_call_id", "_tool_name")

    def __init__(self, calls: ToolCallRegistry, tool_call_id: str, tool_name: str) -> None:
        self._calls = calls
        self._tool_call_id = tool_call_id
        self._tool_name = tool_name

    @property
    def tool_call_id(self) -> str:
        """The id of the call."""
        return self._tool_call_id

    @property
    def tool_name(self) -> str:
        """The name of the tool."""
        return self._tool_name

    def append_args_text(self, text: str) -> None:
        """Append argument text. An empty text is ignored.

        Args:
            text: a piece of the JSON text, of any size.

        Raises:
            TypeError: `text` is not a str.
            ToolCallError: the arguments are complete already.
        """
        if isinstance(text, dict):
            raise TypeError("text must be a str, not dict: pass json.dumps(...) of it")
        self._calls.append_args(chunks.ToolCallDeltaChunk(self._tool_call_id, validation.text(text, "text")))

    def set_response(
        self,
        result: object,
        *,
        artifact: object = None,
        is_error: bool = False,
        model_content: Sequence[object] | None = None,
        denied: bool = False,
        preliminary: bool = False,
    ) -> None:
        """Set the tool's result, which completes the arguments too.

        Args:
            result: any JSON value, for the model and the user.
            artifact: any JSON value, for the front end only.
            is_error: whether the tool failed.
            model_content: the result as the model reads it, if it differs from `result`: a list of parts like
                `{"type": "text", "text": "..."}`.
            denied: whether the call was not allowed to run; `result` is the reason. It counts as an error.
            preliminary: whether more results follow, each in place of the one before.

        Raises:
            TypeError: a value is not JSON.
            ValueError: a preliminary result is an error or denied.
            ToolCallError: the call has its final result already.
        """
        self._calls.add_result(
            result_chunk(self._tool_call_id, result, artifact, is_error, model_content, denied, preliminary)
        )

    def request_approval(self, approval_id: str | None = None, *, signature: str | None = None) -> str:
        """Ask for the user's approval of the call, which completes the arguments.

        Args:
            approval_id: the id that the decision refers to; generated if None.
            signature: text that the client sends back with the decision, so that the server can check it.

        Returns:
            The approval id.

        Raises:
            ToolCallError: the call has an approval request or a result already, or the id was used.
        """
        return send_approval_request(self._calls, self._tool_call_id, approval_id, signature)

    def set_result(self, result: object) -> None:
        """Set the result. Deprecated: use `set_response`.

        Args:
            result: the result, any JSON value.
        """
        warnings.warn("set_result() is deprecated, use set_response()", DeprecationWarning, stacklevel=2)
        self.set_response(result)

    def close(self) -> None:
        """Complete the arguments, so that a front-end tool can start. Idempotent."""
        self._calls.close(self._tool_call_id)

    def __await__(self) -> Generator[Any, None, Self]:
        return self
        yield

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Closing a cancelled call would only raise RunCancelled again.
        if not isinstance(error, RunCancelled):
            self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)
