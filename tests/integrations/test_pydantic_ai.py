"""Runs of pydantic-ai's agents, with its test models and with real clients on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from assistant_stream_ce import AssistantStreamChunk, RunController, create_run
from assistant_stream_ce.errors import ModelStreamError, StreamUsageError
from assistant_stream_ce.integrations import pydantic_ai as adapter
from tests.integrations import sdks
from tests.integrations.fake_provider import FakeProvider, fake_provider, leave, sse, typed_sse
from tests.integrations.feeding import contents
from tests.integrations.samples import ANTHROPIC, CHAT, chat_text
from tests.support.require import require_packages


@pytest.fixture(autouse=True)
def pydantic_ai() -> None:
    require_packages("pydantic_ai", "openai", "anthropic")


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    with fake_provider() as made:
        yield made
        await sdks.aclose_clients()


def weather(city: str) -> dict[str, int]:
    """Return the weather of a city."""
    return {"celsius": 21}


def openai_model(provider: FakeProvider) -> Any:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel("m", provider=OpenAIProvider(openai_client=sdks.openai_client(provider.url, "AsyncOpenAI")))


def scripted(*answers: Callable[[], Iterator[Any]]) -> Any:
    """Return a model that answers with these in turn."""
    from pydantic_ai.models.function import FunctionModel

    left = list(answers)

    async def answer(messages: Any, info: Any) -> Any:
        for piece in left.pop(0)():
            yield piece

    return FunctionModel(stream_function=answer)


async def forwarded(agent: Any, prompt: Any = "hi", **given: Any) -> tuple[list[AssistantStreamChunk], Any]:
    """Return the chunks and the turn of a run."""
    turns = []

    async def run(controller: RunController) -> None:
        turns.append(await adapter.forward(controller, agent.run_stream_events(prompt, **given)))

    return [chunk async for chunk in create_run(run)], turns[0]


async def test_each_response_is_a_step_with_its_usage(provider: FakeProvider) -> None:
    from pydantic_ai import Agent

    provider.bodies = [sse(CHAT, "data: [DONE]\n\n"), sse(chat_text("It is ", "sunny."), "data: [DONE]\n\n")]
    chunks, turn = await forwarded(Agent(openai_model(provider), tools=[weather]))
    assert contents(chunks) == [
        ("reasoning", "hm"),
        ("text", "Let me "),
        ("text", "look."),
        ("call", "weather"),
        ("args", '{"city":"Paris"}'),
        ("finish", "tool-calls", 7, 5),
        ("result", {"celsius": 21}, False),
        ("text", "It is "),
        ("text", "sunny."),
        ("finish", "stop", 20, 3),
    ]
    assert [chunk.type for chunk in chunks].count("step-start") == 2
    assert turn.result.output == "It is sunny."
    assert (turn.finish_reason, turn.tool_calls) == ("stop", [])
    assert (turn.usage.input_tokens, turn.usage.output_tokens) == (27, 8)
    assert turn.message.tool_calls[0].result == {"celsius": 21}
    assert (turn.id, turn.model) == ("r2", "m")


async def test_the_messages_go_into_the_next_run(provider: FakeProvider) -> None:
    from pydantic_ai import Agent, ModelMessagesTypeAdapter

    provider.bodies = [sse(chat_text("one"), "data: [DONE]\n\n"), sse(chat_text("two"), "data: [DONE]\n\n")]
    agent = Agent(openai_model(provider))
    _, first = await forwarded(agent, "a")
    _, second = await forwarded(agent, "b", message_history=ModelMessagesTypeAdapter.validate_python(first.messages))
    assert [message["content"] for message in provider.requests[1]["messages"]] == ["a", "one", "b"]
    assert len(second.messages) == 2


async def test_a_run_with_a_history_counts_only_its_own_responses() -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel

    agent = Agent(TestModel(custom_output_text="yes"))
    first = await agent.run("a")
    chunks, turn = await forwarded(agent, "b", message_history=first.all_messages())
    assert [chunk.type for chunk in chunks].count("step-finish") == 1
    assert turn.usage.output_tokens == turn.result.usage.output_tokens


async def test_anthropic_keeps_its_signature(provider: FakeProvider) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    provider.bodies = [typed_sse(ANTHROPIC), typed_sse([*ANTHROPIC[:1], *ANTHROPIC[5:9], *anthropic_end()])]
    model = AnthropicModel(
        "m", provider=AnthropicProvider(anthropic_client=sdks.anthropic_client(provider.url, "AsyncAnthropic"))
    )
    chunks, turn = await forwarded(Agent(model, tools=[weather]))
    assert [chunk.signature for chunk in chunks if chunk.type == "reasoning-signature"] == ["sig"]
    assert turn.finish_reason == "stop"
    assert turn.provider_finish_reason == "end_turn"


def anthropic_end() -> list[Any]:
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    return [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}}, {"type": "message_stop"}]


async def test_arguments_arrive_in_pieces() -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.function import DeltaThinkingPart, DeltaToolCall

    def first() -> Iterator[Any]:
        yield {0: DeltaThinkingPart(content="hm")}
        yield {1: DeltaToolCall(name="weather", json_args='{"ci', tool_call_id="c1")}
        yield {1: DeltaToolCall(json_args='ty":"Paris"}', tool_call_id="c1")}

    chunks, _ = await forwarded(Agent(scripted(first, lambda: iter(["done"])), tools=[weather]))
    assert contents(chunks)[:4] == [
        ("reasoning", "hm"),
        ("call", "weather"),
        ("args", '{"ci'),
        ("args", 'ty":"Paris"}'),
    ]


async def test_a_tool_that_fails_has_an_error_and_is_asked_again() -> None:
    from pydantic_ai import Agent, ModelRetry
    from pydantic_ai.models.function import DeltaToolCall

    def call() -> Iterator[Any]:
        yield {0: DeltaToolCall(name="find", json_args="{}")}

    tries: list[int] = []

    def find() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise ModelRetry("not yet")
        return "found"

    chunks, turn = await forwarded(Agent(scripted(call, call, lambda: iter(["done"])), tools=[find]))
    assert [entry[1:] for entry in contents(chunks) if entry[0] == "result"] == [("not yet", True), ("found", False)]
    assert [chunk.type for chunk in chunks].count("step-finish") == 3
    assert turn.text == "done"


async def test_the_call_of_an_output_tool_is_not_shown() -> None:
    from pydantic_ai import Agent, ToolOutput
    from pydantic_ai.models.test import TestModel

    for output_type in (int, ToolOutput(int, name="answer")):
        chunks, turn = await forwarded(Agent(TestModel(), output_type=output_type))
        assert [entry[0] for entry in contents(chunks)] == ["finish"]
        assert turn.result.output == 0
        assert turn.finish_reason == "stop"


async def test_an_output_that_is_refused_is_another_step() -> None:
    from pydantic_ai import Agent, ModelRetry

    agent = Agent(scripted(lambda: iter(["bad"]), lambda: iter(["good"])))

    @agent.output_validator
    def check(text: str) -> str:
        if text == "bad":
            raise ModelRetry("no")
        return text

    chunks, turn = await forwarded(agent)
    assert [entry[:2] for entry in contents(chunks)] == [
        ("text", "bad"),
        ("finish", "stop"),
        ("text", "good"),
        ("finish", "stop"),
    ]
    assert turn.result.output == "good"


async def test_calls_wait_for_an_approval() -> None:
    from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults
    from pydantic_ai.models.test import TestModel

    agent = Agent(TestModel(), output_type=[str, DeferredToolRequests])

    @agent.tool_plain(requires_approval=True)
    def delete(path: str) -> str:
        return f"deleted {path}"

    chunks, first = await forwarded(agent)
    [call_id] = [chunk.tool_call_id for chunk in chunks if chunk.type == "tool-call-begin"]
    [request] = [chunk for chunk in chunks if chunk.type == "tool-approval-request"]
    assert (request.tool_call_id, request.approval_id) == (call_id, first.result.output.approvals[0].tool_call_id)
    assert (first.finish_reason, first.tool_calls) == ("tool-calls", [])

    decisions = DeferredToolResults(approvals={request.approval_id: True})
    chunks, turn = await forwarded(
        agent, None, message_history=first.result.all_messages(), deferred_tool_results=decisions
    )
    [result] = [chunk for chunk in chunks if chunk.type == "tool-result"]
    assert (result.tool_call_id, result.result) == (call_id, "deleted a")
    assert turn.finish_reason == "stop"

    chunks, turn = await forwarded(
        agent,
        None,
        message_history=first.result.all_messages(),
        deferred_tool_results=DeferredToolResults(approvals={request.approval_id: False}),
    )
    [result] = [chunk for chunk in chunks if chunk.type == "tool-result"]
    assert (result.tool_call_id, result.denied) == (call_id, True)


async def test_external_calls_are_the_applications() -> None:
    from pydantic_ai import Agent, CallDeferred, DeferredToolRequests
    from pydantic_ai.models.test import TestModel

    agent = Agent(TestModel(), output_type=[str, DeferredToolRequests], tools=[weather])

    @agent.tool_plain
    def pick(city: str) -> str:
        raise CallDeferred

    _, turn = await forwarded(agent)
    [call] = turn.tool_calls
    assert (call.name, call.args) == ("pick", {"city": "a"})
    assert turn.finish_reason == "tool-calls"


async def test_an_agent_in_a_tool_has_the_call_as_its_parent() -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel

    turns = []
    inner = Agent(TestModel(custom_output_text="inside"))
    outer = Agent(TestModel(custom_output_text="outside"), deps_type=RunController)

    @outer.tool
    async def ask(context) -> str:  # type: ignore[no-untyped-def]
        events = inner.run_stream_events("hi")
        turn = await adapter.forward(context.deps, events, parent_id=context.tool_call_id)
        return str(turn.result.output)

    async def run(controller: RunController) -> None:
        turns.append(await adapter.forward(controller, outer.run_stream_events("hi", deps=controller)))

    chunks = [chunk async for chunk in create_run(run)]
    [call_id] = [chunk.tool_call_id for chunk in chunks if chunk.type == "tool-call-begin"]
    texts = {None: "", call_id: ""}
    for chunk in chunks:
        if chunk.type == "text-delta":
            texts[chunk.parent_id] += chunk.text_delta
    assert texts == {None: "outside", call_id: "inside"}
    assert turns[0].message.tool_calls[0].result == "inside"


@pytest.mark.parametrize("length", [2, 5])
async def test_a_stream_that_is_cut_is_an_error(provider: FakeProvider, length: int) -> None:
    from pydantic_ai import Agent

    provider.body = sse(CHAT[:length])
    with pytest.raises(ModelStreamError) as caught:
        await forwarded(Agent(openai_model(provider), tools=[weather]))
    assert caught.value.code == "incomplete"
    assert caught.value.turn.text == ("" if length == 2 else "Let me look.")


async def test_the_exceptions_of_the_sdk_pass_unchanged(provider: FakeProvider) -> None:
    from pydantic_ai import Agent, ModelHTTPError

    provider.status = 400
    provider.body, provider.content_type = b'{"error":{"message":"no such model"}}', "application/json"
    with pytest.raises(ModelHTTPError, match="no such model"):
        await forwarded(Agent(openai_model(provider)))


@pytest.mark.parametrize("holds_headers", [False, True])
async def test_the_request_ends_when_the_reader_leaves(provider: FakeProvider, holds_headers: bool) -> None:
    from pydantic_ai import Agent

    agent = Agent(openai_model(provider))
    provider.body = sse(CHAT[:4])
    provider.stall_after, provider.holds_headers = len(provider.body), holds_headers
    await leave(provider, lambda controller: adapter.forward(controller, agent.run_stream_events("hi")))
    assert len(provider.requests) == 1


def test_a_plain_function_is_refused() -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel

    agent = Agent(TestModel())
    with pytest.raises(StreamUsageError, match="async def"):
        list(create_run(lambda controller: adapter.forward(controller, agent.run_stream_events("hi"))))


async def test_reasoning_can_be_left_out() -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.function import DeltaThinkingPart

    agent = Agent(scripted(lambda: iter([{0: DeltaThinkingPart(content="hm")}, "done"])))

    async def run(controller: RunController) -> None:
        await adapter.forward(controller, lambda: agent.run_stream_events("hi"), reasoning=False)

    assert "reasoning-delta" not in {chunk.type async for chunk in create_run(run)}
