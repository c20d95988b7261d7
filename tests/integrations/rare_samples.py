"""Sequences of events with all that the adapters read beside the short answers of `samples`, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from assistant_stream_ce.integrations.anthropic_events import AnthropicReader
from assistant_stream_ce.integrations.bedrock_events import BedrockReader
from assistant_stream_ce.integrations.google_events import GoogleReader
from assistant_stream_ce.integrations.langchain_events import LangChainReader
from assistant_stream_ce.integrations.langgraph_events import GraphReader
from assistant_stream_ce.integrations.ollama_events import OllamaReader
from assistant_stream_ce.integrations.openai import OpenAIReader
from assistant_stream_ce.integrations.openai_agents_events import OpenAIAgentsReader
from assistant_stream_ce.integrations.pydantic_ai_events import PydanticAIReader
from tests.integrations.samples import ANTHROPIC, BEDROCK, CHAT, MISTRAL, OLLAMA, RESPONSES


def _chat(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "r", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


_CITED = {"type": "url_citation", "url_citation": {"url": "https://e", "title": "E", "start_index": 0, "end_index": 2}}
_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}

RARE_CHAT = [
    {"type": "chunk", "chunk": _chat(role="assistant", reasoning="hm", reasoning_content="hm")},
    {"data": _chat(reasoning_details=[{"type": "reasoning.text", "index": 0, "text": "so"}])},
    _chat(reasoning_details=[{"type": "reasoning.text", "index": 0, "text": "."}], thinking_blocks=[{"data": "x"}]),
    _chat(content=[{"type": "thinking", "thinking": ["a", {"type": "text", "text": "b"}]}]),
    _chat(content=[{"type": "text", "text": "a"}, {"type": "reference", "reference_ids": [1]}]),
    _chat(annotations=[_CITED], images=[_IMAGE], audio={"id": "a", "transcript": "t", "data": "AA=="}),
    _chat(executed_tools=[{"index": 0, "type": "search", "arguments": "{}"}]),
    _chat(executed_tools=[{"index": 0, "type": "search", "arguments": "{}", "output": "found"}]),
    _chat(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}}]),
    _chat(tool_calls=[{"index": 1, "id": "b", "function": {"name": "g"}}, {"index": 0, "function": {"arguments": ""}}]),
    _chat(function_call={"name": "h", "arguments": "{}"}, refusal="no"),
    {**_chat("stop", content=""), "x_groq": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}},
]


def _item(index: int, **item: Any) -> list[dict[str, Any]]:
    """Return the begin and the end of an item of a response."""
    kinds = ("response.output_item.added", "response.output_item.done")
    return [{"type": kind, "output_index": index, "item": item} for kind in kinds]


_PART = {
    "type": "output_text",
    "text": "a",
    "annotations": [{"type": "file_citation", "file_id": "f", "filename": "f.txt"}],
}

RARE_RESPONSES = [
    {"type": "response.created", "response": {"id": "r", "model": "m"}},
    {"type": "response.reasoning_summary_part.added", "output_index": 0, "item_id": "rs", "summary_index": 0},
    *_item(0, type="reasoning", id="rs", summary=[{"text": "hm"}], content=[{"text": "so"}], encrypted_content="s"),
    *_item(1, type="message", content=[_PART, {"type": "refusal", "refusal": "no"}]),
    {
        "type": "response.output_text.annotation.added",
        "annotation": {"type": "url_citation", "url": "https://e", "title": "E", "start_index": 0, "end_index": 1},
    },
    {"type": "response.refusal.delta", "output_index": 1, "content_index": 2, "delta": "no"},
    *_item(2, type="web_search_call", id="ws", status="completed", action={"query": "x"}),
    *_item(3, type="image_generation_call", id="ig", result="AA==", output_format="png", status="completed"),
    *_item(4, type="mcp_call", id="mc", name="m", arguments="{}", output="o", error={"message": "no"}),
    {"type": "response.mcp_call_arguments.done", "output_index": 4, "arguments": "{}"},
    *_item(5, type="custom_tool_call", call_id="ct", name="c", input="text"),
    *_item(6, type="mcp_approval_request", id="ma", name="delete", arguments='{"path":"x"}'),
    *_item(7, type="shell_call", call_id="sh", action={"commands": ["ls"]}),
    *_item(8, type="function_call", call_id="fc", name="f", arguments='{"a":1}'),
    {"type": "response.function_call_arguments.done", "output_index": 8, "arguments": '{"a":1}'},
    {
        "type": "response.incomplete",
        "response": {"incomplete_details": {"reason": "max_output_tokens"}, "output": [{"type": "message"}]},
    },
]

RARE_ANTHROPIC = [
    {"type": "message_start", "message": {"id": "r", "model": "m", "usage": {"input_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "redacted_thinking", "data": "secret"}},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"q":1}'}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": "u"}]},
    },
    {"type": "content_block_start", "index": 3, "content_block": {"type": "text", "text": "a", "citations": None}},
    {
        "type": "content_block_delta",
        "index": 3,
        "delta": {"type": "citations_delta", "citation": {"url": "https://e", "title": "E"}},
    },
    {
        "type": "content_block_delta",
        "index": 3,
        "delta": {"type": "citations_delta", "citation": {"document_title": "D", "file_id": "f"}},
    },
    {"type": "content_block_start", "index": 4, "content_block": {"type": "later", "x": 1}},
    {"type": "content_block_delta", "index": 4, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "refusal", "stop_details": {"explanation": "no"}},
        "usage": {"output_tokens": 5, "cache_read_input_tokens": 2, "output_tokens_details": {"thinking_tokens": 1}},
    },
    {"type": "message_stop"},
]


def _google(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0, **more}]}


GOOGLE = [
    {**_google({"text": "hm", "thought": True}), "response_id": "r1", "model_version": "m"},
    _google({"text": "Let me "}),
    _google({"text": "look."}),
    {
        **_google(
            {"function_call": {"name": "weather", "args": {"city": "Paris"}}, "thought_signature": b"\0"},
            finish_reason="STOP",
        ),
        "usage_metadata": {"prompt_token_count": 7, "candidates_token_count": 5, "thoughts_token_count": 1},
    },
]

RARE_GOOGLE = [
    _google({"text": "a"}, {"text": "", "thought_signature": b"\0"}),
    _google({"function_call": {"name": "f", "will_continue": True}}),
    _google(
        {
            "function_call": {
                "partial_args": [
                    {"json_path": "$.city[1].n", "string_value": "Par"},
                    {"json_path": "$.n", "number_value": 2.0},
                ],
                "will_continue": True,
            }
        }
    ),
    _google({"function_call": {}}),
    _google({"inline_data": {"data": b"png", "mime_type": "image/png"}}, {"file_data": {"file_uri": "gs://x"}}),
    _google({"executable_code": {"code": "1+1"}}, {"code_execution_result": {"outcome": "OUTCOME_OK", "output": "2"}}),
    _google({"tool_call": {"tool_type": "t", "id": "t1", "args": {"a": 1}}}, {"tool_response": {"x": 1}}),
    _google(
        {"text": "b"},
        finish_reason="STOP",
        grounding_metadata={"grounding_chunks": [{"web": {"uri": "https://e", "title": "E"}}]},
        citation_metadata={"citations": [{"uri": "https://f"}]},
        url_context_metadata={"url_metadata": [{"retrieved_url": "https://g"}]},
    ),
]


def _bedrock_delta(index: int, **delta: Any) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}}


RARE_BEDROCK = [
    {"messageStart": {"role": "assistant"}},
    _bedrock_delta(0, reasoningContent={"redactedContent": b"red"}),
    _bedrock_delta(0, reasoningContent={"redactedContent": b"red"}),
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {
        "contentBlockStart": {
            "contentBlockIndex": 1,
            "start": {"toolUse": {"toolUseId": "s", "name": "search", "type": "server_tool_use"}},
        }
    },
    _bedrock_delta(1, toolUse={"input": "{}"}),
    {"contentBlockStop": {"contentBlockIndex": 1}},
    {"contentBlockStart": {"contentBlockIndex": 2, "start": {"toolResult": {"toolUseId": "s", "status": "error"}}}},
    _bedrock_delta(2, toolResult=[{"text": "no"}]),
    {"contentBlockStop": {"contentBlockIndex": 2}},
    {"contentBlockStart": {"contentBlockIndex": 3, "start": {"image": {"format": "png"}}}},
    _bedrock_delta(3, image={"source": {"bytes": b"png"}}),
    _bedrock_delta(4, text="a"),
    _bedrock_delta(4, citation={"title": "E", "location": {"web": {"url": "https://e"}}}),
    _bedrock_delta(4, citation={"title": "D", "source": "d"}),
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": {"inputTokens": 7, "outputTokens": 5, "cacheReadInputTokens": 1}}},
]


def _chunk(content: Any = "", **fields: Any) -> dict[str, Any]:
    return {"type": "AIMessageChunk", "id": "lc_run--1", "content": content, **fields}


def _piece(args: Any, **begin: Any) -> dict[str, Any]:
    return _chunk(
        tool_call_chunks=[{"type": "tool_call_chunk", "index": 0, "name": None, "id": None, "args": args, **begin}]
    )


LANGCHAIN = [
    _chunk([{"type": "reasoning", "reasoning": "hm", "index": 0, "extras": {"signature": "s"}}]),
    _chunk("Let me ", response_metadata={"model_provider": "openai", "model_name": "m"}),
    _chunk(
        [{"type": "text", "text": "look.", "annotations": [{"type": "citation", "url": "https://e", "title": "E"}]}]
    ),
    _chunk([{"type": "image", "base64": "AA==", "mime_type": "image/png"}, {"type": "refusal", "refusal": "no"}]),
    _chunk([{"type": "server_tool_call_chunk", "name": "search", "id": "s1", "args": "{}", "index": 0}]),
    _chunk([{"type": "server_tool_result", "tool_call_id": "s1", "output": ["x"], "status": "success"}]),
    _chunk(additional_kwargs={"reasoning_content": "hm", "refusal": "no"}),
    _piece("", name="weather", id="c1"),
    _piece('{"city":"Paris"}'),
    _chunk(
        response_metadata={"finish_reason": "tool_calls"},
        usage_metadata={"input_tokens": 7, "output_tokens": 5, "input_token_details": {"cache_read": 1}},
        chunk_position="last",
    ),
]

_CALLED = {"type": "tool_call", "name": "rm", "args": {"path": "a"}, "id": "c2"}

LANGGRAPH: list[Any] = [
    *(("messages", (chunk, {"langgraph_checkpoint_ns": "n:1"})) for chunk in LANGCHAIN),
    {
        "type": "messages",
        "ns": ("n:2",),
        "data": ({"type": "ai", "id": "m2", "content": "a", "tool_calls": [_CALLED]}, {}),
    },
    {
        "type": "messages",
        "ns": (),
        "data": ({"type": "tool", "tool_call_id": "c1", "content": "21", "name": "weather"}, {}),
    },
    ("custom", {"progress": 1}),
    ("updates", {"node": {"title": "t", "messages": []}}),
    {"type": "values", "ns": (), "data": {"title": "t"}, "interrupts": ({"id": "i0", "value": 1},)},
    (
        (),
        "updates",
        {"__interrupt__": ({"id": "i1", "value": {"action_requests": [{"name": "rm", "args": {"path": "a"}}]}},)},
    ),
]


class AgentRun:
    """The object of an agent's run, with what the readers ask it."""

    input = "hi"
    interruptions: tuple[Any, ...] = (
        SimpleNamespace(raw_item={"call_id": "a1", "type": "function_call"}, name="delete", arguments="{}"),
    )
    output: Any = None

    def to_input_list(self) -> list[Any]:
        """Return the messages, as the OpenAI Agents SDK does."""
        return ["hi", {"type": "message"}]

    def all_messages(self) -> list[Any]:
        """Return the messages, as pydantic-ai does."""
        usage = {"input_tokens": 2, "output_tokens": 1, "details": {"reasoning_tokens": 1}}
        return [{"kind": "request"}, {"kind": "response", "usage": usage, "finish_reason": "stop"}]

    def new_messages_json(self) -> bytes:
        """Return the new messages, as pydantic-ai does."""
        return b"[]"


