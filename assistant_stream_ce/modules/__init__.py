"""Name what replaces the modules of version 0.0 in the error of their import."""

raise ImportError(
    "assistant_stream_ce.modules was part of version 0.0: use assistant_stream_ce.ToolCallController and "
    "assistant_stream_ce.integrations.langgraph",
    name=__name__,
)
