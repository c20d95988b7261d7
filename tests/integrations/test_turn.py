"""A turn: its chunks, its message, and its tool calls."""

from __future__ import annotations

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.integrations.turn import Turn, TurnBuilder, parse_arguments


@pytest.mark.parametrize(
    ("text", "args", "error"),
    [
        ("", {}, None),
        ('{"a":1}', {"a": 1}, None),
        ('"{\\"a\\":1}"', {"a": 1}, None),
        ("[1]", None, "the arguments are not a JSON object"),
        ('{"a', None, "the arguments are not valid JSON"),
    ],
)
def test_arguments(text: str, args: object, error: str | None) -> None:
    assert parse_arguments(text) == (args, error)


def test_the_message_equals_the_sent_chunks() -> None:
    turns: list[Turn] = []

    def run(controller: RunController) -> None:
        out = TurnBuilder(controller)
        out.think("hm")
        out.text("a")
        call = out.call("f", "c1")
        call.append('{"x":1}')
        out.source("https://e", "E")
        out.source("https://e")
        turns.append(out.finish("stop", "end", []))

    stream = create_run(run)
    chunks = list(stream)
    assert [chunk.type for chunk in chunks].count("source") == 1
    assert turns[0].message.parts == stream.message.parts
    assert turns[0].finish_reason == "tool-calls"


def test_a_call_without_arguments_has_an_empty_object() -> None:
    turns: list[Turn] = []

    def run(controller: RunController) -> None:
        out = TurnBuilder(controller)
        out.call("f")
        turns.append(out.finish("stop", None, []))

    list(create_run(run))
    assert (turns[0].tool_calls[0].args, turns[0].tool_calls[0].args_text) == ({}, "{}")


def test_a_call_says_whether_the_provider_runs_it() -> None:
    def run(controller: RunController) -> None:
        out = TurnBuilder(controller)
        out.call("ours", "c1")
        out.call("theirs", "c2", is_ours=False)
        out.call("an agent's", "c3", is_ours=False, is_providers=False)
        out.finish("stop", None, [])

    stream = create_run(run)
    begun = [chunk for chunk in stream if chunk.type == "tool-call-begin"]
    assert [chunk.provider_executed for chunk in begun] == [False, True, False]
    assert [call.provider_executed for call in stream.message.tool_calls] == [False, True, False]
