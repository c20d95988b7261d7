"""Forward the streams of langgraph's graphs."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.integrations.driver import drive
from assistant_stream_ce.integrations.langchain import tool_results, tool_schemas
from assistant_stream_ce.integrations.langgraph_events import GraphInterrupt, GraphReader, GraphTurn
from assistant_stream_ce.integrations.langgraph_state import append_langgraph_event, get_tool_call_subgraph_state
from assistant_stream_ce.integrations.turn import ToolCall

__all__ = (
    "forward",
    "append_langgraph_event",
    "get_tool_call_subgraph_state",
    "tool_results",
    "tool_schemas",
    "GraphInterrupt",
    "GraphTurn",
    "ToolCall",
)


def forward(
    controller: RunController,
    stream: Any,
    *,
    messages: bool = True,
    updates: Literal[False, "state"] = False,
    custom: Literal[False, "data"] = "data",
    interrupts: Literal[False, "approval"] = "approval",
    reasoning: bool = True,
    parent_id: str | None = None,
) -> Any:
    """Forward a stream of a graph to a controller.

    Each call of a model is a step, with its reason and usage; the message is never finished. Messages that were not
    streamed are sent whole, and none is sent twice. Always closes the stream. When the reader leaves, a blocked read
    ends within half a second, if `integrations.httpx.watch(model)` was called once for each model.

    Args:
        controller: the controller of the run.
        stream: the result of `graph.stream(...)` or `graph.astream(...)`, in any stream mode or several, with
            `subgraphs` or without, of either `version`; or a function without arguments that returns it. If it is
            wrapped in another generator, a single mode is determined by its data.
        messages: whether AI messages and the results of tools are sent; needs the stream mode `messages`.
        updates: `"state"` assigns the channels of the graph, but not `messages`, to `controller.state`; needs the
            stream mode `values`, or `updates`, which has the wrong value for channels with a reducer.
        custom: `"data"` sends custom events as application data.
        interrupts: `"approval"` sends each interrupt as a request to approve the tool call that it is about, or a call
            named `interrupt`. The approval id is that of the interrupt, with `-1`, `-2`, ... for several calls. Needs
            the stream mode `updates` or `values`.
        reasoning: whether reasoning is sent.
        parent_id: the id of the part that the messages of the graph belong to; those of subgraphs belong to theirs.

    Returns:
        The `GraphTurn` of all model calls; an awaitable of it for an asynchronous stream.

    Raises:
        ModelStreamError: the stream of a model has ended before its finish.
        RunCancelled: the reader of the run has left.
        StreamUsageError: a blocking stream is read inside a running event loop.
        TypeError: a custom event, an interrupt or a channel is not JSON, or the state for `updates` is not a dict.
        ValueError: an option has another value.
    """
    for name, value, wanted in (
        ("updates", updates, "state"),
        ("custom", custom, "data"),
        ("interrupts", interrupts, "approval"),
    ):
        if value and value != wanted:
            raise ValueError(f"{name} must be {wanted!r} or False, not {value!r:.80}")
    make_reader = partial(
        GraphReader, messages=messages, updates=bool(updates), custom=bool(custom), interrupts=bool(interrupts)
    )
    return drive(controller, stream, make_reader, reasoning=reasoning, parent_id=parent_id)
