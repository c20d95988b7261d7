"""The parts of a message that grow, piece by piece: texts, and tool calls.

What a piece costs does not grow with the part: texts are joined, and arguments read, when the part is asked for.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from assistant_stream_ce.chunks import ToolResultChunk
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.message import (
    MessagePart,
    PartStatus,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolCallState,
)
from assistant_stream_ce.message.partial_json import parse_partial

__all__ = ("GrowingCall", "GrowingText", "TextKind")

#: What kind of part a text becomes.
TextKind: TypeAlias = type[TextPart] | type[RefusalPart] | type[ReasoningPart]


class GrowingText:
    """A text, refusal or reasoning that grows."""

    __slots__ = ("_joined", "_kind", "_made", "_parent_id", "_signature", "_summary", "pieces")

    def __init__(self, kind: TextKind, parent_id: str | None, summary: str | None = None) -> None:
        self._kind = kind
        self._parent_id = parent_id
        self._summary = summary
        self._signature: str | None = None
        # What has come since the text was joined last, and the part that was made of it.
        self.pieces: list[str] = []
        self._joined = ""
        self._made: Any = None

    def takes(self, kind: TextKind, parent_id: str | None) -> bool:
        """Return whether a delta extends this part."""
        return self._kind is kind and self._parent_id == parent_id

    @property
    def is_reasoning(self) -> bool:
        """Whether it is reasoning."""
        return self._kind is ReasoningPart

    def sign(self, signature: str) -> None:
        """Add the signature of a reasoning."""
        self._signature = signature
        self._made = None

    def part(self, status: PartStatus) -> MessagePart:
        """Return the part as it is now."""
        if self.pieces:
            self._joined = _whole("".join((self._joined, *self.pieces)))
            self.pieces.clear()
            self._made = None
        if self._made is None or self._made.status != status:
            self._made = self._make(status)
        part: MessagePart = self._made
        return part

    def _make(self, status: PartStatus) -> MessagePart:
        if self._kind is ReasoningPart:
            return ReasoningPart(self._joined, self._parent_id, self._summary, self._signature, status)
        return self._kind(self._joined, self._parent_id, status=status)


class GrowingCall:
    """A tool call: the pieces of its argument text, and its result once it has one."""

    __slots__ = ("_args", "_args_of", "_id", "_made", "_name", "_parent_id", "_pieces", "_result", "is_open")

    def __init__(self, call_id: str, name: str, parent_id: str | None) -> None:
        self._id = call_id
        self._name = name
        self._parent_id = parent_id
        self._pieces: list[str] = []
        # What the first so many pieces say.
        self._args: JSON = {}
        self._args_of = 0
        self._result: ToolResultChunk | None = None
        self._made: ToolCallPart | None = None
        #: Whether more argument text may come.
        self.is_open = True

    @property
    def is_answered(self) -> bool:
        """Whether there is a result."""
        return self._result is not None

    def extend(self, text: str) -> None:
        """Take more argument text."""
        self._pieces.append(text)
        self._made = None

    def close(self) -> None:
        """Take no more of it."""
        self.is_open = False
        self._made = None

    def answer(self, result: ToolResultChunk) -> None:
        """Take a result; a later one takes its place."""
        self._result = result
        self.close()

    def part(self, *, is_over: bool) -> MessagePart:
        """Return the part as it is now."""
        state: ToolCallState = "partial" if self.is_open and not is_over else "complete"
        if self._result is not None:
            state = "answered"
        if self._made is None or self._made.state != state:
            self._made = self._make(state)
        return self._made

    def _make(self, state: ToolCallState) -> ToolCallPart:
        text = _whole("".join(self._pieces))
        if self._args_of < len(self._pieces):
            args = parse_partial(text)
            self._args = self._args_before() if args is None else args
            self._args_of = len(self._pieces)
        result = self._result
        return ToolCallPart(
            self._id,
            self._name,
            text if text or state == "partial" else "{}",
            self._args,
            state,
            result=None if result is None else result.result,
            artifact=None if result is None else result.artifact,
            is_error=result is not None and result.is_error,
            model_content=None if result is None else result.model_content,
            parent_id=self._parent_id,
        )

    def _args_before(self) -> JSON:
        """Return what the text said before it became unreadable: front ends keep showing that.

        They read it after each piece. Text that has become unreadable stays so, which makes a search possible.
        """
        first, last, args = self._args_of, len(self._pieces), self._args
        while last - first > 1:
            middle = (first + last) // 2
            text = "".join(self._pieces[:middle])
            found = parse_partial(text) if text.strip() else {}
            if found is None:
                last = middle
            else:
                first, args = middle, found
        return args


def _whole(text: str) -> str:
    """Return a text in which the halves of characters that came in two pieces are joined."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return text
