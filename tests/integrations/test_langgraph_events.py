"""Shapes of langgraph's events, and messages that overlap."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from assistant_stream_ce import AssistantStreamChunk
from assistant_stream_ce.integrations.langgraph_events import GraphEvent, GraphReader, parse_event, single_mode
from tests.integrations.feeding import feed
from tests.support.require import require_packages

MESSAGE = ({"type": "ai", "content": "a"}, {"langgraph_node": "n"})
NAMESPACE = ("agent:1",)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (MESSAGE, GraphEvent((), "messages", MESSAGE)),
        (("messages", MESSAGE), GraphEvent((), "messages", MESSAGE)),
        ((NAMESPACE, MESSAGE), GraphEvent(NAMESPACE, "messages", MESSAGE)),
        ((NAMESPACE, "messages", MESSAGE), GraphEvent(NAMESPACE, "messages", MESSAGE)),
        ({"type": "messages", "ns": NAMESPACE, "data": MESSAGE}, GraphEvent(NAMESPACE, "messages", MESSAGE)),
        ({"node": {"title": "t"}}, GraphEvent((), "updates", {"node": {"title": "t"}})),
        ({"node": None}, GraphEvent((), "updates", {"node": None})),
        (((), {"node": None}), GraphEvent((), "updates", {"node": None})),
        ({"__interrupt__": ()}, GraphEvent((), "updates", {"__interrupt__": ()})),
        ({"messages": [], "title": "t"}, GraphEvent((), "values", {"messages": [], "title": "t"})),
        ({"progress": 1}, GraphEvent((), "custom", {"progress": 1})),
        ("text", GraphEvent((), "custom", "text")),
        (("custom", {"type": "values"}), GraphEvent((), "custom", {"type": "values"})),
    ],
)
def test_every_shape(item: Any, expected: GraphEvent) -> None:
    assert parse_event(item) == expected


def test_values_of_v2_bring_their_interrupts() -> None:
    event = parse_event({"type": "values", "ns": (), "data": {"a": 1}, "interrupts": ({"id": "i"},)})
    assert event.data == {"a": 1, "__interrupt__": ({"id": "i"},)}


@pytest.mark.parametrize(("item", "namespace"), [({"a": 1}, ()), ((NAMESPACE, {"a": 1}), NAMESPACE)])
def test_a_known_mode_is_kept(item: Any, namespace: Any) -> None:
    for mode in ("values", "updates", "custom"):
        assert parse_event(item, mode) == GraphEvent(namespace, mode, {"a": 1})


def test_the_mode_of_a_generator() -> None:
    class Graph:
        stream_mode = "updates"

        def stream(self, stream_mode: Any = None) -> Any:
            yield

        async def astream(self, stream_mode: Any = None) -> Any:
            yield

    graph = Graph()
    for make in (graph.stream, graph.astream):
        assert single_mode(make()) == "updates"
        assert single_mode(make("values")) == "values"
        assert single_mode(make(["values"])) is None
        assert single_mode(make("unknown")) is None
    assert single_mode([]) is None


def sent(*items: Any) -> tuple[list[AssistantStreamChunk], Any]:
    reader = partial(GraphReader, messages=True, updates=False, custom=True, interrupts=True)
    return feed(reader, list(items))


def piece(message_id: str, text: str, *, last: bool = False, **fields: Any) -> Any:
    require_packages("langchain_core")
    from langchain_core.messages import AIMessageChunk

    position = {"chunk_position": "last"} if last else {}
    return AIMessageChunk(text, id=message_id, **position, **fields), {"langgraph_checkpoint_ns": "node:1"}


def test_messages_that_overlap_share_a_step_and_are_kept_apart() -> None:
    usage = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    chunks, turn = sent(
        piece("lc_run--1", "a"),
        piece("lc_run--2", "x"),
        piece("lc_run--1", "b", last=True, usage_metadata=usage),
        piece("lc_run--2", "y", last=True, usage_metadata=usage),
    )
    assert [chunk.type for chunk in chunks] == ["step-start", *["text-delta"] * 4, "step-finish"]
    assert [(chunk.text_delta, chunk.parent_id) for chunk in chunks if chunk.type == "text-delta"] == [
        ("a", None),
        ("x", "lc_run--2"),
        ("b", None),
        ("y", "lc_run--2"),
    ]
    assert (chunks[-1].input_tokens, chunks[-1].output_tokens) == (14, 10)
    assert [message["content"] for message in turn.messages] == ["ab", "xy"]


def test_the_ids_of_the_provider_and_of_langchain_are_one_message() -> None:
    chunks, turn = sent(piece("msg_1", ""), piece("lc_run--1", "a"), piece("lc_run--1", "", last=True))
    assert [chunk.type for chunk in chunks] == ["step-start", "text-delta", "step-finish"]
    assert (turn.id, len(turn.messages)) == ("msg_1", 1)


def test_a_message_is_not_sent_twice() -> None:
    require_packages("langchain_core")
    from langchain_core.messages import AIMessage, ToolMessage

    whole = (AIMessage("a", id="lc_run--1"), {})
    result = (ToolMessage("21", tool_call_id="c1", id="t1"), {})
    chunks, _ = sent(piece("lc_run--1", "a", last=True), whole, (AIMessage("b", id="m2"), {}), whole, result, result)
    assert [chunk.text_delta for chunk in chunks if chunk.type == "text-delta"] == ["a", "b"]
    assert [chunk.result for chunk in chunks if chunk.type == "tool-result"] == ["21"]


def test_messages_without_ids() -> None:
    require_packages("langchain_core")
    from langchain_core.messages import AIMessage, HumanMessage

    chunks, _ = sent((AIMessage("a"), {}), (HumanMessage("x"), {}), (AIMessage("b"), {}))
    assert [chunk.text_delta for chunk in chunks if chunk.type == "text-delta"] == ["a", "b"]


def test_a_repeated_call_id_of_a_later_message_gets_its_own_result() -> None:
    require_packages("langchain_core")
    from langchain_core.messages import AIMessage, ToolMessage

    items: list[Any] = []
    for number in ("1", "2"):
        call = {"type": "tool_call", "name": "f", "args": {}, "id": "c1"}
        items.append((AIMessage("", id=f"m{number}", tool_calls=[call]), {}))
        items.append((ToolMessage(number, tool_call_id="c1", id=f"t{number}"), {}))
    chunks, turn = sent(*items)
    begun = [chunk.tool_call_id for chunk in chunks if chunk.type == "tool-call-begin"]
    assert [(chunk.tool_call_id, chunk.result) for chunk in chunks if chunk.type == "tool-result"] == [
        (begun[0], "1"),
        (begun[1], "2"),
    ]
    assert turn.tool_calls == []


def test_an_interrupt_about_a_call_of_an_earlier_run_is_shown() -> None:
    require_packages("langchain_core")
    from langchain_core.messages import AIMessage

    call = {"type": "tool_call", "name": "f", "args": {}, "id": "c1"}
    chunks, _ = sent(
        (AIMessage("", tool_calls=[call]), {}),
        {"__interrupt__": ({"id": "i1", "value": {"tool_call_id": "c0"}},)},
    )
    assert [chunk.tool_name for chunk in chunks if chunk.type == "tool-call-begin"] == ["f", "interrupt"]


def test_an_interrupt_with_several_actions_asks_for_each() -> None:
    require_packages("langchain_core")
    from langchain_core.messages import AIMessage

    calls = [{"type": "tool_call", "name": "rm", "args": {"path": path}, "id": f"c{path}"} for path in "ab"]
    actions = [{"name": "rm", "args": {"path": path}} for path in "ba"] + [{"name": "new", "args": {}}]
    chunks, turn = sent(
        (AIMessage("", tool_calls=calls), {}),
        {"__interrupt__": ({"id": "i1", "value": {"action_requests": actions}},)},
    )
    asked = [(chunk.tool_call_id, chunk.approval_id) for chunk in chunks if chunk.type == "tool-approval-request"]
    assert asked[:2] == [("cb", "i1-1"), ("ca", "i1-2")]
    assert asked[2][1] == "i1-3"
    assert [call.id for call in turn.tool_calls] == ["ca", "cb"]


@pytest.mark.parametrize(
    "shape",
    [
        lambda message, metadata: (message, metadata),
        lambda message, metadata: ("messages", (message, metadata)),
        lambda message, metadata: (NAMESPACE, (message, metadata)),
        lambda message, metadata: (NAMESPACE, "messages", (message, metadata)),
        lambda message, metadata: {"type": "messages", "ns": NAMESPACE, "data": (message, metadata)},
    ],
)
def test_texts_of_an_open_message_in_every_shape(shape: Any) -> None:
    require_packages("langchain_core")
    from langchain_core.messages import AIMessageChunk

    one: dict[str, Any] = {"id": "lc_run--1", "response_metadata": {"model_provider": "openai"}}
    last = AIMessageChunk("d", id="lc_run--1", response_metadata={"finish_reason": "stop"}, chunk_position="last")
    messages = [*(AIMessageChunk(text, **one) for text in "abc"), last]
    chunks, turn = sent(*(shape(message, {"langgraph_node": "n"}) for message in messages))
    assert [chunk.type for chunk in chunks] == ["step-start", *["text-delta"] * 4, "step-finish"]
    assert [message["content"] for message in turn.messages] == ["abcd"]


@pytest.mark.parametrize("data", [(), (1,), ("messages", 1), ("x", ({"id": []}, {}))])
def test_custom_events_that_are_tuples(data: Any) -> None:
    chunks, _ = sent(("custom", data))
    assert [chunk.type for chunk in chunks] == ["data"]
