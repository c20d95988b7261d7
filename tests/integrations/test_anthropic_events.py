"""Events of Anthropic's messages."""

from __future__ import annotations

import pytest

from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations.anthropic_events import AnthropicReader
from tests.integrations.feeding import feed
from tests.integrations.samples import ANTHROPIC


def test_an_answer() -> None:
    _, turn = feed(AnthropicReader, ANTHROPIC)
    assert (turn.text, turn.finish_reason, turn.provider_finish_reason) == ("Let me look.", "tool-calls", "tool_use")
    assert turn.messages[0]["content"][2] == {
        "type": "tool_use",
        "id": "c1",
        "name": "weather",
        "input": {"city": "Paris"},
    }


def test_derived_events_are_ignored() -> None:
    derived = [{"type": "text", "text": "Let me ", "snapshot": "x"}, {"type": "input_json", "partial_json": "{"}]
    _, turn = feed(AnthropicReader, [*ANTHROPIC[:-2], *derived, *ANTHROPIC[-2:]])
    assert turn.text == "Let me look."


def end(reason: str, **delta: object) -> dict[str, object]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, **delta}}


def test_a_refusal_without_content() -> None:
    chunks, turn = feed(AnthropicReader, [end("refusal", stop_details={"explanation": "I cannot."})])
    assert turn.finish_reason == "content-filter"
    assert [chunk.refusal_delta for chunk in chunks if chunk.type == "refusal-delta"] == ["I cannot."]


def test_a_tool_of_the_provider_with_its_result() -> None:
    events = [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"q":1}'}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {
                "type": "web_search_tool_result",
                "tool_use_id": "s",
                "content": {"type": "web_search_tool_result_error", "error_code": "x"},
            },
        },
        {"type": "content_block_stop", "index": 1},
        end("pause_turn"),
    ]
    _, turn = feed(AnthropicReader, events)
    [call] = turn.message.tool_calls
    assert (call.args, call.is_error, turn.tool_calls, turn.finish_reason) == ({"q": 1}, True, [], "other")


def test_redacted_reasoning_is_kept() -> None:
    block = {"type": "redacted_thinking", "data": "secret"}
    _, turn = feed(
        AnthropicReader, [{"type": "content_block_start", "index": 0, "content_block": block}, end("end_turn")]
    )
    assert turn.messages == [{"role": "assistant", "content": [block]}]


def test_cached_tokens_are_part_of_the_prompt() -> None:
    usage = {"input_tokens": 1, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 100, "output_tokens": 2}
    _, turn = feed(AnthropicReader, [{**end("end_turn"), "usage": usage}])
    assert (turn.usage.input_tokens, turn.usage.cached_tokens, turn.usage.cache_write_tokens) == (111, 10, 100)


def test_an_answer_that_begins_again() -> None:
    again = {"type": "message_start", "message": {"id": "r2", "model": "m", "usage": {}}}
    _, turn = feed(AnthropicReader, [*ANTHROPIC[:-2], again, end("end_turn")])
    assert (turn.messages, turn.tool_calls) == ([], [])


def test_an_error_and_a_stream_without_an_end() -> None:
    with pytest.raises(ModelStreamError, match="Overloaded") as caught:
        feed(AnthropicReader, [{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}])
    assert caught.value.code == "overloaded_error"
    with pytest.raises(ModelStreamError, match="incomplete"):
        feed(AnthropicReader, ANTHROPIC[:-2])
