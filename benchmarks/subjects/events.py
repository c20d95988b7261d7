"""Streams of model SDKs: a text or piece again and again, and the end, as the SDK's own objects."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.subjects.work import TEXT


def _chat_chunk(delta: dict[str, Any], finish: str | None = None) -> Any:
    chunk = importlib.import_module("openai.types.chat").ChatCompletionChunk.model_validate
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return chunk({"id": "r", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def _openai_chat() -> tuple[list[Any], Any, list[Any]]:
    return [], _chat_chunk({"content": TEXT}), [_chat_chunk({}, "stop")]


def _openai_chat_arguments() -> tuple[list[Any], Any, list[Any]]:
    def piece(text: str, **begin: str) -> Any:
        function = {"arguments": text, **({"name": "write"} if begin else {})}
        return _chat_chunk({"tool_calls": [{"index": 0, "function": function, **begin}]})

    first = [piece("", id="c", type="function"), piece('{"text": "')]
    return first, piece(TEXT), [piece('"}'), _chat_chunk({}, "tool_calls")]


def _openai_responses() -> tuple[list[Any], Any, list[Any]]:
    types = importlib.import_module("openai.types.responses")
    delta = {"content_index": 0, "output_index": 0, "item_id": "i", "logprobs": [], "sequence_number": 1}
    response = {"id": "r", "object": "response", "created_at": 1, "model": "m", "output": [], "status": "completed"}
    response |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    end = {"type": "response.completed", "response": response, "sequence_number": 2}
    return (
        [],
        types.ResponseTextDeltaEvent.model_validate({"type": "response.output_text.delta", "delta": TEXT, **delta}),
        [types.ResponseCompletedEvent.model_validate(end)],
    )


def _anthropic() -> tuple[list[Any], Any, list[Any]]:
    types = importlib.import_module("anthropic.types")
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}}
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
    return (
        [types.RawContentBlockStartEvent.model_validate(start)],
        types.RawContentBlockDeltaEvent.model_validate(delta),
        [types.RawMessageDeltaEvent.model_validate(end)],
    )


def _google() -> tuple[list[Any], Any, list[Any]]:
    validate = importlib.import_module("google.genai.types").GenerateContentResponse.model_validate

    def made(finish: dict[str, str]) -> Any:
        content = {"role": "model", "parts": [{"text": TEXT}]}
        usage = {"promptTokenCount": 7, "candidatesTokenCount": 5}
        candidates = [{"content": content, "index": 0, **finish}]
        return validate({"candidates": candidates, "modelVersion": "m", "responseId": "r", "usageMetadata": usage})

    return [], made({}), [made({"finishReason": "STOP"})]


def _ollama() -> tuple[list[Any], Any, list[Any]]:
    validate = importlib.import_module("ollama").ChatResponse.model_validate

    def made(text: str, **end: Any) -> Any:
        return validate({"model": "m", "message": {"role": "assistant", "content": text}, "done": False, **end})

    return [], made(TEXT), [made("", done=True, done_reason="stop")]


def _bedrock() -> tuple[list[Any], Any, list[Any]]:
    delta = {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": TEXT}}}
    return [], delta, [{"messageStop": {"stopReason": "end_turn"}}]


def _langchain() -> tuple[list[Any], Any, list[Any]]:
    chunk = importlib.import_module("langchain_core.messages").AIMessageChunk
    metadata = {"model_provider": "openai"}
    end = chunk("", id="lc_run--1", response_metadata={**metadata, "finish_reason": "stop"}, chunk_position="last")
    return [], chunk(TEXT, id="lc_run--1", response_metadata=metadata), [end]


def _langgraph() -> tuple[list[Any], Any, list[Any]]:
    metadata = {"langgraph_step": 1, "langgraph_node": "ask", "langgraph_checkpoint_ns": "ask:1"}
    _, text, [end] = _langchain()
    return [], (text, metadata), [(end, metadata)]


#: The first events, the repeated one, and the last ones of each SDK.
EVENTS: dict[str, Callable[[], tuple[list[Any], Any, list[Any]]]] = {
    "openai-chat": _openai_chat,
    "openai-chat-arguments": _openai_chat_arguments,
    "openai-responses": _openai_responses,
    "anthropic": _anthropic,
    "google": _google,
    "ollama": _ollama,
    "bedrock": _bedrock,
    "langchain": _langchain,
    "langgraph": _langgraph,
}


def stream(sdk: str, count: int) -> Iterator[Any]:
    """Return the events of an answer with so many texts or pieces."""
    first, repeated, last = EVENTS[sdk]()
    return itertools.chain(first, itertools.repeat(repeated, count), last)
