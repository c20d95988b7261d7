"""Forward the streams of Amazon Bedrock's `converse_stream` in boto3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.conversions.bedrock import NAMES
from assistant_stream_ce.integrations.bedrock_events import BedrockReader
from assistant_stream_ce.integrations.driver import drive
from assistant_stream_ce.integrations.results import DescribedTool, answered, schemas
from assistant_stream_ce.integrations.turn import ToolCall, Turn
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.tools.loop import AnswerFunction, answer_with

__all__ = ("answer", "forward", "tool_results", "tool_schemas", "ToolCall", "Turn")


def forward(controller: RunController, stream: Any, *, reasoning: bool = True, parent_id: str | None = None) -> Any:
    """Forward a stream of Bedrock's Converse API to a controller.

    Begins a step and finishes it with reason and usage; never finishes the message. Always closes the stream. When the
    reader leaves, a blocked read ends within half a second.

    Args:
        controller: the controller of the run.
        stream: the result of `client.converse_stream(...)`, or its `stream`,
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
    return drive(controller, stream, BedrockReader, reasoning=reasoning, parent_id=parent_id, stream_of=_stream_of)


def _stream_of(response: Any) -> Any:
    # Without a stream it is a whole answer, which `drive` rejects.
    return response.get("stream", response) if isinstance(response, Mapping) else response


def tool_results(turn: Turn, results: Mapping[str, Any]) -> list[dict[str, JSON]]:
    """Return the message that answers the tool calls of a turn.

    Args:
        turn: the turn.
        results: a value or a `ToolFailure` for each call, by its id.

    Raises:
        KeyError: a call has no result.
    """
    blocks: list[dict[str, JSON]] = []
    for call, _, text, is_error in answered(turn, results):
        status = {"status": "error"} if is_error else {}
        result = {"toolUseId": call.provider_id or call.id, "content": [{"text": text or " "}], **status}
        blocks.append({"toolResult": result})
    return [{"role": "user", "content": blocks}] if blocks else []


answer: AnswerFunction = answer_with(forward, tool_results)


def tool_schemas(tools: Iterable[DescribedTool]) -> list[dict[str, JSON]]:
    """Return the `tools` of a `toolConfig`.

    Args:
        tools: `Tools`, or an iterable of tools and functions.
    """
    return [
        {
            "toolSpec": {
                "name": NAMES.describe(name),
                "description": description or name,
                "inputSchema": {"json": parameters},
            }
        }
        for name, description, parameters in schemas(tools)
    ]
