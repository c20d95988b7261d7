"""Forward the streams of the google-genai package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.conversions.google import NAMES
from assistant_stream_ce.integrations.driver import drive
from assistant_stream_ce.integrations.google_events import GoogleReader
from assistant_stream_ce.integrations.results import DescribedTool, answered, schemas
from assistant_stream_ce.integrations.turn import ToolCall, Turn
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.tools.loop import AnswerFunction, answer_with

__all__ = ("answer", "forward", "tool_results", "tool_schemas", "ToolCall", "Turn")


def forward(controller: RunController, stream: Any, *, reasoning: bool = True, parent_id: str | None = None) -> Any:
    """Forward a stream of Gemini's contents to a controller.

    Begins a step and finishes it with reason and usage; never finishes the message. Always closes the stream. When the
    reader leaves, a blocked read ends within half a second.

    Args:
        controller: the controller of the run.
        stream: the result of `client.models.generate_content_stream(...)`,
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
    return drive(controller, stream, GoogleReader, reasoning=reasoning, parent_id=parent_id)


def tool_results(turn: Turn, results: Mapping[str, Any]) -> list[dict[str, JSON]]:
    """Return the content that answers the function calls of a turn.

    Args:
        turn: the turn.
        results: a value or a `ToolFailure` for each call, by its id.

    Raises:
        KeyError: a call has no result.
    """
    parts: list[dict[str, JSON]] = []
    for call, value, _, is_error in answered(turn, results):
        identified = {"id": call.provider_id} if call.provider_id else {}
        response = {"error" if is_error else "output": value}
        parts.append({"function_response": {"name": NAMES.name(call.name), "response": response, **identified}})
    return [{"role": "user", "parts": parts}] if parts else []


answer: AnswerFunction = answer_with(forward, tool_results)


def tool_schemas(tools: Iterable[DescribedTool]) -> list[dict[str, JSON]]:
    """Return the `tools` of a `GenerateContentConfig`: declarations, which the SDK does not run by itself.

    Args:
        tools: `Tools`, or an iterable of tools and functions.
    """
    declared = [
        {"name": NAMES.describe(name), "description": description, "parameters_json_schema": parameters}
        for name, description, parameters in schemas(tools)
    ]
    return [{"function_declarations": declared}] if declared else []
