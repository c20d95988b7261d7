"""One call of a model: `TurnBuilder` sends its output to a controller, and returns the `Turn` for the next request."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import msgspec

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk, ReasoningDeltaChunk, TextDeltaChunk
from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.conversions.turns import original_name
from assistant_stream_ce.errors import ToolCallError
from assistant_stream_ce.jsonvalue import JSON, dumps, loads
from assistant_stream_ce.message import AssistantMessage, MessageStatus, Usage
from assistant_stream_ce.message.accumulator import MessageAccumulator
from assistant_stream_ce.serialization.openai_stream.tool_calls import UNKNOWN_TOOL, ToolCallDeltas

#: The reason why a model stopped.
TurnFinish: TypeAlias = Literal["stop", "length", "tool-calls", "content-filter", "error", "other"]


class ToolCall(msgspec.Struct, frozen=True):
    """A tool call of the model that the application has to run.

    Attributes:
        id: the id in the stream and in the message.
        provider_id: the provider's id; None if it has none.
        name: the name of the tool.
        args: the arguments; None if they are not a JSON object.
        args_text: the arguments as the model wrote them.
        error: the reason why `args` is None.
    """

    id: str
    provider_id: str | None
    name: str
    args: dict[str, JSON] | None
    args_text: str
    error: str | None = None


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """The output of one call of a model.

    Attributes:
        message: the turn as a message, as the reader of the stream sees it.
        tool_calls: the calls that the application has to run, in order.
        finish_reason: the reason why the model stopped.
        provider_finish_reason: the reason as the provider reports it.
        usage: the tokens.
        id: the provider's id of the response.
        model: the model's name as the provider reports it.
        messages: the messages to send back in the next request, in the provider's format.
    """

    message: AssistantMessage
    tool_calls: list[ToolCall]
    finish_reason: TurnFinish
    provider_finish_reason: str | None
    usage: Usage
    id: str | None
    model: str | None
    messages: list[dict[str, JSON]]

    @property
    def text(self) -> str:
        """The text of the answer."""
        return self.message.text


class TurnBuilder:
    """Sends a turn to a controller, and collects it. Not thread-safe.

    Args:
        controller: the controller of the run.
        reasoning: whether reasoning is sent.
        parent_id: the id of the part that the turn belongs to; that of the controller if None.
    """

    def __init__(self, controller: RunController, *, reasoning: bool = True, parent_id: str | None = None) -> None:
        self.controller: RunController = controller if parent_id is None else controller.with_parent_id(parent_id)
        self.calls: list[CallBuilder] = []
        self.id: str | None = None
        self.model: str | None = None
        self.usage: Usage = Usage()
        # That of a controller of `with_parent_id`, if no other one was given.
        self._parent_id = self.controller.parent_id
        self._reasoning = reasoning
        self._sent: list[AssistantStreamChunk] = []
        self._sources: set[str] = set()
        self._assigned: dict[str, CallBuilder] = {}
        # The channel itself, so that a piece of text is one chunk for the reader and for the message. It takes one slot
        # for each 1,024 characters, as `validation.slots` counts.
        self._put = self.controller.run_context.channel.put
        self._keep = self._sent.append

    @property
    def has_content(self) -> bool:
        """Whether anything was sent after the begin of the step."""
        return len(self._sent) > 1

    def text(self, text: str) -> None:
        """Append text to the answer."""
        if text:
            chunk = TextDeltaChunk(text, self._parent_id)
            self._put(chunk, 1 + (len(text) >> 10))
            self._keep(chunk)

    def think(self, text: str) -> None:
        """Append reasoning."""
        if text and self._reasoning:
            chunk = ReasoningDeltaChunk(text, self._parent_id)
            self._put(chunk, 1 + (len(text) >> 10))
            self._keep(chunk)

    def reasoning_part(self) -> None:
        """Begin another part of the reasoning."""
        if self._reasoning:
            self._send(chunks.ReasoningPartChunk(None, self._parent_id))

    def reasoning_signature(self, signature: str, provider: str | None = None) -> None:
        """Add the provider's signature of the reasoning, which ends it. The provider is None if it is unknown."""
        if self._reasoning and signature:
            if provider is not None:
                self.metadata("reasoning", provider, signature=signature)
            self._send(chunks.ReasoningSignatureChunk(signature))

    def metadata(self, part: Literal["text", "reasoning"], provider: str, **values: JSON) -> None:
        """Add to the open part what its provider needs in the next request; empty values are left out."""
        known = {name: value for name, value in values.items() if value}
        if known and (part == "text" or self._reasoning):
            self._send(chunks.ProviderMetadataChunk({provider: known}, part, self._parent_id))

    def refusal(self, text: str) -> None:
        """Append text to a refusal."""
        if text:
            self._send(chunks.RefusalDeltaChunk(text, self._parent_id))

    def source(self, url: JSON, title: JSON = None, start: JSON = None, end: JSON = None) -> None:
        """Add a source, once for each URL, with the place of its first citation if it is known."""
        if isinstance(url, str) and url and url not in self._sources:
            self._sources.add(url)
            has_place = type(start) is int and type(end) is int and 0 <= start <= end
            place: Any = {"start_index": start, "end_index": end} if has_place else {}
            name = title if isinstance(title, str) else None
            self._send(chunks.SourceChunk(_source_id(), url, title=name, parent_id=self._parent_id, **place))

    def document(self, key: JSON, media_type: str, title: JSON, filename: JSON = None) -> None:
        """Add a cited document, once for each key."""
        if isinstance(key, str) and key and key not in self._sources:
            self._sources.add(key)
            name = filename if isinstance(filename, str) else None
            shown = title if isinstance(title, str) else key
            self._send(chunks.SourceDocumentChunk(_source_id(), media_type, shown, name, self._parent_id))

    def file(self, data: str, mime_type: str) -> None:
        """Add a file: base64 text, or a URL."""
        if data:
            self._send(chunks.FileChunk(data, mime_type, self._parent_id))

    def call(
        self,
        name: str,
        provider_id: str | None = None,
        *,
        is_ours: bool = True,
        is_providers: bool | None = None,
        metadata: dict[str, JSON] | None = None,
        known: CallBuilder | None = None,
    ) -> CallBuilder:
        """Begin a tool call.

        Args:
            name: the name of the tool; an empty one is replaced, because clients need a name.
            provider_id: the provider's id, which is used unless another call of the run has it.
            is_ours: whether the application has to run the tool.
            is_providers: whether the provider runs it; None for the opposite of `is_ours`.
            metadata: what the provider needs again with the call, by its name.
            known: the call at the same place of the response, if there is one. It is returned if it has the same id:
                the event was repeated.
        """
        if known is not None and provider_id and known.provider_id == provider_id:
            return known
        is_providers = not is_ours if is_providers is None else is_providers
        call = CallBuilder(self, name or UNKNOWN_TOOL, provider_id, is_ours, is_providers, metadata)
        self.calls.append(call)
        return call

    def forward(self, made: Iterable[AssistantStreamChunk]) -> None:
        """Send the chunks of tool calls that `ToolCallDeltas` returns."""
        for chunk in made:
            if isinstance(chunk, chunks.ToolCallDeltaChunk):
                call = self._assigned[chunk.tool_call_id]
                if chunk.is_final:
                    call.close()
                else:
                    call.append(chunk.args_text_delta)
            elif isinstance(chunk, chunks.ToolCallBeginChunk):
                self._assigned[chunk.tool_call_id] = self.call(chunk.tool_name, chunk.tool_call_id)

    def end_deltas(self, deltas: ToolCallDeltas, *, is_cut: bool = False) -> None:
        """Send what tool calls have held back, and their ends unless the stream was cut; keep the provider's ids."""
        self.forward(deltas.end(is_cut=is_cut))
        for call in deltas.calls:
            if call.id in self._assigned:
                self._assigned[call.id].provider_id = call.provider_id

    def late_result(
        self, call_id: str, result: JSON, *, is_error: bool, artifact: JSON = None, denied: bool = False
    ) -> None:
        """Add the result of a call of an earlier response."""
        if call_id:
            self._send(chunks.ToolResultChunk(call_id, result, artifact, is_error=is_error or denied, denied=denied))

    def data(self, data: JSON) -> None:
        """Send application data beside the message."""
        self._send(chunks.DataChunk(data))

    def step_start(self) -> None:
        """Begin the step."""
        self._send(chunks.StepStartChunk(f"step-{uuid.uuid4().hex}"))

    def step_finish(self, reason: TurnFinish, usage: Usage) -> None:
        """Finish the step."""
        self._send(chunks.StepFinishChunk(reason, **msgspec.structs.asdict(usage)))

    def branch(self, parent_id: str | None = None) -> TurnBuilder:
        """Return a builder for one of several responses in this message: with its own calls and usage."""
        made = TurnBuilder(self.controller, reasoning=self._reasoning, parent_id=parent_id or self._parent_id)
        made._sent, made._keep, made._sources = self._sent, self._keep, self._sources
        return made

    def finish(self, reason: TurnFinish, provider_reason: str | None, messages: list[dict[str, JSON]]) -> Turn:
        """Finish the step, and return the turn.

        Args:
            reason: the reason why the model stopped; `stop` becomes `tool-calls` if the application has calls to run.
            provider_reason: the reason as the provider reports it.
            messages: the messages to send back in the next request.
        """
        return self.turn(self.end_step(reason), provider_reason, messages)

    def end_step(self, reason: TurnFinish) -> TurnFinish:
        """Complete the calls, finish the step and return its reason; see `finish`."""
        if reason == "stop" and any(call.is_ours for call in self.calls):
            reason = "tool-calls"
        for call in self.calls:
            call.close()
        self.step_finish(reason, self.usage)
        return reason

    def next_step(self) -> TurnBuilder:
        """Begin another step of the same message, and return its builder."""
        following = self.branch()
        following.step_start()
        return following

    def turn(self, reason: TurnFinish, provider_reason: str | None, messages: list[dict[str, JSON]]) -> Turn:
        """Return the turn, which has ended; one with the reason "error" as far as it came."""
        accumulator = MessageAccumulator()
        accumulator.extend(self._sent)
        accumulator.finish(is_cancelled=reason == "error")
        message = accumulator.message
        if reason == "error":
            message = msgspec.structs.replace(message, status=MessageStatus("incomplete", "error"))
        return Turn(
            message=message,
            tool_calls=[call.tool_call() for call in self.calls if call.is_ours],
            finish_reason=reason,
            provider_finish_reason=provider_reason,
            usage=self.usage,
            id=self.id,
            model=self.model,
            messages=messages,
        )

    def _send(self, chunk: AssistantStreamChunk) -> None:
        self.controller.add_chunk(chunk)
        self._keep(chunk)

    def _begin_call(
        self, name: str, provider_id: str | None, is_providers: bool, metadata: dict[str, JSON] | None
    ) -> str:
        name = original_name(name)
        flags: Any = {"provider_executed": is_providers, "provider_metadata": metadata}
        try:
            call = self.controller.add_tool_call(name, provider_id or None, **flags)
        except ToolCallError:
            # Some providers repeat their ids in each response.
            call = self.controller.add_tool_call(name, **flags)
        self._keep(chunks.ToolCallBeginChunk(call.tool_call_id, name, self._parent_id, **flags))
        return call.tool_call_id


