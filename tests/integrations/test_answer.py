"""`answer` with the real SDKs against a provider on loopback: the model calls a tool, reads its result, and answers."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from assistant_stream_ce import AssistantStreamChunk, RunController, create_run
from assistant_stream_ce.chunks import ToolResultChunk
from assistant_stream_ce.integrations.httpx import watch
from assistant_stream_ce.tools import Answer, FrontendTool, Tool, Tools
from tests.integrations import sdks
from tests.integrations.fake_provider import FakeProvider, fake_provider
from tests.integrations.samples import ANTHROPIC, BEDROCK, CHAT, GOOGLE, OLLAMA, RESPONSES, SAMPLES
from tests.integrations.sdks import MESSAGES, SDKS, kept

# google-genai subclasses the session of aiohttp, where that is installed.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

Ask = Callable[[str, list[Any], Tools], Any]


@dataclass(frozen=True)
class Case:
    """How one SDK asks.

    Attributes:
        ask: makes a blocking stream of the URL, the messages and the tools.
        aask: makes an asynchronous one; None where the SDK has none.
        said: the events of an answer with a text and no tool call.
        asked: the first messages.
        messages: where the messages are in the posted request.
    """

    ask: Ask
    aask: Ask | None
    said: list[Any]
    asked: list[Any]
    messages: str = "messages"


def _chat(make: Callable[[str], Any]) -> Ask:
    def ask(url: str, messages: list[Any], tools: Tools) -> Any:
        from assistant_stream_ce.integrations.openai import tool_schemas

        return make(url).chat.completions.create(model="m", messages=messages, tools=tool_schemas(tools), stream=True)

    return ask


def _responses(kind: str) -> Ask:
    def ask(url: str, messages: list[Any], tools: Tools) -> Any:
        from assistant_stream_ce.integrations.openai import tool_schemas

        described = tool_schemas(tools, api="responses")
        return sdks.openai_client(url, kind).responses.create(model="m", input=messages, tools=described, stream=True)

    return ask


def _anthropic(kind: str) -> Ask:
    def ask(url: str, messages: list[Any], tools: Tools) -> Any:
        from assistant_stream_ce.integrations.anthropic import tool_schemas

        return sdks.anthropic_client(url, kind).messages.create(
            model="m", max_tokens=9, messages=messages, tools=tool_schemas(tools), stream=True
        )

    return ask


def _google(*, is_async: bool) -> Ask:
    def ask(url: str, messages: list[Any], tools: Tools) -> Any:
        from assistant_stream_ce.integrations.google import tool_schemas

        client = sdks.google_client(url)
        models = client.aio.models if is_async else client.models
        return models.generate_content_stream(model="m", contents=messages, config={"tools": tool_schemas(tools)})

    return ask


def _bedrock(url: str, messages: list[Any], tools: Tools) -> Any:
    from assistant_stream_ce.integrations.bedrock import tool_schemas

    return sdks.bedrock_client(url).converse_stream(
        modelId="m", messages=messages, toolConfig={"tools": tool_schemas(tools)}
    )


def _ollama(kind: str) -> Ask:
    def ask(url: str, messages: list[Any], tools: Tools) -> Any:
        from assistant_stream_ce.integrations.ollama import tool_schemas

        client = kept(getattr(importlib.import_module("ollama"), kind)(host=url))
        return client.chat(model="m", messages=messages, tools=tool_schemas(tools), stream=True)

    return ask


def _groq(kind: str) -> Ask:
    return _chat(lambda url: kept(getattr(importlib.import_module("groq"), kind)(base_url=url, api_key="k")))


def _mistral(method: str) -> Ask:
    def ask(url: str, messages: list[Any], tools: Tools) -> Any:
        from assistant_stream_ce.integrations.mistral import tool_schemas

        client = kept(importlib.import_module("mistralai.client").Mistral(api_key="k", server_url=url))
        return getattr(client.chat, method)(model="m", messages=messages, tools=tool_schemas(tools))

    return ask


def _langchain(method: str) -> Ask:
    def ask(url: str, messages: list[Any], tools: Tools) -> Any:
        from assistant_stream_ce.integrations.langchain import tool_schemas

        model = sdks.langchain_model(url, use_responses_api=True)
        return getattr(model.bind_tools(tool_schemas(tools)), method)(messages)

    return ask


_CHAT_SAID = [
    {**CHAT[0], "choices": [{"index": 0, "delta": {"content": "21 degrees."}, "finish_reason": None}]},
    {**CHAT[0], "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    CHAT[-1],
]


def _mistral_end(delta: dict[str, Any], reason: str) -> dict[str, Any]:
    """Return a chunk with whole content and usage: mistral's client refuses a usage without choices."""
    return {**CHAT[-1], "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


_CALL = {"name": "weather", "arguments": '{"city":"Paris"}'}

# litellm is left out, because it takes seconds to import; its streams are chat completion chunks too.
_CALLED = {
    **SAMPLES,
    "mistral": [_mistral_end({"tool_calls": [{"index": 0, "id": "c1", "function": _CALL}]}, "tool_calls")],
}
_RESPONSES_SAID = [event for event in RESPONSES if event.get("output_index") != 2]
_RESPONSES_SAID[-1] = {
    **_RESPONSES_SAID[-1],
    "response": {**_RESPONSES_SAID[-1]["response"], "output": _RESPONSES_SAID[-1]["response"]["output"][:2]},
}
_ANTHROPIC_SAID = [event for event in ANTHROPIC if event.get("index") not in (0, 2)]
_ANTHROPIC_SAID[-2] = {**_ANTHROPIC_SAID[-2], "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
_GOOGLE_SAID = [
    {
        **GOOGLE[1],
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": "Fine."}]}, "finishReason": "STOP", "index": 0}
        ],
    }
]
_BEDROCK_SAID = [
    event for event in BEDROCK if not any(value.get("contentBlockIndex") in (0, 2) for value in event.values())
]
_BEDROCK_SAID[-2] = {"messageStop": {"stopReason": "end_turn"}}

CASES = {
    "openai": Case(
        _chat(sdks.openai_client), _chat(lambda url: sdks.openai_client(url, "AsyncOpenAI")), _CHAT_SAID, MESSAGES
    ),
    "openai responses": Case(
        _responses("OpenAI"), _responses("AsyncOpenAI"), _RESPONSES_SAID, MESSAGES, messages="input"
    ),
    "anthropic": Case(_anthropic("Anthropic"), _anthropic("AsyncAnthropic"), _ANTHROPIC_SAID, MESSAGES),
    "google": Case(
        _google(is_async=False),
        _google(is_async=True),
        _GOOGLE_SAID,
        [{"role": "user", "parts": [{"text": "hi"}]}],
        messages="contents",
    ),
    "bedrock": Case(_bedrock, None, _BEDROCK_SAID, [{"role": "user", "content": [{"text": "hi"}]}]),
    "ollama": Case(_ollama("Client"), _ollama("AsyncClient"), [*OLLAMA[1:3], OLLAMA[-1]], MESSAGES),
    "groq": Case(_groq("Groq"), _groq("AsyncGroq"), _CHAT_SAID, MESSAGES),
    "mistral": Case(_mistral("stream"), _mistral("stream_async"), [_mistral_end({"content": "21."}, "stop")], MESSAGES),
    "langchain": Case(_langchain("stream"), _langchain("astream"), _RESPONSES_SAID, MESSAGES, messages="input"),
}


def weather(city: str) -> dict[str, Any]:
    """Return the weather of a city."""
    return {"city": city, "celsius": 21}


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as made:
        yield made
        sdks.close_clients()


class Run:
    """One answer of a model behind a real SDK."""

    def __init__(self, name: str, provider: FakeProvider, tools: Tools) -> None:
        self.sdk, self.case = SDKS[name], CASES[name]
        self.sdk.require()
        self.tools = tools
        self.url = provider.url
        provider.requests.clear()
        provider.bodies = [self.sdk.encode(_CALLED[name]), self.sdk.encode(self.case.said)]
        provider.content_type = self.sdk.content_type
        self.messages = list(self.case.asked)
        self.chunks: list[AssistantStreamChunk] = []
        self.answers: list[Answer] = []

    @property
    def answer(self) -> Answer:
        [answer] = self.answers
        return answer

    def block(self) -> None:
        def ask(messages: list[Any]) -> Any:
            return self.case.ask(self.url, messages, self.tools)

        def run(controller: RunController) -> None:
            self.answers.append(self.sdk.module.answer(controller, ask, self.messages, tools=self.tools))

        self.chunks.extend(create_run(run))

    async def wait(self) -> None:
        assert self.case.aask is not None
        aask = self.case.aask

        def ask(messages: list[Any]) -> Any:
            return aask(self.url, messages, self.tools)

        async def run(controller: RunController) -> None:
            self.answers.append(await self.sdk.module.answer(controller, ask, self.messages, tools=self.tools))

        async for chunk in create_run(run):
            self.chunks.append(chunk)
        await sdks.aclose_clients()


@pytest.mark.parametrize("name", CASES)
def test_a_tool_is_called_and_the_model_reads_its_result(name: str, provider: FakeProvider) -> None:
    run = Run(name, provider, Tools([weather]))
    run.block()
    first, second = provider.requests
    assert "Return the weather of a city." in json.dumps(first)
    asked = second[run.case.messages]
    assert "Paris" in json.dumps(asked[:-1])
    assert "celsius" in json.dumps(asked[-1])
    assert "21" in json.dumps(asked[-1])
    answer = run.answer
    assert answer.reason == "finished"
    assert len(answer.turns) == 2
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (14, 10)
    assert run.messages[: len(run.case.asked)] == run.case.asked
    assert run.messages[-len(answer.turns[1].messages) :] == answer.turns[1].messages
    assert json.loads(json.dumps(run.messages)) == run.messages
    [result] = [chunk for chunk in run.chunks if isinstance(chunk, ToolResultChunk)]
    assert result.result == {"city": "Paris", "celsius": 21}
    assert [chunk.type for chunk in run.chunks].count("message-finish") == 1


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.aask is not None])
async def test_asynchronous_clients_do_the_same(name: str, provider: FakeProvider) -> None:
    run = Run(name, provider, Tools([weather]))
    await run.wait()
    assert run.answer.reason == "finished"
    assert len(provider.requests) == 2
    assert "celsius" in json.dumps(provider.requests[1][run.case.messages][-1])
    assert json.loads(json.dumps(run.messages)) == run.messages
    assert [chunk.type for chunk in run.chunks].count("message-finish") == 1


