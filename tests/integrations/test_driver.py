"""Each SDK's real package, blocking and asynchronous, against a provider on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from assistant_stream_ce import AssistantStreamChunk, RunController, create_run
from assistant_stream_ce.errors import ModelStreamError, StreamUsageError
from assistant_stream_ce.integrations.httpx import watch
from tests.integrations import sdks
from tests.integrations.fake_provider import FakeProvider, fake_provider
from tests.integrations.feeding import contents
from tests.integrations.samples import SAMPLES
from tests.integrations.sdks import SDKS, Sdk

TESTED = list(SDKS)

# Their streams hold no response to find: only `watch` reaches it.
WATCHED_ONLY = ("google", "ollama", "langchain")

each_sdk = pytest.mark.parametrize("name", TESTED)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as made:
        yield made
        sdks.close_clients()


def script(provider: FakeProvider, name: str, events: list[Any] | None = None) -> Sdk:
    """Have the provider answer with the sample of an SDK, or with other events."""
    sdk = SDKS[name]
    sdk.require()
    provider.body = sdk.encode(SAMPLES[name] if events is None else events)
    provider.content_type = sdk.content_type
    return sdk


def forwarded(provider: FakeProvider, sdk: Sdk) -> tuple[list[AssistantStreamChunk], Any]:
    """Return the chunks and the turn of a blocking stream."""
    turns = []
    stream = create_run(lambda controller: turns.append(sdk.module.forward(controller, sdk.stream(provider.url))))
    return list(stream), turns[0]


async def aforwarded(provider: FakeProvider, sdk: Sdk) -> tuple[list[AssistantStreamChunk], Any]:
    """Return the chunks and the turn of an asynchronous stream."""
    assert sdk.astream is not None
    turns = []

    async def run(controller: RunController) -> None:
        turns.append(await sdk.module.forward(controller, sdk.astream(provider.url)))

    chunks = [chunk async for chunk in create_run(run)]
    await sdks.aclose_clients()
    return chunks, turns[0]


EXPECTED = [
    ("reasoning", "hm"),
    ("text", "Let me "),
    ("text", "look."),
    ("call", "weather"),
    ("args", '{"city":"Paris"}'),
    ("finish", "tool-calls", 7, 5),
]


@each_sdk
def test_a_blocking_stream_is_forwarded(name: str, provider: FakeProvider) -> None:
    sdk = script(provider, name)
    chunks, turn = forwarded(provider, sdk)
    assert contents(chunks) == EXPECTED
    assert chunks[0].type == "step-start"
    [call] = turn.tool_calls
    assert (call.name, call.args, call.error) == ("weather", {"city": "Paris"}, None)
    assert turn.text == "Let me look."
    assert turn.finish_reason == "tool-calls"
    assert (turn.usage.input_tokens, turn.usage.output_tokens) == (7, 5)
    assert turn.message.tool_calls[0].id == call.id
    assert turn.model == (None if name == "bedrock" else "m")


# google-genai subclasses the session of aiohttp, where that is installed.
@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
# litellm reads every attribute of pydantic's models.
@pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")
@pytest.mark.parametrize("name", [name for name in TESTED if SDKS[name].astream is not None])
async def test_an_asynchronous_stream_is_forwarded_in_the_same_way(name: str, provider: FakeProvider) -> None:
    sdk = script(provider, name)
    chunks, turn = await aforwarded(provider, sdk)
    assert contents(chunks) == EXPECTED
    assert [call.name for call in turn.tool_calls] == ["weather"]


@pytest.mark.parametrize("name", [name for name in TESTED if name != "litellm"])
def test_a_stream_that_is_cut_is_an_error(name: str, provider: FakeProvider) -> None:
    finish = {"bedrock": 2, "openai": 2, "openai helper": 2, "groq": 2, "anthropic": 2, "anthropic helper": 2}
    events = SAMPLES[name][: -finish.get(name, 1)]
    sdk = script(provider, name, events)
    with pytest.raises(ModelStreamError) as caught:
        forwarded(provider, sdk)
    assert caught.value.code == "incomplete"
    assert caught.value.turn.text == "Let me look."


def test_litellm_has_its_own_exception_for_a_stream_that_is_cut(provider: FakeProvider) -> None:
    sdk = script(provider, "litellm", SAMPLES["litellm"][:-2])
    with pytest.raises(Exception, match="ended before a finish_reason") as caught:
        forwarded(provider, sdk)
    assert type(caught.value).__module__.startswith("litellm")


@each_sdk
def test_a_blocked_read_ends_when_the_reader_leaves(name: str, provider: FakeProvider, monkeypatch: Any) -> None:
    if name in WATCHED_ONLY:
        watch_all(monkeypatch)
    sdk = script(provider, name, SAMPLES[name][:-2])
    provider.stall_after = len(provider.body.replace(b"data: [DONE]\n\n", b""))
    assert leave(provider, lambda controller: sdk.module.forward(controller, sdk.stream(provider.url))) == "cancelled"
    assert len(provider.requests) == 1


@pytest.mark.parametrize("name", [name for name in TESTED if name != "bedrock"])
def test_a_wait_for_headers_ends_when_the_reader_leaves(name: str, provider: FakeProvider, monkeypatch: Any) -> None:
    watch_all(monkeypatch)
    sdk = script(provider, name)
    provider.holds_headers = True
    assert leave(provider, lambda controller: sdk.module.forward(controller, lambda: sdk.stream(provider.url))) == (
        "cancelled"
    )
    assert len(provider.requests) == 1


def watch_all(monkeypatch: Any) -> None:
    """Have every client watched that a test makes."""
    kept = sdks.kept
    monkeypatch.setattr(sdks, "kept", lambda client: kept(watch(client)))


def leave(provider: FakeProvider, run: Callable[[RunController], object]) -> str:
    """Leave a run as soon as its model is silent; return how it ended."""
    reasons: list[str] = []
    stream = create_run(lambda controller: run(controller), on_finish=lambda result: reasons.append(result.reason))
    next(stream)
    assert provider.reached.wait(10)
    # `close` would abandon an SDK that pauses before it finds that it must not try again.
    stream.cancel()
    assert provider.left.wait(10), "the connection to the model was not closed"
    assert stream._run.ended.wait_sync(10)
    return reasons[0]


async def test_a_blocking_stream_in_a_coroutine_is_refused() -> None:
    async def run(controller: RunController) -> None:
        SDKS["openai"].module.forward(controller, iter([]))

    with pytest.raises(StreamUsageError, match="plain `def`"):
        [chunk async for chunk in create_run(run)]


class WholeAnswer(msgspec.Struct):
    """What an SDK returns without `stream=True`: like its pydantic models, iterable and with `model_dump`."""

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter([("id", "answer-1")])

    def model_dump(self) -> dict[str, str]:
        return dict(self)


@pytest.mark.parametrize("answer", [WholeAnswer(), {"output": {"message": {}}}, "text", b"bytes", None, 3])
@pytest.mark.parametrize("name", ["openai", "anthropic", "google", "bedrock", "ollama", "langchain"])
def test_an_answer_that_is_no_stream_is_refused(name: str, answer: object) -> None:
    def run(controller: RunController) -> None:
        SDKS[name].module.forward(controller, lambda: answer)

    with pytest.raises(TypeError, match=f"not {type(answer).__name__}: does the request ask for a stream"):
        list(create_run(run))


async def test_an_awaited_answer_that_is_no_stream_is_refused() -> None:
    async def answer() -> WholeAnswer:
        return WholeAnswer()

    async def run(controller: RunController) -> None:
        await SDKS["openai"].module.forward(controller, answer())

    with pytest.raises(TypeError, match="does the request ask for a stream"):
        [chunk async for chunk in create_run(run)]


@pytest.mark.parametrize(
    "name", ["openai", "openai responses", "anthropic", "google", "bedrock", "ollama", "langchain"]
)
def test_the_results_of_tools_go_back_in_the_providers_format(name: str, provider: FakeProvider) -> None:
    sdk = script(provider, name)
    _, turn = forwarded(provider, sdk)
    [call] = turn.tool_calls
    answers = sdk.module.tool_results(turn, {call.id: {"celsius": 21}})
    assert '"celsius":21' in str(answers).replace("'celsius': 21", '"celsius":21').replace(" ", "")
    with pytest.raises(KeyError, match="weather"):
        sdk.module.tool_results(turn, {})


def test_signed_reasoning_is_sent_back_unchanged(provider: FakeProvider) -> None:
    turns = {}
    for name in ("anthropic", "google", "bedrock", "openai responses"):
        turns[name] = forwarded(provider, script(provider, name))[1].messages
    assert turns["anthropic"][0]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "sig"}
    assert turns["google"][0]["parts"][-1]["thought_signature"] == "AAEC"
    assert turns["bedrock"][0]["content"][0] == {
        "reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}
    }
    assert turns["openai responses"][0]["encrypted_content"] == "secret"


def test_reasoning_can_be_left_out(provider: FakeProvider) -> None:
    sdk = script(provider, "openai")
    stream = create_run(lambda controller: sdk.module.forward(controller, sdk.stream(provider.url), reasoning=False))
    assert "reasoning-delta" not in {chunk.type for chunk in stream}


def test_every_chunk_has_the_parent(provider: FakeProvider) -> None:
    sdk = script(provider, "openai")
    stream = create_run(lambda controller: sdk.module.forward(controller, sdk.stream(provider.url), parent_id="p"))
    assert {chunk.parent_id for chunk in stream if chunk.type in ("text-delta", "tool-call-begin")} == {"p"}


def test_a_call_id_of_an_earlier_turn_gets_another_one(provider: FakeProvider) -> None:
    sdk = script(provider, "openai")
    turns: list[Any] = []

    def run(controller: RunController) -> None:
        for _ in range(2):
            turns.append(sdk.module.forward(controller, sdk.stream(provider.url)))

    list(create_run(run))
    first, second = (turn.tool_calls[0] for turn in turns)
    assert first.id != second.id
    assert first.provider_id == second.provider_id == "c1"
    assert turns[1].messages[0]["tool_calls"][0]["id"] == "c1"


def test_clients_are_closed_with_their_loop() -> None:
    """The helper of these tests leaves no client behind."""
    asyncio.run(sdks.aclose_clients())
    assert sdks.CLIENTS == []
