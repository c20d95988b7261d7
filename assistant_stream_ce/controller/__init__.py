"""The controllers that a callback uses to emit output: one for the run, and one for each tool call."""

from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.controller.tool_calls import ToolCallController

__all__ = ("ChunkSource", "RunController", "ToolCallController")
