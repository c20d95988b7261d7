"""Requests of OpenAI clients to a compatible endpoint: `POST /v1/chat/completions`."""

from __future__ import annotations

from assistant_stream_ce.chat_requests.body import Body
from assistant_stream_ce.chat_requests.request import ChatRequest
from assistant_stream_ce.conversions.openai_chat import read_openai_chat

_SETTINGS = (
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "modalities",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "prediction",
    "reasoning_effort",
    "response_format",
    "seed",
    "service_tier",
    "stop",
    "temperature",
    "tool_choice",
    "top_k",
    "top_logprobs",
    "top_p",
    "verbosity",
    "web_search_options",
)


def read_openai_chat_request(body: Body) -> ChatRequest:
    """Return the request. `model`, `stream` and all that is no call setting are in `extra`."""
    new_from = read_openai_chat(body.history, body.messages(), "messages")
    results, _ = body.new_results(new_from)
    return body.request(
        tool_results=results,
        tools=body.take_tools(),
        settings={name: body.take(name) for name in _SETTINGS if name in body.fields},
    )
