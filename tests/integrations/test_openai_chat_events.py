"""Chunks of chat completions, also of providers that differ from OpenAI."""

from __future__ import annotations

import importlib.util

import pytest

from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations.openai_chat_events import ChatReader
from tests.integrations.feeding import feed
from tests.integrations.samples import CHAT
from tests.support.require import require


def chunk(finish: str | None = None, **delta: object) -> dict[str, object]:
    return {"id": "r", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def test_an_answer() -> None:
    _, turn = feed(ChatReader, CHAT)
    assert (turn.text, turn.finish_reason, turn.provider_finish_reason) == ("Let me look.", "tool-calls", "tool_calls")
    assert turn.messages[0]["reasoning_content"] == "hm"
    assert turn.messages[0]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Paris"}'}


@pytest.mark.parametrize(
    ("deltas", "thought"),
    [
        ([{"reasoning": "a", "reasoning_content": "a"}], "a"),
        ([{"reasoning": "a"}], "a"),
        ([{"reasoning_details": [{"type": "reasoning.text", "text": "a"}]}], "a"),
        ([{"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a"}]}], "a"),
        ([{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]}], "a"),
    ],
)
def test_reasoning_is_read_once_for_every_spelling(deltas: list[dict[str, object]], thought: str) -> None:
    _, turn = feed(ChatReader, [*(chunk(**delta) for delta in deltas), chunk("stop")])
    assert "".join(part.text for part in turn.message.parts if part.type == "reasoning") == thought


def test_details_of_reasoning_go_back_joined() -> None:
    details = [{"type": "reasoning.text", "index": 0, "text": text} for text in ("a", "b")]
    _, turn = feed(ChatReader, [*(chunk(reasoning_details=[detail]) for detail in details), chunk("stop", content="x")])
    assert turn.messages[0]["reasoning_details"] == [{"type": "reasoning.text", "index": 0, "text": "ab"}]


def test_calls_with_one_index_are_two_calls() -> None:
    calls = [{"index": 0, "id": f"c{number}", "function": {"name": "f", "arguments": "{}"}} for number in (1, 2)]
    _, turn = feed(ChatReader, [*(chunk(tool_calls=[call]) for call in calls), chunk("stop")])
    assert [call.provider_id for call in turn.tool_calls] == ["c1", "c2"]
    assert turn.finish_reason == "tool-calls"


def test_objects_are_read_as_plain_data_is() -> None:
    """Chunks with one kind of content take another way than the rest, and plain data never takes it."""
    require(importlib.util.find_spec("openai"), "not installed: openai")
    from openai.types.chat import ChatCompletionChunk

    def piece(index: int, arguments: str, **begin: object) -> dict[str, object]:
        name = {"name": "write"} if begin else {}
        return chunk(tool_calls=[{"index": index, "function": {"arguments": arguments, **name}, **begin}])

    events = [
        chunk(role="assistant", content=""),
        chunk(content=None, reasoning_content="hm"),
        chunk(reasoning_content="."),
        chunk(content="Look", tool_calls=None),
        chunk(role="assistant", content=":"),
        piece(0, "", id="a", type="function"),
        piece(1, "", id="b", type="function"),
        piece(0, '{"a":'),
        piece(1, '{"b"'),
        piece(0, '"\\'),
        piece(0, '"}'),
        chunk(content=None, tool_calls=[{"index": 0, "function": {"arguments": '"}'}}]),
        piece(1, ":[1]}"),
        chunk(content="Done", refusal=""),
        piece(2, "{}", id="a", type="function"),
        chunk(refusal="No."),
        chunk("tool_calls"),
    ]
    given = [ChatCompletionChunk.model_validate({"object": "chat.completion.chunk", "created": 1, **e}) for e in events]
    (_, plain), (_, turn) = feed(ChatReader, events), feed(ChatReader, given)
    assert turn.text == "Look:Done"
    assert [call.args for call in turn.tool_calls] == [{"a": '"}'}, {"b": [1]}, {}]
    assert [type(part) for part in turn.message.parts] == [type(part) for part in plain.message.parts]
    assert turn.tool_calls[:2] == plain.tool_calls[:2]
    assert len(turn.messages[0]["tool_calls"]) == len(plain.messages[0]["tool_calls"]) == 3


def test_arguments_that_are_cut_are_reported() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a'}}
    _, turn = feed(ChatReader, [chunk(tool_calls=[call]), chunk("length")])
    assert (turn.tool_calls[0].args, turn.tool_calls[0].error) == (None, "the arguments are not valid JSON")
    assert turn.finish_reason == "length"


def test_a_separate_usage_chunk_is_an_end_without_a_finish_reason() -> None:
    usage = {"id": "r", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    _, turn = feed(ChatReader, [chunk(content="a"), usage])
    assert (turn.text, turn.finish_reason, turn.provider_finish_reason) == ("a", "stop", None)


@pytest.mark.parametrize("events", [[], [chunk(content="a")], [{"choices": None}]])
def test_a_stream_without_an_end(events: list[object]) -> None:
    with pytest.raises(ModelStreamError, match="incomplete"):
        feed(ChatReader, events)


def test_an_error_in_the_stream() -> None:
    with pytest.raises(ModelStreamError, match="overloaded") as caught:
        feed(ChatReader, [chunk(content="a"), {"choices": [], "error": {"message": "overloaded", "code": 529}}])
    assert (caught.value.code, caught.value.turn.text) == ("529", "a")


def test_other_choices_are_ignored() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "stop"}]}
    _, turn = feed(ChatReader, [chunk(content="yes"), other, chunk("stop")])
    assert turn.text == "yes"


def test_citations_and_images() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://e", "title": "E"}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    chunks, _ = feed(ChatReader, [chunk(annotations=[cited, cited], images=[image]), chunk("stop")])
    assert [chunk.type for chunk in chunks].count("source") == 1
    assert [(chunk.data, chunk.mime_type) for chunk in chunks if chunk.type == "file"] == [("AA==", "image/png")]
