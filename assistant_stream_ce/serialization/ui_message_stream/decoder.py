"""Decoder of the UI message stream of AI SDK 5, 6 and 7: server-sent events with a JSON frame each, then `[DONE]`.

A strict decoder rejects what the client of version 7 rejects: a frame that does not match its schema, and one for a
text or tool call that was not started. A lenient one reads from each frame what it can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.errors import UNKNOWN_ERROR
from assistant_stream_ce.jsonvalue import JSON, dumps, has_refused_key, join_surrogates, loads, object_or_empty
from assistant_stream_ce.serialization.decoder import ToolCallDecoder, checked, id_of, optional_text, text_or
from assistant_stream_ce.serialization.framing import EventReader, Frame, FrameError
from assistant_stream_ce.serialization.ui_message_stream.schema import check_frame
from assistant_stream_ce.serialization.ui_message_stream.values import (
    DENIED,
    file_data,
    metadata_of,
    place_of,
    signature_of,
)
from assistant_stream_ce.serialization.usage import usage_from

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
        # The open texts and reasoning by kind and id: the numbers of their starts.
        self._texts: dict[tuple[str, str], int] = {}
        self._starts = 0
        # The kind of the last part, and the number of its start if it is text or reasoning.
        self._last = ("", 0)
        self._signature: str | None = None
        self._last_metadata: dict[str, JSON] = {}
        # The calls in the client's message by their ids in frames, and those with partial input. A reset of the step
        # removes its calls: those of the step have the call of an earlier step with that id.
        self._shown: set[str] = set()
        self._shown_in_step: dict[str, str | None] = {}
        self._partial: set[str] = set()
        # The ids of the chunks by the ids in frames, which may be used again in a later step.
        self._call_ids: dict[str, str] = {}
        self._id_uses: dict[str, int] = {}
        # The argument text of open calls.
        self._pieces: dict[str, list[str]] = {}
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
        self._starts += 1
        self._texts[part, id_of(value, "id")] = self._starts
        self._signature, self._last_metadata = None, {}
        if metadata := self._metadata(part, value):
            yield from self._extend(part, value)
            yield from metadata

    def _extend(self, part: str, value: dict[str, JSON]) -> Sequence[AssistantStreamChunk]:
        """Return a boundary if the last part is another one of the same kind."""
        start = self._texts.get((part, id_of(value, "id")), 0)
        if not start:
            self._require(False, f"no {part} with its id is open")
        last, self._last = self._last, (part, start)
        if last[0] != part or last == self._last:
            return ()
        return (chunks.TextPartChunk() if part == "text" else chunks.ReasoningPartChunk(),)

    def _delta(self, part: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        text: str = checked(value.get("delta"), str, "delta")
        yield from self._extend(part, value)
        signature, metadata = signature_of(value) if part == "reasoning" else None, self._metadata(part, value)
        if text or (signature is None and not metadata):
            yield chunks.TextDeltaChunk(text) if part == "text" else chunks.ReasoningDeltaChunk(text)
        yield from metadata
        yield from self._sign(signature)

    def _end_text(self, part: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        signature = signature_of(value) if part == "reasoning" else None
        self._require((part, id_of(value, "id")) in self._texts, f"no {part} with its id is open")
        metadata = self._metadata(part, value)
        if metadata or signature not in (None, self._signature):
            yield from self._extend(part, value)
            yield from metadata
            yield from self._sign(signature)
        self._texts.pop((part, id_of(value, "id")), None)

    def _metadata(self, part: str, value: dict[str, JSON]) -> Sequence[AssistantStreamChunk]:
        """Return the metadata of a frame, unless the frame before had the same."""
        metadata = metadata_of(value)
        if not metadata or metadata == self._last_metadata:
            return ()
        self._last_metadata = metadata
        return (chunks.ProviderMetadataChunk(metadata, "text" if part == "text" else "reasoning"),)

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
        frame_id: str = checked(value.get("toolCallId"), str, "toolCallId")
        if kind.startswith("tool-input-"):
            yield from self._tool_input(kind, frame_id, value)
        else:
            yield from self._tool_output(kind, frame_id, value)

    def _tool_input(self, kind: str, frame_id: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        is_delta = kind == "tool-input-delta"
        call_id = self._call_ids.get(frame_id, frame_id) if is_delta else self._show(frame_id)
        match kind:
            case "tool-input-start":
                self._partial.add(frame_id)
                if call_id not in self._calls:
                    yield from self._begin(chunks.ToolCallBeginChunk(call_id, _tool_name(value), None, *_flags(value)))
            case "tool-input-delta":
                self._require(frame_id in self._partial, "the input of this tool call was not started")
                text: str = checked(value.get("inputTextDelta"), str, "inputTextDelta")
                if call_id in self._open_calls:
                    self._pieces.setdefault(call_id, []).append(text)
                yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, text))
            case "tool-input-available":
                yield from self._input(call_id, value)
            case "tool-input-error":
                yield from self._input(call_id, value)
                yield from self._answer(_error_result(call_id, value))
            case _:
                raise FrameError(f"its type {kind[:40]!r} is unknown")

    def _tool_output(self, kind: str, frame_id: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        call_id = self._call_ids.get(frame_id, frame_id)
        match kind:
            case "tool-output-available":
                self._require_call(frame_id)
                is_preliminary = value.get("preliminary") is True
                yield from self._answer(
                    chunks.ToolResultChunk(call_id, value.get("output"), preliminary=is_preliminary)
                )
            case "tool-output-error":
                self._require_call(frame_id)
                yield from self._answer(_error_result(call_id, value))
            case "tool-output-denied":
                self._require_call(frame_id)
                reason = self._denials.get(frame_id, DENIED)
                yield from self._answer(chunks.ToolResultChunk(call_id, reason, is_error=True, denied=True))
            case "tool-approval-request":
                self._require_call(frame_id)
                yield from self._request_approval(frame_id, call_id, value)
            case _:
                raise FrameError(f"its type {kind[:40]!r} is unknown")

    def _input(self, call_id: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        """Read the whole input of a call, which takes precedence over its pieces."""
        # The field is missing if the input is JavaScript's undefined.
        args, pieces = value.get("input", {}), self._pieces.pop(call_id, [])
        if call_id not in self._calls:
            if isinstance(args, dict):
                yield from self._whole(chunks.ToolCallChunk(call_id, _tool_name(value), args, None, *_flags(value)))
                return
            yield from self._begin(chunks.ToolCallBeginChunk(call_id, _tool_name(value), None, *_flags(value)))
        # In a `tool-input-error`, input that is a text is the JSON that could not be parsed.
        is_text = value["type"] == "tool-input-error" and isinstance(args, str)
        text, expected = join_surrogates("".join(pieces)), args if is_text else dumps(args).decode()
        if expected.startswith(text) and not (pieces and "input" not in value):
            yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, expected[len(text) :], is_final=True))
        else:
            is_same = is_text or "input" not in value or args == text or _is_json_text(text, expected)
            yield from self._arguments(chunks.ToolCallDeltaChunk(call_id, "", True, None if is_same else args))

    def _show(self, frame_id: str) -> str:
        """Return the id of the call that a frame starts or continues."""
        call_id = self._call_ids.get(frame_id)
        is_of_earlier_step = frame_id in self._shown and frame_id not in self._shown_in_step
        if call_id is None or (is_of_earlier_step and call_id not in self._open_calls):
            self._last = ("", 0)
            earlier, call_id = call_id, self._unused_id(frame_id)
            self._call_ids[frame_id], self._shown_in_step[frame_id] = call_id, earlier
        elif frame_id not in self._shown:
            self._shown_in_step[frame_id] = None
        self._shown.add(frame_id)
        return call_id

    def _unused_id(self, frame_id: str) -> str:
        call_id = frame_id
        while call_id in self._calls:
            self._id_uses[frame_id] = number = self._id_uses.get(frame_id, 1) + 1
            call_id = f"{frame_id}-{number}"
        return call_id

    def _require_call(self, call_id: str) -> None:
        # A lenient decoder accepts it: the client may have the call, in a message that the stream continues.
        self._require(call_id in self._shown, "this tool call was not started")

    def _request_approval(self, frame_id: str, call_id: str, value: dict[str, JSON]) -> Iterator[AssistantStreamChunk]:
        """Yield the first request of a call; the client replaces it by a later one."""
        self._last_request[frame_id] = approval_id = id_of(value, "approvalId")
        self._requests[approval_id] = frame_id
        yield from self._ask(chunks.ToolApprovalRequestChunk(call_id, approval_id, optional_text(value, "signature")))

    def _approve(self, value: dict[str, JSON]) -> None:
        approval_id = id_of(value, "approvalId")
        call_id = self._requests.get(approval_id, "")
        is_known = call_id in self._shown and self._last_request.get(call_id) == approval_id
        self._require(is_known, "no tool call waits for this approval")
        reason = optional_text(value, "reason")
        if is_known and reason is not None:
            self._denials[call_id] = reason

    # --- Complete parts ---

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
        self._last = ("", 0)
        match kind:
            case "start-step":
                self._shown_in_step.clear()
                yield chunks.StepStartChunk(text_or(value, "messageId", self._message_id))
            case "finish-step":
                reason = text_or(value, "finishReason", "unknown")
                usage = msgspec.structs.asdict(usage_from(value.get("usage")))
                yield from self._close_arguments()
                yield chunks.StepFinishChunk(reason, is_continued=value.get("isContinued") is True, **usage)
            case "reset-step":
                # The chunks of the step cannot be revoked, but nothing may be added to its calls.
                self._texts.clear()
                self._partial.clear()
                for frame_id, earlier in self._shown_in_step.items():
                    if earlier is None:
                        self._shown.discard(frame_id)
                    else:
                        self._call_ids[frame_id] = earlier
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
                self._last = ("", 0)
                error = optional_text(value, "errorText")
                yield chunks.ErrorChunk(UNKNOWN_ERROR if error is None else error)
            case "source-url" | "source-document" | "file":
                self._last = ("", 0)
                yield _PARTS[kind](value)
            case _:
                if kind not in _WITHOUT_CHUNK:
                    raise FrameError(f"its type {kind[:40]!r} is unknown")

    def _finish(self, reason: str) -> Iterator[AssistantStreamChunk]:
        self._last = ("", 0)
        yield from self._close_arguments()
        yield chunks.MessageFinishChunk(reason, **msgspec.structs.asdict(usage_from(self._usage)))

    def _read_usage(self, value: dict[str, JSON]) -> None:
        """Read the usage from a field, as assistant-ui does, and from AI SDK's metadata, which may have details."""
        found: dict[str, JSON] = {}
        for holder in (object_or_empty(value.get("messageMetadata")), value):
            given = [holder[name] for name in ("usage", "totalUsage") if isinstance(holder.get(name), dict)]
            found |= given[0] if given else {}
        self._usage = found or self._usage


