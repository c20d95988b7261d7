"""Parsed chat requests of all formats: `ChatRequest`, its tool results, approvals and tools, and `RequestError`."""

from __future__ import annotations

import msgspec

from assistant_stream_ce.conversions.history import Dropped
from assistant_stream_ce.errors import AssistantStreamError
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.message import Message, UserMessage


class RequestError(AssistantStreamError, ValueError):
    """Raised for an invalid request body. The message is safe to show.

    Attributes:
        status: the HTTP status to answer with: 400, or 413 for a body that exceeds a limit.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class ToolResult(msgspec.Struct, frozen=True):
    """A result that the front end now sends for a tool call.

    Attributes:
        tool_call_id: the id of the call.
        tool_name: the name of the tool, if the request or the history has it.
        result: any JSON value.
        is_error: whether the tool failed.
        artifact: data for the front end only.
        model_content: the result as the model reads it, if it differs from `result`.
    """

    tool_call_id: str
    tool_name: str | None = None
    result: JSON = None
    is_error: bool = False
    artifact: JSON = None
    model_content: list[JSON] | None = None


class Approval(msgspec.Struct, frozen=True):
    """A decision that the front end now sends about a tool call.

    Attributes:
        approval_id: the id of the request for approval.
        tool_call_id: the id of the call, if the format has it.
        approved: True only for a literal `true`.
        reason: the reason that the user gave.
        signature: the signature that came with the request for approval.
        payload: the payload of an answered interrupt of AG-UI.
    """

    approval_id: str
    tool_call_id: str | None = None
    approved: bool = False
    reason: str | None = None
    signature: str | None = None
    payload: JSON = None


class ClientTool(msgspec.Struct, frozen=True):
    """A tool that the front end offers and runs.

    Attributes:
        name: 1 to 64 letters, digits, `_` and `-`.
        description: for the model.
        parameters: a JSON Schema.
    """

    name: str
    description: str | None = None
    parameters: dict[str, JSON] = {}


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed request body.

    Attributes:
        messages: the history, oldest first. It comes from the client: an application that stores its own
            history takes `user`, `tool_results` and `approvals`, and ignores the rest.
        tool_results: the results that are new in this request.
        approvals: the decisions that are new in this request.
        thread_id: the id of the conversation; None for an id that exists only in the page.
        message_id: the id of the assistant message that is continued, for `create_run(message_id=...)`.
        run_id: the id that the front end gave this run (AG-UI).
        parent_id: the id of the message that the new one follows.
        is_regenerate: the user wants another answer to the last message.
        is_edit: the user has edited an earlier message.
        is_resume: the front end only wants to follow a running answer (assistant transport).
        tools: the tools that the front end can run.
        system: instructions of the front end's own top-level field. Use them only if you trust the client.
        state: the shared state of the front end.
        commands: the posted commands (assistant transport).
        settings: call settings and configuration, flattened.
        extra: all other top-level fields.
        dropped: reports of dropped data.
    """

    messages: list[Message] = []
    tool_results: list[ToolResult] = []
    approvals: list[Approval] = []
    thread_id: str | None = None
    message_id: str | None = None
    run_id: str | None = None
    parent_id: str | None = None
    is_regenerate: bool = False
    is_edit: bool = False
    is_resume: bool = False
    tools: list[ClientTool] = []
    system: str | None = None
    state: JSON = None
    commands: list[dict[str, JSON]] = []
    settings: dict[str, JSON] = {}
    extra: dict[str, JSON] = {}
    dropped: list[Dropped] = []

    @property
    def user(self) -> UserMessage | None:
        """The last message of the user, or None."""
        return next((message for message in reversed(self.messages) if isinstance(message, UserMessage)), None)

    @property
    def text(self) -> str:
        """The text of the last message of the user; empty without one."""
        return "" if self.user is None else self.user.text
