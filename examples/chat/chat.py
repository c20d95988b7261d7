"""The answer to a request, and the formats of four front ends; of no web framework."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import msgspec
from model import ask
from store import Thread, UsedApprovals, with_answer

from assistant_stream_ce import (
    AssistantMessage,
    AssistantStream,
    MessageAccumulator,
    RunController,
    RunFailedError,
    RunResult,
    TextDeltaChunk,
    UpdateStateChunk,
    conversions,
    create_run,
    mask_errors,
    resumable,
)
from assistant_stream_ce.chat_requests import ChatRequest, RequestError, parse
from assistant_stream_ce.integrations import openai
from assistant_stream_ce.message import Message
from assistant_stream_ce.resumable import FileStore, FollowedStream, ResumableStreams
from assistant_stream_ce.tools import ApprovalSigner, FrontendTool, Tool, Tools

SECRET_KEY = os.environ.get("SECRET_KEY") or secrets.token_hex()
SYSTEM = "You are a friendly assistant. Be brief."
PASSWORD = os.environ.get("CHAT_PASSWORD", "demo")

# For workers of one machine a folder, for those of several ones "redis://...", which needs the extra redis.
STORE = os.environ.get("CHAT_STORE", "chat-streams")
STREAMS = ResumableStreams(resumable.RedisStore(STORE) if "://" in STORE else FileStore(STORE))


def get_weather(city: str) -> dict[str, Any]:
    """Return the weather in a city."""
    return {"city": city, "celsius": 21, "sky": "sunny"}


def send_mail(to: str, text: str) -> str:
    """Send a mail."""
    return f"Sent to {to}."


def write_note(controller: RunController, title: str, text: str) -> str:
    """Write a note for the user."""
    controller.state["notes"][title] = text
    return "The note is written."


SIGNER = ApprovalSigner(SECRET_KEY, store=UsedApprovals())
TIME_ZONE = FrontendTool("get_time_zone", parameters={"type": "object"}, description="Return the user's time zone.")
TOOLS = Tools([get_weather, write_note, TIME_ZONE, Tool(send_mail, needs_approval=True)], approvals=SIGNER)
# Without approvals, the page asks the user in a tool of its own.
QUESTION = {"type": "object", "properties": {"question": {"type": "string"}}, "required": ["question"]}
CONFIRM = FrontendTool("confirm", parameters=QUESTION, description="Ask the user yes or no.")
PAGE_TOOLS = Tools([get_weather, write_note, TIME_ZONE, CONFIRM])


def answer(request: ChatRequest, thread: Thread, history: list[Message], tools: Tools) -> AssistantStream:
    """Return the stream of the answer to a request, which is stored when it ends, however it ends."""
    # The id of the answer that goes on, or the one that `useDataStreamRuntime` has made; otherwise we make one.
    message_id = request.message_id or request.extra.get("unstable_assistantMessageId")
    # An approval is valid in this thread of this user only.
    approvals_of = f"{thread.owner}/{thread.id}"

    def run(controller: RunController) -> None:
        controller.state = state_of(history)
        known = msgspec.structs.replace(request, messages=history)
        history[:] = tools.resume(controller, known, thread=approvals_of)
        messages = conversions.to_openai_chat(history, system=SYSTEM)
        question = partial(ask, tools=openai.tool_schemas(tools))
        openai.answer(controller, question, messages, tools=tools, thread=approvals_of)

    def save(result: RunResult) -> None:
        thread.finish(history, result.message)

    made = message_id if isinstance(message_id, str) else None
    stream = create_run(run, message_id=made, on_error=mask_errors, on_finish=save)
    if not isinstance(history[-1], AssistantMessage):
        thread.expect(stream.message_id)
    return stream


def state_of(history: list[Message]) -> dict[str, Any]:
    """Return the state in which the last answer left the thread."""
    states = (message.state for message in reversed(history) if isinstance(message, AssistantMessage))
    return next(filter(None, states), {"notes": {}})


# --- The front ends ---------------------------------------------------------------------------------


class FrontEnd(NamedTuple):
    response: str
    tools: Tools
    to_messages: Callable[[list[Message]], list[dict[str, Any]]]


FRONT_ENDS = {
    "use-chat": FrontEnd("UIMessageStreamResponse", TOOLS, conversions.to_ui_messages),
    "ag-ui": FrontEnd("AGUIResponse", TOOLS, conversions.to_assistant_ui_messages),
    "data-stream": FrontEnd("DataStreamResponse", PAGE_TOOLS, conversions.to_assistant_ui_messages),
    "assistant-transport": FrontEnd("AssistantTransportResponse", PAGE_TOOLS, conversions.to_assistant_ui_messages),
}


def find_front_end(name: str) -> FrontEnd:
    if name not in FRONT_ENDS:
        raise RequestError("There is no such front end.", 404)
    return FRONT_ENDS[name]


def stored(front_end: str, thread: Thread) -> dict[str, Any]:
    """Return the history for a front end, the state, and whether an answer is open."""
    # Asked before the history: an answer that has ended is in it.
    was_open = is_open(thread)
    history = thread.history()
    messages = find_front_end(front_end).to_messages(history)
    return {"messages": messages, "state": state_of(history), "isOpen": was_open}


def is_open(thread: Thread) -> bool:
    """Return whether an answer has begun and is not stored yet."""
    status = STREAMS.status(thread=thread.id, owner=thread.owner)
    return status is not None and status.state == "running"


def respond(responses: Any, front_end: str, thread: Thread, body: bytes) -> Any:
    """Begin an answer, and return the response that sends it.

    `responses` is the module of the web framework, such as `assistant_stream_ce.responses.flask`.
    """
    tools, request = find_front_end(front_end).tools, parse(body)
    stop(thread)
    history = thread.begin(request)
    stream = answer(request, thread, history, tools)
    if front_end == "assistant-transport":
        show = partial(show_in_state, stream, history)
        stream = create_run(show, state=request.state, on_error=mask_errors, keep_message=False)
    return send(responses, front_end, STREAMS.start(stream, thread=thread.id, owner=thread.owner))


def resume(responses: Any, front_end: str, thread: Thread) -> Any:
    """Return the response that sends the open answer from its beginning, or reports that there is none."""
    return send(responses, front_end, STREAMS.follow(thread=thread.id, owner=thread.owner))


def send(responses: Any, front_end: str, stream: FollowedStream | None) -> Any:
    return getattr(responses, find_front_end(front_end).response)(stream)


def stop(thread: Thread) -> bool:
    """Stop the open answer, whatever process it is in, and wait until it is stored; return whether there was one."""
    if not is_open(thread):
        return False
    # Another request may have stopped it just now, but it is not stored before its stream ends.
    STREAMS.stop(thread=thread.id, owner=thread.owner)
    with suppress(RunFailedError):
        for _ in STREAMS.follow(thread=thread.id, owner=thread.owner) or ():
            pass
    return True


def resumable_state(thread: Thread) -> dict[str, Any] | None:
    """Return the state in which the open answer began: the assistant transport applies its stream to it."""
    status = STREAMS.status(thread=thread.id, owner=thread.owner)
    return {"runId": status.stream_id, "state": status.initial_state} if status else None


def show_in_state(stream: AssistantStream, history: list[Message], controller: RunController) -> None:
    """Write an answer to the state, which is all that the assistant transport renders."""
    controller.on_cancel(stream.close)
    controller.state = {**state_of(history), "messages": conversions.to_assistant_ui_messages(history)}
    messages = controller.state["messages"]
    place = len(history) - isinstance(history[-1], AssistantMessage)
    seen = MessageAccumulator()
    for chunk in stream:
        seen.add(chunk)
        content = messages[place]["content"] if len(messages) > place else []
        if isinstance(chunk, TextDeltaChunk) and content and content[-1]["type"] == "text":
            content[-1]["text"] += chunk.text_delta
        else:
            # Not `stream.message`, which may be ahead of the chunks that are read.
            shown = with_answer(history, msgspec.structs.replace(seen.message, id=stream.message_id))
            messages[place:] = conversions.to_assistant_ui_messages(shown[place:])
        if isinstance(chunk, UpdateStateChunk):
            controller.state |= seen.message.state


# --- The login --------------------------------------------------------------------------------------


class Login(msgspec.Struct):
    user: str
    password: str


def log_in(body: bytes) -> str:
    """Return the user who logs in. Replace this with the login of your application."""
    try:
        login = msgspec.json.decode(body, type=Login)
    except msgspec.DecodeError as error:
        raise RequestError("A login has a user and a password.") from error
    if not secrets.compare_digest(login.password.encode(), PASSWORD.encode()):
        raise RequestError("The password is wrong.", 401)
    return login.user
