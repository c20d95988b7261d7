"""Loops over the events of model SDKs, as applications write them: texts, reasoning and tool calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from assistant_stream_ce import RunController, create_run
from benchmarks.subjects import events


def _openai_chat(controller: RunController, stream: Iterator[Any]) -> None:
    calls: dict[int, Any] = {}
    for chunk in stream:
        if not chunk.choices:
            continue
        delta = chunk.choices[0].delta
        if delta.content:
            controller.append_text(delta.content)
        for call in delta.tool_calls or ():
            if call.index not in calls:
                calls[call.index] = controller.add_tool_call(call.function.name, call.id)
            calls[call.index].append_args_text(call.function.arguments)


def _openai_responses(controller: RunController, stream: Iterator[Any]) -> None:
    calls: dict[int, Any] = {}
    for event in stream:
        if event.type == "response.output_text.delta":
            controller.append_text(event.delta)
        elif event.type == "response.reasoning_summary_text.delta":
            controller.append_reasoning(event.delta)
        elif event.type == "response.output_item.added" and event.item.type == "function_call":
            calls[event.output_index] = controller.add_tool_call(event.item.name, event.item.call_id)
        elif event.type == "response.function_call_arguments.delta":
            calls[event.output_index].append_args_text(event.delta)


def _anthropic(controller: RunController, stream: Iterator[Any]) -> None:
    calls: dict[int, Any] = {}
    for event in stream:
        if event.type == "content_block_delta":
            if event.delta.type == "text_delta":
                controller.append_text(event.delta.text)
            elif event.delta.type == "thinking_delta":
                controller.append_reasoning(event.delta.thinking)
            elif event.delta.type == "input_json_delta":
                calls[event.index].append_args_text(event.delta.partial_json)
        elif event.type == "content_block_start" and event.content_block.type == "tool_use":
            calls[event.index] = controller.add_tool_call(event.content_block.name, event.content_block.id)


def _google(controller: RunController, stream: Iterator[Any]) -> None:
    for chunk in stream:
        for candidate in chunk.candidates or ():
            for part in candidate.content.parts or ():
                if part.function_call:
                    controller.add_tool_call(part.function_call.name, args=part.function_call.args)
                elif part.text and part.thought:
                    controller.append_reasoning(part.text)
                elif part.text:
                    controller.append_text(part.text)


def _ollama(controller: RunController, stream: Iterator[Any]) -> None:
    for chunk in stream:
        if chunk.message.thinking:
            controller.append_reasoning(chunk.message.thinking)
        if chunk.message.content:
            controller.append_text(chunk.message.content)
        for call in chunk.message.tool_calls or ():
            controller.add_tool_call(call.function.name, args=call.function.arguments)


def _bedrock(controller: RunController, stream: Iterator[Any]) -> None:
    calls: dict[int, Any] = {}
    for event in stream:
        if "contentBlockDelta" in event:
            index, delta = event["contentBlockDelta"]["contentBlockIndex"], event["contentBlockDelta"]["delta"]
            if "text" in delta:
                controller.append_text(delta["text"])
            elif "reasoningContent" in delta:
                controller.append_reasoning(delta["reasoningContent"].get("text", ""))
            elif "toolUse" in delta:
                calls[index].append_args_text(delta["toolUse"]["input"])
        elif "contentBlockStart" in event and "toolUse" in event["contentBlockStart"]["start"]:
            use = event["contentBlockStart"]["start"]["toolUse"]
            calls[event["contentBlockStart"]["contentBlockIndex"]] = controller.add_tool_call(
                use["name"], use["toolUseId"]
            )


def _langchain(controller: RunController, stream: Iterator[Any]) -> None:
    calls: dict[int, Any] = {}
    for chunk in stream:
        for block in (chunk.content,) if isinstance(chunk.content, str) else chunk.content:
            if isinstance(block, str):
                controller.append_text(block)
            elif block["type"] == "reasoning":
                controller.append_reasoning(block["reasoning"])
            elif block["type"] == "text":
                controller.append_text(block["text"])
        for call in chunk.tool_call_chunks:
            if call["index"] not in calls:
                calls[call["index"]] = controller.add_tool_call(call["name"], call["id"])
            calls[call["index"]].append_args_text(call["args"] or "")


def _langgraph(controller: RunController, stream: Iterator[Any]) -> None:
    _langchain(controller, (message for message, _ in stream if message.type == "AIMessageChunk"))


_LOOPS: dict[str, Callable[[RunController, Iterator[Any]], None]] = {
    "openai-chat": _openai_chat,
    "openai-chat-arguments": _openai_chat,
    "openai-responses": _openai_responses,
    "anthropic": _anthropic,
    "google": _google,
    "ollama": _ollama,
    "bedrock": _bedrock,
    "langchain": _langchain,
    "langgraph": _langgraph,
}


def forward(count: int, sdk: str) -> int:
    """Forward so many events; return the number of chunks."""
    return sum(1 for _ in create_run(lambda controller: _LOOPS[sdk](controller, events.stream(sdk, count))))
