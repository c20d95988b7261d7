"""A turn: its chunks, its message, and its tool calls."""

from __future__ import annotations

import pytest

from assistant_stream_ce import RunController, SourceChunk, SourceDocumentChunk, create_run
from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations import openai
from assistant_stream_ce.integrations.turn import Turn, TurnBuilder, TurnFinish, parse_arguments
from assistant_stream_ce.message import MessageStatus, TextPart
from tests.integrations.samples import CHAT


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


@pytest.mark.parametrize(("own", "given", "parent"), [("a", None, "a"), (None, "b", "b"), ("a", "b", "b")])
def test_every_chunk_has_the_parent_of_the_turn_or_of_its_controller(
    own: str | None, given: str | None, parent: str
) -> None:
    turns: list[Turn] = []

    def run(controller: RunController) -> None:
        out = TurnBuilder(controller if own is None else controller.with_parent_id(own), parent_id=given)
        out.think("hm")
        out.text("a")
        out.call("f").close()
        out.source("https://e", "E")
        out.document("d", "text/plain", "D")
        out.file("aGk=", "text/plain")
        turns.append(out.finish("stop", "end", []))

    chunks = [chunk for chunk in create_run(run) if hasattr(chunk, "parent_id")]
    assert [(chunk.type, chunk.parent_id) for chunk in chunks] == [
        (kind, parent)
        for kind in ("reasoning-delta", "text-delta", "tool-call-begin", "source", "source-document", "file")
    ]
    assert {part.parent_id for part in turns[0].message.parts} == {parent}


def test_sources_of_two_turns_have_different_ids() -> None:
    def run(controller: RunController) -> None:
        for url in ("https://a", "https://b"):
            out = TurnBuilder(controller)
            out.source(url)
            out.document(f"a document of {url}", "text/plain", None)
            out.finish("stop", "end", [])

    ids = [chunk.id for chunk in create_run(run) if isinstance(chunk, (SourceChunk, SourceDocumentChunk))]
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("stop", MessageStatus("complete", "stop")),
        ("length", MessageStatus("incomplete", "length")),
        ("tool-calls", MessageStatus("requires-action", "tool-calls")),
        ("error", MessageStatus("incomplete", "error")),
    ],
)
def test_the_message_of_a_turn_has_ended(reason: TurnFinish, status: MessageStatus) -> None:
    turns: list[Turn] = []

    def run(controller: RunController) -> None:
        out = TurnBuilder(controller)
        out.step_start()
        out.text("a")
        turns.append(out.finish(reason, None, []))

    list(create_run(run))
    message = turns[0].message
    assert (message.status, message.parts) == (status, [TextPart("a")])


def test_the_message_of_a_turn_that_was_cut_is_incomplete() -> None:
    def run(controller: RunController) -> None:
        openai.forward(controller, iter(CHAT[:-3]))

    with pytest.raises(ModelStreamError) as caught:
        list(create_run(run))
    assert caught.value.turn.message.status == MessageStatus("incomplete", "error")
