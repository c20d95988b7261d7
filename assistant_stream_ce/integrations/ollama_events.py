"""Chunks of Ollama's chat, as the ollama package yields them.

Format: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion
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
    reason_of,
    text_of,
)
from assistant_stream_ce.integrations.turn import Turn, TurnBuilder, TurnFinish
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.message import Usage

REASONS: dict[str, TurnFinish] = {"stop": "stop", "length": "length", "load": "other", "unload": "other"}


class OllamaReader(TurnReader):
    """Reads chunks. Tool calls arrive whole; the package drops their ids."""

    def __init__(self, out: TurnBuilder) -> None:
        super().__init__(out)
        self._texts: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[dict[str, JSON]] = []

    def feed(self, event: Any) -> None:
        """Process a chunk."""
        message = field(event, "message")
        fields, pieces = fields_of(event), fields_of(message)
        if thinking := pieces.get("thinking"):
            thinking = thinking if type(thinking) is str else delta_of(pieces, "thinking")
            self._thinking.append(thinking)
            self.out.think(thinking)
        if text := pieces.get("content"):
            text = text if type(text) is str else delta_of(pieces, "content")
            self._texts.append(text)
            self.out.text(text)
        if self.out.model is None or fields.get("done") or pieces.get("tool_calls") or not pieces or "error" in fields:
            self._rest(event, message)

    def _rest(self, event: Any, message: Any) -> None:
        if isinstance(error := field(event, "error"), str):
            self.fail(error)
        self.out.model = text_of(event, "model") or self.out.model
        for call in field(message, "tool_calls") or ():
            function = field(call, "function")
            builder = self.out.call(text_of(function, "name"), text_of(call, "id") or None)
            builder.set(native(field(function, "arguments") or {}))
            builder.close()
            self._calls.append(native(call))
        if field(event, "done") is True:
            self.provider_reason: str | None = text_of(event, "done_reason") or "stop"
            self.out.usage = Usage(integer(event, "prompt_eval_count"), integer(event, "eval_count"))

    def end(self) -> Turn:
        """Return the turn; see the base class."""
        if self.provider_reason is None:
            self.cut()
        message: dict[str, JSON] = {"role": "assistant", "content": "".join(self._texts)}
        if self._thinking:
            message["thinking"] = "".join(self._thinking)
        if self._calls:
            message["tool_calls"] = self._calls
        messages = [message] if len(message) > 2 or message["content"] else []
        return self.out.finish(reason_of(REASONS, self.provider_reason), self.provider_reason, messages)
