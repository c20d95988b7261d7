"""Resend chunks of other streams through a controller: each is validated, and keeps all its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk, ChunkHandler
from assistant_stream_ce.controller import validation
from assistant_stream_ce.controller.validation import checked, slots_of

if TYPE_CHECKING:
    from assistant_stream_ce.controller.run_controller import RunController


C = TypeVar("C", bound=AssistantStreamChunk)


class Resender(ChunkHandler[None]):
    """Sends each chunk like the controller's method for its type.

    Args:
        controller: the controller that sends them.
    """

    __slots__ = ("_controller", "_run_context")

    def __init__(self, controller: RunController) -> None:
        self._controller = controller
        self._run_context = controller.run_context

    def text_delta(self, chunk: chunks.TextDeltaChunk) -> None:
        """Send text; an empty text is ignored."""
        self._of(chunk.parent_id).append_text(chunk.text_delta)

    def reasoning_delta(self, chunk: chunks.ReasoningDeltaChunk) -> None:
        """Send reasoning; an empty text is ignored."""
        self._of(chunk.parent_id).append_reasoning(chunk.reasoning_delta)

    def refusal_delta(self, chunk: chunks.RefusalDeltaChunk) -> None:
        """Send a piece of a refusal; an empty text is ignored."""
        self._of(chunk.parent_id).append_refusal(chunk.refusal_delta)

    def tool_call_begin(self, chunk: chunks.ToolCallBeginChunk) -> None:
        """Begin a tool call."""
        self._run_context.calls.begin(self._checked(chunk))

    def tool_call(self, chunk: chunks.ToolCallChunk) -> None:
        """Send a tool call with all its arguments."""
        self._run_context.calls.add(self._checked(chunk))

    def tool_call_delta(self, chunk: chunks.ToolCallDeltaChunk) -> None:
        """Send argument text; an empty one only ends the arguments."""
        self._run_context.calls.append_args(self._checked(chunk))

    def tool_result(self, chunk: chunks.ToolResultChunk) -> None:
        """Send the result of a tool call."""
        self._run_context.calls.add_result(self._checked(chunk))

    def tool_approval_request(self, chunk: chunks.ToolApprovalRequestChunk) -> None:
        """Ask for the approval of a tool call."""
        validation.id(chunk.approval_id, "approval_id")
        self._run_context.calls.request_approval(self._checked(chunk))

    def step_finish(self, chunk: chunks.StepFinishChunk) -> None:
        """Finish a step."""
        self._run_context.calls.finish(self._checked(chunk))

    def message_finish(self, chunk: chunks.MessageFinishChunk) -> None:
        """Finish the message."""
        self._run_context.calls.finish(self._checked(chunk))

    def update_state(self, chunk: chunks.UpdateStateChunk) -> None:
        """Apply state operations."""
        self._run_context.state.apply(chunk.operations)

    def unhandled(self, chunk: AssistantStreamChunk) -> None:
        """Send a chunk of a type without ordering rules."""
        chunk = self._checked(chunk)
        self._run_context.channel.put(chunk, slots_of(chunk))

    def _of(self, parent_id: str | None) -> RunController:
        return self._controller if parent_id is None else self._controller.with_parent_id(parent_id)

    def _checked(self, chunk: C) -> C:
        chunk = checked(chunk)
        parent_id = self._controller.parent_id
        if parent_id is not None and getattr(chunk, "parent_id", "") is None:
            chunk = msgspec.structs.replace(chunk, parent_id=parent_id)
        return chunk
