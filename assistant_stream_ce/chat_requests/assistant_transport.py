"""Requests of assistant-ui's `useAssistantTransportRuntime`: commands instead of a history."""

from __future__ import annotations

from assistant_stream_ce.chat_requests.body import Body
from assistant_stream_ce.chat_requests.request import ChatRequest, RequestError, ToolResult
from assistant_stream_ce.conversions.history import AssistantBuilder, HistoryBuilder, text_or_none
from assistant_stream_ce.conversions.reading import parts_text
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.message import UserPart


def read_assistant_transport(body: Body) -> ChatRequest:
    """Return the request. Without commands it asks to follow a running answer."""
    commands = body.take("commands")
    if not isinstance(commands, list):
        raise RequestError("the request has no list of commands")
    results: list[ToolResult] = []
    seen: set[str] = set()
    parents: list[str | None] = []
    is_edit = False
    for path, command in body.history.objects(commands, "commands"):
        match command.get("type"):
            case "add-message":
                _add_message(body.history, command, path)
                parents.append(body.history.name(command.get("parentId"), f"{path}.parentId"))
                is_edit |= text_or_none(command.get("sourceId")) is not None
            case "add-tool-result":
                results += _tool_result(body.history, command, path, seen)
    return body.request(
        tool_results=results,
        thread_id=body.take_thread("threadId"),
        run_id=body.take_text("runId"),
        parent_id=body.take_text("parentId") or (parents[-1] if parents else None),
        is_edit=is_edit,
        is_resume=not commands,
        tools=body.take_tools(),
        system=body.take_text("system"),
        state=body.take("state"),
        commands=[command for command in commands if isinstance(command, dict)],
        settings=body.take_settings("callSettings", "config"),
    )


def _add_message(history: HistoryBuilder, command: dict[str, JSON], path: str) -> None:
    message = command.get("message")
    if not isinstance(message, dict):
        history.drop(f"{path}.message", "not an object")
        return
    message_id = history.name(message.get("id"), f"{path}.message.id")
    parts: list[UserPart] = []
    for where, part in history.objects(message.get("parts", message.get("content")), f"{path}.message.parts"):
        match part.get("type"):
            case "text":
                parts += history.text(part.get("text"), where)
            case "image":
                parts += history.file(part.get("image"), part.get("mediaType", "image/*"), part.get("filename"), where)
            case "file":
                media_type = part.get("mediaType", part.get("mimeType"))
                parts += history.file(part.get("data"), media_type, part.get("filename"), where)
            case kind:
                history.unknown(kind, where)
    match message.get("role"):
        case "user":
            history.user(parts, f"{path}.message", message_id)
        case "assistant":
            builder = AssistantBuilder(history, message_id)
            for piece in parts:
                builder.add(piece)
            history.assistant(builder, f"{path}.message")
        case "system":
            history.system(parts_text(parts, "\n\n"), message_id, f"{path}.message")
        case role:
            history.unknown(role, f"{path}.message.role")


def _tool_result(history: HistoryBuilder, command: dict[str, JSON], path: str, seen: set[str]) -> list[ToolResult]:
    call_id = history.name(command.get("toolCallId"), f"{path}.toolCallId")
    if call_id is None or call_id in seen:
        history.drop(path, "a tool result without the id of its call" if call_id is None else "a second result")
        return []
    seen.add(call_id)
    content = command.get("modelContent")
    return [
        ToolResult(
            call_id,
            history.name(command.get("toolName"), f"{path}.toolName"),
            command.get("result"),
            command.get("isError") is True,
            command.get("artifact"),
            content if isinstance(content, list) else None,
        )
    ]
