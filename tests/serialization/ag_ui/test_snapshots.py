"""Answers that are in a snapshot of the messages, in whole or in part."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce import (
    AssistantStreamChunk,
    DataPartChunk,
    MessageFinishChunk,
    ReasoningDeltaChunk,
    ReasoningSignatureChunk,
    TextDeltaChunk,
    TextPartChunk,
    ToolCallBeginChunk,
    ToolCallDeltaChunk,
    ToolResultChunk,
)
from assistant_stream_ce.serialization import AGUIDecoder
from tests.serialization.ag_ui.events import FINISHED, RUN, STOPPED, WAITS, stream, text, text_end, text_start
from tests.serialization.round_trips import decoded

USER = {"id": "u", "role": "user", "content": "Hi"}
EARLIER = [{"id": "u0", "role": "user", "content": "Hello"}, {"id": "a0", "role": "assistant", "content": "Old"}]
CALL = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"q":1}'}}
CALLING = {"id": "a1", "role": "assistant", "content": "Let me look.", "toolCalls": [CALL]}
RESULT = {"id": "t1", "role": "tool", "toolCallId": "c", "content": '{"n":1}'}
ANSWER = {"id": "a2", "role": "assistant", "content": "It is 1."}

CALL_CHUNKS = [
    ToolCallBeginChunk("c", "look"),
    ToolCallDeltaChunk("c", '{"q":1}'),
    ToolCallDeltaChunk("c", "", is_final=True),
]


def snapshot(*messages: Any) -> dict[str, Any]:
    return {"type": "MESSAGES_SNAPSHOT", "messages": list(messages)}


def said(content: str, message_id: str) -> list[dict[str, Any]]:
    return [text_start(message_id), text(content, message_id), text_end(message_id)]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(
            [snapshot(*EARLIER, USER, CALLING, RESULT, ANSWER)],
            [TextDeltaChunk("Let me look."), *CALL_CHUNKS, ToolResultChunk("c", {"n": 1}), TextDeltaChunk("It is 1.")],
            id="whole",
        ),
        pytest.param(
            [snapshot(USER), snapshot(USER, CALLING), snapshot(USER, CALLING, RESULT, ANSWER)],
            [TextDeltaChunk("Let me look."), *CALL_CHUNKS, ToolResultChunk("c", {"n": 1}), TextDeltaChunk("It is 1.")],
            id="in growing snapshots",
        ),
        pytest.param(
            [*said("It is 1.", "a2"), snapshot(*EARLIER, USER, ANSWER)], [TextDeltaChunk("It is 1.")], id="streamed too"
        ),
        pytest.param(
            [*said("It is 1.", "x"), snapshot(USER, ANSWER)], [TextDeltaChunk("It is 1.")], id="with another id"
        ),
        pytest.param(
            [*said("Let me look.", "a1"), snapshot(USER, CALLING, RESULT, ANSWER), *said("Done.", "a3")],
            [TextDeltaChunk("Let me look."), *CALL_CHUNKS, ToolResultChunk("c", {"n": 1}), TextDeltaChunk("It is 1."),
             TextPartChunk(), TextDeltaChunk("Done.")],
            id="streamed in part",
        ),
        pytest.param(
            [snapshot(*EARLIER, USER, CALLING, RESULT), *said("It is 1.", "a2")],
            [TextDeltaChunk("It is 1.")],
            id="history before the answer",
        ),
        pytest.param(
            [*said("It is 1.", "a2"), snapshot(USER, CALLING, RESULT, ANSWER)],
            [TextDeltaChunk("It is 1.")],
            id="history before what was streamed",
        ),
        pytest.param(
            [snapshot({"id": "r", "role": "reasoning", "content": "Hm", "encryptedValue": "s"},
                      {"id": "p", "role": "activity", "activityType": "plan", "content": {"a": 1}},
                      {**RESULT, "content": "", "error": "No such city"})],
            [ReasoningDeltaChunk("Hm"), ReasoningSignatureChunk("s"), DataPartChunk("plan", {"a": 1}, "p"),
             ToolResultChunk("c", "No such city", is_error=True)],
            id="other messages",
        ),
        pytest.param([snapshot({"id": "s", "role": "system", "content": "Be brief"})], [], id="not of the assistant"),
    ],
)  # fmt: skip
def test_messages_of_a_snapshot(events: list[Any], expected: list[AssistantStreamChunk]) -> None:
    finish: list[AssistantStreamChunk] = [STOPPED]
    for is_strict in (True, False):
        assert decoded(AGUIDecoder(strict=is_strict), [stream(RUN, *events, FINISHED)]) == expected + finish
    # Without its end too.
    assert decoded(AGUIDecoder(), [stream(RUN, *events)]) == expected


def test_a_call_that_waits_is_the_finish_reason() -> None:
    data = stream(RUN, snapshot(USER, CALLING), FINISHED)
    assert decoded(AGUIDecoder(strict=True), [data]) == [TextDeltaChunk("Let me look."), *CALL_CHUNKS, WAITS]


def test_messages_of_the_input_are_history() -> None:
    given = {"threadId": "t", "runId": "r", "messages": [USER, CALLING, RESULT]}
    data = stream({**RUN, "input": given}, snapshot(USER, CALLING, RESULT, ANSWER), FINISHED)
    assert decoded(AGUIDecoder(strict=True), [data]) == [TextDeltaChunk("It is 1."), STOPPED]


def test_each_run_has_its_own_answer() -> None:
    second = {**USER, "id": "u2"}
    runs = [snapshot(USER, ANSWER), FINISHED, RUN, snapshot(USER, ANSWER, second, {**ANSWER, "id": "a3"})]
    data = stream(RUN, *runs, FINISHED)
    assert decoded(AGUIDecoder(strict=True), [data]) == [TextDeltaChunk("It is 1."), STOPPED] * 2


@pytest.mark.parametrize(
    "messages",
    [
        "x",
        [5, {}, {"role": "assistant"}, {"role": "assistant", "content": 5, "toolCalls": [{}, {"id": "c"}, 5]}],
        [{"role": "assistant", "id": [1], "toolCalls": [{"id": [1], "function": {"name": "t"}}]}],
        [{"role": "tool"}, {"role": "tool", "toolCallId": 5, "content": "x"}, {"role": "activity", "content": {}}],
    ],
)
def test_a_lenient_decoder_skips_invalid_messages(messages: Any) -> None:
    decoder = AGUIDecoder()
    data = stream(RUN, {"type": "MESSAGES_SNAPSHOT", "messages": messages}, FINISHED)
    assert decoded(decoder, [data]) == [MessageFinishChunk("stop")]
    assert decoder.skipped == 0


@pytest.mark.timeout(20)
def test_time_is_linear_in_messages() -> None:
    count = 20_000
    streamed = [event for number in range(count) for event in said("a", f"m{number}")]
    messages = [{"id": f"m{number}", "role": "assistant", "content": "a"} for number in range(count)]
    found = decoded(AGUIDecoder(strict=True), [stream(RUN, *streamed, snapshot(*messages, ANSWER), FINISHED)])
    assert found[-2:] == [TextDeltaChunk("It is 1."), STOPPED]
