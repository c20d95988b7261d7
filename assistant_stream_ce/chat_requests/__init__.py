"""Parse the requests of chat front ends: tolerant of unknown data, bounded in time and memory, safe to pass on.

Nothing is fetched and no I/O is done. Unknown fields, parts and roles are left out and reported in
`ChatRequest.dropped`. All functions are thread-safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict, Unpack

from assistant_stream_ce.chat_requests.ag_ui import read_ag_ui
from assistant_stream_ce.chat_requests.ai_sdk import read_ai_sdk
from assistant_stream_ce.chat_requests.assistant_transport import read_assistant_transport
from assistant_stream_ce.chat_requests.body import Body, Limits
from assistant_stream_ce.chat_requests.data_stream import read_data_stream
from assistant_stream_ce.chat_requests.openai_chat import read_openai_chat_request
from assistant_stream_ce.chat_requests.request import Approval, ChatRequest, ClientTool, RequestError, ToolResult
from assistant_stream_ce.conversions import Dropped

__all__ = (
    "Approval",
    "ChatRequest",
    "ClientTool",
    "Dropped",
    "RequestError",
    "RequestOptions",
    "ToolResult",
    "parse",
    "parse_ag_ui",
    "parse_ai_sdk",
    "parse_assistant_transport",
    "parse_data_stream",
    "parse_openai_chat",
)


class RequestOptions(TypedDict, total=False):
    """Keywords of all parsers.

    Attributes:
        trust_system: keep system messages of the history; by default they are dropped and reported.
        max_bytes: limit of the body in bytes; 20,000,000 by default.
        max_messages: limit of messages in the history; 1,000 by default.
        max_parts: limit of parts in all messages together; 10,000 by default.
        max_depth: limit of nesting levels of the JSON; 32 by default.
        max_id_length: limit of ids and names, in characters; 100,000 by default.
    """

    trust_system: bool
    max_bytes: int
    max_messages: int
    max_parts: int
    max_depth: int
    max_id_length: int


def parse(body: object, **options: Unpack[RequestOptions]) -> ChatRequest:
    """Parse a request of any of the five kinds, which is detected by its fields.

    Args:
        body: the request's body as bytes or text, or as parsed by a framework.
        options: limits, see `RequestOptions`.

    Raises:
        RequestError: it is not a JSON object, has no messages, or exceeds a limit.
        TypeError: a limit is not a positive int.
    """
    read = _open(body, options)
    return _reader_of(read.fields)(read)


def parse_ai_sdk(body: object, **options: Unpack[RequestOptions]) -> ChatRequest:
    """Parse a request of AI SDK's `useChat` 5, 6 or 7, or of assistant-ui's `AssistantChatTransport`.

    Arguments and exceptions are those of `parse`.

    Args:
        body: see `parse`.
        options: see `RequestOptions`.

    Raises:
        RequestError: see `parse`.
    """
    return read_ai_sdk(_open(body, options))


def parse_data_stream(body: object, **options: Unpack[RequestOptions]) -> ChatRequest:
    """Parse a request of assistant-ui's `useDataStreamRuntime`.

    Args:
        body: see `parse`.
        options: see `RequestOptions`.

    Raises:
        RequestError: see `parse`.
    """
    return read_data_stream(_open(body, options))


def parse_assistant_transport(body: object, **options: Unpack[RequestOptions]) -> ChatRequest:
    """Parse a request of assistant-ui's `useAssistantTransportRuntime`.

    Args:
        body: see `parse`.
        options: see `RequestOptions`.

    Raises:
        RequestError: see `parse`.
    """
    return read_assistant_transport(_open(body, options))


def parse_ag_ui(body: object, **options: Unpack[RequestOptions]) -> ChatRequest:
    """Parse the `RunAgentInput` of an AG-UI client.

    Args:
        body: see `parse`.
        options: see `RequestOptions`.

    Raises:
        RequestError: see `parse`.
    """
    return read_ag_ui(_open(body, options))


def parse_openai_chat(body: object, **options: Unpack[RequestOptions]) -> ChatRequest:
    """Parse a request of an OpenAI client for a chat completion.

    Args:
        body: see `parse`.
        options: see `RequestOptions`.

    Raises:
        RequestError: see `parse`.
    """
    return read_openai_chat_request(_open(body, options))


def _open(body: object, options: RequestOptions) -> Body:
    limits: dict[str, Any] = dict(options)
    trust_system = bool(limits.pop("trust_system", False))
    for name, limit in limits.items():
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise TypeError(f"{name} must be a positive int, not {limit!r:.40}")
    return Body(body, Limits(**limits), trust_system=trust_system)


def _reader_of(fields: Mapping[str, Any]) -> Callable[[Body], ChatRequest]:
    """Return the reader of a kind of request, by the fields that only that kind has."""
    if isinstance(fields.get("commands"), list):
        return read_assistant_transport
    posted = fields.get("messages")
    messages = [message for message in posted if isinstance(message, dict)] if isinstance(posted, list) else []
    if "trigger" in fields or any("parts" in message for message in messages):
        return read_ai_sdk
    if "runId" in fields or "forwardedProps" in fields or "protocolVersion" in fields:
        return read_ag_ui
    is_data_stream = any(name in fields for name in ("runConfig", "unstable_assistantMessageId", "threadId"))
    if is_data_stream or any(_is_data_stream(message) for message in messages):
        return read_data_stream
    return read_openai_chat_request


def _is_data_stream(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return "unstable_id" in message or any("toolCallId" in part or "mediaType" in part for part in parts)
