"""Decoder of the UI message stream of AI SDK 5, 6 and 7: server-sent events with a JSON frame each, then `[DONE]`.

A strict decoder rejects what the client of version 7 rejects: a frame that does not match its schema, and one for a
text or tool call that was not started. A lenient one reads from each frame what it can.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.errors import UNKNOWN_ERROR
from assistant_stream_ce.jsonvalue import JSON, dumps, has_refused_key
from assistant_stream_ce.serialization.decoder import ToolCallDecoder, checked, optional_text, token_count
from assistant_stream_ce.serialization.framing import EventReader, Frame, FrameError
from assistant_stream_ce.serialization.ui_message_stream.schema import check_frame
from assistant_stream_ce.serialization.ui_message_stream.values import DENIED, file_data, signature_of

T = TypeVar("T")

# Frames without a chunk.
_WITHOUT_CHUNK = frozenset({"reasoning-file", "custom", "steering-message"})


class UIMessageStreamDecoder(ToolCallDecoder):
    """Decoder of the UI message stream. Not thread-safe."""

    _make_reader = EventReader

    def _prepare(self) -> None:
        super()._prepare()
        # The id of the message, and its usage, as far as they are known.
        self._message_id = ""
        self._usage: JSON = None
        # The ids of the open texts and of the open reasoning.
        self._texts: dict[str, set[str]] = {"text": set(), "reasoning": set()}
        # The kind of the last part, and the last signature.
        self._last = ""
        self._signature: str | None = None
        # The calls in the client's message, those of them in this step, and those with partial input. A reset of the
        # step removes its calls.
        self._shown: set[str] = set()
        self._shown_in_step: set[str] = set()
        self._partial: set[str] = set()
        # The calls by the ids of their approval requests, the last request of each call, and the reasons of denials.
        self._requests: dict[str, str] = {}
        self._last_request: dict[str, str] = {}
        self._denials: dict[str, str] = {}

    def _read(self, frame: Frame) -> Iterator[AssistantStreamChunk]:
        if frame.data.strip() == b"[DONE]":
            self._is_done = True
            return
        if self._is_strict and has_refused_key(frame.data):
            raise FrameError("it has a key __proto__ or constructor.prototype, which clients reject")
        value: dict[str, JSON] = checked(self._json(frame.data), dict)
        kind: str = checked(value.get("type"), str, "type")
        if self._is_strict:
            check_frame(kind, value)
        yield from self._read_value(kind, value)

    def _end(self) -> Iterator[AssistantStreamChunk]:
        if not self._is_done:
            raise FrameError("the stream ended without [DONE]")
        yield from ()

    def _require(self, is_met: bool, reason: str) -> None:
        """Reject a frame at which a client fails, unless the decoder is lenient."""
        if self._is_strict and not is_met:
            raise FrameError(reason)

    def _read_value(self, kind: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        match kind.partition("-"):
            case ("text" | "reasoning" as part, _, "start"):
                yield from self._start_text(part, value)
            case ("text" | "reasoning" as part, _, "delta"):
                yield from self._delta(part, value)
            case ("text" | "reasoning" as part, _, "end"):
                yield from self._end_text(part, value)
            case ("tool", _, _):
                yield from self._tool(kind, value)
            case ("data", "-", name):
                yield from self._data(name, value)
            case ("start" | "finish" | "reset", _, "step"):
                yield from self._step(kind, value)
            case _:
                yield from self._message(kind, value)

    # --- Texts ---

    def _start_text(self, part: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        self._texts[part].add(_id(value, "id"))
        self._signature = None
        if part == self._last == "reasoning":
            # Otherwise its text would extend the previous part.
            yield chunks.ReasoningPartChunk()
        self._last = part

    def _delta(self, part: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        text: str = checked(value.get("delta"), str, "delta")
        self._require(_id(value, "id") in self._texts[part], f"no {part} with its id is open")
        self._last = part
        if part == "text":
            yield chunks.TextDeltaChunk(text)
            return
        signature = signature_of(value)
        if text or signature is None:
            yield chunks.ReasoningDeltaChunk(text)
        yield from self._sign(signature)

    def _end_text(self, part: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        self._require(_id(value, "id") in self._texts[part], f"no {part} with its id is open")
        self._texts[part].discard(_id(value, "id"))
        if part == "reasoning":
            yield from self._sign(signature_of(value))

    def _sign(self, signature: str | None) -> Iterator[AssistantStreamChunk]:
        # Some providers repeat the signature at the end.
        if signature not in (None, self._signature):
            self._signature = signature
            yield chunks.ReasoningSignatureChunk(signature)

    # --- Tool calls ---

    def _tool(self, kind: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        if kind == "tool-approval-response":
            self._approve(value)
            return
        call_id: str = checked(value.get("toolCallId"), str, "toolCallId")
        match kind:
            case "tool-input-start":
                self._show(call_id)
                self._partial.add(call_id)
                if call_id not in self._calls:
                    yield from self._begin(chunks.ToolCallBeginChunk(call_id, _tool_name(value)))
            case "tool-input-delta":
                self._require(call_id in self._partial, "the input of this tool call was not started")
                text: str = checked(value.get("inputTextDelta"), str, "inputTextDelta")
                yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, text))
            case "tool-input-available":
                yield from self._input(call_id, value)
            case "tool-input-error":
                yield from self._input(call_id, value)
                yield from self._answer(_error_result(call_id, value))
            case "tool-output-available":
                self._require_call(call_id)
                if value.get("preliminary") is not True:
                    yield from self._answer(chunks.ToolResultChunk(call_id, value.get("output")))
            case "tool-output-error":
                self._require_call(call_id)
                yield from self._answer(_error_result(call_id, value))
            case "tool-output-denied":
                self._require_call(call_id)
                reason = self._denials.get(call_id, DENIED)
                yield from self._answer(chunks.ToolResultChunk(call_id, reason, is_error=True))
            case "tool-approval-request":
                self._require_call(call_id)
                self._last_request[call_id] = approval_id = _id(value, "approvalId")
                self._requests[approval_id] = call_id
            case _:
                raise FrameError(f"its type {kind[:40]!r} is unknown")

    def _input(self, call_id: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        """Read the whole input of a call. Pieces of it may have come before."""
        # Input that is JavaScript's undefined has no field.
        args = value.get("input", {})
        self._show(call_id)
        if call_id in self._calls:
            text = "" if self._known(call_id).has_args else dumps(args).decode()
            yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, text, is_final=True))
        elif isinstance(args, dict):
            yield from self._whole(chunks.ToolCallChunk(call_id, _tool_name(value), args))
        else:
            yield from self._begin(chunks.ToolCallBeginChunk(call_id, _tool_name(value)))
            yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, dumps(args).decode(), is_final=True))

    def _show(self, call_id: str) -> None:
        if call_id not in self._calls:
            self._last = ""
        if call_id not in self._shown:
            self._shown.add(call_id)
            self._shown_in_step.add(call_id)

    def _require_call(self, call_id: str) -> None:
        self._require(call_id in self._shown, "this tool call was not started")

    def _approve(self, value: dict[str, JSON]) -> None:
        approval_id = _id(value, "approvalId")
        call_id = self._requests.get(approval_id, "")
        is_known = call_id in self._shown and self._last_request.get(call_id) == approval_id
        self._require(is_known, "no tool call waits for this approval")
        reason = optional_text(value, "reason")
        if is_known and reason is not None:
            self._denials[call_id] = reason

    # --- Parts that come whole ---

    def _data(self, name: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        data, part_id, is_transient = value.get("data"), optional_text(value, "id"), value.get("transient") is True
        if name == part_id == "state":
            yield chunks.UpdateStateChunk([{"type": "set", "path": [], "value": data}])
        elif part_id is not None or is_transient:
            yield chunks.DataPartChunk(name, data, part_id, is_transient)
        elif name == "annotations" and isinstance(data, list):
            yield chunks.AnnotationsChunk(data)
        elif name == "data":
            yield chunks.DataChunk(data)
        else:
            yield chunks.DataPartChunk(name, data)

    # --- Steps and the message ---

    def _step(self, kind: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        self._last = ""
        match kind:
            case "start-step":
                self._shown_in_step.clear()
                yield chunks.StepStartChunk(_extra(value, "messageId", self._message_id))
            case "finish-step":
                reason = _extra(value, "finishReason", "unknown")
                usage = _tokens(value.get("usage"))
                yield from self._close_arguments()
                yield chunks.StepFinishChunk(reason, *usage, is_continued=value.get("isContinued") is True)
            case "reset-step":
                # Chunks of the step cannot be taken back, but nothing may be added to it.
                for open_ids in (*self._texts.values(), self._partial):
                    open_ids.clear()
                self._shown -= self._shown_in_step
                self._shown_in_step.clear()
                yield from self._close_arguments()

    def _message(self, kind: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        match kind:
            case "start" | "message-metadata":
                self._read_usage(value)
                self._message_id = optional_text(value, "messageId") or self._message_id
            case "finish":
                self._read_usage(value)
                yield from self._finish(optional_text(value, "finishReason") or "unknown")
            case "abort":
                yield from self._finish("interrupted")
            case "error":
                self._last = ""
                error = optional_text(value, "errorText")
                yield chunks.ErrorChunk(UNKNOWN_ERROR if error is None else error)
            case "source-url":
                self._last = ""
                url: str = checked(value.get("url"), str, "url")
                yield chunks.SourceChunk(_id(value, "sourceId"), url, title=optional_text(value, "title"))
            case "source-document":
                self._last = ""
                media_type: str = checked(value.get("mediaType"), str, "mediaType")
                title: str = checked(value.get("title"), str, "title")
                filename = optional_text(value, "filename")
                yield chunks.SourceDocumentChunk(_id(value, "sourceId"), media_type, title, filename)
            case "file":
                self._last = ""
                yield _file(value)
            case _:
                if kind not in _WITHOUT_CHUNK:
                    raise FrameError(f"its type {kind[:40]!r} is unknown")

    def _finish(self, reason: str) -> Iterator[AssistantStreamChunk]:
        self._last = ""
        yield from self._close_arguments()
        yield chunks.MessageFinishChunk(reason, *_tokens(self._usage))

    def _read_usage(self, value: dict[str, JSON]) -> None:
        """Read the usage from a field, as assistant-ui does, or from AI SDK's metadata."""
        metadata = value.get("messageMetadata")
        for holder in (value, metadata if isinstance(metadata, dict) else {}):
            for name in ("usage", "totalUsage"):
                if isinstance(holder.get(name), dict):
                    self._usage = holder[name]
                    return


def _id(value: dict[str, JSON], name: str) -> str:
    """Return an id; empty if it is missing, which only a lenient decoder accepts."""
    return optional_text(value, name) or ""


def _extra(value: dict[str, JSON], name: str, default: T) -> str | T:
    """Return a text that AI SDK does not check, or a default if it is something else."""
    text = value.get(name)
    return text if isinstance(text, str) else default


def _tool_name(value: dict[str, JSON]) -> str:
    name: str = checked(value.get("toolName"), str, "toolName")
    return name


def _error_result(call_id: str, value: dict[str, JSON]) -> chunks.ToolResultChunk:
    error = optional_text(value, "errorText")
    return chunks.ToolResultChunk(call_id, UNKNOWN_ERROR if error is None else error, is_error=True)


def _file(value: dict[str, JSON]) -> chunks.FileChunk:
    url: str = checked(value.get("url"), str, "url")
    media_type: str = checked(value.get("mediaType"), str, "mediaType")
    return chunks.FileChunk(file_data(url, media_type), media_type, filename=_extra(value, "filename", None))


def _tokens(usage: JSON) -> tuple[int, int]:
    return token_count(usage, "inputTokens", "promptTokens"), token_count(usage, "outputTokens", "completionTokens")
