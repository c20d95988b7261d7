"""Whatever chunks an encoder is given, and in whatever order, the real clients accept its bytes.

The chunks are built by hand and go to the encoder directly, so no controller has put them in order: calls
begin twice, arguments come for calls that nobody began or that are complete, results come twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    DataPartChunk,
    MessageFinishChunk,
    ReasoningDeltaChunk,
    ReasoningPartChunk,
    RefusalDeltaChunk,
    TextDeltaChunk,
    ToolApprovalRequestChunk,
    ToolCallBeginChunk,
    ToolCallDeltaChunk,
    UpdateStateChunk,
)
from assistant_stream_ce.serialization import (
    AssistantTransportEncoder,
    DataStreamEncoder,
    Encoder,
    OpenAIStreamEncoder,
    UIMessageStreamEncoder,
)
from tests.conformance.clients import Job, decode, decode_all, require_clients
from tests.support.conversations import joined
from tests.support.random_chunks import random_chunk

ENCODERS: dict[str, Callable[[], Encoder]] = {
    "data-stream": DataStreamEncoder,
    "assistant-transport": AssistantTransportEncoder,
    "openai-chat": OpenAIStreamEncoder,
    "ui-message-stream": UIMessageStreamEncoder,
    "ai-sdk-ui": UIMessageStreamEncoder,
    "ai-sdk-ui-v6": UIMessageStreamEncoder,
    "ai-sdk-ui-v5": UIMessageStreamEncoder,
}
ASSISTANT_UI = ("data-stream", "assistant-transport")
AI_SDK = ("ai-sdk-ui", "ai-sdk-ui-v6", "ai-sdk-ui-v5")


def encode(encoder: Encoder, chunks: list[AssistantStreamChunk]) -> bytes:
    """Return the whole wire."""
    return b"".join(map(encoder.encode, chunks)) + encoder.finish()


@pytest.mark.parametrize("fragment", [None, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("protocol", ENCODERS)
def test_clients_accept_chunks_in_any_order(protocol: str, fragment: int | None) -> None:
    require_clients()
    sequences = []
    for seed in range(100):
        dice = random.Random(seed)
        sequences.append([random_chunk(dice) for _ in range(dice.choice((1, 5, 30)))])
    if protocol in ("ui-message-stream", "ai-sdk-ui-v5"):
        sequences = list(map(without_approvals, sequences))
    jobs = [Job(protocol, encode(ENCODERS[protocol](), chunks), fragment) for chunks in sequences]
    for chunks, result in zip(sequences, decode_all(jobs), strict=True):
        assert result["status"] == 0, f"{result['error']} {result['warnings']} for {chunks}"
        if protocol != "openai-chat":
            assert shown_texts(result["message"]) == written_texts(chunks, has_summaries=protocol in ASSISTANT_UI)


def without_approvals(chunks: list[AssistantStreamChunk]) -> list[AssistantStreamChunk]:
    """Return the chunks that clients without approvals accept."""
    return [
        chunk
        for chunk in chunks
        if not isinstance(chunk, ToolApprovalRequestChunk) and not getattr(chunk, "denied", False)
    ]


def written_texts(chunks: list[AssistantStreamChunk], *, has_summaries: bool) -> dict[str, str]:
    """Return all text and all reasoning; where the format has no summaries they are its text too."""
    text, reasoning = "", ""
    for chunk in chunks:
        match chunk:
            case TextDeltaChunk(text_delta=delta) | RefusalDeltaChunk(refusal_delta=delta):
                text += delta
            case ReasoningDeltaChunk(reasoning_delta=delta):
                reasoning += delta
            case ReasoningPartChunk(summary=str(summary)) if summary and not has_summaries:
                reasoning += f"{summary}\n\n"
    return {"text": joined(text), "reasoning": joined(reasoning)}


def shown_texts(message: dict[str, Any] | None) -> dict[str, str]:
    """Return all text and all reasoning that a client shows; AI SDK has no message before the first part."""
    parts = message["parts"] if message else []
    return {
        kind: joined("".join(part["text"] for part in parts if part["type"] == kind)) for kind in ("text", "reasoning")
    }


# --- What the encoders rely on --------------------------------------------------------------------


#: Each text that grows, cut in the middle of a character.
HALVES: list[AssistantStreamChunk] = [
    TextDeltaChunk("a\ud83d"),
    TextDeltaChunk("\ude00b"),
    ReasoningDeltaChunk("\ud83d"),
    ReasoningDeltaChunk("\ude00"),
    ToolCallBeginChunk("t1", "f"),
    ToolCallDeltaChunk("t1", '{"a":"\ud83d'),
    ToolCallDeltaChunk("t1", '\ude00"}'),
]
HALVES_OF_STATE: list[AssistantStreamChunk] = [
    UpdateStateChunk([{"type": "set", "path": ["a"], "value": "\ud83d"}]),
    UpdateStateChunk([{"type": "append-text", "path": ["a"], "value": "\ude00"}]),
]


@pytest.mark.parametrize("protocol", ASSISTANT_UI)
@pytest.mark.parametrize("fragment", [None, 1])
def test_halves_of_a_character_join_in_every_text_that_grows(protocol: str, fragment: int | None) -> None:
    require_clients()
    result = decode(protocol, encode(ENCODERS[protocol](), [*HALVES, *HALVES_OF_STATE]), fragment=fragment)
    assert result["status"] == 0
    text, reasoning, call = result["message"]["parts"]
    assert text["text"] == "a\U0001f600b"
    assert reasoning["text"] == "\U0001f600"
    assert call["argsText"] == '{"a":"\U0001f600"}'
    assert call["args"] == {"a": "\U0001f600"}
    assert result["message"]["metadata"]["unstable_state"] == {"a": "\U0001f600"}


@pytest.mark.parametrize("protocol", AI_SDK)
@pytest.mark.parametrize("fragment", [None, 1])
def test_halves_of_a_character_join_in_ai_sdk_s_texts(protocol: str, fragment: int | None) -> None:
    require_clients()
    result = decode(protocol, encode(UIMessageStreamEncoder(), HALVES), fragment=fragment)
    assert result["status"] == 0
    _, text, reasoning, call = result["message"]["parts"]
    assert text["text"] == "a\U0001f600b"
    assert reasoning["text"] == "\U0001f600"
    assert call["input"] == {"a": "\U0001f600"}


@pytest.mark.parametrize("protocol", ["ui-message-stream", *AI_SDK])
def test_every_field_of_the_ui_message_stream_passes_the_client_s_check(protocol: str) -> None:
    require_clients()
    encoder = UIMessageStreamEncoder(message_id="m1", metadata={"model": "small"}, state={"count": 1})
    chunks: list[AssistantStreamChunk] = [
        DataPartChunk("progress", 1, "p"),
        DataPartChunk("progress", 2, "p"),
        DataPartChunk("note", "gone", transient=True),
        UpdateStateChunk([{"type": "set", "path": ["count"], "value": 2}]),
        MessageFinishChunk("unknown", 3, 4),
    ]
    result = decode(protocol, encode(encoder, chunks))
    assert result["status"] == 0, f"{result['error']} {result['warnings']}"
    message = result["message"]
    if protocol in AI_SDK:
        assert message["id"] == "m1"
        usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}
        assert message["metadata"] == {"model": "small", "usage": usage}
        assert message["parts"] == [
            {"type": "step-start"},
            {"type": "data-progress", "id": "p", "data": 2},
            {"type": "data-state", "id": "state", "data": {"count": 2}},
        ]
    else:
        assert message["status"] == {"type": "complete", "reason": "unknown"}
        assert message["metadata"]["unstable_data"] == [
            {"name": "progress", "data": 1},
            {"name": "progress", "data": 2},
            {"name": "state", "data": {"count": 2}},
        ]


@pytest.mark.parametrize("fragment", [None, 1])
def test_halves_of_a_character_join_in_openai_s_texts(fragment: int | None) -> None:
    require_clients()
    chunks: list[AssistantStreamChunk] = [
        TextDeltaChunk("a\ud83d"),
        TextDeltaChunk("\ude00b"),
        ToolCallBeginChunk("t1", "f"),
        ToolCallDeltaChunk("t1", '{"a":"\ud83d'),
        ToolCallDeltaChunk("t1", '\ude00"}'),
    ]
    result = decode("openai-chat", encode(OpenAIStreamEncoder(), chunks), fragment=fragment)
    assert result["status"] == 0
    message = result["message"]["choices"][0]["message"]
    assert message["content"] == "a\U0001f600b"
    assert message["tool_calls"][0]["function"]["arguments"] == '{"a":"\U0001f600"}'


@pytest.mark.parametrize("protocol", ASSISTANT_UI)
@pytest.mark.parametrize("start", ["in the stream", "in the client"])
def test_state_that_is_a_text_takes_more_text(protocol: str, start: str) -> None:
    require_clients()
    append = UpdateStateChunk([{"type": "append-text", "path": [], "value": " more"}])
    begin = UpdateStateChunk([{"type": "set", "path": [], "value": "text"}])
    chunks: list[AssistantStreamChunk] = [begin, append] if start == "in the stream" else [append]
    state = None if start == "in the stream" else "text"
    result = decode(protocol, encode(ENCODERS[protocol](), chunks), state=state)
    assert result["status"] == 0
    assert result["message"]["metadata"]["unstable_state"] == "text more"


@pytest.mark.parametrize("protocol", ["ui-message-stream", *AI_SDK])
def test_clients_take_the_end_of_a_message_that_was_interrupted(protocol: str) -> None:
    require_clients()
    encoder = UIMessageStreamEncoder()
    data = encoder.encode(TextDeltaChunk("half an")) + encoder.encode(MessageFinishChunk("interrupted", 1, 2))
    result = decode(protocol, data + encoder.finish())
    assert "half an" in str(result["message"])
    assert not result["streamErrors"]
    # assistant-ui's reader ignores both frames silently.
    ignored = {f"harness: client ignores frame type {name}" for name in ("abort", "message-metadata")}
    assert set(result["warnings"]) == (set() if protocol in AI_SDK else ignored)
    assert result["error"] is None
