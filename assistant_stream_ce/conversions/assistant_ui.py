"""Conversion to and from the messages of assistant-ui, which its runtimes accept as `ThreadMessageLike`."""

from __future__ import annotations

from typing import get_args

import msgspec

from assistant_stream_ce.chunks import Severity
from assistant_stream_ce.conversions.reading import Fields, fields, items, read, result_text, step_starts, text_parts
from assistant_stream_ce.jsonvalue import JSON, dumps
from assistant_stream_ce.message import (
    AssistantMessage,
    DataPart,
    FilePart,
    MessagePart,
    ReasoningPart,
    RefusalPart,
    SourceDocumentPart,
    SourcePart,
    Step,
    TextPart,
    ToolCallPart,
    Usage,
    message_from,
)
from assistant_stream_ce.serialization import assistant_ui
from assistant_stream_ce.serialization.assistant_ui import without_none
from assistant_stream_ce.serialization.usage import usage_fields, usage_from

_STATES = {"partial": "partial-call", "complete": "call", "answered": "result"}
_STATES_BACK = {theirs: ours for ours, theirs in _STATES.items()}
_COMPLETE = {"type": "complete", "reason": "unknown"}


def to_assistant_ui(message: AssistantMessage) -> Fields:
    """Return a message as assistant-ui represents it, with the parts as `content`.

    A refusal becomes text. Signatures of reasoning, ids of data parts, a usage that is not the sum of the steps', and
    the part with which a step begins are lost.

    Args:
        message: the message.

    Raises:
        TypeError: it is not a message of the assistant.
    """
    starts = step_starts(message)
    groups: list[list[MessagePart]] = []
    for number, part in enumerate(message.parts):
        if groups and _joins(groups[-1][-1], part, is_in_new_step=number in starts):
            groups[-1].append(part)
        else:
            groups.append([part])
    return {
        **without_none({"id": message.id}),
        "role": "assistant",
        "status": _status(message),
        "content": [_joined(group, message) for group in groups],
        "metadata": {
            "unstable_state": message.state,
            "unstable_data": message.data,
            "unstable_annotations": message.annotations,
            "steps": [_step(step) for step in message.steps],
            "custom": message.metadata,
        },
    }


def _joins(before: MessagePart, part: MessagePart, *, is_in_new_step: bool) -> bool:
    """Return whether the front end joins a part with the previous one."""
    if before.parent_id != part.parent_id:
        return False
    if isinstance(part, (TextPart, RefusalPart)):
        return isinstance(before, (TextPart, RefusalPart))
    return (
        isinstance(part, ReasoningPart)
        and isinstance(before, ReasoningPart)
        and part.summary is None
        and (is_in_new_step or before.signature is not None)
    )


def _joined(group: list[MessagePart], message: AssistantMessage) -> Fields:
    """Return the part that the front end has for one or several texts, or for any other part."""
    shown = _part(group[-1], message)
    if len(group) > 1:
        shown["text"] = "".join(getattr(part, "text", "") for part in group)
    return shown


def _part(part: MessagePart, message: AssistantMessage) -> Fields:
    value = {**_fields(part, message), "parentId": part.parent_id}
    # The front end drops an empty one.
    return value if part.parent_id else {name: item for name, item in value.items() if name != "parentId"}


def _fields(part: MessagePart, message: AssistantMessage) -> Fields:
    match part:
        case TextPart() | RefusalPart():
            return {"type": "text", "text": part.text, "status": _text_status(part.status)}
        case ReasoningPart():
            value = {"type": "reasoning", "text": part.text, "status": _text_status(part.status)}
            return value | without_none({"unstable_summary": part.summary})
        case ToolCallPart():
            return _tool_call(part, message)
        case SourcePart():
            value = {"type": "source", **assistant_ui.source(part)}
            # The front end drops an empty title.
            return value if part.title else {name: item for name, item in value.items() if name != "title"}
        case SourceDocumentPart():
            return {"type": "source", **assistant_ui.source_document(part)}
        case FilePart():
            return {"type": "file", **assistant_ui.file(part)}
        case DataPart():
            return {"type": "data", "name": part.name, "data": part.data}


def _text_status(status: str) -> Fields:
    return {"type": "running"} if status == "running" else _COMPLETE


def _tool_call(part: ToolCallPart, message: AssistantMessage) -> Fields:
    value = {
        "type": "tool-call",
        "state": _STATES[part.state],
        "status": _tool_call_status(part, message),
        "toolCallId": part.id,
        "toolName": part.name,
        "argsText": part.args_text,
        "args": part.args,
    }
    if part.approval is not None:
        decision = {"approved": part.approval.approved, "reason": part.approval.reason}
        value["approval"] = {"id": part.approval.id, **without_none(decision)}
    if part.state == "answered":
        value |= {"result": part.result, "isError": part.is_error}
        value |= without_none({"artifact": part.artifact, "modelContent": part.model_content})
    return value


def _tool_call_status(part: ToolCallPart, message: AssistantMessage) -> Fields:
    if part.state == "answered":
        return {"type": "complete", "reason": "stop"}
    if message.status.type == "running":
        return {"type": "running", "isArgsComplete": part.state == "complete"}
    return _COMPLETE if part.state == "complete" else {"type": "incomplete", "reason": "cancelled"}


