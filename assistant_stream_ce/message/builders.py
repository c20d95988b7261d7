"""Builders of message parts that arrive in pieces: texts and tool calls."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from assistant_stream_ce.chunks import (
    ToolApprovalRequestChunk,
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolResultChunk,
    merged_metadata,
)
from assistant_stream_ce.jsonvalue import JSON, join_surrogates
from assistant_stream_ce.message import (
    MessagePart,
    PartStatus,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolApproval,
    ToolCallPart,
    ToolCallState,
)
from assistant_stream_ce.message.partial_json import parse_partial

#: The type of part that a text becomes.
TextKind: TypeAlias = type[TextPart] | type[RefusalPart] | type[ReasoningPart]


class TextBuilder:
    """Builds a text, refusal or reasoning part."""

    __slots__ = ("_kind", "_metadata", "_parent_id", "_part", "_signature", "_summary", "_text", "pieces")

    def __init__(self, kind: TextKind, parent_id: str | None, summary: str | None = None) -> None:
        self._kind = kind
        self._parent_id = parent_id
        self._summary = summary
        self._signature: str | None = None
        self._metadata: dict[str, JSON] = {}
        # The text that was joined so far, the pieces after it, and the newest part; None after a change.
        self._text = ""
        self.pieces: list[str] = []
        self._part: Any = None

    def accepts(self, kind: TextKind, parent_id: str | None) -> bool:
        """Return whether a delta extends this part."""
        return self._kind is kind and self._parent_id == parent_id

    @property
    def is_reasoning(self) -> bool:
        """Whether it is reasoning."""
        return self._kind is ReasoningPart

    def sign(self, signature: str) -> None:
        """Add the signature of a reasoning part."""
        self._signature = signature
        self._part = None

    def add_metadata(self, metadata: dict[str, JSON]) -> None:
        """Add metadata of providers."""
        self._metadata = merged_metadata(self._metadata, metadata)
        self._part = None

    def build(self, status: PartStatus) -> MessagePart:
        """Return the part so far."""
        if self.pieces:
            self._text = join_surrogates("".join((self._text, *self.pieces)))
            self.pieces.clear()
            self._part = None
        if self._part is None or self._part.status != status:
            self._part = self._build(status)
        part: MessagePart = self._part
        return part

    def _build(self, status: PartStatus) -> MessagePart:
        if self._kind is ReasoningPart:
            return ReasoningPart(self._text, self._parent_id, self._summary, self._signature, status, self._metadata)
        if self._kind is TextPart:
            return TextPart(self._text, self._parent_id, status, self._metadata)
        return RefusalPart(self._text, self._parent_id, status)


class ToolCallBuilder:
    """Builds a tool call from the pieces of its argument text, and its result."""

    __slots__ = ("_approval", "_args", "_begin", "_parsed", "_part", "_pieces", "_result", "is_open")

    def __init__(self, begin: ToolCallBeginChunk | ToolCallChunk) -> None:
        self._begin = begin
        self._pieces: list[str] = []
        # The parsed arguments, and the number of pieces that they were parsed from.
        self._args: JSON = {}
        self._parsed = 0
        self._result: ToolResultChunk | None = None
        self._approval: ToolApproval | None = None
        # The newest part; None after a change.
        self._part: ToolCallPart | None = None
        #: Whether more argument text may follow.
        self.is_open: bool = True

    @property
    def needs_result(self) -> bool:
        """Whether there is no result, and the provider does not run the tool."""
        return not (self._is_answered or self._begin.provider_executed)

    @property
    def _is_answered(self) -> bool:
        return self._result is not None and not self._result.preliminary

    def extend(self, text: str) -> None:
        """Add a piece of the argument text."""
        self._pieces.append(text)
        self._part = None

    def set_args(self, text: str) -> None:
        """Set the whole argument text, in place of the pieces so far."""
        self._pieces, self._parsed = [text], 0
        self._part = None

    def close(self) -> None:
        """Complete the arguments."""
        self.is_open = False
        self._part = None

    def answer(self, result: ToolResultChunk) -> None:
        """Set the result, or replace it. A denial, and a final result without an error, answer an approval request."""
        if self._approval is not None and not (result.preliminary or result.is_error or result.denied):
            self._approval = msgspec.structs.replace(self._approval, approved=True)
        if result.denied:
            request = self._approval or ToolApproval(self._begin.tool_call_id)
            reason = result.result if isinstance(result.result, str) else None
            self._approval = ToolApproval(request.id, False, reason, request.signature)
        self._result = result
        self.close()

    def ask(self, request: ToolApprovalRequestChunk) -> None:
        """Add the request for an approval, which completes the arguments."""
        self._approval = ToolApproval(request.approval_id, signature=request.signature)
        self.close()

    def build(self, *, is_over: bool) -> MessagePart:
        """Return the part so far; its arguments are complete when the message is over."""
        state: ToolCallState = "partial" if self.is_open and not is_over else "complete"
        if self._is_answered:
            state = "answered"
        if self._part is None or self._part.state != state:
            self._part = self._build(state)
        return self._part

    def _build(self, state: ToolCallState) -> ToolCallPart:
        text = join_surrogates("".join(self._pieces))
        if self._parsed < len(self._pieces):
            args = parse_partial(text)
            self._args = self._last_readable_args() if args is None else args
            self._parsed = len(self._pieces)
        result = self._result
        return ToolCallPart(
            self._begin.tool_call_id,
            self._begin.tool_name,
            text if text or state == "partial" else "{}",
            self._args,
            state,
            result=None if result is None else result.result,
            artifact=None if result is None else result.artifact,
            is_error=result is not None and (result.is_error or result.denied),
            model_content=None if result is None else result.model_content,
            parent_id=self._begin.parent_id,
            provider_executed=self._begin.provider_executed,
            dynamic=self._begin.dynamic,
            approval=self._approval,
            provider_metadata=self._begin.provider_metadata or {},
            preliminary=result is not None and result.preliminary,
        )

    def _last_readable_args(self) -> JSON:
        """Return the arguments before the text became unreadable, which front ends keep showing.

        Front ends parse after each piece. Unreadable text stays so: a binary search finds the last readable piece.
        """
        first, last, args = self._parsed, len(self._pieces), self._args
        while last - first > 1:
            middle = (first + last) // 2
            text = "".join(self._pieces[:middle])
            found = parse_partial(text) if text.strip() else {}
            if found is None:
                last = middle
            else:
                first, args = middle, found
        return args
