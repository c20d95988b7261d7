"""Model providers on loopback for the pages of the SDKs. An answer is a list of texts and of calls of `get_weather`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from tests.docs.clients import at_page_end
from tests.docs.runner import Document
from tests.integrations.fake_provider import FakeProvider, aws_events, fake_provider, json_lines, sse, typed_sse

#: A text, or the arguments of a call.
Item = str | dict[str, str]

LOOK: list[Item] = ["Let me look.", {"city": "Paris"}]
REPORT: list[Item] = ["It is ", "sunny."]


def provide(encode: Callable[[list[Item]], bytes], *answers: list[Item], **variables: str) -> FakeProvider:
    """Serve the answers for the rest of the page; `{url}` in environment variables is the server's address."""
    provider = at_page_end.enter_context(fake_provider())
    provider.bodies = [encode(answer) for answer in answers]
    if encode in (ollama, bedrock):
        provider.content_type = "application/x-ndjson" if encode is ollama else "application/vnd.amazon.eventstream"
    os.environ.update({name: value.format(url=provider.url) for name, value in variables.items()})
    return provider


def sdk_page(name: str, encode: Callable[[list[Item]], bytes], snippet: str, **variables: str) -> Document:
    """Return a page that asks a model three times, the second time with a tool.

    `snippet` is what makes its client, for which the environment variables have the provider's address.
    """
    doc = Document(name)

    @doc.before(snippet)
    def check_provider_is_local() -> None:
        doc.page.provider = provide(encode, REPORT, LOOK, REPORT, **variables)

    @doc.after("def answer(")
    def check_result_is_sent() -> None:
        assert [("sunny in Paris" in json.dumps(request)) for request in doc.page.provider.requests] == [
            False,
            False,
            True,
        ]
        doc.page.client.close()

    return doc


def chat(answer: list[Item]) -> bytes:
    """Return chunks of a chat completion."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for number, item in enumerate(answer):
        function = {"name": "get_weather", "arguments": json.dumps(item)}
        call = {"index": 0, "id": f"call-{number}", "type": "function", "function": function}
        deltas.append({"content": item} if isinstance(item, str) else {"tool_calls": [call]})
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls" if _calls(answer) else "stop"})
    common = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    chunks = [{**common, "choices": [choice]} for choice in choices]
    return sse([*chunks, {**common, "choices": [], "usage": usage}], "data: [DONE]\n\n")


def responses(answer: list[Item]) -> bytes:
    """Return events of OpenAI's Responses API, of a text."""
    text = "".join(item for item in answer if isinstance(item, str))
    response = {"id": "r1", "object": "response", "created_at": 1, "model": "m", "output": []}
    message = {"id": "m1", "type": "message", "role": "assistant", "status": "completed"}
    content = [{"type": "output_text", "text": text, "annotations": []}]
    place = {"output_index": 0, "item_id": "m1", "content_index": 0, "logprobs": []}
    usage = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    events = [
        {"type": "response.created", "response": {**response, "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**message, "content": []}},
        {"type": "response.output_text.delta", "delta": text, **place},
        {"type": "response.output_item.done", "output_index": 0, "item": {**message, "content": content}},
        {"type": "response.completed", "response": {**response, "status": "completed", "usage": usage}},
    ]
    return typed_sse([{"sequence_number": number, **event} for number, event in enumerate(events)])


def anthropic(answer: list[Item]) -> bytes:
    """Return the events of a message."""
    message = {"id": "m1", "type": "message", "role": "assistant", "model": "m", "content": []}
    events: list[Any] = [
        {"type": "message_start", "message": {**message, "usage": {"input_tokens": 7, "output_tokens": 1}}}
    ]
    for index, item in enumerate(answer):
        block: dict[str, Any] = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": item}
        if not isinstance(item, str):
            block = {"type": "tool_use", "id": f"toolu-{index}", "name": "get_weather", "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(item)}
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    reason = "tool_use" if _calls(answer) else "end_turn"
    events.append({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5}})
    return typed_sse([*events, {"type": "message_stop"}])


def google(answer: list[Item]) -> bytes:
    """Return Gemini's chunks."""
    last = len(answer) - 1
    parts = [
        {"text": item} if isinstance(item, str) else {"functionCall": {"name": "get_weather", "args": item}}
        for item in answer
    ]
    return sse(
        [
            {
                "candidates": [
                    {
                        "index": 0,
                        "content": {"role": "model", "parts": [part]},
                        **({"finishReason": "STOP"} if number == last else {}),
                    }
                ],
                "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12},
            }
            for number, part in enumerate(parts)
        ]
    )


def bedrock(answer: list[Item]) -> bytes:
    """Return the events of a converse stream."""

    def events() -> Iterator[dict[str, Any]]:
        yield {"messageStart": {"role": "assistant"}}
        for index, item in enumerate(answer):
            if isinstance(item, str):
                delta: dict[str, Any] = {"text": item}
            else:
                start = {"toolUse": {"toolUseId": f"t{index}", "name": "get_weather"}}
                yield {"contentBlockStart": {"contentBlockIndex": index, "start": start}}
                delta = {"toolUse": {"input": json.dumps(item)}}
            yield {"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}}
            yield {"contentBlockStop": {"contentBlockIndex": index}}
        yield {"messageStop": {"stopReason": "tool_use" if _calls(answer) else "end_turn"}}
        usage = {"inputTokens": 7, "outputTokens": 5, "totalTokens": 12}
        yield {"metadata": {"usage": usage, "metrics": {"latencyMs": 1}}}

    return aws_events(events())


def ollama(answer: list[Item]) -> bytes:
    """Return the lines of a chat."""
    lines: list[dict[str, Any]] = []
    for item in answer:
        message: dict[str, Any] = {"role": "assistant", "content": item}
        if not isinstance(item, str):
            message = {"content": "", "tool_calls": [{"function": {"name": "get_weather", "arguments": item}}]}
        lines.append({"model": "m", "message": {"role": "assistant", **message}, "done": False})
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 5}
    return json_lines([*lines, {"model": "m", "message": {"role": "assistant", "content": ""}, **end}])


def _calls(answer: list[Item]) -> bool:
    return any(not isinstance(item, str) for item in answer)
