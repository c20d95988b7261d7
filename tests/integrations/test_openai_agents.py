"""Runs of the OpenAI Agents SDK, with real clients on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from assistant_stream_ce import AssistantStreamChunk, RunController, create_run
from assistant_stream_ce.errors import ModelStreamError, StreamUsageError
from assistant_stream_ce.integrations import openai_agents as adapter
from tests.integrations import sdks
from tests.integrations.fake_provider import FakeProvider, fake_provider, leave, sse, typed_sse
from tests.integrations.feeding import contents
from tests.integrations.samples import CHAT, RESPONSES, chat_text, responses_text
from tests.support.require import require_packages


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    require_packages("agents", "openai")
    with fake_provider() as made:
        yield made
        await sdks.aclose_clients()


def model_of(provider: FakeProvider, kind: str = "responses") -> Any:
    from agents import OpenAIChatCompletionsModel, OpenAIResponsesModel

    client = sdks.openai_client(provider.url, "AsyncOpenAI")
    make: Any = OpenAIResponsesModel if kind == "responses" else OpenAIChatCompletionsModel
    return make(model="m", openai_client=client)


def agent_of(provider: FakeProvider, kind: str = "responses", **given: Any) -> Any:
    from agents import Agent, function_tool

    @function_tool
    def weather(city: str) -> dict[str, int]:
        """Return the weather of a city."""
        return {"celsius": 21}

    return Agent(**{"name": "a", "model": model_of(provider, kind), "tools": [weather], **given})


def streamed(agent: Any, prompt: Any = "hi", **given: Any) -> Any:
    from agents import RunConfig, Runner

    return Runner.run_streamed(agent, prompt, run_config=RunConfig(tracing_disabled=True), **given)


async def forwarded(agent: Any, prompt: Any = "hi", **given: Any) -> tuple[list[AssistantStreamChunk], Any]:
    """Return the chunks and the turn of a run."""
    turns = []

    async def run(controller: RunController) -> None:
        turns.append(await adapter.forward(controller, streamed(agent, prompt, **given)))

    return [chunk async for chunk in create_run(run)], turns[0]


@pytest.mark.parametrize("kind", ["responses", "chat"])
async def test_each_response_is_a_step_with_its_usage(provider: FakeProvider, kind: str) -> None:
    if kind == "responses":
        provider.bodies = [typed_sse(RESPONSES), typed_sse(responses_text("It is ", "sunny."))]
    else:
        provider.bodies = [sse(events, "data: [DONE]\n\n") for events in (CHAT, chat_text("It is ", "sunny."))]
    chunks, turn = await forwarded(agent_of(provider, kind))
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
    assert turn.result.final_output == "It is sunny."
    assert (turn.finish_reason, turn.tool_calls) == ("stop", [])
    assert (turn.usage.input_tokens, turn.usage.output_tokens) == (27, 8)
    assert turn.message.tool_calls[0].result == {"celsius": 21}


async def test_the_messages_go_into_the_next_run(provider: FakeProvider) -> None:
    provider.bodies = [typed_sse(responses_text("one")), typed_sse(responses_text("two"))]
    agent = agent_of(provider)
    _, turn = await forwarded(agent, "a")
    await forwarded(agent, [{"role": "user", "content": "a"}, *turn.messages, {"role": "user", "content": "b"}])
    assert [item["role"] for item in provider.requests[1]["input"]] == ["user", "assistant", "user"]
    assert turn.messages[0]["content"][0]["text"] == "one"


async def test_a_handoff_is_a_call_with_a_result(provider: FakeProvider) -> None:
    provider.bodies = [
        typed_sse([_named(event, "transfer_to_b", "{}") for event in RESPONSES]),
        typed_sse(responses_text("from b")),
    ]
    other = agent_of(provider, name="b")
    chunks, turn = await forwarded(agent_of(provider, handoffs=[other], tools=[]))
    entries = contents(chunks)
    assert ("call", "transfer_to_b") in entries
    assert ("result", '{"assistant": "b"}', False) in entries
    assert turn.text.endswith("from b")
    assert turn.result.last_agent.name == "b"


def _named(event: dict[str, Any], name: str, arguments: str) -> dict[str, Any]:
    """Return an event of the sample with another tool."""
    if event["type"] == "response.function_call_arguments.delta":
        return {**event, "delta": arguments}
    if event.get("item", {}).get("type") == "function_call":
        given = "" if event["type"].endswith("added") else arguments
        return {**event, "item": {**event["item"], "name": name, "arguments": given}}
    if event["type"] == "response.completed":
        *items, call = event["response"]["output"]
        call = {**call, "name": name, "arguments": arguments}
        return {**event, "response": {**event["response"], "output": [*items, call]}}
    return event


async def test_calls_wait_for_an_approval(provider: FakeProvider) -> None:
    from agents import function_tool

    @function_tool(needs_approval=True)
    def weather(city: str) -> str:
        """Return the weather of a city."""
        return "sunny"

    provider.bodies = [typed_sse(RESPONSES), typed_sse(responses_text("It is sunny."))]
    agent = agent_of(provider, tools=[weather])
    chunks, turn = await forwarded(agent)
    [request] = [chunk for chunk in chunks if chunk.type == "tool-approval-request"]
    assert (request.tool_call_id, request.approval_id) == ("c1", "c1")
    assert (turn.finish_reason, turn.tool_calls) == ("tool-calls", [])
    assert len(provider.requests) == 1

    state = turn.result.to_state()
    state.approve(turn.result.interruptions[0])
    chunks, turn = await forwarded(agent, state)
    [result] = [chunk for chunk in chunks if chunk.type == "tool-result"]
    assert (result.tool_call_id, result.result) == ("c1", "sunny")
    assert (turn.text, turn.finish_reason) == ("It is sunny.", "stop")


async def test_a_stream_that_is_cut_is_an_error(provider: FakeProvider) -> None:
    from agents import AgentsException

    provider.body = typed_sse(RESPONSES[:7])
    with pytest.raises((ModelStreamError, AgentsException)):
        await forwarded(agent_of(provider))


async def test_the_exceptions_of_the_sdk_pass_unchanged(provider: FakeProvider) -> None:
    from agents import MaxTurnsExceeded
    from openai import BadRequestError

    provider.body = typed_sse(RESPONSES)
    with pytest.raises(MaxTurnsExceeded):
        await forwarded(agent_of(provider), max_turns=1)
    provider.status = 400
    provider.body, provider.content_type = b'{"error":{"message":"no such model"}}', "application/json"
    with pytest.raises(BadRequestError, match="no such model"):
        await forwarded(agent_of(provider))


@pytest.mark.parametrize("holds_headers", [False, True])
async def test_the_request_ends_when_the_reader_leaves(provider: FakeProvider, holds_headers: bool) -> None:
    agent = agent_of(provider)
    provider.body = typed_sse(RESPONSES[:6])
    provider.stall_after, provider.holds_headers = len(provider.body), holds_headers
    await leave(provider, lambda controller: adapter.forward(controller, lambda: streamed(agent)))
    assert len(provider.requests) == 1


def test_a_plain_function_is_refused(provider: FakeProvider) -> None:
    agent = agent_of(provider)
    with pytest.raises(StreamUsageError, match="async def"):
        list(create_run(lambda controller: adapter.forward(controller, lambda: streamed(agent))))