OPENAI_AGENTS = [
    {"type": "agent_updated_stream_event"},
    *({"type": "raw_response_event", "data": event} for event in RESPONSES),
    {
        "type": "run_item_stream_event",
        "item": {"type": "tool_call_output_item", "raw_item": {"call_id": "c1", "output": "21"}, "output": 21},
    },
]


def _part(event: str, index: int, kind: str, **part: Any) -> dict[str, Any]:
    return {"event_kind": event, "index": index, "part": {"part_kind": kind, **part}}


def _delta(index: int, kind: str, **delta: Any) -> dict[str, Any]:
    return {"event_kind": "part_delta", "index": index, "delta": {"part_delta_kind": kind, **delta}}


_CALL_PART = {"tool_name": "weather", "tool_call_id": "c1", "args": '{"city":'}

PYDANTIC_AI = [
    _part("part_start", 0, "thinking", content="hm"),
    _delta(0, "thinking", content_delta="so"),
    _part("part_end", 0, "thinking", content="hmso", signature="s", provider_name="anthropic"),
    _part("part_start", 1, "text", content="a", citations=[{"sources": [{"url": "https://e", "title": "E"}]}]),
    _delta(1, "text", content_delta="b", citations_delta=[{"title": "D", "document_id": "d"}]),
    _part("part_start", 2, "builtin-tool-call", tool_name="search", tool_call_id="s1", args={"q": 1}),
    _part("part_end", 2, "builtin-tool-call", tool_name="search", tool_call_id="s1", args={"q": 1}),
    _part("part_start", 3, "builtin-tool-return", tool_name="search", tool_call_id="s1", content=[{"url": "u"}]),
    _part("part_start", 4, "file", content={"data": b"png", "media_type": "image/png"}),
    _part("part_start", 5, "tool-call", **_CALL_PART),
    _delta(5, "tool_call", args_delta='"Paris"}'),
    _part("part_end", 5, "tool-call", **{**_CALL_PART, "args": '{"city":"Paris"}'}),
    {"event_kind": "function_tool_call", "part": _CALL_PART},
    {
        "event_kind": "function_tool_result",
        "part": {
            "part_kind": "tool-return",
            "tool_name": "weather",
            "tool_call_id": "c1",
            "content": 21,
            "outcome": "success",
        },
    },
    {"event_kind": "agent_run_result", "result": AgentRun()},
]

Sequences = tuple[list[Any], ...]

#: The reader of each adapter, and sequences of its events.
SEQUENCES: dict[str, tuple[Callable[..., Any], Sequences]] = {
    "chat": (OpenAIReader, (CHAT, MISTRAL, RARE_CHAT)),
    "responses": (OpenAIReader, (RESPONSES, RARE_RESPONSES)),
    "anthropic": (AnthropicReader, (ANTHROPIC, RARE_ANTHROPIC)),
    "google": (GoogleReader, (GOOGLE, RARE_GOOGLE)),
    "bedrock": (BedrockReader, (BEDROCK, RARE_BEDROCK)),
    "ollama": (OllamaReader, (OLLAMA,)),
    "langchain": (LangChainReader, (LANGCHAIN,)),
    "langgraph": (partial(GraphReader, messages=True, updates=True, custom=True, interrupts=True), (LANGGRAPH,)),
    "openai_agents": (OpenAIAgentsReader, (OPENAI_AGENTS,)),
    "pydantic_ai": (PydanticAIReader, (PYDANTIC_AI,)),
}
