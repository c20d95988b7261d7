"""Events of langgraph in the state of a run, as the helpers of the same names in assistant-stream write them."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.integrations.langgraph import append_langgraph_event, get_tool_call_subgraph_state
from tests.support.require import require_packages


@pytest.fixture(autouse=True)
def langgraph() -> None:
    require_packages("langgraph", "langchain_core")


def chunk(text: Any = "", **fields: Any) -> Any:
    from langchain_core.messages import AIMessageChunk

    return (AIMessageChunk(text, **fields), {})


def written(*events: tuple[str, Any], state: Any = None) -> tuple[list[Any], Any]:
    """Return the operations and the state that events become."""

    def run(controller: RunController) -> None:
        for event_type, payload in events:
            append_langgraph_event(controller.state, (), event_type, payload)

    stream = create_run(run, state={} if state is None else state)
    operations = []
    for sent in stream:
        if sent.type == "update-state":
            operations += [(one["type"], tuple(one["path"]), one["value"]) for one in sent.operations]
    return operations, stream.state


def test_the_chunks_of_a_message_are_joined() -> None:
    _, state = written(("messages", chunk("It ", id="m1")), ("messages", chunk("is sunny.", id="m1")))
    [message] = state["messages"]
    assert (message["type"], message["content"], message["id"]) == ("ai", "It is sunny.", "m1")


def test_a_text_that_was_sent_is_appended_to() -> None:
    operations, _ = written(
        ("messages", chunk("is sunny.", id="m1")),
        state={"messages": [{"type": "ai", "id": "m1", "content": "It "}]},
    )
    assert ("append-text", ("messages", "0", "content"), "is sunny.") in operations
    assert all(path[:2] == ("messages", "0") and len(path) > 2 for _, path, _ in operations)


def test_tool_calls_are_joined_by_their_index() -> None:
    deltas = [
        {"type": "tool_call_chunk", "name": "weather", "args": "", "id": "c1", "index": 0},
        {"type": "tool_call_chunk", "name": None, "args": '{"city":', "id": None, "index": 0},
        {"type": "tool_call_chunk", "name": None, "args": '"Paris"}', "id": None, "index": 0},
    ]
    _, state = written(*(("messages", chunk(id="m1", tool_call_chunks=[delta])) for delta in deltas))
    [call] = state["messages"][0]["tool_calls"]
    assert (call["name"], call["args"], call["id"]) == ("weather", {"city": "Paris"}, "c1")


def test_a_message_replaces_the_one_with_its_id_or_tool_call_id() -> None:
    from langchain_core.messages import HumanMessage, ToolMessage

    _, state = written(
        ("messages", (HumanMessage("hi", id="h1"), {})),
        ("messages", (HumanMessage("hello", id="h1"), {})),
        ("messages", (ToolMessage("...", tool_call_id="c1"), {})),
        ("messages", (ToolMessage("21", tool_call_id="c1", id="t1"), {})),
    )
    assert [(message["type"], message["content"]) for message in state["messages"]] == [
        ("human", "hello"),
        ("tool", "21"),
    ]


def test_chunks_without_ids_are_not_joined() -> None:
    _, state = written(("messages", chunk("a")), ("messages", chunk("b")))
    assert [message["content"] for message in state["messages"]] == ["a", "b"]


def test_updates_assign_every_channel_but_messages() -> None:
    _, state = written(
        ("updates", {"node": {"title": "t", "messages": ["x"]}, "other": None, "__interrupt__": ()}),
        ("custom", {"progress": 1}),
        ("values", {"title": "v"}),
    )
    assert state == {"title": "t"}


def test_a_plain_dict_is_a_state_too() -> None:
    state: dict[str, Any] = {}
    for text in ("It ", "is sunny."):
        append_langgraph_event(state, (), "messages", chunk(text, id="m1"))
    assert state["messages"][0]["content"] == "It is sunny."


AI = {"type": "ai", "content": "", "tool_calls": [{"name": "first", "id": "c1"}, {"name": "research", "id": "c2"}]}


def subgraph_state(state: Any, *arguments: Any, **options: Any) -> tuple[Any, Any]:
    """Return the state of a subgraph to which `{"title": "t"}` was added, and the state of the run."""
    found: list[Any] = []

    def run(controller: RunController) -> None:
        inner = get_tool_call_subgraph_state(controller, *arguments, **options)
        append_langgraph_event(inner, (), "updates", {"node": {"title": "t"}})
        found.append(dict(inner))

    stream = create_run(run, state=state)
    list(stream)
    return found[0], stream.state


def test_the_state_of_a_subgraph_is_the_artifact_of_its_tool_message() -> None:
    inner, state = subgraph_state({"messages": [AI]}, ("tools:1", "agent:2"), "tools", {"messages": []})
    assert inner == {"messages": [], "title": "t"}
    tool = state["messages"][-1]
    assert tool["artifact"] == inner
    assert (tool["type"], tool["tool_call_id"], tool["name"], tool["content"]) == ("tool", "c2", "research", "")
    assert tool["additional_kwargs"] == {"streaming": True}


def test_the_made_message_has_the_fields_of_langchains_own() -> None:
    from langchain_core.messages import ToolMessage

    _, state = subgraph_state({"messages": [AI]}, ("tools:1",), "tools", {})
    wanted = ToolMessage("", tool_call_id="c2", name="research").model_dump()
    assert state["messages"][-1].keys() == wanted.keys()


def test_a_field_of_the_artifact() -> None:
    inner, state = subgraph_state(
        {"messages": [AI]}, ("tools:1",), ["tools"], {"steps": []}, artifact_field_name="subgraph"
    )
    assert inner == {"steps": [], "title": "t"}
    assert state["messages"][-1]["artifact"] == {"subgraph": inner}


def test_the_next_event_finds_the_same_artifact() -> None:
    def run(controller: RunController) -> None:
        for title in ("a", "b"):
            inner = get_tool_call_subgraph_state(controller, ("tools:1",), lambda names: names == ["tools"], {})
            inner[title] = True

    stream = create_run(run, state={"messages": [AI]})
    list(stream)
    assert len(stream.state["messages"]) == 2
    assert stream.state["messages"][1]["artifact"] == {"a": True, "b": True}


@pytest.mark.parametrize(
    ("state", "namespace", "options"),
    [
        ({"messages": [AI]}, (), {}),
        ({"messages": [AI]}, ("other:1",), {}),
        ({"messages": [AI]}, ("tools:1",), {"tool_name": "first"}),
        ({"messages": [AI]}, ("tools:1",), {"tool_name": ["first", "second"]}),
        ({"messages": []}, ("tools:1",), {}),
        ({}, ("tools:1",), {}),
        ({"messages": [{"type": "ai", "content": "x"}]}, ("tools:1",), {}),
        ({"messages": [{"type": "human", "content": "x"}]}, ("tools:1",), {}),
    ],
)
def test_otherwise_it_is_the_state_of_the_run(state: Any, namespace: Any, options: dict[str, Any]) -> None:
    inner, after = subgraph_state(state, namespace, "tools", {}, **options)
    assert inner == after == {**state, "title": "t"}


def test_a_state_that_is_none_begins_with_the_default() -> None:
    _, state = subgraph_state(None, (), "tools", {"messages": []})
    assert state == {"messages": [], "title": "t"}


def test_a_graph_in_the_state() -> None:
    from tests.integrations import graphs

    graph = graphs.nested(graphs.CALL, graphs.text("It is ", "21."))

    def run(controller: RunController) -> None:
        for event in graph.stream(graphs.INPUT, stream_mode=["messages", "updates"], subgraphs=True):
            append_langgraph_event(controller.state, *event)

    stream = create_run(run, state={})
    list(stream)
    state = stream.state
    assert [(message["type"], message["content"]) for message in state["messages"]] == [
        ("ai", "Let me look."),
        ("tool", '{"celsius":21}'),
        ("ai", "It is 21."),
    ]
    assert state["title"] == "Weather"
