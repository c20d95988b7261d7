"""What must arrive of chunks that are sent as AG-UI's events: the column of docs/decoding.rst, as a program."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from assistant_stream_ce import (
    AssistantStreamChunk,
    DataPartChunk,
    ErrorChunk,
    FileChunk,
    MessageFinishChunk,
    ProviderMetadataChunk,
    ReasoningDeltaChunk,
    ReasoningPartChunk,
    ReasoningSignatureChunk,
    RefusalDeltaChunk,
    SourceChunk,
    SourceDocumentChunk,
    StepFinishChunk,
    StepStartChunk,
    TextDeltaChunk,
    TextPartChunk,
    ToolApprovalRequestChunk,
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    UpdateStateChunk,
)
from tests.support.plain import JSONText, applied, found

__all__ = ("AGUIArrival", "Ending")


class Ending:
    """The finish reason of a message, and its usage: its own, or else that of its steps together."""

    reason: str | None = None
    has_failed = False

    def __init__(self) -> None:
        self.steps = self.message = [0] * 5

    def add_step(self, chunk: StepFinishChunk) -> None:
        self.steps = [sum(pair) for pair in zip(self.steps, counts_of(chunk), strict=True)]

    def set_message(self, chunk: MessageFinishChunk) -> None:
        self.reason, self.message = chunk.finish_reason, counts_of(chunk)

    @property
    def usage(self) -> list[int]:
        """The counts in the order of the fields of `MessageFinishChunk`."""
        return self.message if any(self.message) else self.steps


def counts_of(chunk: StepFinishChunk | MessageFinishChunk) -> list[int]:
    """Return the counts of a finish."""
    details = [chunk.cached_tokens, chunk.cache_write_tokens, chunk.reasoning_tokens]
    return [chunk.input_tokens, chunk.output_tokens, *details]


@dataclass
class _Call:
    has_args: bool = False
    is_open: bool = True
    is_shown: bool = True


class AGUIArrival:
    """Follows the messages and calls of one run."""

    def __init__(self) -> None:
        self.calls: dict[str, _Call] = {}
        self.answered: set[str] = set()
        self.provider_executed: set[str] = set()
        self.requests: dict[str, ToolApprovalRequestChunk] = {}
        self.ending = Ending()
        self.failure: ErrorChunk | None = None
        self.state: Any = None
        self.has_state = False
        self.step: str | None = None
        # The message that is open, and the last one: its kind, its parent and its number.
        self.open_kind: tuple[str, str | None] | None = None
        self.last: tuple[str, str | None, int] | None = None
        self.number = 0
        # The metadata of the open message.
        self.metadata: dict[str, Any] = {}
        self.is_told = False

    def read(self, sent: Iterable[AssistantStreamChunk]) -> Iterator[AssistantStreamChunk]:
        for chunk in sent:
            yield from self.one(chunk)
        yield from self.end_all()
        yield from self.end_step()
        reason, usage = self.ending.reason, self.ending.usage
        if self.failure is not None:
            yield self.failure
            if reason is not None or any(usage):
                yield MessageFinishChunk("error" if reason is None else reason, *usage)
            return
        requests: dict[str, ToolApprovalRequestChunk] = {}
        for request in self.requests.values():
            requests.setdefault(request.approval_id, request)
        yield from requests.values()
        if reason is None:
            reason = (
                "tool-calls" if self.requests or self.calls.keys() - self.answered - self.provider_executed else "stop"
            )
        yield MessageFinishChunk(reason, *usage)

    def one(self, chunk: AssistantStreamChunk) -> Iterator[AssistantStreamChunk]:
        match chunk:
            case TextDeltaChunk(text, parent_id) | RefusalDeltaChunk(text, parent_id):
                if text:
                    yield from self.start_text(parent_id)
                    yield from self.extend_text(parent_id)
                    yield TextDeltaChunk(text, parent_id)
            case TextPartChunk():
                yield from self.end_message()
            case ProviderMetadataChunk(more, part, parent_id):
                is_new = self.open_kind != (part, parent_id)
                if is_new and part == "text":
                    yield from self.start_text(parent_id)
                    yield from self.extend_text(parent_id)
                elif is_new:
                    yield from self.start_reasoning(parent_id)
                merged = {name: {**self.metadata.get(name, {}), **more[name]} for name in more}
                self.metadata |= merged
                self.is_told = is_new
                # The event that starts the message has it, or else the one that ends it.
                yield from [ProviderMetadataChunk(self.metadata.copy(), part, parent_id)] if is_new else []
            case ReasoningDeltaChunk(text, parent_id):
                yield from self.reason(text, parent_id)
            case ReasoningPartChunk(summary, parent_id):
                yield from self.end_message()
                yield from self.reason(f"{summary}\n\n" if summary else "", parent_id)
            case ReasoningSignatureChunk():
                if self.open_kind is None or self.open_kind[0] == "text":
                    yield from self.start_reasoning(None)
                yield from self.end_message()
                yield chunk
            case ToolCallChunk(call_id, name, args, parent_id):
                if call_id not in self.calls:
                    flags = chunk.provider_executed, chunk.dynamic, chunk.provider_metadata
                    yield from self.begin(ToolCallBeginChunk(call_id, name, parent_id, *flags))
                    yield from self.arguments(ToolCallDeltaChunk(call_id, JSONText.of(args), is_final=True))
            case ToolCallBeginChunk():
                yield from self.begin(chunk)
            case ToolCallDeltaChunk(call_id):
                yield from self.begin(ToolCallBeginChunk(call_id, "unknown"))
                yield from self.arguments(chunk)
            case ToolResultChunk(preliminary=True):
                pass
            case ToolApprovalRequestChunk(call_id):
                if call_id not in self.answered:
                    yield from self.begin(ToolCallBeginChunk(call_id, "unknown"))
                    yield from self.close(call_id)
                    self.requests[call_id] = chunk
            case ToolResultChunk(call_id):
                self.requests.pop(call_id, None)
                if call_id not in self.answered:
                    if call_id in self.calls:
                        yield from self.close(call_id)
                    self.answered.add(call_id)
                    yield chunk
            case UpdateStateChunk(operations):
                yield from self.update(operations)
            case StepStartChunk(step):
                yield from self.end_message()
                yield from self.end_step()
                self.last, self.step = None, step
                yield chunk
            case StepFinishChunk():
                self.ending.add_step(chunk)
                yield from self.end_all()
                if self.step is not None:
                    self.step, self.last = None, None
                    yield chunk
            case MessageFinishChunk():
                self.ending.set_message(chunk)
                yield from self.end_all()
            case ErrorChunk():
                self.failure = chunk
            case SourceChunk() | SourceDocumentChunk() | FileChunk() | DataPartChunk(transient=False):
                if self.metadata:
                    yield from self.end_message()
                yield chunk
            case _:
                yield chunk

    def reason(self, text: str, parent_id: str | None) -> Iterator[AssistantStreamChunk]:
        if text:
            if self.open_kind != ("reasoning", parent_id):
                yield from self.start_reasoning(parent_id)
            yield ReasoningDeltaChunk(text, parent_id)

    def start_text(self, parent_id: str | None) -> Iterator[AssistantStreamChunk]:
        if self.open_kind != ("text", parent_id):
            yield from self.end_message()
            self.number += 1
            self.open_kind = ("text", parent_id)

    def extend_text(self, parent_id: str | None) -> Iterator[AssistantStreamChunk]:
        message = ("text", parent_id, self.number)
        if self.last is not None and self.last[:2] == message[:2] and self.last != message:
            yield TextPartChunk(parent_id)
        self.last = message

    def end_message(self) -> Iterator[AssistantStreamChunk]:
        if self.open_kind is not None and self.metadata and not self.is_told:
            part, parent_id = self.open_kind
            if part == "text":
                yield from self.extend_text(parent_id)
            yield ProviderMetadataChunk(self.metadata, "text" if part == "text" else "reasoning", parent_id)
        self.open_kind, self.metadata = None, {}

    def start_reasoning(self, parent_id: str | None) -> Iterator[AssistantStreamChunk]:
        yield from self.end_message()
        if self.last is not None and self.last[:2] == ("reasoning", parent_id):
            yield ReasoningPartChunk(None, parent_id)
        self.number += 1
        self.open_kind, self.last = ("reasoning", parent_id), ("reasoning", parent_id, self.number)

    def begin(self, chunk: ToolCallBeginChunk) -> Iterator[AssistantStreamChunk]:
        if chunk.tool_call_id not in self.calls:
            yield from self.end_message()
            # A call that has its result already does not begin.
            call = self.calls[chunk.tool_call_id] = _Call(is_shown=chunk.tool_call_id not in self.answered)
            if call.is_shown:
                self.last = None
                if chunk.provider_executed:
                    self.provider_executed.add(chunk.tool_call_id)
                yield chunk

    def arguments(self, chunk: ToolCallDeltaChunk) -> Iterator[AssistantStreamChunk]:
        call = self.calls[chunk.tool_call_id]
        if call.is_open:
            if chunk.args_text_delta:
                call.has_args = True
                if call.is_shown:
                    yield ToolCallDeltaChunk(chunk.tool_call_id, chunk.args_text_delta)
            if chunk.args is not None and not call.has_args:
                call.has_args = True
                if call.is_shown:
                    yield ToolCallDeltaChunk(chunk.tool_call_id, JSONText.of(chunk.args))
            if chunk.is_final:
                yield from self.close(chunk.tool_call_id)

    def close(self, call_id: str) -> Iterator[AssistantStreamChunk]:
        call = self.calls[call_id]
        if call.is_open:
            call.is_open = False
            if call.is_shown:
                yield from [] if call.has_args else [ToolCallDeltaChunk(call_id, "{}")]
                yield ToolCallDeltaChunk(call_id, "", is_final=True)

    def update(self, operations: list[dict[str, Any]]) -> Iterator[AssistantStreamChunk]:
        edits: list[dict[str, Any]] = []
        for operation in operations:
            self.state = applied(self.state, operation)
            value = copy.deepcopy(found(self.state, operation["path"]))
            edits.append({"type": "set", "path": operation["path"], "value": value})
        if edits and (not self.has_state or any(not edit["path"] for edit in edits)):
            self.has_state = True
            edits = [{"type": "set", "path": [], "value": copy.deepcopy(self.state)}]
        if edits:
            yield UpdateStateChunk(edits)

    def end_step(self) -> Iterator[AssistantStreamChunk]:
        if self.step is not None:
            self.step = None
            if not any(call.is_open and call.is_shown for call in self.calls.values()):
                yield StepFinishChunk("unknown")

    def end_all(self) -> Iterator[AssistantStreamChunk]:
        yield from self.end_message()
        for call_id in self.calls:
            yield from self.close(call_id)
