"""One short answer of each provider, with reasoning, text, a tool call and usage, as its API streams it."""

from __future__ import annotations

from typing import Any

CHAT: list[Any] = [
    {"id": "r1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    for choice in (
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None},
        {"index": 0, "delta": {"reasoning_content": "hm"}, "finish_reason": None},
        {"index": 0, "delta": {"content": "Let me "}, "finish_reason": None},
        {"index": 0, "delta": {"content": "look."}, "finish_reason": None},
        {
            "index": 0,
            "delta": {
                "tool_calls": [
                    {"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}
                ]
            },
            "finish_reason": None,
        },
        {
            "index": 0,
            "delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":"Paris"}'}}]},
            "finish_reason": None,
        },
        {"index": 0, "delta": {}, "finish_reason": "tool_calls"},
    )
] + [
    {
        "id": "r1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }
]

# Mistral sends whole calls, reasoning as a part of the content, and the usage with the finish.
MISTRAL: list[Any] = [
    {"id": "r1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    for choice in (
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None},
        {
            "index": 0,
            "delta": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
            "finish_reason": None,
        },
        {"index": 0, "delta": {"content": "Let me "}, "finish_reason": None},
        {"index": 0, "delta": {"content": "look."}, "finish_reason": None},
    )
] + [
    {
        "id": "r1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "delta": {
                    "content": "",
                    "tool_calls": [
                        {"index": 0, "id": "c1", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
                    ],
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }
]

_RESPONSE = {
    "id": "r1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
_REASONING = {
    "id": "rs",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "hm"}],
    "encrypted_content": "secret",
}
_MESSAGE = {
    "id": "msg",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Let me look.", "annotations": []}],
}
_CALL = {
    "id": "fc",
    "type": "function_call",
    "call_id": "c1",
    "name": "weather",
    "arguments": '{"city":"Paris"}',
    "status": "completed",
}


def _delta(kind: str, index: int, item: str, delta: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": index, "item_id": item, "delta": delta, **more}


RESPONSES: list[Any] = [
    {"sequence_number": number, **event}
    for number, event in enumerate(
        [
            {"type": "response.created", "response": {**_RESPONSE, "status": "in_progress"}},
            {"type": "response.output_item.added", "output_index": 0, "item": {**_REASONING, "summary": []}},
            _delta("reasoning_summary_text", 0, "rs", "hm", summary_index=0),
            {"type": "response.output_item.done", "output_index": 0, "item": _REASONING},
            {"type": "response.output_item.added", "output_index": 1, "item": {**_MESSAGE, "content": []}},
            _delta("output_text", 1, "msg", "Let me ", content_index=0, logprobs=[]),
            _delta("output_text", 1, "msg", "look.", content_index=0, logprobs=[]),
            {"type": "response.output_item.done", "output_index": 1, "item": _MESSAGE},
            {"type": "response.output_item.added", "output_index": 2, "item": {**_CALL, "arguments": ""}},
            _delta("function_call_arguments", 2, "fc", '{"city":"Paris"}'),
            {"type": "response.output_item.done", "output_index": 2, "item": _CALL},
            {
                "type": "response.completed",
                "response": {
                    **_RESPONSE,
                    "status": "completed",
                    "output": [_REASONING, _MESSAGE, _CALL],
                    "usage": {
                        "input_tokens": 7,
                        "input_tokens_details": {"cached_tokens": 0},
                        "output_tokens": 5,
                        "output_tokens_details": {"reasoning_tokens": 0},
                        "total_tokens": 12,
                    },
                },
            },
        ]
    )
]


def responses_text(*texts: str) -> list[Any]:
    """Return the events of a response of text."""
    message = {**_MESSAGE, "content": [{"type": "output_text", "text": "".join(texts), "annotations": []}]}
    usage = {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 23,
    }
    whole = {**_RESPONSE, "id": "r2", "status": "completed", "output": [message], "usage": usage}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**_RESPONSE, "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**_MESSAGE, "content": []}},
        *(_delta("output_text", 0, "msg", text, content_index=0, logprobs=[]) for text in texts),
        {"type": "response.output_item.done", "output_index": 0, "item": message},
        {"type": "response.completed", "response": whole},
    ]
    return [{"sequence_number": number, **event} for number, event in enumerate(events)]


def _block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


ANTHROPIC: list[Any] = [
    {
        "type": "message_start",
        "message": {
            "id": "r1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 7, "output_tokens": 1},
        },
    },
    *_block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": "sig"},
    ),
    *_block(
        1,
        {"type": "text", "text": ""},
        {"type": "text_delta", "text": "Let me "},
        {"type": "text_delta", "text": "look."},
    ),
    *_block(
        2,
        {"type": "tool_use", "id": "c1", "name": "weather", "input": {}},
        {"type": "input_json_delta", "partial_json": ""},
        {"type": "input_json_delta", "partial_json": '{"city":"Paris"}'},
    ),
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 5},
    },
    {"type": "message_stop"},
]


def _google(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0, **more}],
        "modelVersion": "m",
        "responseId": "r1",
        "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 5},
    }


GOOGLE: list[Any] = [
    _google({"text": "hm", "thought": True}),
    _google({"text": "Let me "}),
    _google({"text": "look."}),
    _google(
        {"functionCall": {"name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": "AAEC"},
        finishReason="STOP",
    ),
]

BEDROCK: list[Any] = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "hm"}}}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "sig"}}}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "Let me "}}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "look."}}},
    {"contentBlockStop": {"contentBlockIndex": 1}},
    {"contentBlockStart": {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "c1", "name": "weather"}}}},
    {"contentBlockDelta": {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"city":"Paris"}'}}}},
    {"contentBlockStop": {"contentBlockIndex": 2}},
    {"messageStop": {"stopReason": "tool_use"}},
    {"metadata": {"usage": {"inputTokens": 7, "outputTokens": 5, "totalTokens": 12}, "metrics": {"latencyMs": 1}}},
]

OLLAMA: list[Any] = [
    {"model": "m", "message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": False},
    {"model": "m", "message": {"role": "assistant", "content": "Let me "}, "done": False},
    {"model": "m", "message": {"role": "assistant", "content": "look."}, "done": False},
    {
        "model": "m",
        "message": {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Paris"}}}],
        },
        "done": False,
    },
    {
        "model": "m",
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 7,
        "eval_count": 5,
    },
]

#: By the name of the SDK.
SAMPLES = {
    "openai": CHAT,
    "openai helper": CHAT,
    "openai responses": RESPONSES,
    "anthropic": ANTHROPIC,
    "anthropic helper": ANTHROPIC,
    "google": GOOGLE,
    "bedrock": BEDROCK,
    "ollama": OLLAMA,
    "groq": CHAT,
    "mistral": MISTRAL,
    "litellm": CHAT,
    "langchain": RESPONSES,
}


def chat_text(*texts: str) -> list[Any]:
    """Return the chunks of an answer of text."""
    head = {"id": "r2", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    deltas = [{"index": 0, "delta": {"content": text}, "finish_reason": None} for text in texts]
    usage = {"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23}
    return [
        *({**head, "choices": [choice]} for choice in (*deltas, {"index": 0, "delta": {}, "finish_reason": "stop"})),
        {**head, "choices": [], "usage": usage},
    ]
