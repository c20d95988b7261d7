"""Tools that a model calls: what they are, how they run, and how a user approves a call.

`answer`, in the module of each SDK under `assistant_stream_ce.integrations`, asks the model and runs the tools.
"""

from assistant_stream_ce.tools.approvals import ApprovalSigner, ApprovalStore, MemoryApprovalStore
from assistant_stream_ce.tools.loop import Answer
from assistant_stream_ce.tools.tool import FrontendTool, Tool, ToolFailure
from assistant_stream_ce.tools.toolset import Tools

__all__ = (
    "Answer",
    "ApprovalSigner",
    "ApprovalStore",
    "FrontendTool",
    "MemoryApprovalStore",
    "Tool",
    "ToolFailure",
    "Tools",
)
