"""Forward the runs of pydantic-ai's agents."""

from __future__ import annotations

from typing import Any

from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.integrations.agent_events import AgentTurn, require_event_loop
from assistant_stream_ce.integrations.driver import drive
from assistant_stream_ce.integrations.pydantic_ai_events import PydanticAIReader
from assistant_stream_ce.integrations.turn import ToolCall, Turn

__all__ = ("forward", "AgentTurn", "ToolCall", "Turn")


def forward(controller: RunController, stream: Any, *, reasoning: bool = True, parent_id: str | None = None) -> Any:
    """Forward a run of an agent to a controller, in an `async def` callback.

    Each response of the model is a step with reason and usage; the agent's tools are shown with their results, output
    tools are not shown. Never finishes the message. When the reader leaves, the run is cancelled.

    Args:
        controller: the controller of the run.
        stream: the result of `agent.run_stream_events(...)`, or a function without arguments that returns it.
        reasoning: whether reasoning is sent.
        parent_id: the id of the part that the agent's output belongs to, for example the call of a tool in which a
            second agent runs.

    Returns:
        An awaitable of the `AgentTurn`, whose `result` is the `AgentRunResult`. If that has `DeferredToolRequests`,
        `finish_reason` is `tool-calls`, `tool_calls` has the external calls, and each call to approve has an approval
        request with the id of the call.

    Raises:
        ModelStreamError: the stream of a model has ended before its finish.
        StreamUsageError: no event loop is running.
    """
    require_event_loop()
    return drive(controller, stream, PydanticAIReader, reasoning=reasoning, parent_id=parent_id)