def _status(message: AssistantMessage) -> Fields:
    status = without_none({"type": message.status.type, "reason": message.status.reason})
    if message.error is not None:
        error = {"code": "unknown", "message": message.error.message}
        status["error"] = error | without_none({"code": message.error.code, "severity": message.error.severity})
    return status


def _step(step: Step) -> Fields:
    message_id = without_none({"messageId": step.message_id})
    if step.finish_reason is None:
        return {"state": "started", **message_id}
    return {
        "state": "finished",
        **message_id,
        "finishReason": step.finish_reason,
        "usage": usage_fields(step.usage),
        "isContinued": step.is_continued,
    }


def from_assistant_ui(message: object) -> AssistantMessage:
    """Return the message that a message of assistant-ui represents.

    Unsupported parts are dropped. The message may come from an untrusted client.

    Args:
        message: the message as a dict, with its parts in `content` or `parts`, or a text there.

    Raises:
        TypeError: it is not JSON.
        ValueError: it is not an assistant message, or a field has a wrong type.
    """
    value = read(message)
    metadata = fields(value.get("metadata") or {}, "metadata")
    status = fields(value.get("status") or _COMPLETE, "status")
    steps = [_step_from(step) for step in items(metadata.get("steps"), "metadata.steps")]
    content = text_parts(value.get("content", value.get("parts")))
    return message_from(
        without_none(
            {
                "id": value.get("id"),
                "parts": [made for part in items(content, "content") if (made := _part_from(part)) is not None],
                "status": without_none({"type": status.get("type"), "reason": status.get("reason")}),
                "error": _error_from(status.get("error")),
                "steps": steps,
                "usage": _summed([step["usage"] for step in steps]),
                "data": metadata.get("unstable_data"),
                "annotations": metadata.get("unstable_annotations"),
                "state": metadata.get("unstable_state"),
                "metadata": metadata.get("custom"),
            }
        )
    )


def _part_from(part: Fields) -> Fields | None:
    kind = part.get("type")
    parent = {"parent_id": part.get("parentId")}
    match kind:
        case "text" | "reasoning":
            status = part.get("status")
            is_running = isinstance(status, dict) and status.get("type") == "running"
            value = {"text": part.get("text"), "status": "running" if is_running else "complete"}
            if kind == "reasoning":
                value["summary"] = part.get("unstable_summary")
        case "tool-call":
            value = _tool_call_from(part)
        case "source" if part.get("sourceType") == "document":
            kind = "source-document"
            value = {name: part.get(name) for name in ("id", "title", "filename")}
            value["media_type"] = part.get("mediaType")
        case "source":
            value = {"id": part.get("id"), "url": part.get("url"), "title": part.get("title")}
        case "file":
            value = {"data": part.get("data"), "mime_type": part.get("mimeType"), "filename": part.get("filename")}
        case "data":
            return {"type": kind, "name": part.get("name"), "data": part.get("data"), **without_none(parent)}
        case _:
            return None
    return {"type": kind, **without_none(value), **without_none(parent)}


def _tool_call_from(part: Fields) -> Fields:
    args = {} if part.get("args") is None else part["args"]
    text = part.get("argsText") or ""
    if not text and (args or part.get("state") != "partial-call"):
        # Empty text would not be JSON for the next model.
        text = dumps(args).decode()
    return {
        "id": part.get("toolCallId"),
        "name": part.get("toolName"),
        "args_text": text,
        "args": args,
        "state": _STATES_BACK.get(str(part.get("state")), "answered" if "result" in part else "complete"),
        "result": part.get("result"),
        "artifact": part.get("artifact"),
        "is_error": part.get("isError"),
        "model_content": part.get("modelContent"),
        "approval": _approval_from(part.get("approval")),
    }


def _approval_from(approval: JSON) -> Fields | None:
    if not isinstance(approval, dict) or not isinstance(approval.get("id"), str):
        return None
    approved, reason = approval.get("approved"), approval.get("reason")
    return without_none(
        {
            "id": approval["id"],
            "approved": approved if isinstance(approved, bool) else None,
            "reason": reason if isinstance(reason, str) else None,
        }
    )


def _error_from(error: JSON) -> Fields | None:
    if error is None:
        return None
    values = error if isinstance(error, dict) else {"message": error}
    message, code, severity = values.get("message"), values.get("code"), values.get("severity")
    return without_none(
        {
            # Applications put any caught value here.
            "message": result_text(error if message is None else message),
            "code": code if isinstance(code, str) and code != "unknown" else None,
            "severity": severity if severity in get_args(Severity) else None,
        }
    )


def _step_from(step: Fields) -> Fields:
    return {
        "message_id": step.get("messageId"),
        "finish_reason": step.get("finishReason"),
        "usage": msgspec.structs.asdict(usage_from(step.get("usage"))),
        "is_continued": step.get("isContinued") is True,
    }


def _summed(usages: list[Fields]) -> Fields:
    return {name: sum(usage[name] for usage in usages) for name in Usage.__struct_fields__}
