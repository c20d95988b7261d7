"""The model: what an assistant can say and do, one small immutable type for each.

Chunks are compared by value, hold plain data only, and know no wire. Every chunk has a `type`.
The controller makes them; whoever iterates a stream receives them; encoders write them.

A chunk does not check what it is built with: the controller checks what comes from a callback,
and `RunController.add_stream` checks chunks that were built elsewhere.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias, TypedDict

import msgspec

from assistant_stream_ce.jsonvalue import JSON

__all__ = (
    "AnnotationsChunk",
    "AssistantStreamChunk",
    "DataChunk",
    "ErrorChunk",
    "FileChunk",
    "FinishReason",
    "MessageFinishChunk",
    "Operation",
    "ReasoningDeltaChunk",
    "SourceChunk",
    "StepFinishChunk",
    "StepStartChunk",
    "TextDeltaChunk",
    "ToolCallBeginChunk",
    "ToolCallDeltaChunk",
    "ToolResultChunk",
    "UpdateStateChunk",
)

#: Why a step or message ended, in the words of the data stream; other words are passed through.
FinishReason: TypeAlias = Literal["stop", "length", "content-filter", "tool-calls", "error", "other", "unknown"] | str


class Operation(TypedDict):
    """One edit of the state: `set` a value at a path, or `append-text` to the text there."""

    type: Literal["set", "append-text"]
    path: list[str]
    value: JSON


# `gc=False` where the fields are scalars: such a chunk can be part of no cycle, and the collector skips it.


class TextDeltaChunk(msgspec.Struct, frozen=True, gc=False, tag="text-delta"):
    """More text of the answer."""

    type: ClassVar[str] = "text-delta"
    text_delta: str
    parent_id: str | None = None


class ReasoningDeltaChunk(msgspec.Struct, frozen=True, gc=False, tag="reasoning-delta"):
    """More of the model's reasoning."""

    type: ClassVar[str] = "reasoning-delta"
    reasoning_delta: str
    parent_id: str | None = None


class ToolCallBeginChunk(msgspec.Struct, frozen=True, gc=False, tag="tool-call-begin"):
    """A tool call starts; its arguments follow as text."""

    type: ClassVar[str] = "tool-call-begin"
    tool_call_id: str
    tool_name: str
    parent_id: str | None = None


class ToolCallDeltaChunk(msgspec.Struct, frozen=True, gc=False, tag="tool-call-delta"):
    """More of a tool call's argument text (JSON in pieces); `is_final` when no more will come."""

    type: ClassVar[str] = "tool-call-delta"
    tool_call_id: str
    args_text_delta: str
    is_final: bool = False


class ToolResultChunk(msgspec.Struct, frozen=True, tag="tool-result"):
    """What a tool call returned; it ends the call's arguments too."""

    type: ClassVar[str] = "tool-result"
    tool_call_id: str
    result: JSON
    artifact: JSON = None
    is_error: bool = False


class SourceChunk(msgspec.Struct, frozen=True, gc=False, tag="source"):
    """A document that the answer rests on."""

    type: ClassVar[str] = "source"
    id: str
    url: str
    source_type: str = "url"
    title: str | None = None
    parent_id: str | None = None


class FileChunk(msgspec.Struct, frozen=True, gc=False, tag="file"):
    """A file in the message: base64 text, or a URL."""

    type: ClassVar[str] = "file"
    data: str
    mime_type: str
    parent_id: str | None = None


class DataChunk(msgspec.Struct, frozen=True, tag="data"):
    """Application data beside the message."""

    type: ClassVar[str] = "data"
    data: JSON


class AnnotationsChunk(msgspec.Struct, frozen=True, tag="annotations"):
    """Notes about the message, for the application."""

    type: ClassVar[str] = "annotations"
    annotations: list[JSON]


class StepStartChunk(msgspec.Struct, frozen=True, gc=False, tag="step-start"):
    """One call of the model starts."""

    type: ClassVar[str] = "step-start"
    message_id: str


class StepFinishChunk(msgspec.Struct, frozen=True, gc=False, tag="step-finish"):
    """One call of the model has ended, with its usage in tokens."""

    type: ClassVar[str] = "step-finish"
    finish_reason: str
    input_tokens: int = 0
    output_tokens: int = 0
    is_continued: bool = False


class ErrorChunk(msgspec.Struct, frozen=True, gc=False, tag="error"):
    """Something failed; the text is shown to the user."""

    type: ClassVar[str] = "error"
    error: str


class MessageFinishChunk(msgspec.Struct, frozen=True, gc=False, tag="message-finish"):
    """The whole message has ended, with its usage in tokens."""

    type: ClassVar[str] = "message-finish"
    finish_reason: str
    input_tokens: int = 0
    output_tokens: int = 0


class UpdateStateChunk(msgspec.Struct, frozen=True, tag="update-state"):
    """Edits of the state, to be applied in order."""

    type: ClassVar[str] = "update-state"
    operations: list[Operation]


AssistantStreamChunk: TypeAlias = (
    TextDeltaChunk
    | ReasoningDeltaChunk
    | ToolCallBeginChunk
    | ToolCallDeltaChunk
    | ToolResultChunk
    | SourceChunk
    | FileChunk
    | DataChunk
    | AnnotationsChunk
    | StepStartChunk
    | StepFinishChunk
    | ErrorChunk
    | MessageFinishChunk
    | UpdateStateChunk
)
