"""Tool results and tool schemas in the formats of model providers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias

from assistant_stream_ce.conversions.openai_chat import NAMES
from assistant_stream_ce.conversions.reading import result_text
from assistant_stream_ce.integrations.turn import ToolCall, Turn
from assistant_stream_ce.jsonvalue import JSON, plain
from assistant_stream_ce.tools.tool import Tool


class ToolSchema(Protocol):
    """Interface of a tool that is described to a model."""

    @property
    def name(self) -> str:
        """The tool's name."""

    @property
    def description(self) -> str | None:
        """The description of the tool, for the model."""

    @property
    def parameters(self) -> dict[str, JSON]:
        """Its parameters as a JSON Schema."""


#: A tool for `tool_schemas`; a plain function is a tool.
DescribedTool: TypeAlias = ToolSchema | Callable[..., object]


def answered(turn: Turn, results: Mapping[str, Any]) -> Iterable[tuple[ToolCall, JSON, str, bool]]:
    """Yield each call of a turn with its result as plain data and as text, and whether it is an error.

    Args:
        turn: the turn.
        results: a value or a `ToolFailure` for each call, by its id.

    Raises:
        KeyError: a call has no result.
    """
    for call in turn.tool_calls:
        if call.id not in results:
            raise KeyError(f"no result for the tool call {call.id!r:.80} of {call.name!r:.80}: every call needs one")
        result = results[call.id]
        is_error = isinstance(result, Exception)
        value = str(result) if is_error else plain(result, "result")
        yield call, value, result_text(value), is_error


def schemas(tools: Iterable[DescribedTool]) -> Iterable[tuple[str, str, dict[str, JSON]]]:
    """Yield the name, the description and the parameters of each tool."""
    for one in tools:
        tool: Any = one if hasattr(one, "parameters") or not callable(one) else Tool(one)
        yield tool.name, tool.description or "", tool.parameters or {"type": "object", "properties": {}}


def chat_tool_schemas(tools: Iterable[DescribedTool]) -> list[dict[str, JSON]]:
    """Return tools in the format of chat completions and compatible APIs.

    Args:
        tools: `Tools`, or an iterable of tools and functions.
    """
    return [
        {
            "type": "function",
            "function": {"name": NAMES.describe(name), "description": description, "parameters": parameters},
        }
        for name, description, parameters in schemas(tools)
    ]
