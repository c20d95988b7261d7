"""Chunks: the immutable, typed events of a stream, and the base class of what handles them by type.

Chunks are compared by value, hold plain data, and are independent of formats. The controller creates them, the reader
of a stream receives them, encoders write them.

A chunk does not validate its fields: the controller validates what a callback passes, and `RunController.add_stream`
validates chunks that were created elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypedDict, TypeVar, get_args

import msgspec

from assistant_stream_ce.jsonvalue import JSON, describe_types

__all__ = (
    "AnnotationsChunk",
    "AssistantStreamChunk",
    "ChunkHandler",
    "DataChunk",
    "DataPartChunk",
    "ErrorChunk",
    "FileChunk",
    "FinishReason",
    "MessageFinishChunk",
    "Operation",
    "ProviderMetadataChunk",
    "ReasoningDeltaChunk",
    "ReasoningPartChunk",
    "ReasoningSignatureChunk",
    "RefusalDeltaChunk",
    "Severity",
    "SourceChunk",
    "SourceDocumentChunk",
    "StepFinishChunk",
    "StepStartChunk",
    "TextDeltaChunk",
    "TextPartChunk",
    "ToolApprovalRequestChunk",
    "ToolCallBeginChunk",
    "ToolCallChunk",
    "ToolCallDeltaChunk",
    "ToolResultChunk",
    "UpdateStateChunk",
)

#: Why a step or message ended, in the values of the data stream; other values are passed through.
FinishReason: TypeAlias = Literal["stop", "length", "content-filter", "tool-calls", "error", "other", "unknown"] | str

#: Severity of an error. Front ends show the message as failed in each case.
Severity: TypeAlias = Literal["critical", "warning", "info"]


class Operation(TypedDict):
    """One edit of the state: `set` a value at a path, or `append-text` to the text at it."""

    type: Literal["set", "append-text"]
    path: list[str]
    value: JSON


class _Chunk(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    pass


# `gc=False` where all fields are scalars: such a chunk cannot be part of a reference cycle.


class TextDeltaChunk(_Chunk, frozen=True, gc=False, tag="text-delta"):
    """A piece of the answer's text."""

    type: ClassVar[str] = "text-delta"
    text_delta: str
    parent_id: str | None = None


class TextPartChunk(_Chunk, frozen=True, gc=False, tag="text-part"):
    """Boundary between two text parts: the next text starts a new part."""

    type: ClassVar[str] = "text-part"
    parent_id: str | None = None


class ReasoningDeltaChunk(_Chunk, frozen=True, gc=False, tag="reasoning-delta"):
    """A piece of the model's reasoning."""

    type: ClassVar[str] = "reasoning-delta"
    reasoning_delta: str
    parent_id: str | None = None


class RefusalDeltaChunk(_Chunk, frozen=True, gc=False, tag="refusal-delta"):
    """A piece of a refusal. Formats without refusals send it as text."""

    type: ClassVar[str] = "refusal-delta"
    refusal_delta: str
    parent_id: str | None = None


class ReasoningPartChunk(_Chunk, frozen=True, gc=False, tag="reasoning-part"):
    """The start of a new reasoning part, with an optional summary; its text follows."""

    type: ClassVar[str] = "reasoning-part"
    summary: str | None = None
    parent_id: str | None = None


class ReasoningSignatureChunk(_Chunk, frozen=True, gc=False, tag="reasoning-signature"):
    """The provider's signature of the preceding reasoning, to be sent back with it in the next request."""

    type: ClassVar[str] = "reasoning-signature"
    signature: str


class ProviderMetadataChunk(_Chunk, frozen=True, tag="provider-metadata"):
    """Metadata for the open text or reasoning, for example an item's id or redacted reasoning; it starts one if needed.

    It is JSON objects by the name of their provider, which needs them in the next request.
    """

    type: ClassVar[str] = "provider-metadata"
    provider_metadata: dict[str, JSON]
    part: Literal["text", "reasoning"] = "text"
    parent_id: str | None = None


