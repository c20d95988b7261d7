"""The UI message stream in AI SDK 5, 6 and 7: what is only visible in the real clients."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    MessageFinishChunk,
    ProviderMetadataChunk,
    ReasoningDeltaChunk,
    ReasoningPartChunk,
    ReasoningSignatureChunk,
    StepStartChunk,
    TextDeltaChunk,
    TextPartChunk,
    ToolApprovalRequestChunk,
    ToolCallBeginChunk,
    ToolCallChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
)
from assistant_stream_ce.serialization import UIMessageStreamDecoder, UIMessageStreamEncoder
from tests.conformance.clients import decode, require_clients

each_version = pytest.mark.parametrize("client", ["ai-sdk-ui", "ai-sdk-ui-v6", "ai-sdk-ui-v5"])


def encode(chunks: list[AssistantStreamChunk]) -> bytes:
    encoder = UIMessageStreamEncoder()
    return b"".join(map(encoder.encode, chunks)) + encoder.finish()


def proxied(data: bytes) -> bytes:
    """Return a body that was decoded and encoded again."""
    decoder = UIMessageStreamDecoder(strict=True)
    return encode(decoder.feed(data) + decoder.close())


def parts(client: str, data: bytes) -> list[dict[str, Any]]:
    """Return the parts of the client's message, without steps and what only some versions have."""
    require_clients()
    result = decode(client, data)
    assert result["status"] == 0, f"{result['error']} {result['warnings']}"
    kept = ("type", "text", "toolName", "toolCallId", "state", "input", "output", "errorText", "providerExecuted")
    found = [part for part in result["message"]["parts"] if part["type"] != "step-start"]
    return [{name: part[name] for name in kept if part.get(name) is not None} for part in found]


