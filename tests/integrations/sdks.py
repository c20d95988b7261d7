"""Clients of each SDK for a provider on loopback, and their requests for a stream."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.integrations.fake_provider import aws_events, json_lines, sse, typed_sse
from tests.support.require import require

#: The clients that were made: some close themselves when they are collected, in the middle of a stream.
CLIENTS: list[Any] = []

MESSAGES = [{"role": "user", "content": "hi"}]


@dataclass(frozen=True)
class Sdk:
    """One SDK.

    Attributes:
        name: of the SDK.
        package: that has to be installed.
        module: our adapter.
        content_type: of the provider's answers.
        encode: writes events as a body.
        stream: makes a blocking stream, given a URL.
        astream: makes an asynchronous one; None where the SDK has none.
        reads: whether a cut or an error of the transport raises the SDK's own exception.
    """

    name: str
    package: str
    content_type: str
    encode: Callable[[list[Any]], bytes]
    stream: Callable[[str], Any]
    astream: Callable[[str], Any] | None = None
    adapter: str = ""

    @property
    def module(self) -> Any:
        """Our adapter."""
        return importlib.import_module(f"assistant_stream_ce.integrations.{self.adapter or self.name}")

    def require(self) -> None:
        """Skip the test where the package is missing."""
        try:
            importlib.import_module(self.package)
        except ImportError:
            require(False, f"the package {self.package}")


def kept(client: Any) -> Any:
    """Return a client that lives until `close_clients` or `aclose_clients`."""
    CLIENTS.append(client)
    return client


def close_clients() -> None:
    """Close the clients of blocking streams."""
    while CLIENTS:
        client = CLIENTS.pop()
        client = getattr(client, "root_client", client)
        # Clients of ollama 0.6.0 have no `close`.
        close = getattr(client, "close", None) or getattr(getattr(client, "_client", None), "close", None)
        if close is not None:
            close()


async def aclose_clients() -> None:
    """Close the clients of asynchronous streams, on their loop."""
    while CLIENTS:
        client = CLIENTS.pop()
        client = getattr(client, "root_async_client", client)
        close = getattr(getattr(client, "aio", None), "aclose", None) or getattr(client, "aclose", None)
        close = close or getattr(client, "close", None) or getattr(getattr(client, "_client", None), "aclose", None)
        outcome = close() if close is not None else None
        if inspect.isawaitable(outcome):
            await outcome


def openai_client(url: str, kind: str = "OpenAI") -> Any:
    return kept(getattr(importlib.import_module("openai"), kind)(base_url=f"{url}/v1", api_key="k"))


def anthropic_client(url: str, kind: str = "Anthropic") -> Any:
    return kept(getattr(importlib.import_module("anthropic"), kind)(base_url=url, api_key="k"))


def google_client(url: str) -> Any:
    genai = importlib.import_module("google.genai")
    return kept(genai.Client(api_key="k", http_options={"base_url": url}))


def bedrock_client(url: str) -> Any:
    boto3 = importlib.import_module("boto3")
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="k",
        aws_secret_access_key="s",
    )
    return kept(client)


def _anthropic(url: str, kind: str = "Anthropic") -> Any:
    return anthropic_client(url, kind).messages.create(model="m", max_tokens=9, messages=MESSAGES, stream=True)


def _google_models(url: str) -> Any:
    return google_client(url).models.generate_content_stream(model="m", contents="hi")


def _google_aio(url: str) -> Any:
    return google_client(url).aio.models.generate_content_stream(model="m", contents="hi")


def _bedrock(url: str) -> Any:
    messages = [{"role": "user", "content": [{"text": "hi"}]}]
    return bedrock_client(url).converse_stream(modelId="m", messages=messages)


def _ollama(url: str, kind: str = "Client") -> Any:
    client = kept(getattr(importlib.import_module("ollama"), kind)(host=url))
    return client.chat(model="m", messages=MESSAGES, stream=True)


def _groq(url: str, kind: str = "Groq") -> Any:
    client = kept(getattr(importlib.import_module("groq"), kind)(base_url=url, api_key="k"))
    return client.chat.completions.create(model="m", messages=MESSAGES, stream=True)


def _mistral(url: str) -> Any:
    client = kept(importlib.import_module("mistralai.client").Mistral(api_key="k", server_url=url))
    return client.chat.stream(model="m", messages=MESSAGES)


def _mistral_async(url: str) -> Any:
    client = kept(importlib.import_module("mistralai.client").Mistral(api_key="k", server_url=url))
    return client.chat.stream_async(model="m", messages=MESSAGES)


def _litellm(url: str, function: str = "completion", kind: str = "OpenAI") -> Any:
    # Without it, the import of litellm requests a list of prices.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    litellm = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    return getattr(litellm, function)(
        model="openai/m",
        client=openai_client(url, kind),
        messages=MESSAGES,
        stream=True,
        stream_options={"include_usage": True},
    )


def langchain_model(url: str, **options: Any) -> Any:
    make = importlib.import_module("langchain_openai").ChatOpenAI
    # The models of one URL share a client, also after it was closed.
    return kept(make(model="m", base_url=f"{url}/{uuid.uuid4().hex}/v1", api_key="k", **options))


def chat_sse(events: list[Any]) -> bytes:
    """Return chunks of a chat completion as its body."""
    return sse(events, "data: [DONE]\n\n")


EVENT_STREAM = "text/event-stream"

SDKS = {
    sdk.name: sdk
    for sdk in (
        Sdk(
            "openai",
            "openai",
            EVENT_STREAM,
            chat_sse,
            lambda url: openai_client(url).chat.completions.create(model="m", messages=MESSAGES, stream=True),
            lambda url: openai_client(url, "AsyncOpenAI").chat.completions.create(
                model="m", messages=MESSAGES, stream=True
            ),
        ),
        Sdk(
            "openai helper",
            "openai",
            EVENT_STREAM,
            chat_sse,
            lambda url: openai_client(url).chat.completions.stream(model="m", messages=MESSAGES),
            lambda url: openai_client(url, "AsyncOpenAI").chat.completions.stream(model="m", messages=MESSAGES),
            adapter="openai",
        ),
        Sdk(
            "openai responses",
            "openai",
            EVENT_STREAM,
            typed_sse,
            lambda url: openai_client(url).responses.create(model="m", input="hi", stream=True),
            lambda url: openai_client(url, "AsyncOpenAI").responses.create(model="m", input="hi", stream=True),
            adapter="openai",
        ),
        Sdk(
            "anthropic", "anthropic", EVENT_STREAM, typed_sse, _anthropic, lambda url: _anthropic(url, "AsyncAnthropic")
        ),
        Sdk(
            "anthropic helper",
            "anthropic",
            EVENT_STREAM,
            typed_sse,
            lambda url: anthropic_client(url).messages.stream(model="m", max_tokens=9, messages=MESSAGES),
            lambda url: anthropic_client(url, "AsyncAnthropic").messages.stream(
                model="m", max_tokens=9, messages=MESSAGES
            ),
            adapter="anthropic",
        ),
        Sdk("google", "google.genai", EVENT_STREAM, sse, _google_models, _google_aio),
        Sdk("bedrock", "boto3", "application/vnd.amazon.eventstream", aws_events, _bedrock),
        Sdk("ollama", "ollama", "application/x-ndjson", json_lines, _ollama, lambda url: _ollama(url, "AsyncClient")),
        Sdk("groq", "groq", EVENT_STREAM, chat_sse, _groq, lambda url: _groq(url, "AsyncGroq")),
        Sdk("mistral", "mistralai", EVENT_STREAM, chat_sse, _mistral, _mistral_async),
        Sdk(
            "langchain",
            "langchain_openai",
            EVENT_STREAM,
            typed_sse,
            lambda url: langchain_model(url, use_responses_api=True).stream(MESSAGES),
            lambda url: langchain_model(url, use_responses_api=True).astream(MESSAGES),
        ),
        Sdk(
            "litellm",
            "litellm",
            EVENT_STREAM,
            chat_sse,
            _litellm,
            lambda url: _litellm(url, "acompletion", "AsyncOpenAI"),
        ),
    )
}


def load_events(text: str) -> list[Any]:
    """Return the events of recorded lines of JSON."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]
