"""Message chunks of langchain's chat models.

Format: https://docs.langchain.com/oss/python/langchain/messages (content blocks, version 1)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from assistant_stream_ce.conversions.openai_chat import NAMES
from assistant_stream_ce.integrations import (
    anthropic_events,
    bedrock_events,
    google_events,
    ollama_events,
    openai_chat_events,
)
from assistant_stream_ce.integrations.events import (
    NO_FIELDS,
    ApplicationDataError,
    TurnReader,
    delta_of,
    field,
    integer,
    native,
    reason_of,
    text_of,
)
from assistant_stream_ce.integrations.turn import CallBuilder, Turn, TurnBuilder, TurnFinish
from assistant_stream_ce.jsonvalue import JSON, plain
from assistant_stream_ce.message import Usage
from assistant_stream_ce.serialization.openai_stream.tool_calls import ToolCallDeltas

# Langchain passes the finish reason on as the provider spells it; the last ones are the states of OpenAI's responses.
REASONS: dict[str, TurnFinish] = {
    **anthropic_events.REASONS,
    **bedrock_events.REASONS,
    **ollama_events.REASONS,
    **openai_chat_events.REASONS,
    **{reason.lower(): ours for reason, ours in google_events.REASONS.items()},
    "completed": "stop",
    "max_output_tokens": "length",
    "failed": "error",
    "cancelled": "error",
}

# The keys of a finish reason: OpenAI and Google; Anthropic; Bedrock; ollama.
_REASON_KEYS = ("finish_reason", "stop_reason", "stopReason", "done_reason")

# States of a response of OpenAI that is not finished.
_UNFINISHED = ("", "in_progress", "queued", "finish_reason_unspecified")

# Ids with these prefixes are made by langchain, not by the provider.
LOCAL_IDS = ("lc_", "lc-", "run-")


class LangChainReader(TurnReader):
    """Reads the chunks of one message, or one whole message."""

    def __init__(self, out: TurnBuilder) -> None:
        super().__init__(out)
        self._calls = ToolCallDeltas()
        self._chunks: list[Any] = []
        # The newest chunk that had only text, and the texts of those that are not in `_chunks` yet.
        self._text_chunk: Any = None
        self._pieces: list[str] = []
        # Calls that the provider ran, by id and by index.
        self._server_calls: dict[Any, CallBuilder] = {}
        self._reasoning_index: Any = None
        self._has_provider = False
        # Those of the newest chunk.
        self._id: str | None = None
        self._metadata: Mapping[str, Any] | None = None
        #: Whether langchain has marked a chunk as the last one. It does so for a stream that was cut, too.
        self.is_last: bool = False

    def feed(self, event: Any) -> None:
        """Process a chunk."""
        if self.feed_text(event):
            return
        self._join()
        if (kind := field(event, "type")) not in ("AIMessageChunk", "ai"):
            if self._chunks:
                return
            raise ApplicationDataError(
                f"the stream must yield message chunks of a chat model, not {kind or type(event).__name__}: "
                "forward model.stream(...) without an output parser after the model"
            )
        self._chunks.append(event)
        if (metadata := field(event, "response_metadata")) != self._metadata:
            self._metadata = metadata
            self._read_metadata(metadata or {})
        if (message_id := field(event, "id")) != self._id:
            self._id = message_id
            if isinstance(message_id, str) and message_id and not message_id.startswith(LOCAL_IDS):
                self.out.id = message_id
        has_reasoning = False
        for block in _blocks(event):
            has_reasoning |= self._block(block)
        if more := field(event, "additional_kwargs"):
            if not has_reasoning:
                self.out.think(text_of(more, "reasoning_content"))
            self.out.refusal(text_of(more, "refusal"))
        self._tool_calls(event, kind)
        if (usage := field(event, "usage_metadata")) is not None:
            self._count(usage)
        if kind == "ai" or field(event, "chunk_position") == "last":
            self.is_last = True

    def feed_text(self, event: Any) -> bool:
        """Process a chunk that differs from the one before in its text only; return whether it does.

        Most chunks do, and reading only their text costs a tenth.
        """
        values = getattr(event, "__dict__", NO_FIELDS)
        text = values.get("content")
        if (
            type(text) is not str
            or self._id is None
            or values.get("id") != self._id
            or values.get("response_metadata") != self._metadata
            or values.get("type") != "AIMessageChunk"
            or values.get("additional_kwargs")
            or values.get("tool_call_chunks")
            or values.get("usage_metadata") is not None
            or values.get("chunk_position") is not None
        ):
            return False
        self._text_chunk = event
        self._pieces.append(text)
        self._text(text)
        return True

    def _join(self) -> None:
        """Keep the chunks that had only text as one: to join them by langchain's rules costs a microsecond for each."""
        if self._pieces:
            self._chunks.append(self._text_chunk.model_copy(update={"content": "".join(self._pieces)}))
            self._pieces = []

    def end(self) -> Turn:
        """Return the turn; see the base class."""
        self.complete()
        return self.out.finish(self.reason, self.provider_reason, self.messages())

    def complete(self) -> None:
        """End the tool calls.

        Raises:
            ModelStreamError: the stream has ended before the provider finished it.
        """
        self._join()
        # A model that does not report its provider, such as a fake one, reports no finish reason either.
        has_finish = self.provider_reason is not None or (not self._has_provider and self.is_last)
        if not has_finish and not self._ends_with_usage():
            self.cut()
        self.out.end_deltas(self._calls)

    def flush(self) -> None:
        """Send what was held back; see the base class."""
        self.out.end_deltas(self._calls, is_cut=True)
        super().flush()

    def _ends_with_usage(self) -> bool:
        """Return whether the usage came after the content: Snowflake sends no finish reason."""
        has_content = [bool(field(one, "content") or field(one, "tool_call_chunks")) for one in self._chunks]
        after = has_content[::-1].index(True) if True in has_content else 0
        return any(field(one, "usage_metadata") for one in self._chunks[len(self._chunks) - after :])

    @property
    def reason(self) -> TurnFinish:
        """The reason why the model stopped."""
        return reason_of(REASONS, (self.provider_reason or "stop").lower())

    def messages(self) -> list[dict[str, JSON]]:
        """Return the message for the next request: all chunks, joined by langchain's own rules."""
        whole, rest = self._chunks[0], self._chunks[1:]
        if rest and not isinstance(whole, dict):
            whole = whole + rest
        content = native(field(whole, "content"))
        if isinstance(whole, dict) and rest:
            content = "".join(block.get("text", "") for chunk in self._chunks for block in _blocks(chunk))
        message: dict[str, JSON] = {"role": "assistant", "content": content or ""}
        for name in ("id", "name", "additional_kwargs", "response_metadata"):
            if value := field(whole, name):
                message[name] = _json_of(value)
        if calls := [call.tool_call() for call in self.out.calls if call.is_ours]:
            message["tool_calls"] = [
                {
                    "type": "tool_call",
                    "id": call.provider_id or call.id,
                    "name": NAMES.name(call.name),
                    "args": call.args or {},
                }
                for call in calls
            ]
        return [message]

    def _read_metadata(self, metadata: Mapping[str, Any]) -> None:
        self._has_provider |= "model_provider" in metadata
        self.out.model = self.out.model or text_of(metadata, "model_name") or text_of(metadata, "model") or None
        if self.provider_reason is not None:
            return
        reasons = [text_of(metadata, key) for key in _REASON_KEYS]
        reasons += [text_of(metadata.get("incomplete_details"), "reason"), text_of(metadata, "status")]
        finished = (reason for reason in reasons if reason.lower() not in _UNFINISHED)
        self.provider_reason: str | None = next(finished, None)

    def _block(self, block: Any) -> bool:
        """Process a content block; return whether it is reasoning. Tool calls are read from `tool_call_chunks`."""
        match kind := text_of(block, "type"):
            case "text":
                self._text(delta_of(block, "text"))
                for annotation in field(block, "annotations") or ():
                    self.out.source(field(annotation, "url"), field(annotation, "title"))
            case "reasoning" | "thinking":
                self._think(block, text_of(block, kind))
                return True
            case "refusal":
                self.out.refusal(text_of(block, "refusal"))
            case "image" | "audio" | "video" | "file":
                data = text_of(block, "base64") or text_of(block, "url")
                self.out.file(data, text_of(block, "mime_type") or f"{'application' if kind == 'file' else kind}/*")
            case "server_tool_call" | "server_tool_call_chunk":
                self._server_call(block)
            case "server_tool_result":
                if (call := self._server_calls.get(field(block, "tool_call_id"))) is not None:
                    call.result(_json_of(field(block, "output")), is_error=text_of(block, "status") == "error")
        return False

    def _text(self, text: str) -> None:
        if text and self._calls.calls:
            self.out.forward(self._calls.begin_waiting())
        self.out.text(text)

    def _think(self, block: Any, text: str) -> None:
        index = field(block, "index")
        if text and index != self._reasoning_index:
            if self._reasoning_index is not None:
                self.out.reasoning_part()
            self._reasoning_index = index
        self.out.think(text)
        self.out.reasoning_signature(text_of(field(block, "extras"), "signature") or text_of(block, "signature"))

    def _tool_calls(self, event: Any, kind: str) -> None:
        deltas = field(event, "tool_call_chunks")
        if not deltas and kind == "ai":
            calls = [*(field(event, "tool_calls") or ()), *(field(event, "invalid_tool_calls") or ())]
            deltas = [{**call, "index": index} for index, call in enumerate(calls)]
        for position, delta in enumerate(deltas or (), 1):
            index, call_id, name, args = map(delta.get, ("index", "id", "name", "args"))
            self.out.forward(self._calls.add_fields(index, call_id, name, args, position if len(deltas) > 1 else 0))

    def _server_call(self, block: Any) -> None:
        """Read a tool call that the provider runs itself: whole, or in pieces of which only the first has the id."""
        call_id, index, args = field(block, "id"), field(block, "index"), field(block, "args")
        call = self._server_calls.get(index if call_id is None else call_id)
        if call is None:
            call = self.out.call(text_of(block, "name") or "tool", call_id, is_ours=False)
            self._server_calls.update({key: call for key in (call_id, index) if key is not None})
        if isinstance(args, str):
            call.append(args)
        elif args:
            call.set(native(args))

    def _count(self, usage: Any) -> None:
        """Add the usage of a chunk: langchain's counts are additive."""
        read, made = field(usage, "input_token_details"), field(usage, "output_token_details")
        self.out.usage += Usage(
            integer(usage, "input_tokens"),
            integer(usage, "output_tokens"),
            integer(read, "cache_read"),
            integer(read, "cache_creation"),
            integer(made, "reasoning"),
        )


def _blocks(event: Any) -> Iterable[Any]:
    """Return the content blocks of a message in langchain's standard format."""
    blocks = getattr(event, "content_blocks", None)
    if blocks is None:
        # A serialized message, or langchain-core before 1.0.
        content = field(event, "content") or ()
        blocks = [content] if isinstance(content, str) else content
    return [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks]


def _json_of(value: Any) -> JSON:
    """Return a value as JSON, without the items of a dict that are not JSON."""
    if not isinstance(value, Mapping):
        return plain(value)
    made: dict[str, JSON] = {}
    for key, item in value.items():
        with contextlib.suppress(TypeError):
            made[key] = plain(item)
    return made
