"""Conversion to the `UIMessage` of AI SDK 5, 6 and 7, which `useChat` shows and sends."""

from __future__ import annotations

import hashlib
from collections import Counter

from assistant_stream_ce.conversions.reading import (
    Fields,
    result_text,
    step_starts,
)
from assistant_stream_ce.jsonvalue import JSON, loads, object_or_empty
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
    ToolApproval,
    ToolCallPart,
    Usage,
)
from assistant_stream_ce.serialization.assistant_ui import without_none
from assistant_stream_ce.serialization.ui_message_stream.values import (
    BAD_ARGUMENTS,
    PROVIDER,
    file_url,
    place_metadata,
)
from assistant_stream_ce.serialization.usage import usage_fields

_NO_JSON = object()


def to_ui_message(message: AssistantMessage) -> Fields:
    """Return a message as a `UIMessage`.

    Data, annotations and state become parts at its end and the usage becomes metadata, as `UIMessageStreamEncoder`
    writes them. So do the starts of steps, also those that the encoder adds where the callback starts none. A message
    without an id gets one made from its content, as React needs a key. A refusal becomes text, and a summary becomes
    text of its reasoning. Parents, artifacts, the content for the model, the status, the error and the finishes of
    steps are lost.

    Args:
        message: the message.

    Raises:
        TypeError: it is not a message of the assistant.
    """
    parts: list[Fields] = []
    starts = step_starts(message) + Counter(automatic_steps(message))
    for number, part in enumerate(message.parts):
        parts += [{"type": "step-start"}] * starts[number]
        parts.append(_part(part))
    parts += [{"type": "step-start"}] * starts[len(message.parts)]
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
            **usage_fields(message.usage),
            "totalTokens": total,
            **object_or_empty(further),
        }
    return {
        "id": message.id or f"msg_{hashlib.blake2b(message.to_json(), digest_size=16).hexdigest()}",
        "role": "assistant",
        **({"metadata": metadata} if metadata else {}),
        "parts": parts,
    }


def automatic_steps(message: AssistantMessage) -> list[int]:
    """Return the parts before which the encoder starts a step by itself: the first one, and those after results.

    The message does not record when a result came. A call after an answered one counts as one of the same step, as
    most models make several calls at once.
    """
    starts: list[int] = []
    has_answers = True
    first = min(step_starts(message), default=len(message.parts))
    for number, part in enumerate(message.parts[:first]):
        call = part if isinstance(part, ToolCallPart) else None
        if has_answers and (call is None or not starts):
            starts.append(number)
            has_answers = False
        has_answers |= call is not None and call.state == "answered"
    return starts


def _part(part: MessagePart) -> Fields:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text, "state": _text_state(part.status), **_metadata(part)}
        case RefusalPart():
            return {"type": "text", "text": part.text, "state": _text_state(part.status)}
        case ReasoningPart():
            text = "\n\n".join(filter(None, (part.summary, part.text)))
            return {"type": "reasoning", "text": text, "state": _text_state(part.status), **_metadata(part)}
        case ToolCallPart():
            kind = {"type": "dynamic-tool", "toolName": part.name} if part.dynamic else {"type": f"tool-{part.name}"}
            provider = {"providerExecuted": True} if part.provider_executed else {}
            metadata = {"callProviderMetadata": part.provider_metadata} if part.provider_metadata else {}
            return {**kind, "toolCallId": part.id, **provider, **_tool_call(part), **metadata}
        case SourcePart():
            source = {"type": "source-url", "sourceId": part.id, "url": part.url, "title": part.title}
            return without_none({**source, "providerMetadata": place_metadata(part)})
        case SourceDocumentPart():
            source = {"sourceId": part.id, "mediaType": part.media_type, "title": part.title}
            source |= {"filename": part.filename, "providerMetadata": place_metadata(part)}
            return without_none({"type": "source-document", **source})
        case FilePart():
            url = file_url(part.data, part.mime_type)
            return without_none({"type": "file", "mediaType": part.mime_type, "url": url, "filename": part.filename})
        case DataPart():
            return {"type": f"data-{part.name}", **without_none({"id": part.id}), "data": part.data}


def _metadata(part: TextPart | ReasoningPart) -> Fields:
    metadata = dict(part.provider_metadata)
    if isinstance(part, ReasoningPart) and part.signature and not metadata:
        metadata = {PROVIDER: {"signature": part.signature}}
    return {"providerMetadata": metadata} if metadata else {}


def _text_state(status: str) -> str:
    return "streaming" if status == "running" else "done"


def _tool_call(part: ToolCallPart) -> Fields:
    if part.state == "partial":
        return {"state": "input-streaming", "input": part.args}
    given = _input(part.args_text)
    value = part.args_text if given is _NO_JSON else given
    approval = {"approval": _approval(part.approval)} if part.approval is not None else {}
    if part.preliminary:
        return {"state": "output-available", "input": value, "output": part.result, "preliminary": True, **approval}
    if part.state == "complete":
        if given is _NO_JSON:
            return {"state": "output-error", "input": value, "errorText": BAD_ARGUMENTS}
        if part.approval is None:
            return {"state": "input-available", "input": value}
        state = "approval-requested" if part.approval.approved is None else "approval-responded"
        return {"state": state, "input": value, **approval}
    if part.is_error and part.approval is not None and part.approval.approved is False:
        return {"state": "output-denied", "input": value, **approval}
    if part.approval is not None and part.approval.approved is None:
        # AI SDK requires the decision in these states.
        approval = {}
    if part.is_error:
        return {"state": "output-error", "input": value, "errorText": result_text(part.result), **approval}
    return {"state": "output-available", "input": value, "output": part.result, **approval}


def _input(text: str) -> JSON:
    try:
        return loads(text)
    except ValueError:
        return _NO_JSON


def _approval(approval: ToolApproval) -> Fields:
    fields = {"id": approval.id, "approved": approval.approved}
    return without_none(fields | {"reason": approval.reason, "signature": approval.signature})
