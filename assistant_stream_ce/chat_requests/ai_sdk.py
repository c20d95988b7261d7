"""Requests of AI SDK's `useChat` (5, 6, 7) and of assistant-ui's `AssistantChatTransport`."""

from __future__ import annotations

from assistant_stream_ce.chat_requests.body import Body
from assistant_stream_ce.chat_requests.request import ChatRequest
from assistant_stream_ce.conversions.ui_messages import read_ui_messages
from assistant_stream_ce.message import AssistantMessage, UserMessage


def read_ai_sdk(body: Body) -> ChatRequest:
    """Return the request. `messageId` is the id of the user's edited or the assistant's continued message."""
    messages = body.messages()
    read_ui_messages(body.history, messages, "messages")
    trigger, edited = body.take("trigger"), body.take_text("messageId")
    continued = body.last_assistant()
    results, approvals = body.new_results(_last_step(continued))
    last = body.history.messages[-1] if body.history.messages else None
    return body.request(
        tool_results=results,
        approvals=approvals,
        thread_id=body.take_thread("id"),
        message_id=None if continued is None else continued.id,
        is_regenerate=trigger == "regenerate-message",
        is_edit=isinstance(last, UserMessage) and edited is not None and edited == last.id,
        tools=body.take_tools(),
        system=body.take_text("system"),
        state=next((one.state for one in reversed(body.history.messages) if isinstance(one, AssistantMessage)), None),
        settings=body.take_settings("callSettings", "config"),
    )


def _last_step(message: AssistantMessage | None) -> int:
    return message.steps[-1].first_part if message is not None and message.steps else 0
