"""Schemas of AG-UI's events, as `@ag-ui/client` 1.0.0 checks them. It fails at an event that does not match.

Values with a discriminator field (content parts, messages, operations of a patch, outcomes) of an unknown kind are
skipped by the client with a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.serialization.framing import FrameError
from assistant_stream_ce.serialization.schema import INTEGER, NATURAL, ObjectType, object_type, validate_value

_Object = dict[str, Any]
# Any JSON value except null.
_Something = bool | float | str | list[Any] | _Object
_Pointer = Annotated[str, msgspec.Meta(pattern=r"\A(?:/(?:[^/~]|~[01])*)*\Z")]

# The fields of every event, and of those that a subagent may send.
_every: Any = {"timestamp": INTEGER, "metadata": _Object}
_by_subagent: Any = {**_every, "subagent_run_id": str}


def _event(*required: str, **optional: Any) -> ObjectType:
    """Return the type of an event with required texts, which a subagent may send."""
    return object_type(dict.fromkeys(required, str), **_by_subagent, **optional)


_Usage: Any = object_type(
    {},
    provider=str,
    model=str,
    input_tokens=NATURAL,
    output_tokens=NATURAL,
    total_tokens=NATURAL,
    reasoning_tokens=NATURAL,
    cached_input_tokens=NATURAL,
    cache_write_input_tokens=NATURAL,
)
_Tool: Any = object_type({"name": str, "description": str}, metadata=_Object)
_Context: Any = object_type({"description": str, "value": str})
_ResumeEntry: Any = object_type({"interrupt_id": str, "status": Literal["resolved", "cancelled"]}, metadata=_Object)
_RunInput: Any = object_type(
    {"thread_id": str, "run_id": str, "messages": list[Any]},
    protocol_version=str,
    parent_run_id=str,
    tools=list[_Tool],
    context=list[_Context],
    resume=list[_ResumeEntry],
)
_TextRole = Literal["developer", "system", "assistant", "user"]

_EVENTS: dict[str, ObjectType] = {
    "RUN_STARTED": object_type(
        {"thread_id": str, "run_id": str}, **_every, protocol_version=str, parent_run_id=str, input=_RunInput
    ),
    "RUN_FINISHED": object_type(
        {"thread_id": str, "run_id": str}, **_every, usage=list[_Usage], outcome=_Object | None
    ),
    "RUN_ERROR": object_type({"message": str}, **_every, code=str, usage=list[_Usage]),
    "STEP_STARTED": _event("step_name"),
    "STEP_FINISHED": _event("step_name"),
    "TEXT_MESSAGE_START": _event("message_id", role=_TextRole, name=str),
    "TEXT_MESSAGE_CONTENT": _event("message_id", "delta"),
    "TEXT_MESSAGE_END": _event("message_id"),
    "TEXT_MESSAGE_CHUNK": _event(message_id=str, role=_TextRole, delta=str, name=str),
    "REASONING_START": _event("message_id"),
    "REASONING_MESSAGE_START": object_type({"message_id": str, "role": Literal["reasoning"]}, **_by_subagent),
    "REASONING_MESSAGE_CONTENT": _event("message_id", "delta"),
    "REASONING_MESSAGE_END": _event("message_id"),
    "REASONING_MESSAGE_CHUNK": _event(message_id=str, delta=str),
    "REASONING_END": _event("message_id"),
    "REASONING_ENCRYPTED_VALUE": object_type(
        {"subtype": Literal["tool-call", "message"], "entity_id": str, "encrypted_value": str}, **_by_subagent
    ),
    "TOOL_CALL_START": _event("tool_call_id", "tool_call_name", parent_message_id=str | None),
    "TOOL_CALL_ARGS": _event("tool_call_id", "delta"),
    "TOOL_CALL_END": _event("tool_call_id"),
    "TOOL_CALL_CHUNK": _event(tool_call_id=str, tool_call_name=str, parent_message_id=str | None, delta=str),
    "TOOL_CALL_RESULT": object_type(
        {"message_id": str, "tool_call_id": str, "content": str | list[Any]}, **_by_subagent, role=Literal["tool"]
    ),
    "STATE_SNAPSHOT": object_type({"snapshot": Any}, **_by_subagent),
    "STATE_DELTA": object_type({"delta": list[Any]}, **_by_subagent),
    "MESSAGES_SNAPSHOT": object_type({"messages": list[Any]}, **_every),
    "ACTIVITY_SNAPSHOT": object_type(
        {"message_id": str, "activity_type": str, "content": _Object}, **_by_subagent, replace=bool
    ),
    "ACTIVITY_DELTA": object_type({"message_id": str, "activity_type": str, "patch": list[Any]}, **_by_subagent),
    "RAW": object_type({"event": Any}, **_by_subagent, source=str),
    "CUSTOM": object_type({"name": str, "value": Any}, **_by_subagent),
    "SUBAGENT_STARTED": object_type(
        {"subagent_run_id": str, "name": str},
        **_every,
        description=str,
        parent_subagent_run_id=str,
        parent_tool_call_id=str,
        parent_message_id=str,
    ),
    "SUBAGENT_FINISHED": object_type({"subagent_run_id": str}, **_every, outcome=_Object),
    "SUBAGENT_ERROR": object_type({"subagent_run_id": str, "message": str}, **_every, code=str),
}

_OPERATIONS: dict[str, ObjectType] = {
    **{word: object_type({"path": _Pointer, "value": Any}) for word in ("add", "replace", "test")},
    **{word: object_type({"path": _Pointer, "from": _Pointer}) for word in ("move", "copy")},
    "remove": object_type({"path": _Pointer}),
}

_SOURCES: dict[str, ObjectType] = {
    "data": object_type({"value": str, "mime_type": str}),
    "url": object_type({"value": str}, mime_type=str),
    "file": object_type({"value": str}, provider=str, mime_type=str),
}
_Text = object_type({"text": str}, id=str, metadata=_Something)
_Media = object_type({"source": _Object}, id=str, metadata=_Something)
# In the messages of a snapshot null means no metadata.
_SnapshotMedia = object_type({"source": _Object}, id=str, metadata=_Something | None)
_MEDIA = ("image", "audio", "video", "document")

_message: Any = {"subagent_run_id": str, "name": str, "encrypted_value": str, "metadata": _Object}
_Call: Any = object_type(
    {"id": str, "type": Literal["function"], "function": object_type({"name": str, "arguments": str})},
    encrypted_value=str,
    metadata=_Object,
)
_MESSAGES: dict[str, ObjectType] = {
    "developer": object_type({"id": str, "content": str}, **_message),
    "system": object_type({"id": str, "content": str}, **_message),
    "assistant": object_type({"id": str}, **_message, content=str, tool_calls=list[_Call]),
    "user": object_type({"id": str, "content": str | list[Any]}, **_message),
    "tool": object_type(
        {"id": str, "content": str | list[Any], "tool_call_id": str},
        subagent_run_id=str,
        error=str,
        encrypted_value=str,
        metadata=_Object,
    ),
    "activity": object_type(
        {"id": str, "activity_type": str, "content": _Object}, subagent_run_id=str, metadata=_Object
    ),
    "reasoning": object_type({"id": str, "content": str}, subagent_run_id=str, encrypted_value=str, metadata=_Object),
}

_Interrupt: Any = object_type(
    {"id": str, "reason": str},
    subagent_run_id=str,
    message=str,
    tool_call_id=str,
    response_schema=_Object,
    expires_at=str,
    metadata=_Object,
)
_RUN_OUTCOMES: dict[str, ObjectType] = {
    "success": object_type({}, pending_tool_call_ids=list[str]),
    "interrupt": object_type({"interrupts": Annotated[list[_Interrupt], msgspec.Meta(min_length=1)]}),
    "cancelled": object_type({}),
}
_SUBAGENT_OUTCOMES: dict[str, ObjectType] = {
    "success": object_type({}),
    "suspended": object_type({}, interrupt_ids=list[str]),
}


def check_event(kind: str, event: dict[str, JSON]) -> None:
    """Check an event against its schema.

    Raises:
        FrameError: its type is unknown, or a field is missing or has a wrong type.
    """
    schema = _EVENTS.get(kind)
    if schema is None:
        raise FrameError(f"its type {kind[:40]!r} is unknown")
    validate_value(event, schema)
    match kind:
        case "STATE_DELTA":
            _check_members(event["delta"], "op", _OPERATIONS)
        case "ACTIVITY_DELTA":
            _check_members(event["patch"], "op", _OPERATIONS)
        case "TOOL_CALL_RESULT":
            _check_content(event["content"], _Media)
        case "MESSAGES_SNAPSHOT":
            _check_messages(event["messages"])
        case "RUN_STARTED":
            if "input" in event:
                _check_messages(event["input"]["messages"])
        case "RUN_FINISHED":
            _check_members([event["outcome"]] if event.get("outcome") is not None else [], "type", _RUN_OUTCOMES)
        case "SUBAGENT_FINISHED":
            _check_members([event["outcome"]] if "outcome" in event else [], "type", _SUBAGENT_OUTCOMES)


def _check_messages(messages: list[JSON]) -> None:
    for message in _members(messages, "role", _MESSAGES):
        if message["role"] in ("user", "tool"):
            _check_content(message["content"], _SnapshotMedia)


def _check_content(content: JSON, media: ObjectType) -> None:
    """Check the parts of a content. Parts whose source is of an unknown kind are skipped."""
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            raise FrameError("a content part must be an object")
        if part.get("type") == "text":
            validate_value(part, _Text)
        elif part.get("type") in _MEDIA:
            source = part.get("source")
            if not isinstance(source, dict) or (isinstance(source.get("type"), str) and source["type"] in _SOURCES):
                validate_value(part, media)
                _check_members([source], "type", _SOURCES)


def _check_members(values: list[JSON], name: str, kinds: Mapping[str, ObjectType]) -> None:
    for _ in _members(values, name, kinds):
        pass


def _members(values: list[JSON], name: str, kinds: Mapping[str, ObjectType]) -> Iterator[dict[str, JSON]]:
    """Check each object against the schema of its kind, which a field gives, and yield those of known kinds."""
    for value in values:
        if not isinstance(value, dict):
            raise FrameError(f"an object with a field {name!r} is required")
        kind = value.get(name)
        if isinstance(kind, str) and kind in kinds:
            validate_value(value, kinds[kind])
            yield value
