"""Feeds events to a reader without any SDK or I/O."""

from __future__ import annotations

from typing import Any

from assistant_stream_ce import AssistantStreamChunk, RunController, create_run
from assistant_stream_ce.integrations.turn import Turn, TurnBuilder


def feed(reader: Any, events: list[Any]) -> tuple[list[AssistantStreamChunk], Turn]:
    """Return the chunks and the turn that events become."""
    turns: list[Turn] = []

    def run(controller: RunController) -> None:
        made = reader(TurnBuilder(controller))
        for event in events:
            made.feed(event)
        turns.append(made.end())

    return list(create_run(run)), turns[0]


def contents(chunks: list[AssistantStreamChunk]) -> list[tuple[Any, ...]]:
    """Return what chunks carry, without generated ids."""
    found: list[tuple[Any, ...]] = []
    for chunk in chunks:
        match chunk.type:
            case "text-delta":
                found.append(("text", chunk.text_delta))
            case "reasoning-delta":
                found.append(("reasoning", chunk.reasoning_delta))
            case "tool-call-begin":
                found.append(("call", chunk.tool_name))
            case "tool-call-delta" if chunk.args_text_delta:
                found.append(("args", chunk.args_text_delta))
            case "tool-result":
                found.append(("result", chunk.result, chunk.is_error))
            case "step-finish":
                found.append(("finish", chunk.finish_reason, chunk.input_tokens, chunk.output_tokens))
    return found
