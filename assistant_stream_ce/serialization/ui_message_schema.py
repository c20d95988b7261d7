"""What AI SDK 7 demands of the fields of each frame of the UI message stream; further fields are allowed.

`Any` stands for a field that it does not look at, and that may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.serialization.decoding import BadFrameError

__all__ = ("check_frame",)

_ProviderMetadata = dict[str, dict[str, Any]]

# An integer of JavaScript, which 1.0 is too.
_Index = Annotated[float, msgspec.Meta(ge=0, le=2**53 - 1, multiple_of=1)]


def _fields(name: str, required: Mapping[str, Any], /, **optional: Any) -> type[msgspec.Struct]:
    """Return a type of objects. A field that is optional may be missing, but not be null."""
    fields: list[Any] = [*required.items(), *((key, kind | UnsetType, UNSET) for key, kind in optional.items())]
    return msgspec.defstruct(name, fields, rename="camel", kw_only=True)


class _UrlSource(msgspec.Struct, tag_field="sourceType", tag="url", rename="camel"):
    type: Literal["source"]
    id: str
    url: str
    title: str | UnsetType = UNSET
    provider_metadata: _ProviderMetadata | UnsetType = UNSET


class _DocumentSource(msgspec.Struct, tag_field="sourceType", tag="document", rename="camel"):
    type: Literal["source"]
    id: str
    media_type: str
    title: str
    filename: str | UnsetType = UNSET
    provider_metadata: _ProviderMetadata | UnsetType = UNSET


class _SteeringText(msgspec.Struct, tag="text", rename="camel"):
    text: str
    provider_metadata: _ProviderMetadata | UnsetType = UNSET


class _SteeringFile(msgspec.Struct, tag="file", rename="camel"):
    media_type: str
    url: str
    filename: str | UnsetType = UNSET
    provider_reference: dict[str, str] | UnsetType = UNSET
    provider_metadata: _ProviderMetadata | UnsetType = UNSET


_Citation = _fields(
    "Citation",
    {"source": _UrlSource | _DocumentSource},
    start_index=_Index,
    end_index=_Index,
    cited_text=str,
)
_FinishReason = Literal["stop", "length", "content-filter", "tool-calls", "error", "interrupted", "other"]


def _frame(*required: str, **optional: Any) -> type[msgspec.Struct]:
    """Return the type of a frame with required texts, and with optional fields."""
    return _fields("Frame", dict.fromkeys(required, str), **optional)


_metadata: Any = {"provider_metadata": _ProviderMetadata}
_tool: Any = {
    **_metadata,
    "provider_executed": bool,
    "tool_metadata": dict[str, Any],
    "dynamic": bool,
}

_FRAMES: dict[str, type[msgspec.Struct]] = {
    "start": _frame(message_id=str),
    "text-start": _frame("id", **_metadata),
    "text-delta": _frame("id", "delta", **_metadata),
    "text-end": _frame("id", citations=list[_Citation], **_metadata),  # type: ignore[valid-type]
    "reasoning-start": _frame("id", **_metadata),
    "reasoning-delta": _frame("id", "delta", **_metadata),
    "reasoning-end": _frame("id", **_metadata),
    "tool-input-start": _frame("tool_call_id", "tool_name", input_encoding=Literal["json", "text"], title=str, **_tool),
    "tool-input-delta": _frame("tool_call_id", "input_text_delta"),
    "tool-input-available": _frame("tool_call_id", "tool_name", title=str, **_tool),
    "tool-input-error": _frame("tool_call_id", "tool_name", "error_text", title=str, **_tool),
    "tool-approval-request": _frame("approval_id", "tool_call_id", reason=str, is_automatic=bool, signature=str),
    "tool-approval-response": _fields(
        "Frame", {"approval_id": str, "approved": bool}, reason=str, provider_executed=bool, **_metadata
    ),
    "tool-output-available": _frame("tool_call_id", preliminary=bool, **_tool),
    "tool-output-error": _frame("tool_call_id", "error_text", **_tool),
    "tool-output-denied": _frame("tool_call_id"),
    "source-url": _frame("source_id", "url", title=str, **_metadata),
    "source-document": _frame("source_id", "media_type", "title", filename=str, **_metadata),
    "file": _frame("url", "media_type", **_metadata),
    "reasoning-file": _frame("url", "media_type", **_metadata),
    "custom": _frame("kind", **_metadata),
    "steering-message": _fields("Frame", {"id": str, "parts": list[_SteeringText | _SteeringFile]}),
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
    """Hold a frame against its schema.

    Raises:
        BadFrameError: its type is unknown, or a field is missing or has a wrong type.
    """
    frame = _DATA if kind.startswith("data-") else _FRAMES.get(kind)
    if frame is None:
        raise BadFrameError(f"its type {kind[:40]!r} is unknown")
    try:
        msgspec.convert(value, frame)
    except msgspec.ValidationError as error:
        raise BadFrameError(str(error)) from None
