"""Token usage on the wires: totals always, details where they are known and the format has a place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assistant_stream_ce import AssistantStreamChunk, MessageFinishChunk, StepFinishChunk, accumulate
from assistant_stream_ce.message import Usage
from assistant_stream_ce.serialization import AGUIEncoder, Encoder, OpenAIStreamEncoder, UIMessageStreamEncoder
from assistant_stream_ce.serialization.usage import usage_details, usage_fields, usage_from, usage_totals

FULL = Usage(10, 8, 4, 2, 3)
DETAILS = {
    "inputTokenDetails": {"cacheReadTokens": 4, "cacheWriteTokens": 2},
    "outputTokenDetails": {"reasoningTokens": 3},
}
STEPS: list[AssistantStreamChunk] = [
    StepFinishChunk("tool-calls", 6, 3, False, 4),
    StepFinishChunk("stop", 4, 5, cache_write_tokens=2, reasoning_tokens=3),
]


def last_event(encoder: Encoder, chunks: list[AssistantStreamChunk]) -> Any:
    """Return the last JSON event of a stream."""
    data = b"".join(map(encoder.encode, chunks)) + encoder.finish()
    return json.loads([line for line in data.splitlines() if line.startswith(b"data: {")][-1].removeprefix(b"data: "))


def test_fields_and_details_are_read_again() -> None:
    assert (
        usage_fields(FULL)
        == {**usage_totals(FULL), **usage_details(FULL)}
        == {"inputTokens": 10, "outputTokens": 8, **DETAILS}
    )
    assert usage_from(usage_fields(FULL)) == FULL
    assert usage_details(Usage(1, 2)) == {}
    assert usage_details(Usage(1, 2, 1)) == {"inputTokenDetails": {"cacheReadTokens": 1}}


@pytest.mark.parametrize("value", [None, 5, [], {"inputTokens": "1"}, {"inputTokenDetails": 3, "outputTokens": -1}])
def test_invalid_counts_are_zero(value: Any) -> None:
    assert usage_from(value) == Usage()


@pytest.mark.parametrize("chunks", [STEPS, [*STEPS, MessageFinishChunk("stop", 10, 8, 4, 2, 3)]])
def test_formats_with_a_place_carry_the_details(chunks: list[AssistantStreamChunk]) -> None:
    assert accumulate(chunks).usage == FULL
    usage = last_event(UIMessageStreamEncoder(), chunks)["messageMetadata"]["usage"]
    assert usage == {"inputTokens": 10, "outputTokens": 8, "totalTokens": 18, **DETAILS}
    assert last_event(OpenAIStreamEncoder(include_usage=True), chunks)["usage"] == {
        "prompt_tokens": 10,
        "completion_tokens": 8,
        "total_tokens": 18,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    assert last_event(AGUIEncoder(), chunks)["usage"] == [
        {
            "inputTokens": 10,
            "outputTokens": 8,
            "reasoningTokens": 3,
            "cachedInputTokens": 4,
            "cacheWriteInputTokens": 2,
        }
    ]
