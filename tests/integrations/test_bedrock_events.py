"""Events of Bedrock's Converse API."""

from __future__ import annotations

import pytest

from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations.bedrock_events import BedrockReader
from tests.integrations.feeding import feed
from tests.integrations.samples import BEDROCK


def test_an_answer() -> None:
    _, turn = feed(BedrockReader, BEDROCK)
    assert (turn.text, turn.finish_reason, turn.provider_finish_reason) == ("Let me look.", "tool-calls", "tool_use")
    assert turn.messages[0]["content"][2]["toolUse"]["input"] == {"city": "Paris"}


def test_the_usage_may_come_before_the_stop_reason() -> None:
    _, turn = feed(BedrockReader, [*BEDROCK[:-2], BEDROCK[-1], BEDROCK[-2]])
    assert turn.usage.input_tokens == 7


def test_redacted_reasoning_goes_back_and_unsigned_reasoning_does_not() -> None:
    events = [
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"redactedContent": b"red"}}}},
        {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"reasoningContent": {"text": "hm"}}}},
        {"messageStop": {"stopReason": "end_turn"}},
    ]
    _, turn = feed(BedrockReader, events)
    assert turn.messages[0]["content"] == [{"reasoningContent": {"redactedContent": b"red"}}]


def test_an_error_and_a_stream_without_an_end() -> None:
    with pytest.raises(ModelStreamError, match="slow down") as caught:
        feed(BedrockReader, [{"throttlingException": {"message": "slow down"}}])
    assert caught.value.code == "throttlingException"
    with pytest.raises(ModelStreamError, match="incomplete"):
        feed(BedrockReader, BEDROCK[:-2])


@pytest.mark.parametrize("odd", [None, "x", [], {"messageStop": None}, {"contentBlockDelta": "x"}, {"metadata": 3}])
def test_an_event_of_another_form_is_ignored(odd: object) -> None:
    _, turn = feed(BedrockReader, [odd, *BEDROCK])
    assert (turn.text, turn.finish_reason) == ("Let me look.", "tool-calls")
    with pytest.raises(ModelStreamError):
        feed(BedrockReader, [odd, {"throttlingException": None}, *BEDROCK])
