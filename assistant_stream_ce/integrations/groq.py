"""Forward the streams of the groq package, which are chat completion chunks."""

from assistant_stream_ce.integrations.openai import ToolCall, Turn, answer, forward, tool_results
from assistant_stream_ce.integrations.results import chat_tool_schemas as tool_schemas

__all__ = ("ToolCall", "Turn", "answer", "forward", "tool_results", "tool_schemas")
