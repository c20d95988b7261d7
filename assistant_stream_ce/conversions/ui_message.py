"""Conversion to and from the `UIMessage` of AI SDK 5, 6 and 7, which `useChat` shows and sends."""

from __future__ import annotations

from assistant_stream_ce.conversions.reading import (
    Fields,
    fields,
    items,
    read,
    result_text,
    step_starts,
    tokens_from,
    total_tokens,
)
from assistant_stream_ce.jsonvalue import JSON, dumps, loads
from assistant_stream_ce.message import (
    AssistantMessage,
    DataPart,
    FilePart,
    MessagePart,
    ReasoningPart,
    RefusalPart,
    SourceDocumentPart,
    SourcePart,
    TextPart,
    ToolCallPart,
    Usage,
    message_from,
)
from assistant_stream_ce.serialization.assistant_ui import without_none
from assistant_stream_ce.serialization.ui_message_stream.values import (
    BAD_ARGUMENTS,
    DENIED,
    PROVIDER,
    file_data,
    file_url,
    signature_of,
)

_NO_JSON = object()


def to_ui_message(message: AssistantMessage) -> Fields:
    """Return a message as a `UIMessage`.

    Data, annotations and state become parts at its end and the usage becomes metadata, as `UIMessageStreamEncoder`
    writes them. A refusal becomes text, and a summary becomes text of its reasoning. Parents, artifacts, the content
    for the model, the status, the error and the finishes of steps are lost.

    Args:
        message: the message.
    """
    parts: list[Fields] = []
    starts = step_starts(message)
    for number, part in enumerate(message.parts):
        parts += [{"type": "step-start"}] * starts[number]
        parts.append(_part(part))
    parts += [{"type": "data-data", "data": data} for data in message.data]
    if message.annotations:
        parts.append({"type": "data-annotations", "data": message.annotations})
    if message.state is not None:
        parts.append({"type": "data-state", "id": "state", "data": message.state})
    metadata = dict(message.metadata)
    if message.usage != Usage():
        total = message.usage.input_tokens + message.usage.output_tokens
        further = metadata.get("usage")
        metadata["usage"] = {
            **total_tokens(message.usage),
            "totalTokens": total,
            **(further if isinstance(further, dict) else {}),
        }
    return {
        "id": message.id or "",
        "role": "assistant",
        **({"metadata": metadata} if metadata else {}),
        "parts": parts,
    }


def _part(part: MessagePart) -> Fields:
    match part:
        case TextPart() | RefusalPart():
            return {"type": "text", "text": part.text, "state": _text_state(part.status)}
        case ReasoningPart():
            signed = {"providerMetadata": {PROVIDER: {"signature": part.signature}}} if part.signature else {}
            text = "\n\n".join(filter(None, (part.summary, part.text)))
            return {"type": "reasoning", "text": text, "state": _text_state(part.status), **signed}
        case ToolCallPart():
            kind = {"type": "dynamic-tool", "toolName": part.name} if part.dynamic else {"type": f"tool-{part.name}"}
            provider = {"providerExecuted": True} if part.provider_executed else {}
            return {**kind, "toolCallId": part.id, **provider, **_tool_call(part)}
        case SourcePart():
            return without_none({"type": "source-url", "sourceId": part.id, "url": part.url, "title": part.title})
        case SourceDocumentPart():
            source = {"sourceId": part.id, "mediaType": part.media_type, "title": part.title}
            return without_none({"type": "source-document", **source, "filename": part.filename})
        case FilePart():
            url = file_url(part.data, part.mime_type)
            return without_none({"type": "file", "mediaType": part.mime_type, "url": url, "filename": part.filename})
        case DataPart():
            return {"type": f"data-{part.name}", **without_none({"id": part.id}), "data": part.data}


def _text_state(status: str) -> str:
    return "streaming" if status == "running" else "done"


def _tool_call(part: ToolCallPart) -> Fields:
    if part.state == "partial":
        return {"state": "input-streaming", "input": part.args}
    given = _input(part.args_text)
    value = part.args_text if given is _NO_JSON else given
    if part.state == "complete":
        if given is _NO_JSON:
            return {"state": "output-error", "input": value, "errorText": BAD_ARGUMENTS}
        return {"state": "input-available", "input": value}
    if part.is_error:
        return {"state": "output-error", "input": value, "errorText": result_text(part.result)}
    return {"state": "output-available", "input": value, "output": part.result}


def _input(text: str) -> JSON:
    try:
        return loads(text)
    except ValueError:
        return _NO_JSON


def from_ui_message(message: object) -> AssistantMessage:
    """Return the message that a `UIMessage` represents.

    Unsupported parts are dropped. The message may come from an untrusted client.

    Args:
        message: the `UIMessage` as a dict.

    Raises:
        TypeError: it is not JSON.
        ValueError: it is not an assistant message, or a field has a wrong type.
    """
    return _Reader().read(read(message))


