"""Messages and their parts: immutable plain data, accumulated from chunks, to be stored and loaded.

Messages are compared by value. Their status values are those of assistant-ui.
"""

from __future__ import annotations

import operator
from typing import ClassVar, Literal, TypeAlias

import msgspec

from assistant_stream_ce.chunks import MessageFinishChunk, Severity, StepFinishChunk
from assistant_stream_ce.jsonvalue import JSON, describe_types, dumps, loads

__all__ = (
    "AssistantMessage",
    "DataPart",
    "FilePart",
    "Message",
    "MessageError",
    "MessagePart",
    "MessageStatus",
    "PartStatus",
    "ReasoningPart",
    "RefusalPart",
    "SourceDocumentPart",
    "SourcePart",
    "Step",
    "SystemMessage",
    "TextPart",
    "ToolApproval",
    "ToolCallPart",
    "ToolCallState",
    "Usage",
    "UsageTotal",
    "UserMessage",
    "UserPart",
    "message_from",
)

#: Status of a text: whether more of it may follow.
PartStatus: TypeAlias = Literal["running", "complete"]

#: State of a tool call: its arguments are incomplete, they are complete, or it has a result.
ToolCallState: TypeAlias = Literal["partial", "complete", "answered"]


# `gc=False`, because immutable plain data cannot be part of a reference cycle: of a message with thousands of parts the
# garbage collector would take a third of the time.


class TextPart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="text"):
    """Text of the answer."""

    type: ClassVar[str] = "text"
    text: str
    parent_id: str | None = None
    status: PartStatus = "complete"
    provider_metadata: dict[str, JSON] = {}


class RefusalPart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="refusal"):
    """A refusal of the model."""

    type: ClassVar[str] = "refusal"
    text: str
    parent_id: str | None = None
    status: PartStatus = "complete"


class ReasoningPart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="reasoning"):
    """A part of the model's reasoning, with an optional summary and the provider's signature."""

    type: ClassVar[str] = "reasoning"
    text: str
    parent_id: str | None = None
    summary: str | None = None
    signature: str | None = None
    status: PartStatus = "complete"
    provider_metadata: dict[str, JSON] = {}