@pytest.mark.parametrize("name", CASES)
def test_a_front_end_tool_ends_the_answer(name: str, provider: FakeProvider) -> None:
    run = Run(name, provider, Tools([FrontendTool("weather")]))
    run.block()
    assert run.answer.reason == "waiting"
    assert len(provider.requests) == 1
    assert run.messages == [*run.case.asked, *run.answer.turns[0].messages]
    [call] = run.answer.turns[0].tool_calls
    assert len(run.sdk.module.tool_results(run.answer.turns[0], {call.id: {"celsius": 3}})) == 1


@pytest.mark.parametrize("waits", ["for the headers", "for the second answer", "in a tool"])
@pytest.mark.parametrize("is_async", [False, True])
def test_nothing_is_asked_after_the_reader_has_left(waits: str, is_async: bool, provider: FakeProvider) -> None:
    """With openai, which sends a request again when its connection fails."""

    def tool(city: str, controller: RunController) -> None:
        provider.reached.set()
        controller.cancelled_event.wait_sync(30)

    run = Run("openai", provider, Tools([Tool(tool, name="weather") if waits == "in a tool" else weather]))
    if waits == "for the headers":
        provider.holds_headers = True
    if waits == "for the second answer":
        provider.stall_from = 2
    client = (sdks.openai_client if not is_async else lambda url: sdks.openai_client(url, "AsyncOpenAI"))(run.url)
    if not is_async:
        watch(client)

    def ask(messages: list[Any]) -> Any:
        return client.chat.completions.create(model="m", messages=messages, stream=True)

    def callback(controller: RunController) -> None:
        run.sdk.module.answer(controller, ask, run.messages, tools=run.tools)

    async def acallback(controller: RunController) -> None:
        await run.sdk.module.answer(controller, ask, run.messages, tools=run.tools)

    ended = threading.Event()
    reasons: list[str] = []

    def on_finish(result: Any) -> None:
        reasons.append(result.reason)
        ended.set()

    stream = create_run(acallback if is_async else callback, on_finish=on_finish)
    reader = threading.Thread(target=lambda: run.chunks.extend(stream))
    reader.start()
    assert provider.reached.wait(30)
    stream.cancel()
    reader.join(30)
    assert ended.wait(30)
    assert reasons == ["cancelled"]
    assert len(provider.requests) == (2 if waits == "for the second answer" else 1)
    if is_async:
        # On the loop that has used it.
        list(create_run(lambda controller: close(client)))
        sdks.CLIENTS.clear()


async def close(client: Any) -> None:
    await client.close()
