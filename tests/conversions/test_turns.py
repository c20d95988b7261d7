"""Preparing a history for any provider."""

from __future__ import annotations

from assistant_stream_ce.conversions.turns import (
    NOT_COMPLETED,
    ModelTurn,
    ProviderNames,
    model_text,
    original_name,
    prepare,
    turns_of,
)
from assistant_stream_ce.message import AssistantMessage, MessageStatus, Step, TextPart, ToolCallPart, UserMessage
from tests.conversions.histories import answered


def test_a_turn_ends_where_the_model_continues_after_its_results() -> None:
    message = AssistantMessage([TextPart("a"), answered("c1"), answered("c2"), TextPart("b")])
    assert [len(turn) for turn in turns_of(message)] == [3, 1]


def test_a_turn_ends_where_a_step_begins() -> None:
    message = AssistantMessage([TextPart("a"), TextPart("b")], steps=[Step("", 0), Step("", 1)])
    assert [len(turn) for turn in turns_of(message)] == [1, 1]


def test_ids_and_names_are_mapped_the_same_way_every_time() -> None:
    names = ProviderNames(max_id=40)
    assert names.id("call_1") == "call_1"
    assert names.id("odd id") == names.id("odd id") != names.id("odd  id")
    assert names.id("call_1", 1) != "call_1"
    assert names.name("get_weather") == "get_weather"
    assert names.name("a.b").startswith("a_b_")
    assert names.name("a.b") != names.name("a/b")
    assert len(names.name("x" * 200)) == 64


def test_a_name_that_a_model_was_given_leads_back_to_its_tool() -> None:
    names = ProviderNames()
    given = names.describe("get weather!")
    assert given == names.name("get weather!") != "get weather!"
    assert original_name(given) == "get weather!"
    assert original_name(names.describe("get_weather")) == "get_weather"
    for number in range(1_000):
        names.describe(f"tool {number}")
    # Of so many names the oldest are forgotten.
    assert original_name(given) == given
    assert original_name(names.name("tool 999")) == "tool 999"


def test_a_call_without_a_result_gets_an_error() -> None:
    history = [AssistantMessage([ToolCallPart("c1", "f")]), UserMessage([TextPart("hi")])]
    _, entries = prepare(history, ProviderNames())
    turn = entries[0]
    assert isinstance(turn, ModelTurn)
    [call] = turn.calls
    assert (call.is_open, call.is_error, call.text) == (False, True, NOT_COMPLETED)


def test_a_call_that_its_message_waits_for_stays_open_at_the_end() -> None:
    status = MessageStatus("requires-action", "tool-calls")
    _, entries = prepare([AssistantMessage([ToolCallPart("c1", "f")], status)], ProviderNames())
    turn = entries[0]
    assert isinstance(turn, ModelTurn)
    assert turn.calls[0].is_open


def test_the_content_for_the_model_takes_precedence() -> None:
    assert model_text(answered(result={"a": 1})) == '{"a":1}'
    assert model_text(answered(result=1, model_content=[{"type": "text", "text": "one"}])) == "one"
