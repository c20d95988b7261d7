"""Reads AG-UI events: server-sent events with a JSON event each, from `RUN_STARTED` to `RUN_FINISHED` or `RUN_ERROR`.

A strict decoder refuses what `@ag-ui/client` 1.0.0 refuses, and what it leaves out with a warning: an event of an
unknown type, and a patch that does not fit. A lenient one takes from each event what it can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.errors import UNKNOWN_ERROR
from assistant_stream_ce.jsonvalue import JSON, loads, plain
from assistant_stream_ce.serialization.ag_ui.chunk_events import Event, Lanes
from assistant_stream_ce.serialization.ag_ui.json_patch import Document
from assistant_stream_ce.serialization.ag_ui.schema import check_event
from assistant_stream_ce.serialization.ag_ui.validator import RunRules
from assistant_stream_ce.serialization.assistant_ui import AssistantUIDecoder, chunk_of
from assistant_stream_ce.serialization.decoder import MAX_FRAME_BYTES, checked, optional_text, token_count
from assistant_stream_ce.serialization.framing import EventReader, Frame, FrameError
from assistant_stream_ce.state.operations import set_value

__all__ = ("AGUIDecoder",)

# The client fails at more than this without the end of an event.
_CLIENT_BYTES = 10 * 1024 * 1024

# What the clients know and no chunk can say. A snapshot of the messages is the whole conversation, and what it has of
# this answer was said before.
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

# The events of the past: what they are called now, and whether they belong to the span or to the message in it.
_THINKING: Mapping[str, tuple[str, str]] = {
    "THINKING_START": ("REASONING_START", "span"),
    "THINKING_END": ("REASONING_END", "span"),
    "THINKING_TEXT_MESSAGE_START": ("REASONING_MESSAGE_START", "message"),
    "THINKING_TEXT_MESSAGE_CONTENT": ("REASONING_MESSAGE_CONTENT", "message"),
    "THINKING_TEXT_MESSAGE_END": ("REASONING_MESSAGE_END", "message"),
}

# The names of custom events whose value has the fields of a chunk.
_CUSTOM: Mapping[str, Any] = {
    "source": chunks.SourceChunk,
    "source-document": chunks.SourceDocumentChunk,
    "file": chunks.FileChunk,
}


class AGUIDecoder(AssistantUIDecoder):
    """Reads AG-UI events. A run ends with `RUN_FINISHED` or `RUN_ERROR`.

    Args:
        strict: as for every decoder. As the client, a strict one takes no line end but LF, and no event beyond 10 MB.
        max_frame_bytes: as for every decoder. Besides, the state and activities are kept, to which patches refer.
        state: where the state starts, as the client told it to the server. It is copied.

    Raises:
        TypeError: `state` is not JSON.
    """

    _make_reader = EventReader
    _takes_unended = True

    def __init__(
        self, *, strict: bool = False, max_frame_bytes: int | None = MAX_FRAME_BYTES, state: object = None
    ) -> None:
        super().__init__(strict=strict, max_frame_bytes=max_frame_bytes)
        self._most_copied = max_frame_bytes or 0
        self._state = Document({} if state is None else plain(state, "state"), self._most_copied)
        if strict:
            most = min(max_frame_bytes or _CLIENT_BYTES, _CLIENT_BYTES)
            self._reader = EventReader(most, only_line_feeds=True)

    def _prepare(self) -> None:
        super()._prepare()
        self._lanes = Lanes()
        self._rules = RunRules()
        self._has_ended = False
        # The parents of the texts and of the reasoning that are open; texts that are not the assistant's are left out.
        self._texts: dict[str, str | None] = {}
        self._others: set[str] = set()
        self._thoughts: dict[str, str | None] = {}
        # The last reasoning, and its parent if the next piece would extend it.
        self._thought = ""
        self._last_parent: tuple[str | None] | None = None
        # The ids of what events of the past have opened.
        self._past: dict[str, str] = {}
        self._past_count = 0
        self._unanswered: set[str] = set()
        self._activities: dict[str, Document] = {}

    def _read(self, frame: Frame) -> Iterator[AssistantStreamChunk]:
        if frame.data.strip() == b"[DONE]":
            raise FrameError("AG-UI has no [DONE]: its clients end the run there")
        try:
            value: dict[str, JSON] = checked(self._json(frame.data), dict)
        except FrameError as error:
            if b"\r" not in frame.data:
                raise
            raise FrameError(f"{error}: lines must end in LF alone") from None
        kind, value = self._renamed(checked(value.get("type"), str, "type"), value)
        if self._is_strict:
            check_event(kind, value)
        for one, event in self._lanes.write_out(kind, value):
            if self._is_strict:
                self._rules.check(one, event)
            yield from self._read_event(one, event)

    def _end(self) -> Iterator[AssistantStreamChunk]:
        if not self._has_ended:
            raise FrameError("the stream ended without RUN_FINISHED or RUN_ERROR")
        yield from ()

    def _renamed(self, kind: str, event: dict[str, JSON]) -> Event:
        """Return an event of the past as one of today; its ids are made up."""
        if kind not in _THINKING:
            return kind, event
        today, thing = _THINKING[kind]
        if kind.endswith("_START") or thing not in self._past:
            self._past_count += 1
            self._past[thing] = f"thinking\n{self._past_count}"
        thing_id = self._past.pop(thing) if kind.endswith("_END") else self._past[thing]
        return today, {"role": "reasoning", **event, "messageId": thing_id}

    def _read_event(self, kind: str, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        match kind.split("_")[0]:
            case "TEXT":
                yield from self._text(kind, event)
            case "REASONING":
                yield from self._reasoning(kind, event)
            case "TOOL":
                yield from self._tool(kind, event)
            case "STATE" | "ACTIVITY":
                yield from self._document(kind, event)
            case "STEP" | "RUN":
                yield from self._run(kind, event)
            case "CUSTOM":
                yield _custom(checked(event.get("name"), str, "name"), event)
            case _:
                self._leave_out(kind)

    def _leave_out(self, kind: str) -> None:
        if kind not in _WITHOUT_CHUNK:
            raise FrameError(f"its type {kind[:40]!r} is unknown")

    # --- Messages ---

    def _text(self, kind: str, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        message_id = _id(event, "messageId")
        match kind:
            case "TEXT_MESSAGE_START":
                self._last_parent = None
                if event.get("role") in (None, "assistant"):
                    self._texts[message_id] = _note(event, "parentId")
                else:
                    self._others.add(message_id)
            case "TEXT_MESSAGE_CONTENT":
                text: str = checked(event.get("delta"), str, "delta")
                if text and message_id not in self._others:
                    self._last_parent = None
                    yield chunks.TextDeltaChunk(text, self._texts.get(message_id))
            case "TEXT_MESSAGE_END":
                self._texts.pop(message_id, None)
                self._others.discard(message_id)
            case _:
                self._leave_out(kind)

    def _reasoning(self, kind: str, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        message_id = _id(event, "messageId")
        match kind:
            case "REASONING_MESSAGE_START":
                parent_id = self._thoughts[message_id] = _note(event, "parentId")
                self._thought = message_id
                if self._last_parent == (parent_id,):
                    # Else its text would continue that of the message before.
                    yield chunks.ReasoningPartChunk(None, parent_id)
                self._last_parent = (parent_id,)
            case "REASONING_MESSAGE_CONTENT":
                text: str = checked(event.get("delta"), str, "delta")
                if text:
                    parent_id = self._thoughts.get(message_id)
                    self._last_parent = (parent_id,)
                    yield chunks.ReasoningDeltaChunk(text, parent_id)
            case "REASONING_MESSAGE_END":
                self._thoughts.pop(message_id, None)
            case "REASONING_ENCRYPTED_VALUE":
                signature: str = checked(event.get("encryptedValue"), str, "encryptedValue")
                if event.get("subtype") == "message" and event.get("entityId") == self._thought:
                    yield chunks.ReasoningSignatureChunk(signature)
            case _:
                self._leave_out(kind)

    # --- Tool calls ---

    def _tool(self, kind: str, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        call_id: str = checked(event.get("toolCallId"), str, "toolCallId")
        match kind:
            case "TOOL_CALL_START":
                name: str = checked(event.get("toolCallName"), str, "toolCallName")
                if call_id not in self._calls:
                    self._last_parent = None
                    self._unanswered.add(call_id)
                    yield from self._begin(chunks.ToolCallBeginChunk(call_id, name, _note(event, "parentId")))
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
                self._leave_out(kind)

    # --- State and activities ---

    def _document(self, kind: str, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        match kind:
            case "STATE_SNAPSHOT":
                self._state.replace(event.get("snapshot"))
                yield chunks.UpdateStateChunk([set_value((), self._state.value())])
            case "STATE_DELTA":
                operations = _patched(self._state, event.get("delta"))
                if operations:
                    yield chunks.UpdateStateChunk(operations)
            case "ACTIVITY_SNAPSHOT":
                content = checked(event.get("content"), dict, "content")
                activity_id = checked(event.get("messageId"), str, "messageId")
                if activity_id not in self._activities or event.get("replace") is not False:
                    self._activities[activity_id] = Document(content, self._most_copied)
                    yield self._activity(activity_id, event)
            case "ACTIVITY_DELTA":
                activity_id = checked(event.get("messageId"), str, "messageId")
                if activity_id not in self._activities:
                    raise FrameError("there is no such activity")
                _patched(self._activities[activity_id], event.get("patch"))
                yield self._activity(activity_id, event)
            case _:
                self._leave_out(kind)

    def _activity(self, activity_id: str, event: dict[str, JSON]) -> chunks.DataPartChunk:
        name: str = checked(event.get("activityType"), str, "activityType")
        return chunks.DataPartChunk(name, self._activities[activity_id].value(), activity_id)

    # --- Steps and runs ---

    def _run(self, kind: str, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        self._last_parent = None
        match kind:
            case "STEP_STARTED":
                yield chunks.StepStartChunk(_id(event, "stepName"))
            case "STEP_FINISHED":
                metadata = _metadata(event)
                tokens = _tokens([metadata.get("usage")])
                is_continued = metadata.get("isContinued") is True
                if not self._open:
                    # The chunk would end the arguments that are still to come.
                    yield chunks.StepFinishChunk(_reason(event, "unknown"), *tokens, is_continued)
            case "RUN_STARTED":
                self._has_ended = False
                self._unanswered.clear()
            case "RUN_FINISHED":
                self._has_ended = True
                yield from self._close_arguments()
                yield from self._finish(event)
            case "RUN_ERROR":
                self._has_ended = True
                yield from self._close_arguments()
                yield from self._fail_run(event)
            case _:
                self._leave_out(kind)

    def _finish(self, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        reason = "tool-calls" if self._unanswered else "stop"
        match event.get("outcome"):
            case {"type": "interrupt", "interrupts": interrupts}:
                yield chunks.DataPartChunk("interrupts", interrupts)
                # Whatever it waits for, the run is to be continued by the caller.
                reason = "tool-calls"
            case {"type": "cancelled"}:
                reason = "interrupted"
        yield chunks.MessageFinishChunk(_reason(event, reason), *_tokens(event.get("usage")))

    def _fail_run(self, event: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        message, severity = optional_text(event, "message"), _metadata(event).get("severity")
        yield chunks.ErrorChunk(
            UNKNOWN_ERROR if message is None else message,
            optional_text(event, "code"),
            severity if severity in get_args(chunks.Severity) else None,
        )
        tokens = _tokens(event.get("usage"))
        if any(tokens) or _note(event, "finishReason") is not None:
            yield chunks.MessageFinishChunk(_reason(event, "error"), *tokens)


def _id(event: dict[str, JSON], name: str) -> str:
    """Return an id; a lenient decoder does without."""
    return optional_text(event, name) or ""


def _metadata(event: dict[str, JSON]) -> dict[str, JSON]:
    """Return what an encoder noted where the format has no field for it."""
    metadata = event.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _note(event: dict[str, JSON], name: str) -> str | None:
    """Return a text of the metadata."""
    text = _metadata(event).get(name)
    return text if isinstance(text, str) else None


def _reason(event: dict[str, JSON], default: str) -> str:
    """Return why a step or run ended, as an encoder noted it."""
    reason = _note(event, "finishReason")
    return default if reason is None else reason


def _tokens(usage: JSON) -> tuple[int, int]:
    """Return the sums of the tokens of several models."""
    entries = usage if isinstance(usage, list) else []
    read = sum(token_count(entry, "inputTokens") for entry in entries)
    return read, sum(token_count(entry, "outputTokens") for entry in entries)


def _result(call_id: str, event: dict[str, JSON]) -> chunks.ToolResultChunk:
    content, metadata = event.get("content"), _metadata(event)
    if not isinstance(content, (str, list)):
        raise FrameError("content must be text or a list")
    model_content = metadata.get("modelContent")
    return chunks.ToolResultChunk(
        call_id,
        _value(content) if isinstance(content, str) else content,
        metadata.get("artifact"),
        metadata.get("isError") is True,
        model_content if isinstance(model_content, list) else None,
    )


def _value(text: str) -> JSON:
    """Return the JSON value that a text holds, or the text."""
    try:
        return loads(text)
    except ValueError:
        return text


def _patched(document: Document, patch: JSON) -> list[chunks.Operation]:
    operations = [checked(operation, dict, "an operation") for operation in checked(patch, list, "the patch")]
    try:
        return document.patch(operations)
    except FrameError as error:
        raise FrameError(f"the patch does not fit: {error}") from None


def _custom(name: str, event: dict[str, JSON]) -> AssistantStreamChunk:
    value, part_id, parent_id = event.get("value"), _note(event, "id"), _note(event, "parentId")
    is_transient = _metadata(event).get("transient") is True
    if name in _CUSTOM:
        try:
            chunk: AssistantStreamChunk = chunk_of(_CUSTOM[name], value)
            return chunk
        except FrameError:
            # Another application's event of the same name.
            pass
    if part_id is None and parent_id is None and not is_transient:
        if name == "data":
            return chunks.DataChunk(value)
        if name == "annotations" and isinstance(value, list):
            return chunks.AnnotationsChunk(value)
    return chunks.DataPartChunk(name, value, part_id, is_transient, parent_id)
