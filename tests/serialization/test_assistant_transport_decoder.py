"""The events of the assistant transport that the decoder reads, and those that it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assistant_stream_ce import (
    AnnotationsChunk,
    AssistantStreamChunk,
    DataChunk,
    DataPartChunk,
    ErrorChunk,
    FileChunk,
    MessageFinishChunk,
    ReasoningDeltaChunk,
    ReasoningPartChunk,
    SourceChunk,
    SourceDocumentChunk,
    StepFinishChunk,
    StepStartChunk,
    TextDeltaChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
    UpdateStateChunk,
)
from assistant_stream_ce.serialization import (
    AssistantTransportDecoder,
)
from tests.serialization.decoding import (
    BEGIN,
    FINAL,
    assert_cannot_be_read,
    event,
)
from tests.serialization.round_trips import decoded


def transport(*values: Any) -> bytes:
    return b"".join(map(event, values)) + b"data: [DONE]\n\n"


def part(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "part-start", "part": {"type": kind, **fields}, "path": []}


CALL = part("tool-call", toolCallId="1", toolName="tool")


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([part("text"), {"type": "text-delta", "path": [0], "textDelta": "a"}], [TextDeltaChunk("a")]),
        (
            [part("text", parentId="p"), {"type": "text-delta", "path": [0], "textDelta": "a"}],
            [TextDeltaChunk("a", "p")],
        ),
        (
            [part("text"), part("reasoning", parentId=None), {"type": "text-delta", "path": [1], "textDelta": "a"}],
            [ReasoningDeltaChunk("a")],
        ),
        (
            [part("text"), {"type": "part-finish", "path": [0]}, {"type": "text-delta", "path": [0], "textDelta": "a"}],
            [TextDeltaChunk("a")],
        ),
        ([CALL, {"type": "text-delta", "path": [0], "textDelta": "{}"}], [BEGIN, ToolCallDeltaChunk("1", "{}")]),
        (
            [CALL, {"type": "tool-call-args-text-finish", "path": [0]}, {"type": "part-finish", "path": [0]}],
            [BEGIN, FINAL],
        ),
        ([CALL, {"type": "part-finish", "path": [0]}], [BEGIN, FINAL]),
        (
            [CALL, {"type": "result", "path": [0], "result": 1}, {"type": "tool-call-args-text-finish", "path": [0]}],
            [BEGIN, ToolResultChunk("1", 1)],
        ),
        (
            [CALL, {"type": "result", "path": [0], "result": 1, "isError": True, "artifact": 2, "messages": []}],
            [BEGIN, ToolResultChunk("1", 1, 2, True)],
        ),
        ([part("source", sourceType="url", id="1", url="u", title="t")], [SourceChunk("1", "u", title="t")]),
        ([part("file", data="d", mimeType="m", parentId="p")], [FileChunk("d", "m", "p")]),
        ([part("file", data="d", mimeType="m", filename="f")], [FileChunk("d", "m", filename="f")]),
        (
            [part("source", sourceType="document", id="1", mediaType="m", title="t")],
            [SourceDocumentChunk("1", "m", "t")],
        ),
        ([part("data", name="n", data=1), {"type": "part-finish", "path": [0]}], [DataPartChunk("n", 1)]),
        ([part("data", name="n", data=None, id="i", parentId="p")], [DataPartChunk("n", None, "i", parent_id="p")]),
        (
            [part("reasoning", unstable_summary="S"), {"type": "text-delta", "path": [0], "textDelta": "a"}],
            [ReasoningPartChunk("S"), ReasoningDeltaChunk("a")],
        ),
        (
            [CALL, {"type": "result", "path": [0], "result": 1, "modelContent": ["m"]}],
            [BEGIN, ToolResultChunk("1", 1, model_content=["m"])],
        ),
        ([{"type": "data", "data": [1, 2]}], [DataChunk(1), DataChunk(2)]),
        ([{"type": "annotations", "path": [], "annotations": [1]}], [AnnotationsChunk([1])]),
        ([{"type": "step-start", "messageId": "m"}, {"type": "step-start"}], [StepStartChunk("m"), StepStartChunk("")]),
        ([{"type": "step-finish", "finishReason": "stop"}], [StepFinishChunk("stop")]),
        (
            [CALL, {"type": "message-finish", "finishReason": "stop", "usage": {"inputTokens": 1, "outputTokens": 2}}],
            [BEGIN, FINAL, MessageFinishChunk("stop", 1, 2)],
        ),
        ([{"type": "error", "error": "e", "code": "c", "severity": "info"}], [ErrorChunk("e", "c", "info")]),
        ([{"type": "error", "error": "e", "code": 429, "severity": ["fatal"]}], [ErrorChunk("e")]),
        ([{"type": "error"}], [ErrorChunk("Something went wrong.")]),
        ([{"type": "update-state", "operations": []}], [UpdateStateChunk([])]),
    ],
)  # fmt: skip
def test_transport_event(values: list[Any], wanted: list[AssistantStreamChunk]) -> None:
    decoder = AssistantTransportDecoder(strict=True)
    assert decoded(decoder, [transport(*values)]) == wanted
    assert decoder.skipped == 0


@pytest.mark.parametrize(
    "value",
    [
        5,
        [],
        {},
        {"type": "new"},
        {"type": ["unhashable"]},
        {"type": "part-start"},
        {"type": "part-start", "part": 1},
        part("new"),
        part("tool-call"),
        part("text", parentId=1),
        part("source", id=1),
        part("source", sourceType="document", id="1"),
        part("data", name="n"),
        part("reasoning", unstable_summary=1),
        {"type": "text-delta", "path": [7], "textDelta": "a"},
        {"type": "text-delta", "path": None, "textDelta": "a"},
        {"type": "text-delta", "textDelta": "a"},
        {"type": "data", "data": {}},
        {"type": "annotations"},
        {"type": "step-finish"},
        {"type": "error", "error": 5},
        {"type": "update-state"},
        {"type": "result", "path": [], "result": 1},
    ],
)
def test_transport_event_that_cannot_be_read(value: Any) -> None:
    assert_cannot_be_read(AssistantTransportDecoder, json.dumps(value).encode())


@pytest.mark.parametrize("path", [[-1], [1], [0, 0], [], [True], ["0"], 0])
def test_path_without_a_part(path: Any) -> None:
    decoder = AssistantTransportDecoder()
    values = [part("text"), {"type": "text-delta", "path": path, "textDelta": "a"}]
    assert decoded(decoder, [transport(*values)]) == []
    assert decoder.skipped == 1


def test_parts_that_cannot_be_read_are_counted() -> None:
    values = [part("new"), part("source"), CALL, CALL, part("text")]
    decoder = AssistantTransportDecoder()
    deltas = [{"type": "text-delta", "path": [number], "textDelta": "a"} for number in range(5)]
    wanted = [BEGIN, ToolCallDeltaChunk("1", "a"), TextDeltaChunk("a")]
    assert decoded(decoder, [transport(*values, *deltas)]) == wanted
    assert decoder.skipped == 6


def test_a_reasoning_boundary_is_read_where_text_would_extend_another_part() -> None:
    starts = [part("reasoning"), part("reasoning"), part("reasoning"), part("reasoning", parentId="p"), part("text")]
    said = [{"type": "text-delta", "path": [number], "textDelta": "a"} for number in (0, 0, 2, 3, 4, 2)]
    reasoning = ReasoningDeltaChunk("a")
    wanted = [
        *(reasoning, reasoning, ReasoningPartChunk(), reasoning),
        *(ReasoningDeltaChunk("a", "p"), TextDeltaChunk("a"), reasoning),
    ]
    assert decoded(AssistantTransportDecoder(strict=True), [transport(*starts, *said)]) == wanted


@pytest.mark.parametrize("between", [CALL, part("file", data="d", mimeType="m"), part("data", name="n", data=1)])
def test_text_after_another_part_starts_a_part_without_a_boundary(between: dict[str, Any]) -> None:
    said = [{"type": "text-delta", "path": [number], "textDelta": "a"} for number in (0, 2)]
    values = [part("reasoning"), said[0], between, part("reasoning"), said[1]]
    chunks = decoded(AssistantTransportDecoder(strict=True), [transport(*values)])
    assert not any(isinstance(chunk, ReasoningPartChunk) for chunk in chunks)


def test_result_for_a_text() -> None:
    values = [part("text"), {"type": "result", "path": [0], "result": 1}, {"type": "part-finish", "path": [0]}]
    decoder = AssistantTransportDecoder()
    assert decoded(decoder, [transport(*values)]) == []
    assert decoder.skipped == 1