class ToolCallChunk(_Chunk, frozen=True, tag="tool-call"):
    """A tool call with complete arguments."""

    type: ClassVar[str] = "tool-call"
    tool_call_id: str
    tool_name: str
    args: dict[str, JSON]
    parent_id: str | None = None
    provider_executed: bool = False
    dynamic: bool = False
    provider_metadata: dict[str, JSON] | None = None


class ToolCallBeginChunk(_Chunk, frozen=True, gc=False, tag="tool-call-begin"):
    """The start of a tool call; its arguments follow as text."""

    type: ClassVar[str] = "tool-call-begin"
    tool_call_id: str
    tool_name: str
    parent_id: str | None = None
    provider_executed: bool = False
    dynamic: bool = False
    provider_metadata: dict[str, JSON] | None = None


class ToolCallDeltaChunk(_Chunk, frozen=True, gc=False, tag="tool-call-delta"):
    """A piece of a tool call's argument text, which is JSON; `is_final` on the last one.

    The last one may have the whole arguments in `args`, if they differ from the text.
    """

    type: ClassVar[str] = "tool-call-delta"
    tool_call_id: str
    args_text_delta: str
    is_final: bool = False
    args: JSON = None


class ToolResultChunk(_Chunk, frozen=True, tag="tool-result"):
    """The result of a tool call, which also ends its arguments. `model_content` is the result as the model reads it.

    A `denied` result reports that the call was not allowed to run; it is an error too. A `preliminary` result is shown
    until the next result of the call replaces it.
    """

    type: ClassVar[str] = "tool-result"
    tool_call_id: str
    result: JSON
    artifact: JSON = None
    is_error: bool = False
    model_content: list[JSON] | None = None
    denied: bool = False
    preliminary: bool = False


class ToolApprovalRequestChunk(_Chunk, frozen=True, gc=False, tag="tool-approval-request"):
    """A request for the user's approval of a tool call, which also ends its arguments.

    The client sends `approval_id` and `signature` back with the decision.
    """

    type: ClassVar[str] = "tool-approval-request"
    tool_call_id: str
    approval_id: str
    signature: str | None = None


class SourceChunk(_Chunk, frozen=True, gc=False, tag="source"):
    """A source cited by the answer; the indexes are where in the text it is cited, in characters."""

    type: ClassVar[str] = "source"
    id: str
    url: str
    source_type: str = "url"
    title: str | None = None
    parent_id: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class SourceDocumentChunk(_Chunk, frozen=True, gc=False, tag="source-document"):
    """A source cited by the answer: a document without a URL."""

    type: ClassVar[str] = "source-document"
    id: str
    media_type: str
    title: str
    filename: str | None = None
    parent_id: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class FileChunk(_Chunk, frozen=True, gc=False, tag="file"):
    """A file in the message; `data` is base64 text or a URL."""

    type: ClassVar[str] = "file"
    data: str
    mime_type: str
    parent_id: str | None = None
    filename: str | None = None


class DataChunk(_Chunk, frozen=True, tag="data"):
    """Application data beside the message."""

    type: ClassVar[str] = "data"
    data: JSON


class DataPartChunk(_Chunk, frozen=True, tag="data-part"):
    """Application data as a part of the message; the front end chooses by its name how to show it.

    A part with the name and `id` of an earlier one replaces it, in formats that have ids. A `transient` part is passed
    to the front end, but not stored in the message.
    """

    type: ClassVar[str] = "data-part"
    name: str
    data: JSON
    id: str | None = None
    transient: bool = False
    parent_id: str | None = None


class AnnotationsChunk(_Chunk, frozen=True, tag="annotations"):
    """Annotations of the message, for the application."""

    type: ClassVar[str] = "annotations"
    annotations: list[JSON]


class StepStartChunk(_Chunk, frozen=True, gc=False, tag="step-start"):
    """The start of one call of the model."""

    type: ClassVar[str] = "step-start"
    message_id: str


