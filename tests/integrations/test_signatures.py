"""What a provider has signed is in the message of the run, and goes back to it in the next request."""

from __future__ import annotations

from typing import Any

from assistant_stream_ce import AssistantMessage
from assistant_stream_ce.conversions import (
    from_ui_messages,
    to_anthropic,
    to_bedrock,
    to_google,
    to_openai_responses,
    to_ui_messages,
)
from assistant_stream_ce.integrations.anthropic_events import AnthropicReader
from assistant_stream_ce.integrations.bedrock_events import BedrockReader
from assistant_stream_ce.integrations.google_events import GoogleReader
from assistant_stream_ce.integrations.openai_responses_events import ResponsesReader
from assistant_stream_ce.message import Message, MessagePart, ReasoningPart, TextPart, ToolCallPart, UserMessage
from assistant_stream_ce.message.accumulator import accumulate
from assistant_stream_ce.serialization import UIMessageStreamDecoder, UIMessageStreamEncoder
from tests.integrations.feeding import feed


def histories(reader: Any, events: list[Any]) -> list[list[Message]]:
    """Return the history that the run keeps, the one that the page sends, and the one that a proxy keeps."""
    chunks, turn = feed(reader, events)
    message = accumulate(chunks)
    assert list(map(metadata_of, message.parts)) == list(map(metadata_of, turn.message.parts))
    encoder, decoder = UIMessageStreamEncoder(), UIMessageStreamDecoder(strict=True)
    proxied = accumulate(decoder.feed(b"".join(map(encoder.encode, chunks)) + encoder.finish()))
    stored = AssistantMessage.from_json(message.to_json())
    from_page, dropped = from_ui_messages(to_ui_messages([UserMessage(), stored]))
    assert [report for report in dropped if report.path != "messages.0"] == []
    return [[stored], [one for one in from_page if isinstance(one, AssistantMessage)], [proxied]]


def metadata_of(part: MessagePart) -> Any:
    """Return the metadata of a part."""
    return part.provider_metadata if isinstance(part, (TextPart, ReasoningPart, ToolCallPart)) else None


def test_anthropic_s_thinking_and_redacted_thinking() -> None:
    def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"type": "content_block_start", "index": index, "content_block": start},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index},
        ]

    events = [
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Hm."},
            {"type": "signature_delta", "signature": "si"},
            {"type": "signature_delta", "signature": "gn"},
        ),
        *block(1, {"type": "redacted_thinking", "data": "secret"}),
        *block(2, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hello."}),
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
    ]
    for history in histories(AnthropicReader, events):
        assert to_anthropic(history)[1][-1]["content"] == [
            {"type": "thinking", "thinking": "Hm.", "signature": "sign"},
            {"type": "redacted_thinking", "data": "secret"},
            {"type": "text", "text": "Hello."},
        ]


def test_google_s_thought_signatures() -> None:
    call = {"function_call": {"name": "look", "args": {"q": 1}}, "thought_signature": "BB=="}
    parts = [{"text": "Hm", "thought": True}, {"text": "Hello"}, {"text": "", "thought_signature": "AA=="}, call]
    events = [{"candidates": [{"content": {"parts": [part]}}]} for part in parts]
    events[-1]["candidates"][0]["finish_reason"] = "STOP"  # type: ignore[assignment]
    for history in histories(GoogleReader, events):
        sent = to_google(history)[1]
        assert sent[-1 if sent[-1]["role"] == "model" else -2]["parts"] == [
            {"text": "Hello", "thought_signature": "AA=="},
            call,
        ]


def test_openai_s_encrypted_reasoning() -> None:
    def done(index: int, item: dict[str, Any]) -> dict[str, Any]:
        return {"type": "response.output_item.done", "output_index": index, "item": item}

    summaries = [{"type": "summary_text", "text": text} for text in ("One.", "Two.")]
    events: list[dict[str, Any]] = []
    for number, summary in enumerate(summaries):
        events.append({"type": "response.reasoning_summary_part.added", "item_id": "rs_1", "summary_index": number})
        events.append({"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": summary["text"]})
    items = [
        {"type": "reasoning", "id": "rs_1", "summary": summaries, "encrypted_content": "e1"},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "e2"},
    ]
    events += [done(0, items[0]), done(1, items[1])]
    events.append({"type": "response.output_text.delta", "output_index": 2, "content_index": 0, "delta": "Hello."})
    events.append({"type": "response.completed", "response": {}})
    for history in histories(ResponsesReader, events):
        assert to_openai_responses(history) == [*items, {"role": "assistant", "content": "Hello."}]


def test_bedrock_s_reasoning() -> None:
    def delta(index: int, reasoning: dict[str, Any]) -> dict[str, Any]:
        return {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"reasoningContent": reasoning}}}

    events = [
        delta(0, {"text": "Hm."}),
        delta(0, {"signature": "sign"}),
        {"contentBlockStop": {"contentBlockIndex": 0}},
        delta(1, {"redactedContent": b"secret"}),
        {"contentBlockStop": {"contentBlockIndex": 1}},
        {"contentBlockDelta": {"contentBlockIndex": 2, "delta": {"text": "Hello."}}},
        {"messageStop": {"stopReason": "end_turn"}},
    ]
    for history in histories(BedrockReader, events):
        assert to_bedrock(history)[1][-1]["content"] == [
            {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sign"}}},
            {"reasoningContent": {"redactedContent": b"secret"}},
            {"text": "Hello."},
        ]
