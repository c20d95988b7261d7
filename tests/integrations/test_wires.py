"""Recorded streams of real providers come out whole, through the real SDKs.

The recordings lie beside the project, in `shared/wires`; the expected values are in `wires.tsv`.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.integrations import langchain
from tests.integrations import sdks
from tests.integrations.fake_provider import FakeProvider, fake_provider
from tests.integrations.sdks import SDKS, Sdk
from tests.support.require import require

ROOT = Path(__file__).resolve().parents[2]
WIRES = ROOT.parent / "shared" / "wires"

FOLDERS = {
    "anthropic": "anthropic",
    "bedrock": "bedrock",
    "google": "google",
    "groq": "groq",
    "mistral": "mistral",
    "ollama": "ollama",
    "openai-chat": "openai",
    "openai-responses": "openai responses",
}

with (Path(__file__).with_name("wires.tsv")).open(encoding="utf-8") as table:
    EXPECTED = {row["wire"]: row for row in csv.DictReader(table, delimiter="\t")}


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as made:
        yield made


def script(provider: FakeProvider, wire: str) -> Sdk:
    path = WIRES / wire
    sdk = SDKS[FOLDERS[path.parent.name]]
    require(WIRES.exists(), f"the recorded streams in {WIRES}")
    sdk.require()
    is_raw = path.suffix in (".sse", ".eventstream", ".ndjson")
    provider.body = path.read_bytes() if is_raw else sdk.encode([*map(whole, path.read_text().splitlines())])
    provider.content_type = sdk.content_type
    return sdk


def whole(line: str) -> Any:
    """Return a recorded event; one recording lacks the last braces."""
    try:
        return json.loads(line)
    except ValueError:
        return json.loads(line + "}")


def summary(run: Any) -> dict[str, str]:
    """Return what came out, as the table has it."""
    try:
        turn = run()
    except Exception as error:
        return {"error": type(error).__name__}
    reasoning = "".join(part.text for part in turn.message.parts if part.type == "reasoning")
    calls = [[call.name, call.args_text, call.error] for call in turn.tool_calls]
    theirs = [part.name for part in turn.message.tool_calls if part.id not in {call.id for call in turn.tool_calls}]
    content = json.dumps([turn.text, reasoning, calls, theirs])
    usage = turn.usage
    return {
        "error": "",
        "finish": turn.finish_reason,
        "provider": turn.provider_finish_reason or "",
        "text": str(len(turn.text)),
        "reasoning": str(len(reasoning)),
        "calls": ",".join(call.name for call in turn.tool_calls),
        "theirs": ",".join(theirs),
        "tokens": f"{usage.input_tokens}/{usage.output_tokens}/{usage.cached_tokens}/{usage.reasoning_tokens}",
        "digest": hashlib.sha256(content.encode()).hexdigest()[:12],
    }


def forwarded(provider: FakeProvider, sdk: Sdk) -> dict[str, str]:
    turns: list[Any] = []

    def run() -> Any:
        list(create_run(lambda controller: turns.append(sdk.module.forward(controller, sdk.stream(provider.url)))))
        return turns[0]

    try:
        return summary(run)
    finally:
        sdks.close_clients()


def check(wire: str, found: dict[str, str]) -> None:
    """Compare what came out with the table."""
    if "apply-patch" in wire and find_spec("openai.types.responses.response_apply_patch_tool_call") is None:
        # Before 2.9 openai does not know the tool: its arguments have the order of the wire, not that of the model.
        del found["digest"]
    assert found == {name: value for name, value in EXPECTED[wire].items() if name in found}


@pytest.mark.parametrize("wire", EXPECTED)
def test_a_recorded_stream_is_complete(wire: str, provider: FakeProvider) -> None:
    sdk = script(provider, wire)
    check(wire, forwarded(provider, sdk))


# google-genai subclasses the session of aiohttp, where that is installed.
@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
@pytest.mark.parametrize("wire", [wire for wire in EXPECTED if not wire.startswith("bedrock")])
async def test_an_asynchronous_client_reads_the_same(wire: str, provider: FakeProvider) -> None:
    sdk = script(provider, wire)
    turns: list[Any] = []

    async def run(controller: RunController) -> None:
        assert sdk.astream is not None
        turns.append(await sdk.module.forward(controller, sdk.astream(provider.url)))

    error = ""
    try:
        async for _ in create_run(run):
            pass
    except Exception as raised:
        error = type(raised).__name__
    await sdks.aclose_clients()
    if error:
        assert error == EXPECTED[wire]["error"]
    else:
        check(wire, summary(lambda: turns[0]))


def test_every_recording_has_expected_values() -> None:
    require(WIRES.exists(), f"the recorded streams in {WIRES}")
    found = {str(path.relative_to(WIRES)) for folder in FOLDERS for path in (WIRES / folder).iterdir()}
    assert found == EXPECTED.keys()


# The shell and patch tools of OpenAI are no tool calls to langchain.
NOT_OF_LANGCHAIN = ("openai-responses/openai-apply-patch-tool.1.chunks.txt",)


@pytest.mark.parametrize(
    "wire", [wire for wire in EXPECTED if wire.startswith("openai") and wire not in NOT_OF_LANGCHAIN]
)
def test_langchain_reads_the_same_texts_and_calls(wire: str, provider: FakeProvider) -> None:
    """Langchain drops the reasoning of chat completions."""
    script(provider, wire)
    SDKS["langchain"].require()
    options = {"use_responses_api": wire.startswith("openai-responses"), "stream_usage": True}
    turns: list[langchain.Turn] = []

    def run() -> langchain.Turn:
        stream = sdks.langchain_model(provider.url, **options).stream("hi")
        list(create_run(lambda controller: turns.append(langchain.forward(controller, stream))))
        return turns[0]

    found = summary(run)
    sdks.close_clients()
    compared = {"error", "finish", "text", "calls", "tokens"} & found.keys()
    assert {name: found[name] for name in compared} == {name: EXPECTED[wire][name] for name in compared}


# litellm refuses a stream without a finish reason, which Snowflake's have not.
NOT_OF_LITELLM = ("openai-chat/pai-test_snowflake_thinking_streaming.1.sse",)


# litellm reads every attribute of pydantic's models.
@pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")
@pytest.mark.parametrize(
    "wire", [wire for wire in EXPECTED if wire.startswith("openai-chat") and wire not in NOT_OF_LITELLM]
)
def test_litellm_reads_the_same_texts_and_calls(wire: str, provider: FakeProvider) -> None:
    script(provider, wire)
    SDKS["litellm"].require()
    found = forwarded(provider, SDKS["litellm"])
    compared = {"error", "finish", "text", "reasoning", "calls"} & found.keys()
    assert {name: found[name] for name in compared} == {name: EXPECTED[wire][name] for name in compared}