class ToolApproval(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A request for the user's approval of a tool call; `approved` is None while it is open.

    A result of the call decides it: a denial, or a result without an error.
    """

    id: str
    approved: bool | None = None
    reason: str | None = None
    signature: str | None = None


class ToolCallPart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="tool-call"):
    """A tool call, with its result if there is one.

    `args` is `args_text` parsed as far as it has arrived: usually a dict, and `{}` if it is not JSON. A call whose
    result is `preliminary` is not answered yet.
    """

    type: ClassVar[str] = "tool-call"
    id: str
    name: str
    args_text: str = "{}"
    args: JSON = {}
    state: ToolCallState = "complete"
    result: JSON = None
    artifact: JSON = None
    is_error: bool = False
    model_content: list[JSON] | None = None
    parent_id: str | None = None
    provider_executed: bool = False
    dynamic: bool = False
    approval: ToolApproval | None = None
    provider_metadata: dict[str, JSON] = {}
    preliminary: bool = False


class SourcePart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="source"):
    """A source cited by the answer."""

    type: ClassVar[str] = "source"
    id: str
    url: str
    source_type: str = "url"
    title: str | None = None
    parent_id: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class SourceDocumentPart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="source-document"):
    """A source cited by the answer: a document without a URL."""

    type: ClassVar[str] = "source-document"
    id: str
    media_type: str
    title: str
    filename: str | None = None
    parent_id: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class FilePart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="file"):
    """A file; `data` is base64 text or a URL."""

    type: ClassVar[str] = "file"
    data: str
    mime_type: str
    filename: str | None = None
    parent_id: str | None = None


class DataPart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="data"):
    """Named application data as a part of the message."""

    type: ClassVar[str] = "data"
    name: str
    data: JSON
    id: str | None = None
    parent_id: str | None = None


MessagePart: TypeAlias = (
    TextPart | RefusalPart | ReasoningPart | ToolCallPart | SourcePart | SourceDocumentPart | FilePart | DataPart
)


class MessageStatus(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Status of a message, and the reason for it."""

    type: Literal["running", "complete", "incomplete", "requires-action"]
    reason: str | None = None


class MessageError(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The error of a message, as shown to the user."""

    message: str
    code: str | None = None
    severity: Severity | None = None


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Token usage of a step or message.

    Attributes:
        input_tokens: tokens of the whole prompt, cached ones included.
        output_tokens: tokens of all output, reasoning included.
        cached_tokens: tokens of the prompt that were read from a cache.
        cache_write_tokens: tokens of the prompt that were written to a cache.
        reasoning_tokens: tokens of the output that are reasoning.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Return the sum of two usages."""
        return Usage(*map(operator.add, msgspec.structs.astuple(self), msgspec.structs.astuple(other)))


class UsageTotal:
    """Token usage of a message while its chunks arrive: as its finish reports it, or else the sum of its steps.

    Attributes:
        step_reason: the finish reason of the last step; None if none has finished, or with the reason "unknown".
    """

    __slots__ = ("_message", "_steps", "step_reason")

    def __init__(self) -> None:
        self.step_reason: str | None = None
        self._steps = self._message = _NO_USAGE

    def add_step(self, chunk: StepFinishChunk) -> Usage:
        """Add the usage of a step, and return it.

        Args:
            chunk: the end of the step.
        """
        self.step_reason = None if chunk.finish_reason == "unknown" else chunk.finish_reason
        usage = _usage_of(chunk)
        self._steps += usage
        return usage

    def set_message(self, chunk: MessageFinishChunk) -> None:
        """Set the usage that the finish of the message reports; the last finish counts.

        Args:
            chunk: the end of the message.
        """
        self._message = _usage_of(chunk)

    @property
    def usage(self) -> Usage:
        """The usage so far."""
        return self._steps if self._message == _NO_USAGE else self._message


_NO_USAGE = Usage()


def _usage_of(chunk: StepFinishChunk | MessageFinishChunk) -> Usage:
    return Usage(*(getattr(chunk, name) for name in Usage.__struct_fields__))


class Step(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One call of the model; it has a `finish_reason` once it has ended.

    `message_id` is None if only its end was reported. `first_part` is the number of parts that the message had when the
    step began.
    """

    message_id: str | None = None
    first_part: int = 0
    finish_reason: str | None = None
    usage: Usage = Usage()
    is_continued: bool = False


class AssistantMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message of the assistant, complete or incomplete.

    Attributes:
        parts: its parts, in order.
        status: `running`, or how it ended.
        error: the error, if there was one.
        steps: the calls of the model.
        usage: the tokens of the message, or the sum of its steps if it reports none.
        data: the application data beside the parts.
        annotations: the annotations.
        state: the shared state at the end.
        metadata: for the application; the library adds nothing.
        id: the id, as `create_run` or the application has set it; None for a message accumulated from chunks.
    """

    parts: list[MessagePart] = []
    status: MessageStatus = MessageStatus("complete", "unknown")
    error: MessageError | None = None
    steps: list[Step] = []
    usage: Usage = Usage()
    data: list[JSON] = []
    annotations: list[JSON] = []
    state: JSON = None
    metadata: dict[str, JSON] = {}
    id: str | None = None

    @property
    def text(self) -> str:
        """The text of the answer: all text parts joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def tool_calls(self) -> list[ToolCallPart]:
        """The tool calls, in order."""
        return [part for part in self.parts if isinstance(part, ToolCallPart)]

    def continued_by(self, later: AssistantMessage) -> AssistantMessage:
        """Return this message with the output of a run that continued it, as a front end shows both in one message.

        Results for calls of this message are set there; all other parts follow. The id stays, usage is summed, and
        status and error are those of the later run.

        Args:
            later: the message of the run that continued this one, for example after the result of a front-end tool.
        """
        calls = {call.id: call for call in self.tool_calls}
        answers = {call.id: call for call in later.tool_calls if call.id in calls}
        parts = [_answered(part, answers) for part in self.parts]
        positions = []
        for part in later.parts:
            positions.append(len(parts))
            if not (isinstance(part, ToolCallPart) and part.id in answers):
                parts.append(part)
        positions.append(len(parts))
        steps = [msgspec.structs.replace(step, first_part=positions[step.first_part]) for step in later.steps]
        return msgspec.structs.replace(
            later,
            id=self.id or later.id,
            parts=parts,
            steps=[*self.steps, *steps],
            usage=self.usage + later.usage,
            data=[*self.data, *later.data],
            annotations=[*self.annotations, *later.annotations],
            state=self.state if later.state is None else later.state,
            metadata={**self.metadata, **later.metadata},
        )

    def to_json(self) -> bytes:
        """Return the message as JSON, for `from_json`. Fields with their default are omitted."""
        return dumps(self)

    @staticmethod
    def from_json(data: bytes | str) -> AssistantMessage:
        """Return the message that `to_json` has written. Unknown fields are ignored.

        Args:
            data: the JSON text.

        Raises:
            TypeError: it is neither bytes nor text.
            ValueError: it is not JSON, or not a message of the assistant.
        """
        return message_from(_decoded(data))


def _decoded(data: object) -> JSON:
    if not isinstance(data, (bytes, bytearray, memoryview, str)):
        raise TypeError(f"data must be bytes or a str, not {type(data).__name__}")
    return loads(data if isinstance(data, str) else bytes(data))


def _answered(part: MessagePart, answers: dict[str, ToolCallPart]) -> MessagePart:
    """Return a part of a continued message, with the result that the later run has for it."""
    answer = answers.get(part.id) if isinstance(part, ToolCallPart) else None
    if not isinstance(part, ToolCallPart) or answer is None or answer.state != "answered":
        return part
    return msgspec.structs.replace(
        part,
        state=answer.state,
        result=answer.result,
        artifact=answer.artifact,
        is_error=answer.is_error,
        model_content=answer.model_content,
        approval=_decided(part.approval, answer),
    )


def _decided(asked: ToolApproval | None, answer: ToolCallPart) -> ToolApproval | None:
    """Return the approval of a continued message's call, with the decision that its result implies."""
    decision = answer.approval
    if asked is None:
        return decision
    if decision is not None:
        return msgspec.structs.replace(asked, approved=decision.approved, reason=decision.reason)
    return msgspec.structs.replace(asked, approved=True) if asked.approved is None and not answer.is_error else asked


def message_from(fields: JSON) -> AssistantMessage:
    """Return the message with the given fields.

    Args:
        fields: the fields as plain JSON, as `to_json` writes them.

    Raises:
        ValueError: a field is missing or has a wrong type.
    """
    # Messages of the assistant have no role in their JSON.
    if isinstance(fields, dict) and fields.get("role", "assistant") != "assistant":
        raise ValueError(f"not a message of the assistant: its role is {fields['role']!r:.80}")
    try:
        return msgspec.convert(fields, AssistantMessage)
    except msgspec.ValidationError as error:
        raise ValueError(f"not a message: {error}") from None


#: A part of a user's message.
UserPart: TypeAlias = TextPart | FilePart


class UserMessage(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="role", tag="user"):
    """A message of the user.

    Attributes:
        parts: texts and files, in order.
        id: the id that the front end gave it.
        metadata: for the application; the library adds nothing.
    """

    role: ClassVar[str] = "user"
    parts: list[UserPart] = []
    id: str | None = None
    metadata: dict[str, JSON] = {}

    @property
    def text(self) -> str:
        """The text of all text parts, joined by newlines."""
        return "\n".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def files(self) -> list[FilePart]:
        """The files, in order."""
        return [part for part in self.parts if isinstance(part, FilePart)]

    def to_json(self) -> bytes:
        """Return the message as JSON, for `from_json`. Fields with their default are omitted."""
        return dumps(self)

    @staticmethod
    def from_json(data: bytes | str) -> UserMessage:
        """Return the message that `to_json` has written. Unknown fields are ignored.

        Args:
            data: the JSON text.

        Raises:
            TypeError: it is neither bytes nor text.
            ValueError: it is not JSON, or not a message of a user.
        """
        try:
            return msgspec.convert(_decoded(data), UserMessage)
        except msgspec.ValidationError as error:
            raise ValueError(f"not a message of a user: {error}") from None


class SystemMessage(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="role", tag="system"):
    """Instructions to the model."""

    role: ClassVar[str] = "system"
    text: str
    id: str | None = None


#: A message of a conversation.
Message: TypeAlias = UserMessage | AssistantMessage | SystemMessage

describe_types(UserMessage, AssistantMessage)
