"""What must arrive of chunks that are encoded and decoded: the table of docs/decoding.rst, as a program.

An oracle: it knows the chunks, and nothing else of the package.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from assistant_stream_ce import (
    AssistantStreamChunk,
    DataChunk,
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
from tests.serialization.ag_ui_arrival import AGUIArrival, Ending
from tests.support.conversations import joined, made_safe
from tests.support.plain import JSONText, applied


def same(value: Any) -> Any:
    """Return a value as it is compared: halves of surrogate pairs side by side are one character."""
    match value:
        case JSONText():
            return value
        case str():
            return joined(value)
        case dict():
            return {joined(key): same(item) for key, item in value.items()}
        case list():
            return [same(item) for item in value]
        case msgspec.Struct():
            return type(value)(*map(same, msgspec.structs.astuple(value)))
        case _:
            return value


@dataclass
class _Call:
    has_args: bool = False
    is_open: bool = True
    has_result: bool = False
    provider_executed: bool = False


class _Arrival:
    """Follows the calls of one stream."""

    def __init__(self, wire: str) -> None:
        self.wire = wire
        self.calls: dict[str, _Call] = {}
        # On the assistant transport: how many parts there are, the type and parent of the one that the next delta
        # extends, and the same with its number of the one that has arrived last.
        self.parts = 0
        self.growing: tuple[str, str | None] | None = None
        self.told: tuple[str, str | None, int] | None = None

    def known(self, call_id: str) -> Iterator[AssistantStreamChunk]:
        if call_id not in self.calls:
            yield from self.begin(ToolCallBeginChunk(call_id, "unknown"))

    def begin(self, chunk: ToolCallBeginChunk) -> Iterator[AssistantStreamChunk]:
        if chunk.tool_call_id not in self.calls:
            self.calls[chunk.tool_call_id] = _Call(provider_executed=chunk.provider_executed)
            yield from self.other_part(ToolCallBeginChunk(chunk.tool_call_id, chunk.tool_name, chunk.parent_id))

    def whole(self, chunk: ToolCallChunk) -> Iterator[AssistantStreamChunk]:
        if chunk.tool_call_id in self.calls:
            return
        if self.wire == "data-stream" and chunk.parent_id is None:
            self.calls[chunk.tool_call_id] = _Call(is_open=False)
            yield ToolCallChunk(chunk.tool_call_id, chunk.tool_name, chunk.args)
            return
        parent_id = None if self.wire == "openai" else chunk.parent_id
        begin = ToolCallBeginChunk(chunk.tool_call_id, chunk.tool_name, parent_id, chunk.provider_executed)
        yield from self.begin(begin)
        yield from self.delta(ToolCallDeltaChunk(chunk.tool_call_id, JSONText.of(chunk.args), is_final=True))

    def other_part(self, chunk: AssistantStreamChunk) -> Iterator[AssistantStreamChunk]:
        self.parts += 1
        self.growing = self.told = None
        yield chunk

    def grow(self, chunk: TextDeltaChunk | ReasoningDeltaChunk) -> Iterator[AssistantStreamChunk]:
        growing = (chunk.type, chunk.parent_id)
        if self.growing != growing:
            self.growing = growing
            self.parts += 1
        told = (*growing, self.parts)
        is_new = self.told is not None and self.told[:2] == growing and self.told != told
        if is_new and self.wire == "assistant-transport":
            is_text = isinstance(chunk, TextDeltaChunk)
            yield TextPartChunk(chunk.parent_id) if is_text else ReasoningPartChunk(None, chunk.parent_id)
        self.told = told
        yield chunk

    def reasoning_part(self, chunk: ReasoningPartChunk) -> Iterator[AssistantStreamChunk]:
        self.growing = ("reasoning-delta", chunk.parent_id)
        self.parts += 1
        if chunk.summary is not None:
            self.told = (*self.growing, self.parts)
        if chunk.summary is not None or self.wire == "data-stream":
            yield chunk

    def delta(self, chunk: ToolCallDeltaChunk) -> Iterator[AssistantStreamChunk]:
        yield from self.known(chunk.tool_call_id)
        call = self.calls[chunk.tool_call_id]
        if call.is_open:
            if chunk.args_text_delta:
                call.has_args = True
                yield ToolCallDeltaChunk(chunk.tool_call_id, chunk.args_text_delta)
            if chunk.args is not None and not call.has_args:
                call.has_args = True
                yield ToolCallDeltaChunk(chunk.tool_call_id, JSONText.of(chunk.args))
            if chunk.is_final:
                yield from self.close(chunk.tool_call_id)

    def close(self, call_id: str) -> Iterator[AssistantStreamChunk]:
        call = self.calls[call_id]
        if not call.is_open:
            return
        call.is_open = False
        text = "" if call.has_args else "{}"
        if self.wire == "data-stream":
            yield ToolCallDeltaChunk(call_id, text, is_final=True)
            return
        if text:
            yield ToolCallDeltaChunk(call_id, text)
        if self.wire == "assistant-transport":
            yield ToolCallDeltaChunk(call_id, "", is_final=True)

    def close_all(self) -> Iterator[AssistantStreamChunk]:
        for call_id in self.calls:
            yield from self.close(call_id)


def arrived(wire: str, sent: Iterable[AssistantStreamChunk]) -> list[AssistantStreamChunk]:
    """Return the chunks that must arrive of what was sent on a wire."""
    sent = with_finish(list(sent))
    match wire:
        case "openai":
            chunks = _openai(sent)
        case "ui-message-stream":
            chunks = _UIMessageStream().read(sent)
        case "ag-ui":
            chunks = AGUIArrival().read(sent)
        case _:
            chunks = _assistant_ui(_Arrival(wire), sent)
    return [same(type(chunk)(*map(made_safe, msgspec.structs.astuple(chunk)))) for chunk in chunks]


def with_finish(sent: list[AssistantStreamChunk]) -> list[AssistantStreamChunk]:
    """Return the chunks with the finish that the steps of a message imply, if it has none."""
    steps = [chunk for chunk in sent if isinstance(chunk, StepFinishChunk)]
    ends = any(isinstance(chunk, MessageFinishChunk | ErrorChunk) for chunk in sent)
    if ends or not steps or steps[-1].finish_reason == "unknown":
        return sent
    counts = zip(*map(_counts, steps), strict=True)
    return [*sent, MessageFinishChunk(steps[-1].finish_reason, *map(sum, counts))]


def _counts(step: StepFinishChunk) -> list[int]:
    return [getattr(step, field) for field in MessageFinishChunk.__struct_fields__[1:]]


def _assistant_ui(arrival: _Arrival, sent: Iterable[AssistantStreamChunk]) -> Iterator[AssistantStreamChunk]:
    for chunk in sent:
        match chunk:
            case ToolCallBeginChunk():
                yield from arrival.begin(chunk)
            case ToolCallDeltaChunk():
                yield from arrival.delta(chunk)
            case ToolCallChunk():
                yield from arrival.whole(chunk)
            case TextDeltaChunk() | ReasoningDeltaChunk():
                yield from arrival.grow(chunk)
            case RefusalDeltaChunk():
                yield from arrival.grow(TextDeltaChunk(chunk.refusal_delta, chunk.parent_id))
            case TextPartChunk():
                arrival.growing = None if arrival.wire == "assistant-transport" else arrival.growing
            case ReasoningPartChunk():
                yield from arrival.reasoning_part(chunk)
            case ReasoningSignatureChunk() if arrival.wire == "assistant-transport":
                pass
            case DataPartChunk(transient=True):
                names = {"id": chunk.id, "parentId": chunk.parent_id}
                known = {name: value for name, value in names.items() if value is not None}
                yield DataChunk({"name": chunk.name, "data": chunk.data, **known})
            case DataPartChunk() | SourceChunk() | SourceDocumentChunk() | FileChunk():
                yield from arrival.other_part(chunk)
            case ErrorChunk() if arrival.wire == "data-stream":
                yield ErrorChunk(chunk.error)
            case ToolResultChunk(preliminary=True) | ToolApprovalRequestChunk() | ProviderMetadataChunk():
                pass
            case ToolResultChunk(tool_call_id=call_id):
                yield from arrival.known(call_id)
                call = arrival.calls[call_id]
                if arrival.wire == "assistant-transport":
                    yield from arrival.close(call_id)
                if not call.has_result:
                    call.is_open, call.has_result = False, True
                    yield msgspec.structs.replace(chunk, denied=False)
            case StepFinishChunk() | MessageFinishChunk():
                yield from arrival.close_all()
                yield without_details(chunk)
            case _:
                yield chunk
    yield from arrival.close_all()


def without_details(chunk: StepFinishChunk | MessageFinishChunk) -> StepFinishChunk | MessageFinishChunk:
    """Return a finish with the totals of its usage only."""
    return msgspec.structs.replace(chunk, cached_tokens=0, cache_write_tokens=0, reasoning_tokens=0)


def _openai(sent: Iterable[AssistantStreamChunk]) -> Iterator[AssistantStreamChunk]:
    arrival = _Arrival("openai")
    finish: MessageFinishChunk | None = None
    ending = Ending()
    has_reasoned = False
    for chunk in sent:
        match chunk:
            case TextDeltaChunk(text_delta=text):
                if text:
                    yield TextDeltaChunk(text)
            case RefusalDeltaChunk(refusal_delta=text):
                if text:
                    yield RefusalDeltaChunk(text)
            case ReasoningDeltaChunk(reasoning_delta=text):
                has_reasoned = True
                if text:
                    yield ReasoningDeltaChunk(text)
            case ReasoningPartChunk(summary=summary):
                text = "\n\n" * has_reasoned + (f"{summary}\n\n" if summary else "")
                if text:
                    has_reasoned = True
                    yield ReasoningDeltaChunk(text)
            case ToolCallChunk():
                yield from arrival.whole(chunk)
            case ToolCallBeginChunk():
                name, is_provided = chunk.tool_name, chunk.provider_executed
                yield from arrival.begin(ToolCallBeginChunk(chunk.tool_call_id, name, None, is_provided))
            case ToolCallDeltaChunk():
                yield from arrival.delta(chunk)
            case ToolResultChunk(tool_call_id=call_id) if call_id in arrival.calls:
                arrival.calls[call_id].has_result |= not chunk.preliminary
                yield from arrival.close(call_id)
            case StepFinishChunk():
                yield from arrival.close_all()
                ending.add_step(chunk)
            case MessageFinishChunk():
                yield from arrival.close_all()
                ending.set_message(chunk)
                finish = chunk
            case ErrorChunk(error=text, code=code):
                yield ErrorChunk(text or "Something went wrong.", code)
                return
    yield from arrival.close_all()
    for call_id in arrival.calls:
        yield ToolCallDeltaChunk(call_id, "", is_final=True)
    waits = any(not (call.has_result or call.provider_executed) for call in arrival.calls.values())
    reason = "tool-calls" if waits else "stop"
    if finish is not None:
        reason = finish.finish_reason
        if reason not in ("length", "tool-calls", "content-filter"):
            reason = "stop"
    read, written, cached, _, thought = ending.usage
    yield MessageFinishChunk(reason, read, written, cached, 0, thought)


@dataclass
class _UICall(_Call):
    text: str = ""
    is_told: bool = False
    has_started: bool = False


class _UIMessageStream:
    """Follows the parts and calls of one UI message stream."""

    def __init__(self) -> None:
        self.calls: dict[str, _UICall] = {}
        self.approval_ids: set[str] = set()
        self.ending = Ending()
        self.state: Any = None
        # What the next delta extends, and the kind of the last part if it was text or reasoning.
        self.open_kind: tuple[str, str | None] | None = None
        self.last_kind = ""
        self.metadata: dict[str, Any] = {}
        self.waiting_steps: list[StepStartChunk] = []
        self.data_ids: set[tuple[str, str]] = set()
        # Whether the next part begins a step, and whether the callback's own goes on.
        self.needs_step = True
        self.is_in_step = False

    def read(self, sent: Iterable[AssistantStreamChunk]) -> Iterator[AssistantStreamChunk]:
        for chunk in sent:
            yield from self.one(chunk)
        yield from self.end_parts()
        waits = any(not (call.has_result or call.provider_executed) for call in self.calls.values())
        reason = self.ending.reason
        if reason is None:
            reason = "error" if self.ending.has_failed else "tool-calls" if waits else "unknown"
        elif reason == "unknown":
            reason = "error" if self.ending.has_failed else "unknown"
        elif reason not in ("stop", "length", "content-filter", "tool-calls", "error"):
            reason = "other"
        yield MessageFinishChunk(reason, *self.ending.usage)

    def one(self, chunk: AssistantStreamChunk) -> Iterator[AssistantStreamChunk]:
        match chunk:
            case TextDeltaChunk(text, parent_id) | RefusalDeltaChunk(text, parent_id):
                yield from self.start("text", parent_id)
                yield TextDeltaChunk(text)
            case ReasoningDeltaChunk(reasoning_delta=text, parent_id=parent_id):
                yield from self.start("reasoning", parent_id)
                yield ReasoningDeltaChunk(text)
            case TextPartChunk():
                self.open_kind = None
            case ReasoningPartChunk(summary=summary, parent_id=parent_id):
                self.open_kind = None
                if summary:
                    yield from self.start("reasoning", parent_id)
                    yield ReasoningDeltaChunk(f"{summary}\n\n")
            case ProviderMetadataChunk(more, part, parent_id):
                yield from self.start(part, parent_id)
                merged = {name: {**self.metadata.get(name, {}), **more[name]} for name in more}
                is_new = self.metadata != (self.metadata | merged)
                self.metadata |= merged
                # The client replaces the metadata of a part.
                yield from [ProviderMetadataChunk(self.metadata.copy(), part)] if is_new else []
            case ReasoningSignatureChunk():
                if self.open_kind is None or self.open_kind[0] == "text":
                    yield from self.start("reasoning", None)
                self.open_kind = None
                yield chunk
            case ToolCallChunk(tool_call_id=call_id) if call_id not in self.calls:
                yield from self.before_part()
                self.calls[call_id] = _UICall(is_open=False, is_told=True, provider_executed=chunk.provider_executed)
                yield msgspec.structs.replace(chunk, parent_id=None)
            case ToolCallChunk():
                pass
            case ToolCallBeginChunk():
                flags = chunk.provider_executed, chunk.dynamic, chunk.provider_metadata
                yield from self.begin(chunk.tool_call_id, chunk.tool_name, *flags)
            case ToolCallDeltaChunk(tool_call_id=call_id, args_text_delta=text):
                yield from self.begin(call_id, "unknown")
                if self.calls[call_id].is_open:
                    self.calls[call_id].text += text
                    yield from [ToolCallDeltaChunk(call_id, text)] if text else []
                    yield from self.close(call_id, chunk.args) if chunk.is_final else []
            case ToolResultChunk():
                yield from self.begin(chunk.tool_call_id, "unknown")
                yield from self.result(chunk)
            case ToolApprovalRequestChunk(call_id):
                yield from self.begin(call_id, "unknown")
                call = self.calls[call_id]
                if not call.has_result:
                    yield from self.close(call_id)
                    yield from self.tell(call_id, _rest_of_text(call.text))
                    if not call.has_started and chunk.approval_id not in self.approval_ids:
                        call.has_started = True
                        self.approval_ids.add(chunk.approval_id)
                        yield chunk
            case SourceChunk() | SourceDocumentChunk():
                yield from self.before_part()
                yield msgspec.structs.replace(chunk, parent_id=None)
            case FileChunk(data=data, mime_type=mime_type, filename=filename):
                yield from self.before_part()
                yield FileChunk(data, mime_type, filename=filename)
            case DataPartChunk(name, data, part_id, is_transient):
                if not is_transient and (name, part_id) not in self.data_ids:
                    self.open_kind = None
                    if part_id is not None:
                        self.data_ids.add((name, part_id))
                    yield from self.begin_step()
                yield DataPartChunk(name, data, part_id, is_transient)
            case UpdateStateChunk(operations=operations):
                for operation in operations:
                    self.state = applied(self.state, operation)
                yield UpdateStateChunk([{"type": "set", "path": [], "value": copy.deepcopy(self.state)}])
            case StepStartChunk():
                self.needs_step, self.is_in_step = False, True
                self.waiting_steps.append(chunk)
                yield from self.steps()
            case StepFinishChunk():
                self.ending.add_step(chunk)
                self.is_in_step = False
                yield from self.end_parts()
                self.end_text()
                yield without_details(chunk)
            case MessageFinishChunk():
                self.ending.set_message(chunk)
                yield from self.end_parts()
            case ErrorChunk():
                self.ending.has_failed = True
                yield from self.end_parts()
                self.end_text()
                yield ErrorChunk(chunk.error)
            case _:
                yield chunk

    def start(self, kind: str, parent_id: str | None) -> Iterator[AssistantStreamChunk]:
        is_new = self.open_kind != (kind, parent_id)
        if is_new:
            yield from self.begin_step()
        if is_new and self.last_kind == kind:
            yield TextPartChunk() if kind == "text" else ReasoningPartChunk()
        if is_new:
            self.metadata = {}
        self.open_kind, self.last_kind = (kind, parent_id), kind

    def end_text(self) -> None:
        self.open_kind, self.last_kind = None, ""

    def before_part(self) -> Iterator[AssistantStreamChunk]:
        self.end_text()
        yield from self.begin_step()

    def begin_step(self) -> Iterator[AssistantStreamChunk]:
        if self.needs_step and not self.is_in_step and all(call.is_told for call in self.calls.values()):
            self.needs_step = False
            self.last_kind = ""
            yield StepStartChunk("")

    def begin(
        self, call_id: str, name: str, provider_executed: bool = False, dynamic: bool = False, metadata: Any = None
    ) -> Iterator[AssistantStreamChunk]:
        if call_id not in self.calls:
            yield from self.before_part()
            self.calls[call_id] = _UICall(provider_executed=provider_executed)
            yield ToolCallBeginChunk(call_id, name, None, provider_executed, dynamic, metadata)

    def close(self, call_id: str, args: Any = None) -> Iterator[AssistantStreamChunk]:
        call = self.calls[call_id]
        if call.is_open:
            call.is_open = False
            whole = json.dumps(args, separators=(",", ":"))
            if args is not None and whole.startswith(call.text):
                yield from self.tell(call_id, whole[len(call.text) :])
            elif args is not None:
                yield from self.tell(call_id, args=args)
            elif not call.text:
                yield from self.tell(call_id, "{}")
            elif _is_json(call.text):
                yield from self.tell(call_id)

    def tell(self, call_id: str, text: str = "", args: Any = None) -> Iterator[AssistantStreamChunk]:
        if not self.calls[call_id].is_told:
            self.calls[call_id].is_told = True
            yield ToolCallDeltaChunk(call_id, text, True, args)
            yield from self.steps()

    def steps(self) -> Iterator[AssistantStreamChunk]:
        if self.waiting_steps and all(call.is_told for call in self.calls.values()):
            self.end_text()
            yield from self.waiting_steps
            self.waiting_steps.clear()

    def result(self, chunk: ToolResultChunk) -> Iterator[AssistantStreamChunk]:
        call_id, result = chunk.tool_call_id, chunk.result
        call = self.calls[call_id]
        if not chunk.preliminary:
            if not self.is_in_step:
                self.open_kind = None
            self.needs_step = True
        yield from self.close(call_id)
        if chunk.denied:
            result = "Tool execution denied."
        elif chunk.is_error and not isinstance(result, str):
            result = JSONText.of(result)
        flags = {"denied": chunk.denied, "preliminary": chunk.preliminary}
        arrived = ToolResultChunk(call_id, result, is_error=chunk.is_error, **flags)
        call.has_started = True
        is_second, call.has_result = call.has_result, call.has_result or not chunk.preliminary
        if chunk.is_error and not chunk.denied and not call.is_told:
            # In one frame with the arguments, which the steps follow.
            told = self.tell(call_id)
            yield next(told)
            yield arrived
            yield from told
            return
        yield from self.tell(call_id, _rest_of_text(call.text))
        if not is_second:
            yield arrived

    def end_parts(self) -> Iterator[AssistantStreamChunk]:
        self.open_kind = None
        for call_id in self.calls:
            yield from self.close(call_id)
        for call_id, call in self.calls.items():
            if not call.is_told:
                error = "The arguments of this call are not valid JSON."
                yield from self.result(ToolResultChunk(call_id, error, is_error=True))


def _rest_of_text(text: str) -> str:
    """Return what is missing of the JSON of a text, as the decoder takes it: arguments that are not JSON are one."""
    whole = json.dumps(text)
    return whole[len(text) :] if whole.startswith(text) else ""


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=int)
    except ValueError:
        return False
    return True
