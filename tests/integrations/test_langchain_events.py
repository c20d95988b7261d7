"""Message chunks of langchain, made by its own classes."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce import create_run
from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations.langchain_events import LangChainReader
from assistant_stream_ce.integrations.turn import Turn
from assistant_stream_ce.message import Usage
from tests.integrations.feeding import feed
from tests.support.require import require_packages


@pytest.fixture(autouse=True)
def langchain() -> None:
    require_packages("langchain_core")


def chunk(content: Any = "", **fields: Any) -> Any:
    from langchain_core.messages import AIMessageChunk

    return AIMessageChunk(content=content, **fields)


def finish(reason: str = "stop", key: str = "finish_reason", **metadata: Any) -> Any:
    return chunk(response_metadata={key: reason, **metadata})


def piece(args: str | None, index: int | None = 0, name: str | None = None, id: str | None = None) -> Any:
    delta = {"type": "tool_call_chunk", "name": name, "args": args, "id": id, "index": index}
    return chunk(tool_call_chunks=[delta])


def turn_of(*events: Any) -> Turn:
    return feed(LangChainReader, list(events))[1]


def kinds(*events: Any) -> list[str]:
    return [sent.type for sent in feed(LangChainReader, list(events))[0]]


def test_text_reasoning_and_signature() -> None:
    chunks, turn = feed(
        LangChainReader,
        [
            chunk([{"type": "reasoning", "reasoning": "hm", "index": 0}]),
            chunk([{"type": "reasoning", "reasoning": "", "index": 0, "extras": {"signature": "sig"}}]),
            chunk([{"type": "reasoning", "reasoning": "so", "index": 1}]),
            chunk([{"type": "text", "text": "yes", "index": 2}]),
            finish("end_turn", "stop_reason"),
        ],
    )
    assert [sent.type for sent in chunks] == [
        "reasoning-delta",
        "reasoning-signature",
        "reasoning-part",
        "reasoning-delta",
        "text-delta",
        "step-finish",
    ]
    assert turn.text == "yes"
    assert (turn.finish_reason, turn.provider_finish_reason) == ("stop", "end_turn")


def test_reasoning_in_a_field_of_its_own_is_sent_once() -> None:
    assert kinds(chunk(additional_kwargs={"reasoning_content": "hm"}), finish()) == ["reasoning-delta", "step-finish"]


def test_message_is_the_sum_of_the_chunks() -> None:
    one: dict[str, Any] = {"id": "lc_run--1", "response_metadata": {"model_provider": "openai"}}
    chunks = [
        *(chunk(text, **one) for text in ("a", "b", "", "c")),
        chunk([{"type": "text", "text": "d", "index": 0}], **one),
        *(chunk(text, **one) for text in ("e", "f")),
        chunk("g", id="lc_run--1", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
        *(chunk(text, **one) for text in ("h", "i")),
        finish(),
    ]
    [message] = turn_of(*chunks).messages
    whole = chunks[0] + chunks[1:]
    assert message["content"] == whole.content
    assert message["id"] == whole.id


def test_chunks_that_differ_in_their_text_only() -> None:
    one: dict[str, Any] = {"id": "lc_run--1", "response_metadata": {"model_provider": "openai"}}
    delta = {"type": "tool_call_chunk", "name": "f", "args": "", "id": "c1", "index": 0}
    chunks, turn = feed(
        LangChainReader,
        [
            *(chunk(text, **one) for text in ("", "a", "b")),
            chunk(**one, tool_call_chunks=[delta]),
            chunk("c", **one),
            chunk("d", id="lc_run--1", response_metadata={"finish_reason": "stop"}),
        ],
    )
    assert [sent.type for sent in chunks] == [
        "text-delta",
        "text-delta",
        "tool-call-begin",
        "text-delta",
        "text-delta",
        "tool-call-delta",
        "tool-call-delta",
        "step-finish",
    ]
    assert turn.messages[0]["content"] == turn.text == "abcd"


def test_parallel_calls_are_kept_apart() -> None:
    turn = turn_of(
        piece("", 0, "weather", "c1"),
        piece('{"city":', 0),
        piece("", 1, "time", "c2"),
        piece('"Paris"}', 0),
        piece('{"zone":"CET"}', 1),
        finish("tool_calls"),
    )
    assert [(call.provider_id, call.name, call.args) for call in turn.tool_calls] == [
        ("c1", "weather", {"city": "Paris"}),
        ("c2", "time", {"zone": "CET"}),
    ]
    assert turn.finish_reason == "tool-calls"


def test_whole_calls_without_an_index() -> None:
    turn = turn_of(piece('{"a":1}', None, "f", "c1"), piece('{"a":2}', None, "f", "c2"), finish("STOP"))
    assert [call.args for call in turn.tool_calls] == [{"a": 1}, {"a": 2}]
    assert turn.finish_reason == "tool-calls"


def test_arguments_that_are_no_json() -> None:
    turn = turn_of(piece('{"a', 0, "f", "c1"), finish("length"))
    assert turn.tool_calls[0].error is not None
    assert turn.messages[0]["tool_calls"][0]["args"] == {}


def test_usage_is_added_up_with_its_details() -> None:
    details = {"input_token_details": {"cache_read": 3, "cache_creation": 1}, "output_token_details": {"reasoning": 2}}
    turn = turn_of(
        chunk("a", usage_metadata={"input_tokens": 7, "output_tokens": 0, "total_tokens": 7, **details}),
        finish(),
        chunk(usage_metadata={"input_tokens": 0, "output_tokens": 5, "total_tokens": 5}),
    )
    assert turn.usage == Usage(7, 5, 3, 1, 2)
    assert turn.usage + turn.usage == Usage(14, 10, 6, 2, 4)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"finish_reason": "MAX_TOKENS"}, "length"),
        ({"finish_reason": "SAFETY"}, "content-filter"),
        ({"stop_reason": "pause_turn"}, "other"),
        ({"stopReason": "guardrail_intervened"}, "content-filter"),
        ({"done_reason": "stop"}, "stop"),
        ({"status": "completed"}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"finish_reason": "new"}, "other"),
    ],
)
def test_finish_reasons_of_all_providers(metadata: dict[str, Any], expected: str) -> None:
    assert turn_of(chunk("a"), chunk(response_metadata=metadata)).finish_reason == expected


@pytest.mark.parametrize(
    "events",
    [
        [("a", {})],
        [("a", {"model_provider": "openai"}), ("", {"last": True})],
        [("a", {"model_provider": "openai", "status": "in_progress"}), ("", {"last": True})],
    ],
)
def test_a_cut_stream(events: list[tuple[str, dict[str, Any]]]) -> None:
    made = []
    for text, metadata in events:
        position = {"chunk_position": "last"} if metadata.pop("last", False) else {}
        made.append(chunk(text, response_metadata=metadata, **position))
    with pytest.raises(ModelStreamError) as caught:
        turn_of(*made)
    assert caught.value.code == "incomplete"
    assert caught.value.turn.text == "a"


def test_a_model_without_a_provider_ends_with_its_last_chunk() -> None:
    assert turn_of(chunk("a"), chunk("b", chunk_position="last")).finish_reason == "stop"


def test_usage_after_the_content_is_a_finish() -> None:
    """Snowflake sends no finish reason; Anthropic sends a part of the usage first."""
    usage = {"input_tokens": 7, "output_tokens": 0, "total_tokens": 7}
    one = {"response_metadata": {"model_provider": "openai"}}
    assert turn_of(chunk("a", **one), chunk(usage_metadata=usage, **one)).finish_reason == "stop"
    for cut in ([chunk(usage_metadata=usage, **one)], [chunk(usage_metadata=usage, **one), chunk("a", **one)]):
        with pytest.raises(ModelStreamError):
            turn_of(*cut)


def test_tools_that_the_provider_ran_are_not_ours() -> None:
    turn = turn_of(
        chunk([{"type": "server_tool_call_chunk", "name": "search", "id": "s1", "args": "", "index": 0}]),
        chunk([{"type": "server_tool_call_chunk", "args": '{"q":1}', "index": 0}]),
        chunk([{"type": "server_tool_result", "tool_call_id": "s1", "output": ["x"], "status": "success"}]),
        finish(),
    )
    assert turn.tool_calls == []
    [call] = turn.message.tool_calls
    assert (call.name, call.args, call.result) == ("search", {"q": 1}, ["x"])


def test_sources_files_and_refusals() -> None:
    citation = {"type": "citation", "url": "https://e", "title": "E"}
    assert kinds(
        chunk([{"type": "text", "text": "a", "annotations": [citation, citation]}]),
        chunk([{"type": "image", "base64": "AA==", "mime_type": "image/png"}]),
        chunk(additional_kwargs={"refusal": "no"}),
        finish(),
    ) == ["text-delta", "source", "file", "refusal-delta", "step-finish"]


def test_a_whole_message() -> None:
    from langchain_core.messages import AIMessage

    call = {"type": "tool_call", "name": "weather", "args": {"city": "Paris"}, "id": "c1"}
    turn = turn_of(AIMessage("Let me look.", tool_calls=[call]))
    assert (turn.text, turn.tool_calls[0].args) == ("Let me look.", {"city": "Paris"})
    assert turn.messages == [{"role": "assistant", "content": "Let me look.", "tool_calls": [call]}]


def test_the_message_goes_back_as_langchain_joins_it() -> None:
    from langchain_core.messages import convert_to_messages

    events = [
        chunk([{"type": "thinking", "thinking": "hm", "index": 0}], id="lc_run--1"),
        chunk([{"type": "thinking", "signature": "sig", "index": 0}], id="lc_run--1"),
        chunk([{"type": "text", "text": "a", "index": 1}], id="msg_1"),
        finish("end_turn", "stop_reason", model_provider="anthropic", model_name="claude", odd=object()),
    ]
    turn = turn_of(*events)
    [message] = convert_to_messages(turn.messages)
    assert (message.type, message.content) == ("ai", (events[0] + events[1:]).content)
    assert message.response_metadata == {
        "stop_reason": "end_turn",
        "model_provider": "anthropic",
        "model_name": "claude",
    }
    assert (turn.id, turn.model) == ("msg_1", "claude")


def test_serialized_chunks() -> None:
    events = [chunk("a").model_dump(), chunk("b").model_dump(), finish().model_dump()]
    assert turn_of(*events).messages[0]["content"] == "ab"


def test_a_stream_of_texts_is_refused() -> None:
    with pytest.raises(TypeError, match="without an output parser"):
        turn_of("a")


def test_no_chunks_are_a_cut_stream() -> None:
    def run(controller: Any) -> None:
        from assistant_stream_ce.integrations import langchain

        langchain.forward(controller, [])

    with pytest.raises(ModelStreamError):
        list(create_run(run))
