"""Streams of other APIs are reported by name, and not as broken streams of one of the library's formats."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assistant_stream_ce.inspector.events import FormatFound
from assistant_stream_ce.inspector.foreign import ForeignDetector
from assistant_stream_ce.inspector.inspection import Inspection
from assistant_stream_ce.inspector.sources import Origin, SourceError
from assistant_stream_ce.serialization.formats import FORMATS
from tests.inspector.inspecting import inspected, only
from tests.support.conversations import conversation
from tests.support.samples import encoded


def sse(*events: dict[str, Any], named: bool = True) -> bytes:
    lines = []
    for event in events:
        lines.append(f"event: {event['type']}\n" if named and "type" in event else "")
        lines.append(f"data: {json.dumps(event)}\n\n")
    return "".join(lines).encode()


def json_lines(*values: dict[str, Any]) -> bytes:
    return "".join(f"{json.dumps(value)}\n" for value in values).encode()


ANTHROPIC: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": []}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
    {"type": "message_stop"},
]
RESPONSES: list[dict[str, Any]] = [
    {"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "object": "response"}},
    {"type": "response.output_text.delta", "delta": "Hi"},
]
GEMINI: list[dict[str, Any]] = [{"candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}}]}]
OLLAMA: list[dict[str, Any]] = [
    {"model": "qwen3", "created_at": "2026-01-01", "message": {"role": "assistant", "content": "Hi"}, "done": False}
]
GENERATE: list[dict[str, Any]] = [{"model": "qwen3", "created_at": "2026-01-01", "response": "Hi", "done": False}]
BEDROCK: list[dict[str, Any]] = [{"messageStart": {"role": "assistant"}}]
OPENAI: list[dict[str, Any]] = [{"id": "1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}}]}]

BODIES = [
    ("Anthropic", sse(*ANTHROPIC)),
    ("Anthropic", sse(*ANTHROPIC, named=False)),
    ("Anthropic", b": ok\r\n\r\n" + sse(*ANTHROPIC).replace(b"\n", b"\r\n")),
    ("Anthropic", sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})),
    ("Anthropic", json_lines(*ANTHROPIC)),
    ("Responses", sse(*RESPONSES)),
    ("Responses", sse({"type": "error", "code": "x", "message": "y", "sequence_number": 1})),
    ("Responses", json_lines(*RESPONSES)),
    ("Gemini", sse(*GEMINI)),
    ("Gemini", json.dumps(GEMINI, indent=2).encode()),
    ("Gemini", json.dumps(GEMINI).encode()),
    ("Gemini", json_lines(*GEMINI)),
    ("Ollama", json_lines(*OLLAMA, *OLLAMA)),
    ("Ollama", json_lines(*GENERATE)),
    ("Ollama", json_lines(*OLLAMA)[:-1]),
    ("Bedrock", json_lines(*BEDROCK)),
    (
        "Bedrock",
        b"\0\0\0\x80\0\0\0\x52\xb6\x9c\xb6\x4d\x0b:event-type\7\0\x0cmessageStart" + b'\r:content-type{"p":1}' * 10,
    ),
    ("Cohere", sse({"type": "message-start", "id": "1"})),
    ("Assistants", sse({"object": "thread.run", "id": "run_1"})),
    ("Completions", sse({"object": "text_completion", "choices": [{"text": "Hi"}]})),
    ("JSON lines", json_lines(*OPENAI)),
    ("Hugging Face", sse({"token": {"text": "Hi"}, "generated_text": None})),
    ("JSON-RPC", sse({"jsonrpc": "2.0", "id": 1, "result": {}})),
    ("unknown API", sse({"delta": "Hi"}, {"delta": " you"})),
    ("unknown API", b"data: Hi\n\ndata: you\n\n"),
]


@pytest.mark.parametrize(("name", "data"), BODIES)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_other_apis_are_named(name: str, data: bytes, size: int) -> None:
    with pytest.raises(SourceError, match=f"a stream of .*{name}.*, not of one of the formats data-stream, "):
        inspected([(0.0, data[at : at + size]) for at in range(0, len(data), size)])


@pytest.mark.parametrize("wire", FORMATS)
def test_our_own_formats_are_not_taken_for_others(wire: str) -> None:
    for seed in range(30):
        data = encoded(conversation(seed), wire)
        detector = ForeignDetector()
        assert all(detector.feed(data[at : at + 5]) is None for at in range(0, len(data), 5))


@pytest.mark.parametrize("text", ['{"answer": 1}', '{"answer":\n1}\n', "[1, 2]", "{", '{"a": 1}\n{"b": 2}\n', "[{"])
def test_plain_text_may_be_json(text: str) -> None:
    events = inspected([(0.0, text.encode()[:1]), (1.0, text.encode()[1:])])
    assert only(events, FormatFound).wire == "plain-text"


def test_an_option_or_header_overrides_the_detection() -> None:
    by_option = inspected([(0.0, sse(*ANTHROPIC))], "assistant-transport")
    by_header = inspected([(0.0, sse(*ANTHROPIC))], headers={"x-vercel-ai-ui-message-stream": "v1"})
    assert only(by_option, FormatFound).wire == "assistant-transport"
    assert only(by_header, FormatFound).wire == "ui-message-stream"


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "Application/VND.amazon.eventstream; charset=x"])
def test_a_content_type_of_another_format_is_named(content_type: str) -> None:
    inspection = Inspection(Origin("test", True, "", 200, {"content-type": content_type}))
    with pytest.raises(SourceError, match=r"JSON lines|Bedrock"):
        list(inspection.begin())
