"""Random conversations, and what the real clients must show of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from assistant_stream_ce import create_run
from assistant_stream_ce.serialization import (
    AssistantTransportEncoder,
    DataStreamEncoder,
    Encoder,
    OpenAIStreamEncoder,
    UIMessageStreamEncoder,
)
from tests.conformance.expected import (
    ai_sdk_message,
    ai_sdk_v4_message,
    assistant_ui_message,
    assistant_ui_message_of_ui_stream,
    difference,
    last_state,
    openai_message,
)
from tests.support.conversations import Conversation, Flavor, ModelError, conversation, perform
from tests.support.kinds import CALLBACK_KINDS, READER_KINDS, as_kind, read_into

SEEDS = range(200)


MESSAGE_ID = "m1"


ENCODERS: dict[str, Callable[[], Encoder]] = {
    "data-stream": DataStreamEncoder,
    "assistant-transport": AssistantTransportEncoder,
    "openai-chat": functools.partial(OpenAIStreamEncoder, include_usage=True, completion_id="chatcmpl-1"),
    "ai-sdk-v4-data-stream": DataStreamEncoder,
    # With a generated id: with one that was given, a result for an unknown call belongs to an earlier message, which
    # these clients lack.
    **dict.fromkeys(("ui-message-stream", "ai-sdk-ui", "ai-sdk-ui-v6", "ai-sdk-ui-v5"), UIMessageStreamEncoder),
}


AI_SDK_VERSIONS = {"ai-sdk-ui": 7, "ai-sdk-ui-v6": 6, "ai-sdk-ui-v5": 5}


@functools.cache
def conversations(protocol: str) -> list[tuple[Conversation, bytes]]:
    """Return the conversations for a protocol with their bytes."""
    flavor: Flavor = "ai-sdk-v4" if protocol == "ai-sdk-v4-data-stream" else "assistant-ui"
    made = [conversation(seed, flavor) for seed in SEEDS]
    return [(talk, encode(talk, make_encoder(protocol, talk))) for talk in made]


def make_encoder(protocol: str, talk: Conversation) -> Encoder:
    """Return the encoder of a conversation; one has to know the state that it starts with."""
    make = ENCODERS[protocol]
    return make(state=talk.state) if is_ui_stream(protocol) else make()  # type: ignore[call-arg]


def is_ui_stream(protocol: str) -> bool:
    """Return whether a client reads the UI message stream."""
    return protocol in AI_SDK_VERSIONS or protocol == "ui-message-stream"


def encode(talk: Conversation, encoder: Encoder) -> bytes:
    """Perform a conversation and return its bytes; the seed chooses the kinds, the bound, and keepalives.

    The generated id of the message is replaced by a fixed one.
    """
    callback = as_kind(CALLBACK_KINDS[talk.seed % 2], functools.partial(perform, talk))
    stream = create_run(callback, state=talk.state, max_pending=(1, 3, 1024)[talk.seed % 3])
    pieces: list[bytes] = []
    raised = []
    try:
        read_into(READER_KINDS[talk.seed // 2 % 2], encoder.encode_stream(stream), pieces)
    except ModelError as error:
        raised.append(str(error))
    assert raised == [act.values["text"] for act in talk.acts if act.what == "raise"]
    between = encoder.keepalive if talk.seed // 4 % 2 and encoder.keepalive else b""
    return between.join([b"", *pieces]).replace(stream.message_id.encode(), MESSAGE_ID.encode())


def has_state(protocol: str) -> bool:
    """Return whether a client keeps a state."""
    return protocol in ("data-stream", "assistant-transport")


def failure(protocol: str, talk: Conversation, result: dict[str, Any], message_id: str = MESSAGE_ID) -> str | None:
    """Return what a client shows otherwise than it was written, or what it complained of."""
    if result["status"] != 0:
        return f"the client failed: {result['error']} {result['warnings']}"
    errors = [
        act.values.get("message", act.values.get("text")) for act in talk.acts if act.what in ("add_error", "raise")
    ]
    if has_state(protocol):
        wanted, got = assistant_ui_message(talk, protocol), result["message"]
    elif protocol == "openai-chat":
        errors = errors[:1]
        wanted, got = openai_message(talk), shown_by_openai(result)
    elif is_ui_stream(protocol):
        message, states = without_state(protocol, result["message"] or NO_AI_SDK_MESSAGE)
        wanted, got = ui_message(protocol, talk, message_id), message
        # An edit that changes nothing is not sent.
        state = states[-1] if states else talk.state
        if found := difference(last_state(talk), state, "state"):
            return found
    else:
        wanted, got = ai_sdk_v4_message(talk), {**NO_AI_SDK_V4_MESSAGE, **(result["message"] or {})}
        got.pop("revisionId")
    return difference(wanted, got) or difference(errors, result["streamErrors"], "errors")


# The client shows no message at all before the first frame that changes it.
NO_AI_SDK_MESSAGE = {"id": "", "role": "assistant", "parts": []}


NO_AI_SDK_V4_MESSAGE = {"id": "none", "revisionId": "none", "role": "assistant", "content": "", "parts": [], "data": []}


def ui_message(protocol: str, talk: Conversation, message_id: str) -> dict[str, Any]:
    """Return what a client of the UI message stream must show, but for the state."""
    if protocol == "ui-message-stream":
        return assistant_ui_message_of_ui_stream(talk)
    return ai_sdk_message(talk, AI_SDK_VERSIONS[protocol], message_id)


def without_state(protocol: str, message: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Return the message without the state, and the states: AI SDK keeps one, assistant-ui all."""
    if protocol == "ui-message-stream":
        data = message["metadata"]["unstable_data"]
        states = [item["data"] for item in data if item["name"] == "state"]
        data = [item for item in data if item["name"] != "state"]
        return {**message, "metadata": {**message["metadata"], "unstable_data": data}}, states
    states = [part["data"] for part in message["parts"] if part["type"] == "data-state"]
    assert len(states) < 2
    parts = [part for part in message["parts"] if part["type"] != "data-state"]
    # The client shows the start of a step together with what follows it.
    while parts and parts[-1]["type"] == "step-start":
        parts.pop()
    return {**message, "parts": parts}, states


def shown_by_openai(result: dict[str, Any]) -> dict[str, Any]:
    """Return what an OpenAI client has at the end; the reasoning as an application has to collect it."""
    message = result["message"] or {"choices": []}
    choice = message["choices"][0] if message["choices"] else {"finish_reason": None, "message": {}}
    deltas = [choice["delta"] for chunk in result["chunks"] for choice in chunk["choices"]]
    return {
        "content": choice["message"].get("content") or "",
        "refusal": choice["message"].get("refusal") or "",
        "reasoning": "".join(delta.get("reasoning_content", "") for delta in deltas),
        "tool_calls": choice["message"].get("tool_calls", []),
        "finish_reason": choice["finish_reason"],
        "usage": message.get("usage"),
        "error": next(iter(result["streamErrors"]), None),
    }


def report(talk: Conversation, data: bytes, found: str) -> str:
    """Return all that is needed to see a failure again."""
    acts = "\n".join(f"  {act}" for act in talk.acts)
    return f"conversation({talk.seed}, {talk.flavor!r}): {found}\nstate {talk.state!r}\n{acts}\n{data.decode()}"
