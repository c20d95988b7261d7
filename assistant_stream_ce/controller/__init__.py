"""The controllers that a callback calls: of the run, and of its tool calls."""

from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.controller.tool_calls import ToolCallController

__all__ = ("ChunkSource", "RunController", "ToolCallController")