class _Reader:
    """Reader of one `UIMessage`."""

    def __init__(self) -> None:
        self._parts: list[Fields] = []
        self._steps: list[Fields] = []
        self._beside: dict[str, list[JSON]] = {"data": [], "annotations": []}
        self._state: JSON = None

    def read(self, value: Fields) -> AssistantMessage:
        for part in items(value.get("parts"), "parts"):
            self._take(str(part.get("type")), part)
        metadata = fields(value.get("metadata") or {}, "metadata")
        usage = tokens_from(metadata.get("usage"))
        if isinstance(metadata.get("usage"), dict):
            _drop_written(metadata, Usage(**usage))
        return message_from(
            without_none(
                {
                    "id": value.get("id") or None,
                    "parts": self._parts,
                    "status": self._status(),
                    "steps": self._steps,
                    "usage": usage,
                    **self._beside,
                    "state": self._state,
                    "metadata": metadata,
                }
            )
        )

    def _take(self, kind: str, part: Fields) -> None:
        if kind == "step-start":
            self._steps.append({"message_id": "", "first_part": len(self._parts)})
        elif kind == "data-data" and part.get("id") is None:
            self._beside["data"].append(part.get("data"))
        elif kind == "data-annotations" and isinstance(part.get("data"), list):
            self._beside["annotations"] += part["data"]
        elif kind == "data-state" and part.get("id") == "state":
            self._state = part.get("data")
        elif kind.startswith("data-"):
            name = kind.removeprefix("data-")
            self._parts.append(
                {"type": "data", "name": name, "data": part.get("data"), **without_none({"id": part.get("id")})}
            )
        elif (values := _part_from(kind, part)) is not None:
            self._parts.append(without_none(values))

    def _status(self) -> Fields:
        if any(part.get("status") == "running" or part.get("state") == "partial" for part in self._parts):
            return {"type": "running"}
        if any(part.get("state") == "complete" for part in self._parts):
            return {"type": "requires-action", "reason": "tool-calls"}
        return {"type": "complete", "reason": "unknown"}


def _drop_written(metadata: Fields, usage: Usage) -> None:
    """Remove from the usage in the metadata what `to_ui_message` writes; applications may keep more there."""
    written = {**total_tokens(usage), "totalTokens": usage.input_tokens + usage.output_tokens}
    further = {name: value for name, value in metadata.pop("usage").items() if written.get(name, _NO_JSON) != value}
    if further:
        metadata["usage"] = further


def _part_from(kind: str, part: Fields) -> Fields | None:
    if kind == "dynamic-tool":
        return {**_tool_call_from(part.get("toolName"), part), "dynamic": True}
    if kind.startswith("tool-"):
        return _tool_call_from(kind.removeprefix("tool-"), part)
    values: Fields
    match kind:
        case "text" | "reasoning":
            status = "running" if part.get("state") == "streaming" else "complete"
            values = {"text": part.get("text"), "status": status}
            if kind == "reasoning":
                values["signature"] = signature_of(part)
        case "source-url":
            return {"type": "source", "id": part.get("sourceId"), "url": part.get("url"), "title": part.get("title")}
        case "source-document":
            values = {"id": part.get("sourceId"), "media_type": part.get("mediaType")}
            values |= {"title": part.get("title"), "filename": part.get("filename")}
        case "file":
            url = part.get("url")
            data = file_data(url, str(part.get("mediaType"))) if isinstance(url, str) else url
            values = {"data": data, "mime_type": part.get("mediaType"), "filename": part.get("filename")}
        case _:
            return None
    return {"type": kind, **values}


def _tool_call_from(name: JSON, part: Fields) -> Fields:
    # Versions before 7 have a separate field for input that is not JSON.
    value = part.get("rawInput") if part.get("input") is None else part["input"]
    is_json = value is not None and not (part.get("state") == "output-error" and isinstance(value, str))
    text = dumps(value).decode() if is_json else value
    call = {
        "type": "tool-call",
        "id": part.get("toolCallId"),
        "name": name,
        "args_text": text,
        "args": value if isinstance(value, (dict, list)) else {},
        "provider_executed": part.get("providerExecuted") is True,
    }
    match part.get("state"):
        case "input-streaming":
            return {**call, "args_text": text or "", "state": "partial"}
        case "output-available" if part.get("preliminary") is not True:
            return {**call, "state": "answered", "result": part.get("output")}
        case "output-error":
            return {**call, "state": "answered", "result": part.get("errorText"), "is_error": True}
        case "output-denied":
            approval = part.get("approval")
            reason = approval.get("reason") if isinstance(approval, dict) else None
            return {**call, "state": "answered", "result": reason or DENIED, "is_error": True}
    return {**call, "state": "complete"}
