"""Chat models of langchain: fake ones, and langchain-openai against a provider on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.errors import ModelStreamError
from assistant_stream_ce.integrations import langchain
from tests.integrations import sdks
from tests.integrations.fake_provider import FakeProvider, fake_provider
from tests.integrations.samples import CHAT, RESPONSES
from tests.integrations.tools import WEATHER
from tests.support.require import require_packages


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    require_packages("langchain_openai")
    with fake_provider() as made:
        yield made
        sdks.close_clients()


def fake_model(*answers: str) -> Any:
    require_packages("langchain_core")
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    return GenericFakeChatModel(messages=iter([AIMessage(answer) for answer in answers]))


def test_a_fake_model() -> None:
    turns: list[langchain.Turn] = []
    stream = create_run(lambda controller: turns.append(langchain.forward(controller, fake_model("a b").stream("hi"))))
    assert [chunk.text_delta for chunk in stream if chunk.type == "text-delta"] == ["a", " ", "b"]
    assert (turns[0].text, turns[0].finish_reason) == ("a b", "stop")


async def test_a_fake_model_in_a_coroutine() -> None:
    turns: list[langchain.Turn] = []

    async def run(controller: RunController) -> None:
        turns.append(await langchain.forward(controller, fake_model("a b").astream("hi")))

    chunks = [chunk async for chunk in create_run(run)]
    assert [chunk.type for chunk in chunks] == ["step-start", "text-delta", "text-delta", "text-delta", "step-finish"]
    assert turns[0].text == "a b"


@pytest.mark.parametrize(("events", "api"), [(CHAT, "chat"), (RESPONSES, "responses")])
def test_the_model_takes_the_turn_and_its_results_back(provider: FakeProvider, events: list[Any], api: str) -> None:
    encode = sdks.SDKS["openai responses" if api == "responses" else "openai"].encode
    provider.body = encode(events)
    model = sdks.langchain_model(provider.url, use_responses_api=api == "responses", stream_usage=True)
    bound = model.bind_tools(langchain.tool_schemas([WEATHER]))
    messages: list[Any] = [{"role": "user", "content": "hi"}]

    def run(controller: RunController) -> None:
        for _ in range(2):
            turn = langchain.forward(controller, bound.stream(messages))
            messages.extend(turn.messages)
            messages.extend(langchain.tool_results(turn, {turn.tool_calls[0].id: {"celsius": 21}}))

    list(create_run(run))
    first, second = provider.requests
    assert "weather" in str(first["tools"])
    if api == "chat":
        assert second["messages"][1:] == [
            {
                "role": "assistant",
                "content": "Let me look.",
                "tool_calls": [
                    {
                        "type": "function",
                        "id": "c1",
                        "function": {"name": "weather", "arguments": '{"city": "Paris"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": '{"celsius":21}'},
        ]
    else:
        assert [item.get("type") for item in second["input"][1:]] == [
            "reasoning",
            "message",
            "function_call",
            "function_call_output",
        ]
        assert second["input"][1]["encrypted_content"] == "secret"


def test_a_failure_is_marked() -> None:
    require_packages("langchain_core")
    from langchain_core.messages import AIMessage, convert_to_messages

    call = {"type": "tool_call", "name": "weather", "args": {}, "id": "c1"}
    turns: list[langchain.Turn] = []
    list(create_run(lambda controller: turns.append(langchain.forward(controller, [AIMessage("", tool_calls=[call])]))))
    [answer] = convert_to_messages(langchain.tool_results(turns[0], {"c1": ValueError("no such city")}))
    assert (answer.status, answer.content, answer.tool_call_id) == ("error", "no such city", "c1")


@pytest.mark.parametrize("cut", [1, 3, 6])
def test_every_cut_of_a_chat_completion_is_an_error(provider: FakeProvider, cut: int) -> None:
    provider.body = sdks.SDKS["openai"].encode(CHAT[:cut])
    model = sdks.langchain_model(provider.url)
    with pytest.raises(ModelStreamError, match="incomplete"):
        list(create_run(lambda controller: langchain.forward(controller, model.stream("hi"))))


def test_an_exception_of_the_client_passes_unchanged(provider: FakeProvider) -> None:
    import openai

    provider.status, provider.body, provider.content_type = 400, b'{"error": {"message": "no"}}', "application/json"
    model = sdks.langchain_model(provider.url)
    with pytest.raises(openai.BadRequestError):
        list(create_run(lambda controller: langchain.forward(controller, model.stream("hi"))))


def test_a_chain_is_forwarded_by_its_model() -> None:
    model = fake_model("a")
    from langchain_core.runnables import RunnableLambda

    chain = RunnableLambda(lambda text: f"say {text}") | model
    turns: list[langchain.Turn] = []
    list(create_run(lambda controller: turns.append(langchain.forward(controller, chain.stream("a")))))
    assert turns[0].text == "a"
