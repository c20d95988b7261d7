"""Events of Amazon Bedrock's `converse_stream`, as boto3 yields them: dicts with one key.

Format: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

from __future__ import annotations

import base64
from typing import Any

from assistant_stream_ce.integrations.events import TurnReader, delta_of, field, integer, native, reason_of, text_of
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
    "content_filtered": "content-filter",
    "guardrail_intervened": "content-filter",
    "malformed_tool_use": "error",
    "malformed_model_output": "error",
}


class BedrockReader(TurnReader):
    """Reads events. The usage may come before or after the stop reason."""

    def __init__(self, out: TurnBuilder) -> None:
        super().__init__(out)
        self._blocks: dict[int, dict[str, JSON]] = {}
        # The pieces of the texts, which are joined at the end.
        self._texts: dict[int, list[str]] = {}
        self._calls: dict[int, CallBuilder] = {}

    def feed(self, event: Any) -> None:
        """Process an event."""
        for kind, member in event.items() if isinstance(event, dict) else ():
            value = member if isinstance(member, dict) else {}
            if kind == "contentBlockDelta" and type(delta := value.get("delta")) is dict and "text" in delta:
                text = delta["text"] if type(delta["text"]) is str else delta_of(delta, "text")
                self._text(value.get("contentBlockIndex") or 0, text)
                continue
            match kind:
                case "contentBlockDelta":
                    self._delta(integer(value, "contentBlockIndex"), value.get("delta") or {})
                case "contentBlockStart":
                    self._start(integer(value, "contentBlockIndex"), value.get("start") or {})
                case "contentBlockStop":
                    self._stop(integer(value, "contentBlockIndex"))
                case "messageStop":
                    self.provider_reason: str | None = text_of(value, "stopReason") or self.provider_reason
                case "metadata":
                    self._count(value.get("usage") or {})
                case _ if kind.endswith("Exception"):
                    self.fail(text_of(value, "message") or kind, kind)

    def end(self) -> Turn:
        """Return the turn; see the base class."""
        if self.provider_reason is None:
            self.cut()
        for index, texts in self._texts.items():
            self._blocks[index]["text"] = self._blocks[index].get("text", "") + "".join(texts)
        content = [block for index in sorted(self._blocks) if (block := _sendable(self._blocks[index])) is not None]
        messages: list[dict[str, JSON]] = [{"role": "assistant", "content": content}] if content else []
        return self.out.finish(reason_of(REASONS, self.provider_reason), self.provider_reason, messages)

    def _count(self, usage: Any) -> None:
        cached, written = integer(usage, "cacheReadInputTokens"), integer(usage, "cacheWriteInputTokens")
        total = integer(usage, "inputTokens") + cached + written
        self.out.usage = Usage(total, integer(usage, "outputTokens"), cached, written)

    def _start(self, index: int, start: dict[str, Any]) -> None:
        if isinstance(use := start.get("toolUse"), dict):
            is_ours = use.get("type") != "server_tool_use"
            name, call_id, known = text_of(use, "name"), text_of(use, "toolUseId") or None, self._calls.get(index)
            self._calls[index] = self.out.call(name, call_id, is_ours=is_ours, known=known)
            self._blocks[index] = {"toolUse": {**native(use), "input": {}}}
        elif isinstance(result := start.get("toolResult"), dict):
            self._blocks[index] = {"toolResult": {**native(result), "content": []}}
        elif isinstance(image := start.get("image"), dict):
            self._blocks[index] = {"image": dict(image)}

    def _text(self, index: int, text: str) -> None:
        if index not in self._blocks:
            self._blocks[index] = {"text": ""}
        self._texts.setdefault(index, []).append(text)
        self.out.text(text)

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        if isinstance(use := delta.get("toolUse"), dict):
            if index in self._calls:
                self._calls[index].append(delta_of(use, "input"))
            elif index not in self._blocks:
                raise ValueError(f"arguments without a tool call at contentBlockIndex {index}")
        elif isinstance(reasoning := delta.get("reasoningContent"), dict):
            self._reasoning(index, reasoning)
        elif isinstance(citation := delta.get("citation"), dict):
            self._citation(citation)
        elif isinstance(image := delta.get("image"), dict):
            self._image(index, image)
        elif isinstance(results := delta.get("toolResult"), list):
            block = self._blocks.setdefault(index, {"toolResult": {"content": []}})
            block["toolResult"]["content"] += native(results)

    def _reasoning(self, index: int, reasoning: dict[str, Any]) -> None:
        if index not in self._blocks:
            self.out.reasoning_part()
        block = self._blocks.setdefault(index, {"reasoningContent": {}})["reasoningContent"]
        if isinstance(redacted := reasoning.get("redactedContent"), bytes):
            block["redactedContent"] = whole_data = block.get("redactedContent", b"") + redacted
            self.out.metadata("reasoning", "bedrock", redactedData=base64.b64encode(whole_data).decode())
            return
        whole = block.setdefault("reasoningText", {"text": ""})
        if text := delta_of(reasoning, "text"):
            whole["text"] += text
            self.out.think(text)
        if isinstance(signature := reasoning.get("signature"), str):
            whole["signature"] = whole.get("signature", "") + signature

    def _citation(self, citation: dict[str, Any]) -> None:
        location = citation.get("location") or {}
        web = location.get("web") if isinstance(location, dict) else None
        if isinstance(web, dict):
            self.out.source(web.get("url"), citation.get("title"))
        else:
            self.out.document(citation.get("title") or citation.get("source"), "text/plain", citation.get("title"))

    def _image(self, index: int, image: dict[str, Any]) -> None:
        data = field(image.get("source"), "bytes")
        format_ = field(self._blocks.get(index, {}).get("image"), "format") or image.get("format") or "png"
        if isinstance(data, bytes):
            self._blocks[index] = {"image": {"format": format_, "source": {"bytes": data}}}
            self.out.file(base64.b64encode(data).decode(), f"image/{format_}")

    def _stop(self, index: int) -> None:
        if (call := self._calls.get(index)) is not None:
            call.close()
            self._blocks[index]["toolUse"]["input"] = parse_arguments(call.text)[0] or {}
        elif (reasoning := self._blocks.get(index, {}).get("reasoningContent")) is not None:
            self.out.reasoning_signature((reasoning.get("reasoningText") or {}).get("signature", ""), "bedrock")
        elif (result := self._blocks.get(index, {}).get("toolResult")) is not None:
            is_error = result.get("status") == "error"
            for call in self.out.calls:
                if call.provider_id == result.get("toolUseId"):
                    call.result(result["content"], is_error=is_error)


def _sendable(block: dict[str, JSON]) -> dict[str, JSON] | None:
    """Return a block as the API accepts it; None for reasoning without a signature, and for empty texts."""
    reasoning = block.get("reasoningContent")
    if reasoning is not None and "redactedContent" not in reasoning and "signature" not in reasoning["reasoningText"]:
        return None
    return None if block.get("text") == "" else block