def stream(*frames: dict[str, Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(frame).encode() for frame in frames) + b"data: [DONE]\n\n"


@each_version
def test_two_texts_stay_two(client: str) -> None:
    data = encode([TextDeltaChunk("a"), TextPartChunk(), TextDeltaChunk("b")])
    for body in (data, proxied(data)):
        assert [part["text"] for part in parts(client, body)] == ["a", "b"]


@each_version
def test_flags_of_a_call_arrive(client: str) -> None:
    begin = ToolCallBeginChunk("c", "search", provider_executed=True, dynamic=True)
    data = encode([begin, ToolCallDeltaChunk("c", "{}"), ToolResultChunk("c", 1)])
    for body in (data, proxied(data)):
        (call,) = parts(client, body)
        assert call == {
            "type": "dynamic-tool",
            "toolName": "search",
            "toolCallId": "c",
            "state": "output-available",
            "input": {},
            "output": 1,
            "providerExecuted": True,
        }


@each_version
def test_the_whole_input_counts_after_a_proxy_too(client: str) -> None:
    call = {"toolCallId": "c", "toolName": "search"}
    data = stream(
        {"type": "start"},
        {"type": "start-step"},
        {"type": "tool-input-start", **call},
        {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": '{"a":'},
        {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": "x"},
        {"type": "tool-input-available", **call, "input": {"a": 1}},
        {"type": "tool-output-available", "toolCallId": "c", "output": 2},
        {"type": "finish"},
    )
    assert parts(client, proxied(data)) == parts(client, data)
    assert b'data: {"type":"finish"}\n\n' in proxied(data)


@each_version
def test_a_call_id_of_an_earlier_step_is_another_call(client: str) -> None:
    call = {"type": "tool-input-available", "toolCallId": "c", "toolName": "search"}
    steps = [
        frame
        for number in range(3)
        for frame in (
            {"type": "start-step"},
            {**call, "input": {"n": number}},
            {"type": "tool-output-available", "toolCallId": "c", "output": number},
            {"type": "finish-step"},
        )
    ]
    data = stream({"type": "start"}, *steps, {"type": "finish", "finishReason": "stop"})
    shown = [(part["input"], part["output"]) for part in parts(client, data)]
    assert shown == [({"n": number}, number) for number in range(3)]
    again = parts(client, proxied(data))
    assert [(part["input"], part["output"]) for part in again] == shown
    assert [part["toolCallId"] for part in again] == ["c", "c-2", "c-3"]


@each_version
def test_an_invalid_input_is_reported_once(client: str) -> None:
    call = {"toolCallId": "c", "toolName": "search"}
    data = stream(
        {"type": "start"},
        {"type": "start-step"},
        {"type": "tool-input-error", **call, "input": "{", "errorText": "bad"},
        {"type": "tool-output-error", "toolCallId": "c", "errorText": "bad"},
        {"type": "finish"},
    )
    body = proxied(data)
    assert body.count(b'"tool-input-error"') == 1
    assert b"tool-output-error" not in body
    (part,) = parts(client, body)
    assert (part["state"], part["errorText"]) == ("output-error", "bad")


@each_version
def test_an_interrupted_message_is_accepted(client: str) -> None:
    data = encode([StepStartChunk("s"), TextDeltaChunk("a"), MessageFinishChunk("interrupted")])
    assert parts(client, data) == [{"type": "text", "text": "a", "state": "done"}]


@each_version
def test_whole_calls_and_results_arrive(client: str) -> None:
    data = encode([ToolCallChunk("c", "search", {"q": 1}, None, True), ToolResultChunk("c", "bad", is_error=True)])
    (part,) = parts(client, data)
    assert (part["state"], part["errorText"], part["providerExecuted"]) == ("output-error", "bad", True)


@pytest.mark.parametrize("client", ["ai-sdk-ui", "ai-sdk-ui-v6"])
def test_an_approval_request_waits_until_it_is_denied(client: str) -> None:
    require_clients()
    asked: list[AssistantStreamChunk] = [
        ToolCallBeginChunk("c", "delete"),
        ToolCallDeltaChunk("c", '{"path":"a"}'),
        ToolApprovalRequestChunk("c", "a1", "signed"),
    ]
    denied = ToolResultChunk("c", "No.", is_error=True, denied=True)
    for chunks, state in ((asked, "approval-requested"), ([*asked, denied], "output-denied")):
        for body in (encode(chunks), proxied(encode(chunks))):
            result = decode(client, body)
            assert result["status"] == 0, result["error"]
            call = result["message"]["parts"][-1]
            assert (call["state"], call["input"]) == (state, {"path": "a"})
            assert call["approval"] == {"id": "a1", "signature": "signed"}


@each_version
def test_the_final_result_replaces_preliminary_ones(client: str) -> None:
    results = [ToolResultChunk("c", 1, preliminary=True), ToolResultChunk("c", 2, preliminary=True)]
    begin = ToolCallChunk("c", "search", {})
    for chunks, output in (([begin, *results], 2), ([begin, *results, ToolResultChunk("c", 3)], 3)):
        for body in (encode(chunks), proxied(encode(chunks))):
            (part,) = parts(client, body)
            assert (part["state"], part["output"]) == ("output-available", output)


@each_version
def test_clients_keep_the_metadata_of_parts(client: str) -> None:
    require_clients()
    chunks: list[AssistantStreamChunk] = [
        ReasoningPartChunk(),
        ProviderMetadataChunk({"anthropic": {"redactedData": "r"}}, "reasoning"),
        ReasoningPartChunk(),
        ReasoningDeltaChunk("Hm."),
        ProviderMetadataChunk({"anthropic": {"signature": "s"}}, "reasoning"),
        ReasoningSignatureChunk("s"),
        TextDeltaChunk("a"),
        ProviderMetadataChunk({"google": {"thoughtSignature": "AA=="}}),
        ProviderMetadataChunk({"openai": {"itemId": "i"}}),
        ToolCallBeginChunk("c", "look", provider_metadata={"google": {"thoughtSignature": "BB=="}}),
        ToolResultChunk("c", 1),
    ]
    for body in (encode(chunks), proxied(encode(chunks))):
        result = decode(client, body)
        assert result["status"] == 0, result["error"]
        found = [part for part in result["message"]["parts"] if part["type"] != "step-start"]
        assert [part.get("providerMetadata") or part["callProviderMetadata"] for part in found] == [
            {"anthropic": {"redactedData": "r"}},
            {"anthropic": {"signature": "s"}},
            {"google": {"thoughtSignature": "AA=="}, "openai": {"itemId": "i"}},
            {"google": {"thoughtSignature": "BB=="}},
        ]
