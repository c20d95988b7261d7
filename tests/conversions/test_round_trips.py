"""Round trips through each format are lossless for what it supports, and idempotent for the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant_stream_ce import AssistantMessage, accumulate, chunks
from assistant_stream_ce.conversions import (
    from_assistant_ui,
    from_openai_messages,
    from_ui_message,
    to_assistant_ui,
    to_openai_messages,
    to_ui_message,
)
from assistant_stream_ce.jsonvalue import dumps, loads
from assistant_stream_ce.message import (
    DataPart,
    FilePart,
    MessageError,
    MessageStatus,
    ReasoningPart,
    RefusalPart,
    SourceDocumentPart,
    SourcePart,
    Step,
    TextPart,
    ToolCallPart,
    Usage,
)

Convert = tuple[Callable[[AssistantMessage], Any], Callable[[Any], AssistantMessage]]

CONVERSIONS: dict[str, Convert] = {
    "assistant-ui": (to_assistant_ui, from_assistant_ui),
    "ui-message": (to_ui_message, from_ui_message),
    "openai": (to_openai_messages, from_openai_messages),
}

TOOL_CALLS = MessageStatus("requires-action", "tool-calls")

# Messages with everything that each format supports.
SUPPORTED: dict[str, list[AssistantMessage]] = {
    "assistant-ui": [
        AssistantMessage(),
        AssistantMessage(
            [
                ReasoningPart("think", summary="Plan"),
                ReasoningPart("again"),
                TextPart("Hi", parent_id="p"),
                TextPart("Ho"),
                ToolCallPart("c1", "t", '{"a": 1}', {"a": 1}),
                ToolCallPart("c2", "t", "{}", {}, "answered", None, {"x": 1}, is_error=True, model_content=[1]),
                SourcePart("s", "https://example.org", title="T"),
                SourceDocumentPart("d", "text/plain", "D", "d.txt"),
                FilePart("aGk=", "image/png", "a.png"),
                DataPart("chart", None, parent_id="p"),
            ],
            TOOL_CALLS,
            steps=[Step("m1", 0, "stop", Usage(1, 2), is_continued=True), Step("m2")],
            usage=Usage(1, 2),
            data=[1, None],
            annotations=["a"],
            state={"n": [1]},
            metadata={"k": 1},
            id="m",
        ),
        AssistantMessage([TextPart("a")], MessageStatus("incomplete", "error"), MessageError("boom", "c1", "warning")),
        AssistantMessage([TextPart("a")], MessageStatus("incomplete", "error"), MessageError("boom")),
        AssistantMessage(
            [ToolCallPart("c", "t", '{"a', {}, "partial"), TextPart("a", status="running")], MessageStatus("running")
        ),
    ],
    "ui-message": [
        AssistantMessage(id="m"),
        AssistantMessage(
            [
                ReasoningPart("think", signature="sig"),
                TextPart("Hi"),
                ToolCallPart("c1", "t", '{"a":1}', {"a": 1}),
                ToolCallPart("c2", "t", "{}", {}, "answered", {"x": None}),
                ToolCallPart("c3", "t", "[1]", [1], "answered", "failed", is_error=True),
                ToolCallPart("c4", "t", "no JSON", {}, "answered", "failed", is_error=True),
                ToolCallPart("c5", "t", provider_executed=True, dynamic=True),
                SourcePart("s", "https://example.org", title="T"),
                SourceDocumentPart("d", "text/plain", "D", "d.txt"),
                FilePart("aGk=", "image/png", "a.png"),
                FilePart("https://example.org/a.png", "image/png"),
                DataPart("chart", None, id="d1"),
                DataPart("chart", {"a": 1}),
            ],
            TOOL_CALLS,
            steps=[Step("", 0), Step("", 3)],
            usage=Usage(1, 2),
            data=[1, None],
            annotations=["a"],
            state={"n": [1]},
            metadata={"k": 1},
            id="m",
        ),
        AssistantMessage(
            [ToolCallPart("c", "t", '{"a":1}', {"a": 1}, "partial"), TextPart("a", status="running")],
            MessageStatus("running"),
            id="m",
        ),
        AssistantMessage(
            [TextPart("Hi"), ToolCallPart("c2", "t", "{}", {}, "answered", 1), TextPart("a", status="running")],
            MessageStatus("running"),
            id="m",
        ),
    ],
    "openai": [
        AssistantMessage(),
        AssistantMessage(
            [TextPart("Hi"), RefusalPart("No."), ToolCallPart("c", "t", '{"a": 1}', {"a": 1})], TOOL_CALLS
        ),
        AssistantMessage(
            [
                TextPart("Let me look."),
                ToolCallPart("c1", "t", '{"a": 1}', {"a": 1}, "answered", "found"),
                ToolCallPart("c2", "t", "{}", {}, "answered", ""),
                TextPart("Found."),
            ],
            steps=[Step("", 0), Step("", 3)],
        ),
    ],
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_round_trip_is_lossless(name: str) -> None:
    there, back = CONVERSIONS[name]
    for message in SUPPORTED[name]:
        sent = json.loads(json.dumps(there(message)))
        assert back(sent) == message


texts = st.text(alphabet="ab\u00e9\U0001f600 ", max_size=3)
ids = st.sampled_from(["c1", "c2", "c3"])
parents = st.sampled_from([None, None, "p"])
values = st.recursive(st.none() | st.booleans() | st.integers(-5, 5) | texts, lambda inner: st.lists(inner, max_size=2))
optional = st.none() | texts

any_chunk = st.one_of(
    st.builds(chunks.TextDeltaChunk, texts, parents),
    st.builds(chunks.ReasoningDeltaChunk, texts, parents),
    st.builds(chunks.RefusalDeltaChunk, texts, parents),
    st.builds(chunks.ReasoningPartChunk, optional, parents),
    st.builds(chunks.ReasoningSignatureChunk, texts),
    st.builds(chunks.ToolCallChunk, ids, texts, st.dictionaries(texts, values, max_size=2), parents),
    st.builds(chunks.ToolCallBeginChunk, ids, texts, parents),
    st.builds(chunks.ToolCallDeltaChunk, ids, st.sampled_from(["", '{"a"', ":1}", "[", "x"]), st.booleans()),
    st.builds(chunks.ToolResultChunk, ids, values, values, st.booleans(), st.none() | st.lists(values, max_size=2)),
    st.builds(chunks.SourceChunk, texts, texts, st.just("url"), optional, parents),
    st.builds(chunks.SourceDocumentChunk, texts, texts, texts, optional, parents),
    st.builds(chunks.FileChunk, st.sampled_from(["aGk=", "https://a/b"]), st.just("image/png"), parents, optional),
    st.builds(chunks.DataChunk, values),
    st.builds(chunks.DataPartChunk, st.sampled_from(["a", "b"]), values, optional, st.booleans(), parents),
    st.builds(chunks.AnnotationsChunk, st.lists(values, max_size=2)),
    st.builds(chunks.StepStartChunk, texts),
    st.builds(chunks.StepFinishChunk, texts, st.integers(0, 5), st.integers(0, 5), st.booleans()),
    st.builds(chunks.ErrorChunk, texts, optional, st.sampled_from([None, "info"])),
    st.builds(chunks.MessageFinishChunk, texts, st.integers(0, 5), st.integers(0, 5)),
    st.just(chunks.UpdateStateChunk([{"type": "set", "path": ["a"], "value": [1]}])),
)
messages = st.lists(any_chunk, max_size=12).map(accumulate)


@pytest.mark.parametrize("name", CONVERSIONS)
@given(message=messages)
@settings(max_examples=300, deadline=None)
def test_a_second_round_trip_changes_nothing(name: str, message: AssistantMessage) -> None:
    there, back = CONVERSIONS[name]
    once = loads(dumps(there(message)))
    assert there(back(once)) == once


@given(message=messages)
@settings(max_examples=300, deadline=None)
def test_json_of_a_message_is_lossless(message: AssistantMessage) -> None:
    assert AssistantMessage.from_json(message.to_json()) == message
    assert AssistantMessage.from_json(message.to_json().decode()) == message


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"parts":[{"type":"text"}]}', b'{"parts":[{"type":"x"}]}', b'{"status":1}']
)
def test_invalid_json_of_a_message_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a message|JSON|Expecting"):
        AssistantMessage.from_json(data)
