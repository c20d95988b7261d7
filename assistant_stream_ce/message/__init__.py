"""The final message: what a stream of chunks adds up to. Plain data, to be stored and read back.

A message is a value: compared by value, and not changed after it was made. The words for its status are those
of assistant-ui.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import msgspec

from assistant_stream_ce.chunks import MessageFinishChunk, Severity, StepFinishChunk
from assistant_stream_ce.jsonvalue import JSON, dumps, loads

__all__ = (
    "AssistantMessage",
    "DataPart",
    "FilePart",
    "MessageError",
    "MessagePart",
    "MessageStatus",
    "PartStatus",
    "ReasoningPart",
    "RefusalPart",
    "SourceDocumentPart",
    "SourcePart",
    "Step",
    "TextPart",
    "ToolCallPart",
    "ToolCallState",
    "Usage",
    "UsageTotal",
    "message_from",
)

#: Whether a text may still grow.
PartStatus: TypeAlias = Literal["running", "complete"]

#: How far a tool call has come: its arguments may grow, they are whole, or it has its result.
ToolCallState: TypeAlias = Literal["partial", "complete", "answered"]


class TextPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="text"):
    """Text of the answer."""

    type: ClassVar[str] = "text"
    text: str
    parent_id: str | None = None
    status: PartStatus = "complete"


class RefusalPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="refusal"):
    """The text in which the model declines to answer."""

    type: ClassVar[str] = "refusal"
    text: str
    parent_id: str | None = None
    status: PartStatus = "complete"


class ReasoningPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="reasoning"):
    """A part of the model's reasoning, perhaps under a summary, and with the provider's signature of it."""

    type: ClassVar[str] = "reasoning"
    text: str
    parent_id: str | None = None
    summary: str | None = None
    signature: str | None = None
    status: PartStatus = "complete"


class ToolCallPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="tool-call"):
    """A tool call, with its result if there is one.

    `args` is what `args_text` says, as far as it has come: most often a dict, and `{}` where it is no JSON.
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


class SourcePart(msgspec.Struct, frozen=True, omit_defaults=True, tag="source"):
    """A document that the answer rests on."""

    type: ClassVar[str] = "source"
    id: str
    url: str
    source_type: str = "url"
    title: str | None = None
    parent_id: str | None = None


class SourceDocumentPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="source-document"):
    """A document without a URL that the answer rests on."""

    type: ClassVar[str] = "source-document"
    id: str
    media_type: str
    title: str
    filename: str | None = None
    parent_id: str | None = None


class FilePart(msgspec.Struct, frozen=True, omit_defaults=True, tag="file"):
    """A file: base64 text, or a URL."""

    type: ClassVar[str] = "file"
    data: str
    mime_type: str
    filename: str | None = None
    parent_id: str | None = None


class DataPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="data"):
    """Application data with a name, as a part of the message."""

    type: ClassVar[str] = "data"
    name: str
    data: JSON
    id: str | None = None
    parent_id: str | None = None


MessagePart: TypeAlias = (
    TextPart | RefusalPart | ReasoningPart | ToolCallPart | SourcePart | SourceDocumentPart | FilePart | DataPart
)


class MessageStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a message has come, and why it is there."""

    type: Literal["running", "complete", "incomplete", "requires-action"]
    reason: str | None = None


class MessageError(msgspec.Struct, frozen=True, omit_defaults=True):
    """What failed, as the user was told."""

    message: str
    code: str | None = None
    severity: Severity | None = None


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Token usage of a step or message."""

    input_tokens: int = 0
    output_tokens: int = 0


class UsageTotal:
    """Token usage of a message while its chunks arrive: what its finish reports, or else the sum of its steps."""

    __slots__ = ("_message", "_steps")

    def __init__(self) -> None:
        self._steps = (0, 0)
        self._message = (0, 0)

    def add_step(self, chunk: StepFinishChunk) -> Usage:
        """Add the usage of a step, and return it."""
        read, written = self._steps
        self._steps = (read + chunk.input_tokens, written + chunk.output_tokens)
        return Usage(chunk.input_tokens, chunk.output_tokens)

    def set_message(self, chunk: MessageFinishChunk) -> None:
        """Take the usage that the finish of the message reports; the last finish counts."""
        self._message = (chunk.input_tokens, chunk.output_tokens)

    @property
    def usage(self) -> Usage:
        """The usage so far."""
        return Usage(*(self._message if any(self._message) else self._steps))


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call of the model; it has a `finish_reason` once it has ended.

    Its `message_id` is None when only its end was told. `first_part` is the number of parts that the message had when
    the step began.
    """

    message_id: str | None = None
    first_part: int = 0
    finish_reason: str | None = None
    usage: Usage = Usage()
    is_continued: bool = False


class AssistantMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A whole message of the assistant, or one so far.

    Attributes:
        parts: what it consists of, in order.
        status: `running`, or how it ended.
        error: what failed, if something did.
        steps: the calls of the model that made it.
        usage: the tokens of the message, or those of its steps together if it told none.
        data: the application data beside it.
        annotations: the notes about it.
        state: the shared state at its end.
        metadata: what the application adds; the library adds nothing.
        id: an id that the application gives it.
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
        """The text of the answer: of all text parts together."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def tool_calls(self) -> list[ToolCallPart]:
        """The tool calls, in order."""
        return [part for part in self.parts if isinstance(part, ToolCallPart)]

    def to_json(self) -> bytes:
        """Return the message as JSON, for `from_json`. What has its default is left out."""
        return dumps(self)

    @staticmethod
    def from_json(data: bytes | str) -> AssistantMessage:
        """Return the message that `to_json` has written. Fields that are not known are left out.

        Raises:
            ValueError: it is no JSON, or no message.
        """
        return message_from(loads(data))


def message_from(fields: JSON) -> AssistantMessage:
    """Return the message with these fields, which are checked.

    Raises:
        ValueError: one is missing or has a wrong type.
    """
    try:
        return msgspec.convert(fields, AssistantMessage)
    except msgspec.ValidationError as error:
        raise ValueError(f"not a message: {error}") from None
