"""Reading answers whose entries and results lie apart."""

from __future__ import annotations

from assistant_stream_ce.conversions import Dropped
from assistant_stream_ce.conversions.answers import AnswerReader
from assistant_stream_ce.conversions.history import HistoryBuilder
from assistant_stream_ce.message import AssistantMessage, TextPart


def test_the_turns_of_an_answer_are_joined() -> None:
    history = HistoryBuilder()
    reader = AnswerReader(history)
    reader.open_turn("m.0", "a")
    reader.take_call("c1", "f", {}, "m.0")
    assert reader.take_result("c1", "m.1", result=1)
    reader.open_turn("m.2").add(TextPart("done"))
    assert reader.finish() == 1
    [message], dropped = history.result()
    assert isinstance(message, AssistantMessage)
    assert (message.id, [part.type for part in message.parts], dropped) == ("a", ["tool-call", "text"], [])


def test_a_result_without_a_call_and_a_second_result_are_reported() -> None:
    history = HistoryBuilder()
    reader = AnswerReader(history)
    assert not reader.take_result("c1", "m.0", result=1)
    reader.take_call("c1", "f", {}, "m.1")
    assert reader.take_result("c1", "m.2", result=1)
    assert not reader.take_result("c1", "m.3", result=2)
    assert [one.path for one in history.dropped] == ["m.0", "m.3"]


def test_a_call_without_a_name_is_reported() -> None:
    history = HistoryBuilder()
    AnswerReader(history).take_call("c1", None, {}, "m.0")
    assert history.dropped == [Dropped("m.0", "a tool call without its id or name")]


def test_an_open_call_at_the_end_waits_for_its_result() -> None:
    history = HistoryBuilder()
    reader = AnswerReader(history)
    reader.take_call("c1", "f", {}, "m.0")
    reader.finish()
    [message], _ = history.result()
    assert isinstance(message, AssistantMessage)
    assert message.status.type == "requires-action"
