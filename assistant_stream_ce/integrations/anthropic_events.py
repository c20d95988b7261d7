"""Events of Anthropic's Messages API.

Format: https://docs.anthropic.com/en/api/messages-streaming
"""

from __future__ import annotations

from typing import Any

from assistant_stream_ce.integrations.events import (
    TurnReader,
    delta_of,
    field,
    fields_of,
    integer,
    native,
    native_object,
    reason_of,
    text_of,
)
from assistant_stream_ce.integrations.turn import (
    CallBuilder,
    Turn,
    TurnBuilder,
    TurnFinish,
    parse_arguments,
)
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.message import Usage

REASONS: dict[str, TurnFinish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool-calls",
    "refusal": "content-filter",
    # The answer is sent back unchanged, and the model continues it.
    "pause_turn": "other",
}

_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")


class AnthropicReader(TurnReader):
    """Reads raw events; those that `messages.stream()` derives from them are ignored."""

    def __init__(self, out: TurnBuilder) -> None:
        super().__init__(out)
        # The content blocks in the provider's format, and the tool calls among them, by index.
        self._blocks: dict[int, dict[str, JSON]] = {}
        self._calls: dict[int, CallBuilder] = {}
        self._inputs: dict[int, list[str]] = {}
        # The pieces of the texts and of the reasoning, which are joined at the end.
        self._texts: dict[int, list[str]] = {}
        self._thinking: dict[int, list[str]] = {}
        self._usage: dict[str, int] = {}

    def feed(self, event: Any) -> None:
        """Process an event."""
        fields = fields_of(event)
        kind = fields.get("type") or field(event, "type")
        if kind == "content_block_delta":
            # Most events are texts: they are read without a call for each field.
            pieces = fields_of(fields.get("delta"))
            if pieces.get("type") == "text_delta" and type(text := pieces.get("text")) is str:
                self._texts.setdefault(fields.get("index") or 0, []).append(text)
                self.out.text(text)
                return
        match kind:
            case "content_block_delta":
                self._delta(integer(event, "index"), field(event, "delta"))
            case "content_block_start":
                self._start(integer(event, "index"), field(event, "content_block"))
            case "content_block_stop":
                self._stop(integer(event, "index"))
            case "message_start":
                self._message_start(field(event, "message"))
            case "message_delta":
                self._message_delta(event)
            case "error":
                error = field(event, "error")
                self.fail(text_of(error, "message") or "the model reported an error", text_of(error, "type") or None)

    def end(self) -> Turn:
        """Return the turn; see the base class."""
        if self.provider_reason is None:
            self.cut()
        for name, pieces in (("text", self._texts), ("thinking", self._thinking)):
            for index, texts in pieces.items():
                block = self._block(index, name)
                block[name] = text_of(block, name) + "".join(texts)
        content = [self._blocks[index] for index in sorted(self._blocks)]
        messages: list[dict[str, JSON]] = [{"role": "assistant", "content": content}] if content else []
        return self.out.finish(reason_of(REASONS, self.provider_reason), self.provider_reason, messages)

    def _message_start(self, message: Any) -> None:
        if self._blocks and text_of(message, "id") != self.out.id:
            # A gateway has restarted the answer: earlier blocks are not part of it.
            for call in self._calls.values():
                call.is_ours = False
                call.close()
            for kept in (self._blocks, self._calls, self._texts, self._thinking):
                kept.clear()
        self.out.id = text_of(message, "id") or None
        self.out.model = text_of(message, "model") or None
        self._count(field(message, "usage"))

    def _message_delta(self, event: Any) -> None:
        delta = field(event, "delta")
        self.provider_reason: str | None = text_of(delta, "stop_reason") or self.provider_reason
        details = field(delta, "stop_details")
        if details is not None and self.provider_reason == "refusal":
            # Often the only text of a refusal.
            self.out.refusal(text_of(details, "explanation"))
        self._count(field(event, "usage"))

    def _count(self, usage: Any) -> None:
        """Set the usage, which is cumulative: later numbers replace earlier ones."""
        for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
            if type(field(usage, name)) in (int, float):
                self._usage[name] = integer(usage, name)
        get = self._usage.get
        cached, written = get("cache_read_input_tokens", 0), get("cache_creation_input_tokens", 0)
        details = field(usage, "output_tokens_details")
        self.out.usage = Usage(
            get("input_tokens", 0) + cached + written,
            get("output_tokens", 0),
            cached,
            written,
            integer(details, "thinking_tokens"),
        )

    def _start(self, index: int, block: Any) -> None:
        kind = text_of(block, "type")
        self._blocks[index] = native_object(block)
        if kind == "text":
            self.out.text(text_of(block, "text"))
        elif kind == "thinking":
            self.out.reasoning_part()
            self.out.think(text_of(block, "thinking"))
        elif kind == "redacted_thinking":
            self.out.reasoning_part()
            self.out.metadata("reasoning", "anthropic", redactedData=text_of(block, "data"))
        elif kind in _CALLS:
            call = self._calls[index] = self.out.call(
                text_of(block, "name"),
                text_of(block, "id") or None,
                is_ours=kind == "tool_use",
                known=self._calls.get(index),
            )
            # Programmatic calling and some gateways send whole arguments here.
            if given := field(block, "input"):
                call.set(native(given))
        elif kind.endswith("_tool_result"):
            self._result(block)

    def _result(self, block: Any) -> None:
        content, call_id = native(field(block, "content")), text_of(block, "tool_use_id")
        is_error = field(block, "is_error") is True
        is_error |= isinstance(content, dict) and str(content.get("type")).endswith("_error")
        for call in self.out.calls:
            if call.provider_id == call_id:
                call.result(content, is_error=is_error)
                return
        # The call was in the previous answer, which was paused.
        self.out.late_result(call_id, content, is_error=is_error)

    def _delta(self, index: int, delta: Any) -> None:
        match field(delta, "type"):
            case "text_delta":
                # One without its text.
                delta_of(delta, "text")
            case "thinking_delta":
                text = delta_of(delta, "thinking")
                self._thinking.setdefault(index, []).append(text)
                self.out.think(text)
            case "input_json_delta":
                piece = delta_of(delta, "partial_json")
                if index in self._calls:
                    self._inputs.setdefault(index, []).append(piece)
                    self._calls[index].append(piece)
                elif index not in self._blocks:
                    raise ValueError(f"arguments without a tool call at index {index}")
            case "signature_delta":
                block = self._block(index, "thinking")
                block["signature"] = text_of(block, "signature") + text_of(delta, "signature")
            case "citations_delta":
                self._citation(self._block(index, "text"), field(delta, "citation"))

    def _block(self, index: int, kind: str) -> dict[str, JSON]:
        """Return the block at an index; some gateways leave out the starts of texts."""
        return self._blocks.setdefault(index, {"type": kind, kind: ""})

    def _citation(self, block: dict[str, JSON], citation: Any) -> None:
        block["citations"] = [*(block.get("citations") or ()), native(citation)]
        title = field(citation, "title") or field(citation, "document_title")
        if field(citation, "url"):
            self.out.source(field(citation, "url"), title)
        else:
            key = field(citation, "file_id") or title
            self.out.document(key, "text/plain", title)

    def _stop(self, index: int) -> None:
        if signature := text_of(self._blocks.get(index), "signature"):
            # A signature may come in pieces.
            self.out.reasoning_signature(signature, "anthropic")
        call = self._calls.get(index)
        if call is not None:
            call.close()
            # The streamed arguments replace the empty ones of the start.
            if pieces := "".join(self._inputs.get(index, ())):
                self._blocks[index]["input"] = parse_arguments(pieces)[0] or {}
