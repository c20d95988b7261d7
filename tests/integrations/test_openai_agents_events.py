"""Events of the OpenAI Agents SDK, as plain data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from assistant_stream_ce import AssistantStreamChunk, RunController, create_run
from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations.agent_events import AgentTurn
from assistant_stream_ce.integrations.openai_agents_events import OpenAIAgentsReader
from assistant_stream_ce.integrations.turn import TurnBuilder
from tests.integrations.samples import RESPONSES, responses_text


def read(events: list[Any]) -> tuple[list[AssistantStreamChunk], AgentTurn]:
    """Return the chunks and the turn of events."""
    turns: list[AgentTurn] = []
    run_object = SimpleNamespace(input="hi", interruptions=[], to_input_list=lambda: ["hi", {"type": "message"}])

    def run(controller: RunController) -> None:
        reader = OpenAIAgentsReader(TurnBuilder(controller))
        reader.opened(SimpleNamespace(run=run_object))
        for event in events:
            reader.feed(event)
        turns.append(reader.end())

    return list(create_run(run)), turns[0]


def raw(events: list[Any]) -> list[dict[str, Any]]:
    return [{"type": "raw_response_event", "data": event} for event in events]


def output(call_id: str, value: Any) -> dict[str, Any]:
    item = {"type": "tool_call_output_item", "raw_item": {"call_id": call_id, "output": "21"}, "output": value}
    return {"type": "run_item_stream_event", "name": "tool_output", "item": item}


def test_a_call_id_may_come_again_in_the_next_response() -> None:
    events = [*raw(RESPONSES), output("c1", 1), *raw(RESPONSES), output("c1", 2), *raw(responses_text("done"))]
    _, turn = read(events)
    assert [part.result for part in turn.message.tool_calls] == [1, 2]
    assert turn.usage.output_tokens == 13
    assert turn.messages == [{"type": "message"}]


def test_a_result_of_an_earlier_run_keeps_its_id() -> None:
    chunks, _ = read([output("c0", object()), *raw(responses_text("done"))])
    [result] = [chunk for chunk in chunks if chunk.type == "tool-result"]
    assert (result.tool_call_id, result.result) == ("c0", "21")
    assert [chunk.type for chunk in chunks].count("step-finish") == 1


def test_a_run_that_ends_with_its_tool_is_finished() -> None:
    _, turn = read([*raw(RESPONSES), output("c1", 21)])
    assert (turn.finish_reason, turn.tool_calls) == ("stop", [])


def test_a_response_without_its_end_is_cut() -> None:
    with pytest.raises(ModelStreamError) as caught:
        read([*raw(RESPONSES), *raw(responses_text("half")[:3])])
    assert caught.value.turn.text == "Let me look.half"


def test_unknown_events_are_ignored() -> None:
    events = [{"type": "agent_updated_stream_event"}, {"type": "later"}, *raw(responses_text("done"))]
    assert read(events)[1].text == "done"