class StepFinishChunk(_Chunk, frozen=True, gc=False, tag="step-finish"):
    """The end of one call of the model, with its usage in tokens.

    `cached_tokens` and `cache_write_tokens` are part of `input_tokens`, `reasoning_tokens` of `output_tokens`.
    """

    type: ClassVar[str] = "step-finish"
    finish_reason: str
    input_tokens: int = 0
    output_tokens: int = 0
    is_continued: bool = False
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


class ErrorChunk(_Chunk, frozen=True, gc=False, tag="error"):
    """An error; the text is shown to the user."""

    type: ClassVar[str] = "error"
    error: str
    code: str | None = None
    severity: Severity | None = None


class MessageFinishChunk(_Chunk, frozen=True, gc=False, tag="message-finish"):
    """The end of the message, with its usage in tokens, as in `StepFinishChunk`."""

    type: ClassVar[str] = "message-finish"
    finish_reason: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


class UpdateStateChunk(_Chunk, frozen=True, tag="update-state"):
    """Edits of the state, to be applied in this order."""

    type: ClassVar[str] = "update-state"
    operations: list[Operation]


AssistantStreamChunk: TypeAlias = (
    TextDeltaChunk
    | TextPartChunk
    | ReasoningDeltaChunk
    | RefusalDeltaChunk
    | ReasoningPartChunk
    | ReasoningSignatureChunk
    | ProviderMetadataChunk
    | ToolCallChunk
    | ToolCallBeginChunk
    | ToolCallDeltaChunk
    | ToolResultChunk
    | ToolApprovalRequestChunk
    | SourceChunk
    | SourceDocumentChunk
    | FileChunk
    | DataChunk
    | DataPartChunk
    | AnnotationsChunk
    | StepStartChunk
    | StepFinishChunk
    | ErrorChunk
    | MessageFinishChunk
    | UpdateStateChunk
)


def merged_metadata(metadata: dict[str, JSON], more: dict[str, JSON]) -> dict[str, JSON]:
    """Return provider metadata with the fields of later metadata, which replace those of the same name."""
    result = {**metadata, **more}
    for name in metadata.keys() & more.keys():
        old, new = metadata[name], more[name]
        if isinstance(old, dict) and isinstance(new, dict):
            result[name] = {**old, **new}
    return result


R = TypeVar("R")


class ChunkHandler(Generic[R]):
    """Base of classes with a method for each type of chunk. `R` is the return type of the methods.

    A chunk of type "tool-call-begin" is passed to the method `tool_call_begin`, or to `unhandled` if there is none. The
    methods are looked up when a subclass is defined. Not thread-safe unless the subclass is.
    """

    #: The method for each type of chunk, to be called with the handler and the chunk.
    chunk_methods: ClassVar[Mapping[type, Callable[[Any, Any], Any]]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.chunk_methods = {kind: getattr(cls, name, cls.unhandled) for kind, name in _METHOD_NAMES.items()}

    def handle(self, chunk: AssistantStreamChunk) -> R:
        """Call the method for a chunk and return its result.

        Args:
            chunk: the chunk.

        Raises:
            TypeError: it is not a chunk.
        """
        method = self.chunk_methods.get(type(chunk))
        if method is None:
            raise not_a_chunk(chunk)
        result: R = method(self, chunk)
        return result

    def unhandled(self, chunk: AssistantStreamChunk) -> R:
        """Handle a chunk for which the class has no method; the default ignores it.

        Args:
            chunk: the chunk.
        """
        return None  # type: ignore[return-value]


_METHOD_NAMES: Mapping[type, str] = {kind: kind.type.replace("-", "_") for kind in get_args(AssistantStreamChunk)}


def not_a_chunk(value: object) -> TypeError:
    """Return the exception for a stream that yields a value that is not a chunk."""
    return TypeError(
        f"a stream must yield chunks, not {type(value).__name__}: yield TextDeltaChunk(...), or call "
        "controller.append_text(...) in a callback of create_run"
    )


describe_types(AssistantStreamChunk)