def _source_id() -> str:
    # Not a number: front ends use it as a key, in a message of several turns.
    return f"source-{uuid.uuid4().hex}"


class CallBuilder:
    """One tool call of a turn."""

    def __init__(
        self,
        turn: TurnBuilder,
        name: str,
        provider_id: str | None,
        is_ours: bool,
        is_providers: bool,
        metadata: dict[str, JSON] | None = None,
    ) -> None:
        #: The name that the model uses.
        self.name = name
        self.provider_id = provider_id
        self.is_ours = is_ours
        self._turn = turn
        self._pieces: list[str] = []
        self._is_closed = False
        self._has_result = False
        self._is_asked = False
        self.id: str = turn._begin_call(name, provider_id, is_providers, metadata)
        self._calls = turn.controller.run_context.calls

    @property
    def text(self) -> str:
        """The argument text so far."""
        return "".join(self._pieces)

    def append(self, text: str) -> None:
        """Append argument text."""
        if text and not self._is_closed:
            # One chunk for the reader and for the message, as in `TurnBuilder.text`.
            chunk = chunks.ToolCallDeltaChunk(self.id, text)
            self._calls.append_args(chunk)
            self._pieces.append(text)
            self._turn._keep(chunk)

    def set(self, arguments: JSON) -> None:
        """Set whole arguments: JSON text or a value; does nothing after the first argument text."""
        if not self._pieces and arguments not in (None, ""):
            self.append(arguments if isinstance(arguments, str) else dumps(arguments).decode())

    def close(self) -> None:
        """Mark the arguments as complete; empty ones are `{}`."""
        if not self._is_closed:
            self.append("" if self.text.strip() else "{}")
            self._is_closed = True
            self._calls.close(self.id)
            self._turn._keep(chunks.ToolCallDeltaChunk(self.id, "", is_final=True))

    def result(self, result: JSON, *, is_error: bool = False, denied: bool = False) -> None:
        """Add the result of a call that the application does not run, or that was denied; only the first one counts."""
        self.close()
        if not self._has_result:
            self._has_result = True
            self._turn._send(chunks.ToolResultChunk(self.id, result, is_error=is_error or denied, denied=denied))

    def request_approval(self, approval_id: str) -> None:
        """Ask for the user's approval of the call, once."""
        self.close()
        if not self._is_asked:
            self._is_asked = True
            self._turn._send(chunks.ToolApprovalRequestChunk(self.id, approval_id))

    def tool_call(self) -> ToolCall:
        """Return the call for the application to run."""
        args, error = parse_arguments(self.text)
        return ToolCall(self.id, self.provider_id, original_name(self.name), args, self.text or "{}", error)


def parse_arguments(text: str) -> tuple[dict[str, JSON] | None, str | None]:
    """Return the arguments of a call and None, or None and the reason why they are invalid."""
    try:
        value = loads(text or "{}")
        if isinstance(value, str):
            # Some gateways encode the arguments twice.
            value = loads(value or "{}")
    except ValueError:
        return None, "the arguments are not valid JSON"
    if not isinstance(value, dict):
        return None, "the arguments are not a JSON object"
    return value, None
