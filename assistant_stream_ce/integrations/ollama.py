"""Forward the streams of the ollama package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.conversions.openai_chat import NAMES
from assistant_stream_ce.integrations.driver import drive
from assistant_stream_ce.integrations.ollama_events import OllamaReader
from assistant_stream_ce.integrations.results import answered, chat_tool_schemas
from assistant_stream_ce.integrations.turn import ToolCall, Turn
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.tools.loop import AnswerFunction, answer_with

__all__ = ("answer", "forward", "tool_results", "tool_schemas", "ToolCall", "Turn")


def forward(controller: RunController, stream: Any, *, reasoning: bool = True, parent_id: str | None = None) -> Any:
    """Forward a stream of Ollama's chat to a controller.

    Begins a step and finishes it with reason and usage; never finishes the message. Always closes the stream. When the
    reader leaves, a blocked read ends within half a second.

    Args:
        controller: the controller of the run.
        stream: the result of `client.chat(..., stream=True)`,
            a function without arguments that returns it, or an awaitable of it.
        reasoning: whether reasoning is sent.
        parent_id: the id of the part that the turn belongs to.

    Returns:
        The `Turn`; an awaitable of it for an asynchronous stream.

    Raises:
        ModelStreamError: the stream has ended before its finish, or with an error event or a malformed one.
        RunCancelled: the reader of the run has left.
        StreamUsageError: a blocking stream is read inside a running event loop.
    """
    return drive(controller, stream, OllamaReader, reasoning=reasoning, parent_id=parent_id)


def tool_results(turn: Turn, results: Mapping[str, Any]) -> list[dict[str, JSON]]:
    """Return the messages that answer the tool calls of a turn.

    Args:
        turn: the turn.
        results: a value or a `ToolFailure` for each call, by its id.

    Raises:
        KeyError: a call has no result.
    """
    return [
        {"role": "tool", "content": text, "tool_name": NAMES.name(call.name)}
        for call, _, text, _ in answered(turn, results)
    ]


answer: AnswerFunction = answer_with(forward, tool_results)

tool_schemas = chat_tool_schemas
