"""Forward the streams of the langchain package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.conversions.openai_chat import NAMES
from assistant_stream_ce.integrations.driver import drive
from assistant_stream_ce.integrations.langchain_events import LangChainReader
from assistant_stream_ce.integrations.results import answered, chat_tool_schemas
from assistant_stream_ce.integrations.turn import ToolCall, Turn
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.tools.loop import AnswerFunction, answer_with

__all__ = ("answer", "forward", "tool_results", "tool_schemas", "ToolCall", "Turn")


def forward(controller: RunController, stream: Any, *, reasoning: bool = True, parent_id: str | None = None) -> Any:
    """Forward a stream of a langchain chat model to a controller.

    Begins a step and finishes it with reason and usage; never finishes the message. Always closes the stream. When the
    reader leaves, a blocked read ends within half a second, if `integrations.httpx.watch(model)` was called once.

    Args:
        controller: the controller of the run.
        stream: the result of `model.stream(...)` or `model.astream(...)`, or of a chain that ends with a model, or a
            function without arguments that returns it.
        reasoning: whether reasoning is sent.
        parent_id: the id of the part that the turn belongs to.

    Returns:
        The `Turn`; an awaitable of it for an asynchronous stream.

    Raises:
        ModelStreamError: the stream has ended before its finish, or with an error event or a malformed one.
        RunCancelled: the reader of the run has left.
        StreamUsageError: a blocking stream is read inside a running event loop.
    """
    return drive(controller, stream, LangChainReader, reasoning=reasoning, parent_id=parent_id)


def tool_results(turn: Turn, results: Mapping[str, Any]) -> list[dict[str, JSON]]:
    """Return the messages that answer the tool calls of a turn.

    Args:
        turn: the turn.
        results: a value or a `ToolFailure` for each call, by its id.

    Raises:
        KeyError: a call has no result.
    """
    return [
        {
            "role": "tool",
            "tool_call_id": call.provider_id or call.id,
            "name": NAMES.name(call.name),
            "content": text,
            **({"status": "error"} if is_error else {}),
        }
        for call, _, text, is_error in answered(turn, results)
    ]


answer: AnswerFunction = answer_with(forward, tool_results)

tool_schemas = chat_tool_schemas
