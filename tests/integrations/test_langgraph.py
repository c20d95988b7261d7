"""Real graphs of langgraph, blocking and asynchronous, in all shapes of their streams."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from assistant_stream_ce import AssistantStreamChunk, RunController, create_run
from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations import langgraph
from assistant_stream_ce.integrations.httpx import watch
from tests.integrations import sdks
from tests.integrations.fake_provider import fake_provider
from tests.integrations.samples import CHAT
from tests.support.require import require_packages


@pytest.fixture
def graphs() -> Any:
    require_packages("langgraph", "langchain_core")
    from tests.integrations import graphs

    return graphs


def forwarded(
    make: Callable[[], Any], state: Any = None, **options: Any
) -> tuple[list[AssistantStreamChunk], langgraph.GraphTurn, Any]:
    """Return the chunks, the turn and the final state of a blocking stream."""
    turns: list[langgraph.GraphTurn] = []
    stream = create_run(
        lambda controller: turns.append(langgraph.forward(controller, make, **options)),
        state=state,
    )
    chunks = list(stream)
    return chunks, turns[0], stream.state


def contents(chunks: list[AssistantStreamChunk]) -> list[tuple[Any, ...]]:
    """Return what chunks carry, without generated ids."""
    found: list[tuple[Any, ...]] = []
    for chunk in chunks:
        match chunk.type:
            case "text-delta":
                found.append(("text", chunk.text_delta))
            case "tool-call-begin":
                found.append(("call", chunk.tool_call_id, chunk.tool_name))
            case "tool-call-delta":
                found.append(("args", chunk.args_text_delta) if chunk.args_text_delta else ("args end",))
            case "tool-result":
                found.append(("result", chunk.tool_call_id, chunk.result))
            case "step-finish":
                found.append(("finish", chunk.finish_reason, chunk.input_tokens, chunk.output_tokens))
            case "data":
                found.append(("data", chunk.data))
            case _:
                found.append((chunk.type,))
    return found


EXPECTED = [
    ("step-start",),
    ("text", "Let me "),
    ("text", "look."),
    ("call", "c1", "weather"),
    ("args", '{"city":"Paris"}'),
    ("args end",),
    ("finish", "tool-calls", 7, 5),
    ("data", {"progress": 1}),
    ("result", "c1", {"celsius": 21}),
    ("step-start",),
    ("text", "It is "),
    ("text", "21."),
    ("finish", "stop", 7, 5),
]

WITHOUT_DATA = [item for item in EXPECTED if item[0] != "data"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"stream_mode": "messages"}, WITHOUT_DATA),
        ({"stream_mode": ["messages"]}, WITHOUT_DATA),
        ({"stream_mode": "messages", "subgraphs": True}, WITHOUT_DATA),
        ({"stream_mode": "messages", "version": "v2"}, WITHOUT_DATA),
        ({"stream_mode": ["messages", "updates", "custom", "values"]}, EXPECTED),
        ({"stream_mode": ["messages", "updates", "custom", "values"], "subgraphs": True}, EXPECTED),
        ({"stream_mode": ["messages", "updates", "custom", "values"], "version": "v2"}, EXPECTED),
        ({"stream_mode": "custom"}, [("data", {"progress": 1})]),
    ],
)
def test_every_shape_of_a_stream(graphs: Any, options: dict[str, Any], expected: list[Any]) -> None:
    graph = graphs.agent(graphs.CALL, graphs.text("It is ", "21."))
    chunks, turn, _ = forwarded(lambda: graph.stream(graphs.INPUT, graphs.CONFIG, **options))
    assert contents(chunks) == expected
    if expected[0] == ("step-start",):
        assert (turn.text, turn.finish_reason, turn.model) == ("Let me look.It is 21.", "stop", "m")
        assert (turn.usage.input_tokens, turn.usage.output_tokens) == (14, 10)
        assert (turn.tool_calls, turn.interrupts) == ([], [])


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_an_asynchronous_stream_is_forwarded_in_the_same_way(graphs: Any, version: str) -> None:
    graph = graphs.agent(graphs.CALL, graphs.text("It is ", "21."))
    turns = []

    async def run(controller: RunController) -> None:
        stream = graph.astream(graphs.INPUT, graphs.CONFIG, stream_mode=graphs.ALL_MODES, version=version)
        turns.append(await langgraph.forward(controller, stream))

    assert contents([chunk async for chunk in create_run(run)]) == EXPECTED
    assert turns[0].text == "Let me look.It is 21."


def test_the_messages_of_the_turn_continue_a_conversation(graphs: Any) -> None:
    from langchain_core.messages import convert_to_messages

    graph = graphs.agent(graphs.CALL, graphs.text("It is ", "21."))
    _, turn, _ = forwarded(lambda: graph.stream(graphs.INPUT, graphs.CONFIG, stream_mode="messages"))
    messages = convert_to_messages(turn.messages)
    stored = graph.get_state(graphs.CONFIG).values["messages"][1:]
    assert [(one.type, one.content) for one in messages] == [(one.type, one.content) for one in stored]
    assert messages[0].tool_calls == stored[0].tool_calls
    assert messages[1].tool_call_id == "c1"


def test_messages_and_data_can_be_left_out(graphs: Any) -> None:
    graph = graphs.agent(graphs.CALL, graphs.text("21"))
    chunks, turn, _ = forwarded(
        lambda: graph.stream(graphs.INPUT, graphs.CONFIG, stream_mode=graphs.ALL_MODES), messages=False, custom=False
    )
    assert chunks == []
    assert turn.messages == []


def test_a_subgraph_belongs_to_its_namespace(graphs: Any) -> None:
    graph = graphs.nested(graphs.CALL, graphs.text("21"))
    chunks, _, _ = forwarded(lambda: graph.stream(graphs.INPUT, stream_mode=["messages"], subgraphs=True))
    [parent] = {chunk.parent_id for chunk in chunks if chunk.type in ("text-delta", "tool-call-begin")}
    assert parent.startswith("agent:")


def test_messages_of_a_hidden_subgraph_are_sent_whole_and_once(graphs: Any) -> None:
    graph = graphs.nested(graphs.CALL, graphs.text("It is ", "21."))
    chunks, _, _ = forwarded(lambda: graph.stream(graphs.INPUT, stream_mode="messages"))
    assert [chunk.text_delta for chunk in chunks if chunk.type == "text-delta"] == ["Let me look.", "It is 21."]
    assert [item for item in contents(chunks) if item[0] in ("call", "result")] == [
        ("call", "c1", "weather"),
        ("result", "c1", {"celsius": 21}),
    ]


def test_an_artifact_and_a_failure(graphs: Any) -> None:
    graph = graphs.agent(graphs.CALL, graphs.text("21"), artifact={"map": 1})
    chunks, _, _ = forwarded(lambda: graph.stream(graphs.INPUT, graphs.CONFIG, stream_mode="messages"))
    [result] = [chunk for chunk in chunks if chunk.type == "tool-result"]
    assert (result.artifact, result.is_error) == ({"map": 1}, False)

    graph = graphs.agent(graphs.CALL, graphs.text("21"), status="error")
    chunks, turn, _ = forwarded(lambda: graph.stream(graphs.INPUT, graphs.CONFIG, stream_mode="messages"))
    assert [chunk.is_error for chunk in chunks if chunk.type == "tool-result"] == [True]
    assert turn.messages[1]["status"] == "error"


@pytest.mark.parametrize(
    ("modes", "log"), [(["updates"], ["model"]), (["values", "updates"], ["model", "tools", "model"])]
)
def test_the_channels_become_the_state(graphs: Any, modes: list[str], log: list[str]) -> None:
    graph = graphs.agent(graphs.CALL, graphs.text("21"))
    _, _, state = forwarded(lambda: graph.stream(graphs.INPUT, graphs.CONFIG, stream_mode=modes), updates="state")
    assert state == {"title": "Weather", "log": log}


def test_a_channel_of_a_subgraph_does_not_overwrite_the_state(graphs: Any) -> None:
    graph = graphs.nested(graphs.CALL, graphs.text("21"))
    _, _, state = forwarded(
        lambda: graph.stream(graphs.INPUT, stream_mode=["updates"], subgraphs=True),
        state={"title": "mine"},
        updates="state",
    )
    assert state["log"] == ["model", "tools", "model"]


@pytest.mark.parametrize("mode", ["values", "updates", None])
def test_a_single_mode_is_known_whatever_its_data(graphs: Any, mode: str | None) -> None:
    """A state without messages looks like custom data, and one of dicts like updates."""
    from langgraph.graph import START, StateGraph

    builder = StateGraph(dict)
    builder.add_node("node", lambda state: {"profile": {"name": "Ada"}})
    builder.add_edge(START, "node")
    _, _, state = forwarded(lambda: builder.compile().stream({}, stream_mode=mode), updates="state")
    assert state == {"profile": {"name": "Ada"}}


def test_no_channels_by_default(graphs: Any) -> None:
    graph = graphs.agent(graphs.text("21"))
    assert forwarded(lambda: graph.stream(graphs.INPUT, graphs.CONFIG, stream_mode=graphs.ALL_MODES))[2] is None


@pytest.mark.parametrize(
    "value",
    [
        "ok?",
        {"tool_call_id": "c1", "question": "ok?"},
        {"action_requests": [{"name": "weather", "args": {"city": "Paris"}}], "review_configs": []},
        [{"action_request": {"action": "weather", "args": {"city": "Paris"}}, "config": {}}],
    ],
)
@pytest.mark.parametrize("options", [{"stream_mode": ["messages", "updates"]}, {"stream_mode": ["messages", "values"]}])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_interrupt_asks_to_approve_its_call(graphs: Any, value: Any, options: Any, version: str) -> None:
    from langgraph.types import Command

    graph = graphs.waiting(value, graphs.CALL)
    chunks, turn, _ = forwarded(lambda: graph.stream(graphs.INPUT, graphs.CONFIG, **options, version=version))
    [interrupt] = turn.interrupts
    assert interrupt.value == value
    assert chunks[-1].type == "tool-approval-request"
    assert (chunks[-1].tool_call_id, chunks[-1].approval_id) == ("c1", interrupt.id)
    assert [call.id for call in turn.tool_calls] == ["c1"]

    resume = Command(resume={interrupt.id: "yes"})
    chunks, turn, _ = forwarded(lambda: graph.stream(resume, graphs.CONFIG, **options, version=version))
    assert contents(chunks) == [("result", "c1", "yes")]


def test_an_interrupt_without_a_call_is_shown_as_one(graphs: Any) -> None:
    graph = graphs.waiting("Which city?", graphs.text("Hm."))
    chunks, turn, _ = forwarded(
        lambda: graph.stream(graphs.INPUT, graphs.CONFIG, stream_mode=["messages", "updates"]),
    )
    assert [chunk.tool_name for chunk in chunks if chunk.type == "tool-call-begin"] == ["interrupt"]
    assert turn.message.tool_calls[0].args == {"value": "Which city?"}
    assert turn.tool_calls == []


def test_interrupts_can_be_left_out(graphs: Any) -> None:
    graph = graphs.waiting("ok?", graphs.CALL)
    chunks, turn, _ = forwarded(
        lambda: graph.stream(graphs.INPUT, graphs.CONFIG, stream_mode=["messages", "updates"]), interrupts=False
    )
    assert "tool-approval-request" not in {chunk.type for chunk in chunks}
    assert len(turn.interrupts) == 1


@pytest.mark.parametrize("option", [{"updates": True}, {"custom": "text"}, {"interrupts": "tool"}])
def test_an_unknown_option_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        forwarded(lambda: iter([]), **option)


def test_a_model_that_raises_and_is_tried_again(graphs: Any) -> None:
    from langgraph.graph import START, StateGraph
    from langgraph.types import RetryPolicy

    model = graphs.ScriptedChatModel(
        answers=[[graphs.AIMessageChunk("It "), ConnectionError("lost")], graphs.text("It is 21.")]
    )
    builder = StateGraph(graphs.State)
    builder.add_node(
        "model",
        lambda state: {"messages": [model.invoke(state["messages"])]},
        retry_policy=RetryPolicy(initial_interval=0.01, jitter=False),
    )
    builder.add_edge(START, "model")
    chunks, turn, _ = forwarded(lambda: builder.compile().stream(graphs.INPUT, stream_mode=["messages"]))
    assert "".join(chunk.text_delta for chunk in chunks if chunk.type == "text-delta") == "It It is 21."
    assert [chunk.type for chunk in chunks].count("step-start") == [chunk.type for chunk in chunks].count("step-finish")
    assert [message["content"] for message in turn.messages] == ["It is 21."]


def provider_graph(graphs: Any, url: str, *, is_async: bool = False) -> tuple[Any, Any]:
    """Return a graph of one model of langchain-openai, and the model."""
    from langgraph.graph import START, StateGraph

    require_packages("langchain_openai")
    model = sdks.langchain_model(url)

    def ask(state: Any) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    async def aask(state: Any) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    builder = StateGraph(graphs.State)
    builder.add_node("model", aask if is_async else ask)
    builder.add_edge(START, "model")
    return builder.compile(), model


def test_a_model_that_is_cut_is_an_error(graphs: Any) -> None:
    with fake_provider() as provider:
        provider.body = sdks.SDKS["openai"].encode(CHAT[:4])
        graph, _ = provider_graph(graphs, provider.url)
        with pytest.raises(ModelStreamError) as caught:
            forwarded(lambda: graph.stream(graphs.INPUT, stream_mode=["messages", "updates"]))
        sdks.close_clients()
    assert caught.value.turn.text == "Let me look."


@pytest.mark.parametrize("holds_headers", [False, True])
def test_a_blocked_node_ends_when_the_reader_leaves(graphs: Any, holds_headers: bool) -> None:
    with fake_provider() as provider:
        provider.holds_headers = holds_headers
        provider.body = sdks.SDKS["openai"].encode(CHAT[:4])
        provider.stall_after = len(provider.body.replace(b"data: [DONE]\n\n", b""))
        graph, model = provider_graph(graphs, provider.url)
        watch(model)
        ended = threading.Event()
        reasons: list[str] = []

        def run(controller: RunController) -> None:
            controller.add_data("begun")
            try:
                langgraph.forward(controller, graph.stream(graphs.INPUT, stream_mode=["messages"]))
            finally:
                ended.set()

        stream = create_run(run, on_finish=lambda result: reasons.append(result.reason))
        next(stream)
        assert provider.reached.wait(10)
        stream.cancel()
        assert provider.left.wait(10), "the connection to the model was not closed"
        assert ended.wait(10)
        assert stream._run.ended.wait_sync(10)
        assert reasons == ["cancelled"]
        assert len(provider.requests) == 1
        sdks.close_clients()


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_coroutine_that_is_left_closes_its_connection(graphs: Any, is_async: bool) -> None:
    """A blocking node of an asynchronous stream runs in a thread, which only `watch` reaches."""
    with fake_provider() as provider:
        provider.body = sdks.SDKS["openai"].encode(CHAT[:4])
        provider.stall_after = len(provider.body.replace(b"data: [DONE]\n\n", b""))
        graph, model = provider_graph(graphs, provider.url, is_async=is_async)
        watch(model)

        async def run(controller: RunController) -> None:
            await langgraph.forward(controller, graph.astream(graphs.INPUT, stream_mode=["messages"]))

        async with create_run(run) as stream:
            async for chunk in stream:
                if chunk.type == "text-delta":
                    break
        assert await asyncio.to_thread(provider.left.wait, 10), "the connection to the model was not closed"
        await sdks.aclose_clients()


def test_parallel_nodes_are_kept_apart(graphs: Any) -> None:
    from langgraph.graph import START, StateGraph

    builder = StateGraph(graphs.State)
    both_have_begun = threading.Barrier(2)
    for name in ("left", "right"):
        model = graphs.ScriptedChatModel(answers=[graphs.text(f"{name} 1,", f"{name} 2")], pause=both_have_begun)

        def ask(state: Any, model: Any = model) -> Any:
            return {"messages": [model.invoke(state["messages"])]}

        builder.add_node(name, ask)
        builder.add_edge(START, name)
    chunks, turn, _ = forwarded(lambda: builder.compile().stream(graphs.INPUT, stream_mode="messages"))
    by_parent: dict[Any, str] = {}
    for chunk in chunks:
        if chunk.type == "text-delta":
            by_parent[chunk.parent_id] = by_parent.get(chunk.parent_id, "") + chunk.text_delta
    assert sorted(by_parent.values()) == ["left 1,left 2", "right 1,right 2"]
    assert [chunk.type for chunk in chunks].count("step-finish") == 1
    assert (turn.usage.input_tokens, turn.usage.output_tokens) == (14, 10)
