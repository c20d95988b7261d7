"""Schemas of the frames of the UI message stream, as AI SDK 7 checks them. It fails at a frame that does not match.

Optional fields that it does not check are not listed.
"""

from __future__ import annotations

from typing import Any, Literal

from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.serialization.framing import FrameError
from assistant_stream_ce.serialization.schema import NATURAL, ObjectType, object_type, validate_value


def _frame(*required: str, **optional: Any) -> ObjectType:
    """Return the type of a frame with required text fields and with optional fields."""
    return object_type(dict.fromkeys(required, str), **optional)


_metadata: Any = {"provider_metadata": dict[str, dict[str, Any]]}
_tool: Any = {**_metadata, "provider_executed": bool, "tool_metadata": dict[str, Any], "dynamic": bool}

_source: Any = {"type": Literal["source"], "id": str}
_UrlSource: Any = object_type({**_source, "url": str}, tag=("sourceType", "url"), title=str, **_metadata)
_DocumentSource: Any = object_type(
    {**_source, "media_type": str, "title": str}, tag=("sourceType", "document"), filename=str, **_metadata
)
_Citation: Any = object_type(
    {"source": _UrlSource | _DocumentSource}, start_index=NATURAL, end_index=NATURAL, cited_text=str
)

_SteeringText: Any = object_type({"text": str}, tag=("type", "text"), **_metadata)
_SteeringFile: Any = object_type(
    {"media_type": str, "url": str},
    tag=("type", "file"),
    filename=str,
    provider_reference=dict[str, str],
    **_metadata,
)

_FinishReason = Literal["stop", "length", "content-filter", "tool-calls", "error", "interrupted", "other"]

_FRAMES: dict[str, ObjectType] = {
    "start": _frame(message_id=str),
    "text-start": _frame("id", **_metadata),
    "text-delta": _frame("id", "delta", **_metadata),
    "text-end": _frame("id", citations=list[_Citation], **_metadata),
    "reasoning-start": _frame("id", **_metadata),
    "reasoning-delta": _frame("id", "delta", **_metadata),
    "reasoning-end": _frame("id", **_metadata),
    "tool-input-start": _frame("tool_call_id", "tool_name", input_encoding=Literal["json", "text"], title=str, **_tool),
    "tool-input-delta": _frame("tool_call_id", "input_text_delta"),
    "tool-input-available": _frame("tool_call_id", "tool_name", title=str, **_tool),
    "tool-input-error": _frame("tool_call_id", "tool_name", "error_text", title=str, **_tool),
    "tool-approval-request": _frame("approval_id", "tool_call_id", reason=str, is_automatic=bool, signature=str),
    "tool-approval-response": object_type(
        {"approval_id": str, "approved": bool}, reason=str, provider_executed=bool, **_metadata
    ),
    "tool-output-available": _frame("tool_call_id", preliminary=bool, **_tool),
    "tool-output-error": _frame("tool_call_id", "error_text", **_tool),
    "tool-output-denied": _frame("tool_call_id"),
    "source-url": _frame("source_id", "url", title=str, **_metadata),
    "source-document": _frame("source_id", "media_type", "title", filename=str, **_metadata),
    "file": _frame("url", "media_type", **_metadata),
    "reasoning-file": _frame("url", "media_type", **_metadata),
    "custom": _frame("kind", **_metadata),
    "steering-message": object_type({"id": str, "parts": list[_SteeringText | _SteeringFile]}),
    "start-step": _frame(),
    "finish-step": _frame(),
    "reset-step": _frame(),
    "message-metadata": _frame(),
    "error": _frame("error_text"),
    "abort": _frame(reason=str),
    "finish": _frame(finish_reason=_FinishReason),
}
_DATA = _frame(id=str, transient=bool)


def check_frame(kind: str, value: dict[str, JSON]) -> None:
    """Check a frame against its schema.

    Raises:
        FrameError: its type is unknown, or a field is missing or has a wrong type.
    """
    frame = _DATA if kind.startswith("data-") else _FRAMES.get(kind)
    if frame is None:
        raise FrameError(f"its type {kind[:40]!r} is unknown")
    validate_value(value, frame)