def _flags(value: dict[str, JSON]) -> tuple[bool, bool, dict[str, JSON] | None]:
    return value.get("providerExecuted") is True, value.get("dynamic") is True, metadata_of(value) or None


def _is_json_text(text: str, expected: str) -> bool:
    """Return whether a text is JSON of the same value as another one."""
    try:
        return dumps(loads(text)).decode() == expected
    except ValueError:
        return False


def _tool_name(value: dict[str, JSON]) -> str:
    name: str = checked(value.get("toolName"), str, "toolName")
    return name


def _error_result(call_id: str, value: dict[str, JSON]) -> chunks.ToolResultChunk:
    error = optional_text(value, "errorText")
    return chunks.ToolResultChunk(call_id, UNKNOWN_ERROR if error is None else error, is_error=True)


def _source(value: dict[str, JSON]) -> chunks.SourceChunk:
    url: str = checked(value.get("url"), str, "url")
    return chunks.SourceChunk(id_of(value, "sourceId"), url, title=optional_text(value, "title"), **place_of(value))


def _document(value: dict[str, JSON]) -> chunks.SourceDocumentChunk:
    media_type: str = checked(value.get("mediaType"), str, "mediaType")
    title: str = checked(value.get("title"), str, "title")
    filename = optional_text(value, "filename")
    return chunks.SourceDocumentChunk(id_of(value, "sourceId"), media_type, title, filename, **place_of(value))


def _file(value: dict[str, JSON]) -> chunks.FileChunk:
    url: str = checked(value.get("url"), str, "url")
    media_type: str = checked(value.get("mediaType"), str, "mediaType")
    return chunks.FileChunk(file_data(url, media_type), media_type, filename=text_or(value, "filename", None))


_PARTS: dict[str, Callable[[dict[str, JSON]], AssistantStreamChunk]] = {
    "file": _file,
    "source-document": _document,
    "source-url": _source,
}
