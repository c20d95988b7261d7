"""Forward the runs of the OpenAI Agents SDK."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.integrations.agent_events import AgentTurn, require_event_loop
from assistant_stream_ce.integrations.driver import drive
from assistant_stream_ce.integrations.openai_agents_events import OpenAIAgentsReader
from assistant_stream_ce.integrations.turn import ToolCall, Turn

__all__ = ("forward", "AgentTurn", "ToolCall", "Turn")


def forward(controller: RunController, stream: Any, *, reasoning: bool = True, parent_id: str | None = None) -> Any:
    """Forward a run of agents to a controller, in an `async def` callback.

    Each response of a model is a step with reason and usage; tools and handoffs are shown with their results. Never
    finishes the message. When the reader leaves, the run is cancelled.

    Args:
        controller: the controller of the run.
        stream: the result of `Runner.run_streamed(...)`, or a function without arguments that returns it.
        reasoning: whether reasoning is sent.
        parent_id: the id of the part that the agents' output belongs to.

    Returns:
        An awaitable of the `AgentTurn`, whose `result` is the `RunResultStreaming`. If that has `interruptions`,
        `finish_reason` is `tool-calls`, and each call to approve has an approval request with the id of the call.

    Raises:
        ModelStreamError: the stream of a model has ended before its finish, or with an error event or a malformed one.
        StreamUsageError: no event loop is running.
    """
    require_event_loop()
    return drive(controller, _opened(stream), OpenAIAgentsReader, reasoning=reasoning, parent_id=parent_id)


class _RunEvents:
    """The events of a run, and the run itself."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self.events = run.stream_events()

    def __aiter__(self) -> Any:
        return self.events


@asynccontextmanager
async def _opened(stream: Any) -> AsyncIterator[_RunEvents]:
    run = stream if hasattr(stream, "stream_events") else stream() if callable(stream) else stream
    if inspect.isawaitable(run):
        run = await run
    made = _RunEvents(run)
    try:
        yield made
    except BaseException:
        # Without it, the request to the model stays open.
        run.cancel()
        raise
    finally:
        await made.events.aclose()
