"""Decoder of AG-UI events: server-sent events from `RUN_STARTED` to `RUN_FINISHED` or `RUN_ERROR`.

A strict decoder rejects what `@ag-ui/client` 1.0.0 rejects, and what it skips with a warning: an event of an unknown
type, and a patch that does not fit. A lenient one reads from each event what it can.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.errors import UNKNOWN_ERROR, DecodeError
from assistant_stream_ce.jsonvalue import JSON, loads_or_text, object_or_empty, plain
from assistant_stream_ce.serialization.ag_ui.chunk_events import ChunkEventExpander, TypedEvent
from assistant_stream_ce.serialization.ag_ui.documents import DOCUMENT_EVENTS, Documents
from assistant_stream_ce.serialization.ag_ui.schema import check_event
from assistant_stream_ce.serialization.ag_ui.snapshots import SnapshotExpander
from assistant_stream_ce.serialization.ag_ui.validator import RunOrder
from assistant_stream_ce.serialization.assistant_ui import chunk_of
from assistant_stream_ce.serialization.decoder import (
    MAX_FRAME_BYTES,
    ToolCallDecoder,
    checked,
    id_of,
    optional_text,
    severity_of,
    text_or,
    token_count,
)
from assistant_stream_ce.serialization.framing import EventReader, Frame, FrameError

# The client fails if more bytes than this come without the end of an event.
_CLIENT_BYTES = 10 * 1024 * 1024

# Events without a chunk. `SnapshotExpander` reads snapshots of the messages.
_WITHOUT_CHUNK = frozenset(
    {
        "RAW",
        "MESSAGES_SNAPSHOT",
        "REASONING_START",
        "REASONING_END",
        "SUBAGENT_STARTED",
        "SUBAGENT_FINISHED",
        "SUBAGENT_ERROR",
    }
)

# Deprecated events: their current types, and whether they belong to the reasoning or to a message in it.
_THINKING: Mapping[str, tuple[str, str]] = {
    "THINKING_START": ("REASONING_START", "reasoning"),
    "THINKING_END": ("REASONING_END", "reasoning"),
    "THINKING_TEXT_MESSAGE_START": ("REASONING_MESSAGE_START", "message"),
    "THINKING_TEXT_MESSAGE_CONTENT": ("REASONING_MESSAGE_CONTENT", "message"),
    "THINKING_TEXT_MESSAGE_END": ("REASONING_MESSAGE_END", "message"),
}

# Names of custom events whose value has the fields of a chunk.
_CUSTOM: Mapping[str, Any] = {
    "source": chunks.SourceChunk,
    "source-document": chunks.SourceDocumentChunk,
    "file": chunks.FileChunk,
}


class _Message:
    """A message of text or reasoning."""

    __slots__ = ("id", "kind", "parent_id")

    def __init__(self, kind: str, message_id: str, parent_id: str | None) -> None:
        self.kind = kind
        self.id = message_id
        self.parent_id = parent_id

    def would_extend(self, last: _Message | None) -> bool:
        """Return whether its text would extend another message, the last one, if no boundary came between them."""
        # Clients add what is started again under the same id to the message.
        if last is None or last.id == self.id:
            return False
        return (last.kind, last.parent_id) == (self.kind, self.parent_id)


# The counts of an entry of `usage`.
_COUNTS = {
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
    "cached_tokens": "cachedInputTokens",
    "cache_write_tokens": "cacheWriteInputTokens",
    "reasoning_tokens": "reasoningTokens",
}


class AGUIDecoder(ToolCallDecoder):
    """Decoder of AG-UI events. Not thread-safe.

    Args:
        strict: whether to raise for what `@ag-ui/client` does not accept, line ends other than LF and events of more
            than 10 MiB included. Otherwise such events are skipped.
        max_frame_bytes: limit for one event, in bytes; 0 or None for no limit. The state, the activities and open texts
            are kept in memory besides.
        state: the initial state, as the client sent it to the server. Patches apply to a copy of it.

    Raises:
        TypeError: `state` is not JSON, or `max_frame_bytes` is not an int.
        ValueError: `max_frame_bytes` is negative.
    """

    _make_reader = EventReader

    def __init__(
        self, *, strict: bool = False, max_frame_bytes: int | None = MAX_FRAME_BYTES, state: object = None
    ) -> None:
        super().__init__(strict=strict, max_frame_bytes=max_frame_bytes)
        self._documents = Documents({} if state is None else plain(state, "state"), max_frame_bytes or 0)
        if strict:
            limit = min(max_frame_bytes or _CLIENT_BYTES, _CLIENT_BYTES)
            self._reader = EventReader(limit, only_line_feeds=True)

    def _prepare(self) -> None:
        super()._prepare()
        self._expander = ChunkEventExpander()
        self._order = RunOrder()
        self._has_ended = False
        # The parents of the open texts and of the open reasoning. Texts of other roles than the assistant are skipped.
        self._texts: dict[str, _Message] = {}
        self._skipped_texts: set[str] = set()
        self._reasoning: dict[str, str | None] = {}
        # The id of the last reasoning, and the message that the next delta would extend.
        self._last_reasoning = ""
        self._last: _Message | None = None
        # The ids of what deprecated events have opened.
        self._thinking: dict[str, str] = {}
        self._thinking_count = 0
        self._unanswered: set[str] = set()
        self._snapshots = SnapshotExpander()
        # The step that was started last, and those before it that had not finished then. Steps of chunks do not nest.
        self._open_step: tuple[JSON, str] | None = None
        self._outer_steps: set[tuple[JSON, str]] = set()

    def _read(self, frame: Frame) -> Iterator[AssistantStreamChunk]:
        if frame.data.strip() == b"[DONE]":
            raise FrameError("AG-UI has no [DONE]: clients fail at it")
        try:
            value: dict[str, JSON] = checked(self._json(frame.data), dict)
        except FrameError as error:
            if b"\r" not in frame.data:
                raise
            raise FrameError(f"{error}: lines must end in LF alone") from None
        kind, value = self._renamed(checked(value.get("type"), str, "type"), value)
        if self._is_strict:
            check_event(kind, value)
        for event_type, event in self._expander.expand(kind, value):
            if self._is_strict:
                self._order.check(event_type, event)
            for missing_type, missing in self._snapshots.expand(event_type, event):
                yield from self._read_event(missing_type, missing)
            yield from self._read_event(event_type, event)

    def _may_end_in(self, frame: Frame) -> bool:
        return True

    def _end(self) -> Iterator[AssistantStreamChunk]:
        if not self._has_ended:
            for event_type, event in self._snapshots.rest():
                yield from self._read_event(event_type, event)
            yield from self._documents.flush()
            raise FrameError("the stream ended without RUN_FINISHED or RUN_ERROR")

    def feed(self, data: bytes) -> list[AssistantStreamChunk]:
        """Return the chunks that the next bytes of the stream complete; see `Decoder.feed`.

        If updates of the state and of activities would be much larger than the bytes, the last ones are joined.

        Raises:
            DecodeError: as for `Decoder.feed`.
            StreamUsageError: the decoder was closed.
            TypeError: `data` is not bytes.
        """
        try:
            found = super().feed(data)
        except DecodeError as error:
            error.chunks.extend(self._documents.flush())
            raise
        found.extend(self._documents.flush())
        return found

    def _renamed(self, kind: str, event: dict[str, JSON]) -> TypedEvent:
        """Translate a deprecated THINKING_* event; ids are generated."""
        if kind not in _THINKING:
            return kind, event
        present, item = _THINKING[kind]
        if kind.endswith("_START") or item not in self._thinking:
            self._thinking_count += 1
            self._thinking[item] = f"thinking\n{self._thinking_count}"
        item_id = self._thinking.pop(item) if kind.endswith("_END") else self._thinking[item]
        return present, {"role": "reasoning", **event, "messageId": item_id}

    def _read_event(self, kind: str, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        match kind.split("_")[0]:
            case "TEXT":
                yield from self._read_text(kind, event)
            case "REASONING":
                yield from self._read_reasoning(kind, event)
            case "TOOL":
                yield from self._read_tool_call(kind, event)
            case "STATE" | "ACTIVITY" if kind in DOCUMENT_EVENTS:
                yield from self._documents.read(kind, event)
            case "STEP" | "RUN":
                yield from self._read_run(kind, event)
            case "CUSTOM":
                yield _custom(checked(event.get("name"), str, "name"), event)
            case _:
                self._skip(kind)

    def _skip(self, kind: str) -> None:
        """Accept an event without a chunk."""
        if kind not in _WITHOUT_CHUNK:
            raise FrameError(f"its type {kind[:40]!r} is unknown")

    # --- Messages ---

    def _read_text(self, kind: str, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        message_id = id_of(event, "messageId")
        match kind:
            case "TEXT_MESSAGE_START":
                if event.get("role") in (None, "assistant"):
                    started = self._texts[message_id] = _Message("text", message_id, _note(event, "parentId"))
                    yield from self._text_metadata(started, event)
                else:
                    self._skipped_texts.add(message_id)
            case "TEXT_MESSAGE_CONTENT":
                text: str = checked(event.get("delta"), str, "delta")
                if text and message_id not in self._skipped_texts:
                    message = self._texts.get(message_id)
                    if message is None:
                        message = self._texts[message_id] = _Message("text", message_id, None)
                    yield from self._extend_text(message)
                    yield chunks.TextDeltaChunk(text, message.parent_id)
            case "TEXT_MESSAGE_END":
                if (ended := self._texts.pop(message_id, None)) is not None:
                    yield from self._text_metadata(ended, event)
                self._skipped_texts.discard(message_id)
            case _:
                self._skip(kind)

    def _extend_text(self, message: _Message) -> Iterator[AssistantStreamChunk]:
        """Yield a boundary if the last part is another text."""
        last, self._last = self._last, message
        if message is not last and message.would_extend(last):
            yield chunks.TextPartChunk(message.parent_id)

    def _text_metadata(self, message: _Message, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        if metadata := _provider_metadata(event):
            yield from self._extend_text(message)
            yield chunks.ProviderMetadataChunk(metadata, "text", message.parent_id)

    def _read_reasoning(self, kind: str, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        message_id = id_of(event, "messageId")
        match kind:
            case "REASONING_MESSAGE_START":
                parent_id = self._reasoning[message_id] = _note(event, "parentId")
                self._last_reasoning = message_id
                last, self._last = self._last, _Message("reasoning", message_id, parent_id)
                if self._last.would_extend(last):
                    yield chunks.ReasoningPartChunk(None, parent_id)
                if metadata := _provider_metadata(event):
                    yield chunks.ProviderMetadataChunk(metadata, "reasoning", parent_id)
            case "REASONING_MESSAGE_CONTENT":
                text: str = checked(event.get("delta"), str, "delta")
                if text:
                    parent_id = self._reasoning.get(message_id)
                    self._last = _Message("reasoning", message_id, parent_id)
                    yield chunks.ReasoningDeltaChunk(text, parent_id)
            case "REASONING_MESSAGE_END":
                parent_id = self._reasoning.pop(message_id, None)
                if metadata := _provider_metadata(event):
                    yield chunks.ProviderMetadataChunk(metadata, "reasoning", parent_id)
            case "REASONING_ENCRYPTED_VALUE":
                signature: str = checked(event.get("encryptedValue"), str, "encryptedValue")
                if event.get("subtype") == "message" and event.get("entityId") == self._last_reasoning:
                    yield chunks.ReasoningSignatureChunk(signature)
            case _:
                self._skip(kind)

    # --- Tool calls ---

    def _read_tool_call(self, kind: str, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        call_id: str = checked(event.get("toolCallId"), str, "toolCallId")
        match kind:
            case "TOOL_CALL_START":
                name: str = checked(event.get("toolCallName"), str, "toolCallName")
                if call_id not in self._calls:
                    self._last = None
                    metadata = _metadata(event)
                    flags = metadata.get("providerExecuted") is True, metadata.get("dynamic") is True
                    if not flags[0]:
                        self._unanswered.add(call_id)
                    yield from self._begin(
                        chunks.ToolCallBeginChunk(
                            call_id, name, _note(event, "parentId"), *flags, _provider_metadata(event)
                        )
                    )
            case "TOOL_CALL_ARGS":
                text: str = checked(event.get("delta"), str, "delta")
                if text:
                    yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, text))
            case "TOOL_CALL_END":
                yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, "", is_final=True))
            case "TOOL_CALL_RESULT":
                self._unanswered.discard(call_id)
                yield from self._answer(_result(call_id, event))
            case _:
                self._skip(kind)

    # --- Steps and runs ---

    def _read_run(self, kind: str, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        self._last = None
        match kind:
            case "STEP_STARTED" | "STEP_FINISHED":
                yield from self._read_step(kind, event)
            case "RUN_STARTED":
                self._has_ended = False
                self._unanswered.clear()
                self._open_step = None
                self._outer_steps.clear()
            case "RUN_FINISHED" | "RUN_ERROR":
                self._has_ended = True
                yield from self._documents.flush()
                yield from self._close_arguments()
                yield from self._finish(event) if kind == "RUN_FINISHED" else self._fail_run(event)
            case _:
                self._skip(kind)

    def _read_step(self, kind: str, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        """Read the start or finish of a step. A step ends where one inside it starts."""
        step = event.get("subagentRunId"), id_of(event, "stepName")
        if kind == "STEP_STARTED":
            if self._open_step is not None:
                self._outer_steps.add(self._open_step)
                yield from self._finish_step(chunks.StepFinishChunk("unknown"))
            self._open_step = step
            self._outer_steps.discard(step)
            yield chunks.StepStartChunk(step[1])
        elif step in self._outer_steps:
            self._outer_steps.discard(step)
        else:
            self._open_step = None
            metadata = _metadata(event)
            tokens = _tokens([metadata.get("usage")])
            is_continued = metadata.get("isContinued") is True
            yield from self._finish_step(
                chunks.StepFinishChunk(_reason(event, "unknown"), is_continued=is_continued, **tokens)
            )

    def _finish_step(self, chunk: chunks.StepFinishChunk) -> Iterator[AssistantStreamChunk]:
        # Not sent while arguments are open: the chunk would complete them.
        if not self._open_calls:
            yield chunk

    def _finish(self, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        reason = "tool-calls" if self._unanswered else "stop"
        match event.get("outcome"):
            case {"type": "interrupt", "interrupts": interrupts}:
                requests = [_approval_request(interrupt, self._calls) for interrupt in interrupts]
                for request in filter(None, requests):
                    yield from self._ask(request)
                if others := [one for one, request in zip(interrupts, requests, strict=True) if request is None]:
                    yield chunks.DataPartChunk("interrupts", others)
                # As after tool calls, the client continues the run.
                reason = "tool-calls"
            case {"type": "cancelled"}:
                reason = "interrupted"
        yield chunks.MessageFinishChunk(_reason(event, reason), **_tokens(event.get("usage")))

    def _fail_run(self, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        message = optional_text(event, "message")
        yield chunks.ErrorChunk(
            UNKNOWN_ERROR if message is None else message,
            optional_text(event, "code"),
            severity_of(_metadata(event)),
        )
        tokens = _tokens(event.get("usage"))
        if any(tokens.values()) or _note(event, "finishReason") is not None:
            yield chunks.MessageFinishChunk(_reason(event, "error"), **tokens)


def _metadata(event: dict[str, JSON]) -> dict[str, JSON]:
    """Return the metadata of an event, which carries values without a field in the format."""
    return object_or_empty(event.get("metadata"))


def _note(event: dict[str, JSON], name: str) -> str | None:
    """Return a text from the metadata of an event."""
    return text_or(_metadata(event), name, None)


def _provider_metadata(event: dict[str, JSON]) -> dict[str, JSON] | None:
    metadata = _metadata(event).get("providerMetadata")
    return metadata if isinstance(metadata, dict) else None


def _reason(event: dict[str, JSON], default: str) -> str:
    """Return the finish reason of a step or run from the metadata of its last event."""
    return text_or(_metadata(event), "finishReason", default)


def _tokens(usage: JSON) -> dict[str, int]:
    """Return the fields of a finish: the sums of the tokens of all models."""
    entries = usage if isinstance(usage, list) else []
    return {field: sum(token_count(entry, name) for entry in entries) for field, name in _COUNTS.items()}


def _result(call_id: str, event: dict[str, JSON]) -> chunks.ToolResultChunk:
    content, metadata = event.get("content"), _metadata(event)
    if not isinstance(content, (str, list)):
        raise FrameError("content must be text or a list")
    model_content = metadata.get("modelContent")
    return chunks.ToolResultChunk(
        call_id,
        loads_or_text(content) if isinstance(content, str) else content,
        metadata.get("artifact"),
        metadata.get("isError") is True,
        model_content if isinstance(model_content, list) else None,
        metadata.get("denied") is True,
    )


def _approval_request(interrupt: JSON, calls: Container[str]) -> chunks.ToolApprovalRequestChunk | None:
    """Return the request of an interrupt for a tool call; None for any other."""
    match interrupt:
        case {"reason": "tool_call", "id": str(id), "toolCallId": str(call_id)} if id and call_id in calls:
            return chunks.ToolApprovalRequestChunk(call_id, id, _note(interrupt, "signature"))
    return None


def _custom(name: str, event: dict[str, JSON]) -> AssistantStreamChunk:
    value, part_id, parent_id = event.get("value"), _note(event, "id"), _note(event, "parentId")
    is_transient = _metadata(event).get("transient") is True
    if name in _CUSTOM:
        try:
            chunk: AssistantStreamChunk = chunk_of(_CUSTOM[name], value)
            return chunk
        except FrameError:
            # An event of another application with the same name.
            pass
    if part_id is None and parent_id is None and not is_transient:
        if name == "data":
            return chunks.DataChunk(value)
        if name == "annotations" and isinstance(value, list):
            return chunks.AnnotationsChunk(value)
    return chunks.DataPartChunk(name, value, part_id, is_transient, parent_id)
