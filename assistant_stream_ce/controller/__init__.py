"""The controllers that a callback calls: of the run, and of its tool calls."""

from typing import TYPE_CHECKING

from assistant_stream_ce._lazy import lazy_exports

if TYPE_CHECKING:
    from assistant_stream_ce.controller.run_controller import ChunkSource, RunController
    from assistant_stream_ce.controller.tool_calls import ToolCallController

__all__ = ("ChunkSource", "RunController", "ToolCallController")

# Lazy, because the state uses this package's validation, and the controllers use the state.
__getattr__ = lazy_exports(
    __name__,
    {
        "ChunkSource": "assistant_stream_ce.controller.run_controller",
        "RunController": "assistant_stream_ce.controller.run_controller",
        "ToolCallController": "assistant_stream_ce.controller.tool_calls",
    },
)
