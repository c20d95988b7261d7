"""Events of the Responses API, also of gateways that differ."""

from __future__ import annotations

import pytest

from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations.openai_responses_events import ResponsesReader
from tests.integrations.feeding import feed
from tests.integrations.samples import RESPONSES


def test_an_answer() -> None:
    _, turn = feed(ResponsesReader, RESPONSES)
    assert (turn.text, turn.finish_reason, turn.provider_finish_reason) == ("Let me look.", "tool-calls", "completed")
    assert [item["type"] for item in turn.messages] == ["reasoning", "message", "function_call"]


def completed(**response: object) -> dict[str, object]:
    return {"type": "response.completed", "response": {"id": "r", "model": "m", **response}}


def test_ids_that_change_with_each_event() -> None:
    deltas = [
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": item, "delta": item}
        for item in ("a", "b")
    ]
    _, turn = feed(ResponsesReader, [*deltas, completed()])
    assert turn.text == "ab"


def test_items_that_come_only_at_the_end() -> None:
    message = {"type": "message", "content": [{"type": "output_text", "text": "whole"}]}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    _, turn = feed(ResponsesReader, [completed(output=[message, call])])
    assert (turn.text, [call.name for call in turn.tool_calls]) == ("whole", ["f"])


def test_arguments_that_come_whole() -> None:
    added = {"type": "response.output_item.added", "output_index": 0, "item": {"type": "function_call", "name": "f"}}
    done = {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":1}'}
    _, turn = feed(ResponsesReader, [added, done, completed()])
    assert turn.tool_calls[0].args == {"a": 1}


def test_a_tool_that_the_provider_ran() -> None:
    item = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"query": "x"}}
    _, turn = feed(
        ResponsesReader, [{"type": "response.output_item.done", "output_index": 0, "item": item}, completed()]
    )
    assert turn.tool_calls == []
    assert (turn.message.tool_calls[0].name, turn.message.tool_calls[0].state) == ("web_search", "answered")
    assert turn.finish_reason == "stop"


@pytest.mark.parametrize(
    ("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "content-filter"), ("new", "other")]
)
def test_an_incomplete_response(reason: str, finish: str) -> None:
    event = {"type": "response.incomplete", "response": {"incomplete_details": {"reason": reason}}}
    _, turn = feed(ResponsesReader, [event])
    assert (turn.finish_reason, turn.provider_finish_reason) == (finish, reason)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "x", "message": "overloaded"},
        {"type": "error", "error": {"code": "x", "message": "overloaded"}},
        {"type": "response.failed", "response": {"error": {"code": "x", "message": "overloaded"}}},
    ],
)
def test_errors(event: dict[str, object]) -> None:
    with pytest.raises(ModelStreamError, match="overloaded") as caught:
        feed(ResponsesReader, [event])
    assert caught.value.code == "x"


def test_a_stream_without_an_end() -> None:
    with pytest.raises(ModelStreamError, match="incomplete"):
        feed(ResponsesReader, RESPONSES[:-1])


def test_a_provider_that_asks_for_an_approval() -> None:
    item = {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "name": "delete",
        "arguments": '{"path":"x"}',
        "server_label": "files",
    }
    chunks, turn = feed(
        ResponsesReader, [{"type": "response.output_item.done", "output_index": 0, "item": item}, completed()]
    )
    [call] = turn.message.tool_calls
    assert (call.name, call.args, call.state, call.provider_executed) == ("delete", {"path": "x"}, "complete", True)
    assert call.approval is not None
    assert (call.approval.id, call.approval.approved) == ("mcpr_1", None)
    assert turn.tool_calls == []
    assert turn.messages == [item]
    assert [chunk.type for chunk in chunks].count("tool-approval-request") == 1
