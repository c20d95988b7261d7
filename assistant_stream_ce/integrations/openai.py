"""Forward the streams of the openai package: chat completions and responses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NoReturn

from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.errors import shorten
from assistant_stream_ce.integrations.driver import drive
from assistant_stream_ce.integrations.events import TurnReader, field, text_of
from assistant_stream_ce.integrations.openai_chat_events import ChatReader
from assistant_stream_ce.integrations.openai_responses_events import ResponsesReader
from assistant_stream_ce.integrations.results import DescribedTool, answered, chat_tool_schemas
from assistant_stream_ce.integrations.turn import ToolCall, Turn, TurnBuilder
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.tools.loop import AnswerFunction, answer_with

__all__ = ("answer", "forward", "tool_results", "tool_schemas", "ToolCall", "Turn")


class OpenAIReader(TurnReader):
    """Reads either of the two formats, which the first event determines."""

    def __init__(self, out: TurnBuilder) -> None:
        super().__init__(out)
        self._reader: TurnReader | None = None

    def feed(self, event: Any) -> None:
        """Process an event."""
        make = _reader_for(event)
        if make is not None:
            self._reader = make(self.out)
            self.feed = self._reader.feed  # type: ignore[method-assign]
            self._reader.feed(event)

    def end(self) -> Turn:
        """Return the turn; see the base class."""
        if self._reader is None:
            self.cut()
        return self._reader.end()

    def reject(self, error: Exception, event: Any) -> NoReturn:
        """Raise for an exception of `feed` or `end`; see the base class."""
        if self._reader is None:
            super().reject(error, event)
        self._reader.reject(error, event)


def _reader_for(event: Any) -> type[TurnReader] | None:
    """Return the reader of the format that an event belongs to; None if it is of neither."""
    kind = text_of(event, "type")
    if kind.startswith("response.") or (kind == "error" and field(event, "choices") is None):
        return ResponsesReader
    is_chat = kind == "chunk" or any(field(event, name) is not None for name in ("choices", "data", "error", "usage"))
    return ChatReader if is_chat else None


def forward(controller: RunController, stream: Any, *, reasoning: bool = True, parent_id: str | None = None) -> Any:
    """Forward a stream of chat completion chunks, or of Responses events, to a controller.

    Begins a step and finishes it with reason and usage; never finishes the message. Always closes the stream. When the
    reader leaves, a blocked read ends within half a second.

    Args:
        controller: the controller of the run.
        stream: the result of a streaming call of `client.chat.completions` or `client.responses`, or of one of their
            `.stream()` helpers, a function without arguments that returns it, or an awaitable of it.
        reasoning: whether reasoning is sent.
        parent_id: the id of the part that the turn belongs to.

    Returns:
        The `Turn`; an awaitable of it for an asynchronous stream.

    Raises:
        ModelStreamError: the stream has ended before its finish, or with an error event or a malformed one.
        RunCancelled: the reader of the run has left.
        StreamUsageError: a blocking stream is read inside a running event loop.
    """
    return drive(controller, stream, OpenAIReader, reasoning=reasoning, parent_id=parent_id)


def tool_results(turn: Turn, results: Mapping[str, Any]) -> list[dict[str, JSON]]:
    """Return the messages, or the input items of a response, that answer the tool calls of a turn.

    Args:
        turn: the turn.
        results: a value or a `ToolFailure` for each call, by its id.

    Raises:
        KeyError: a call has no result.
    """
    kinds = {item.get("call_id"): item.get("type") for item in turn.messages if "call_id" in item}
    made: list[dict[str, JSON]] = []
    for call, _, text, _ in answered(turn, results):
        call_id = call.provider_id or call.id
        if (kind := kinds.get(call_id)) is None:
            made.append({"role": "tool", "tool_call_id": call_id, "content": text})
        else:
            made.append({"type": f"{kind}_output", "call_id": call_id, "output": text})
    return made


answer: AnswerFunction = answer_with(forward, tool_results)


def tool_schemas(
    tools: Iterable[DescribedTool], *, api: Literal["chat", "responses"] = "chat"
) -> list[dict[str, JSON]]:
    """Return the `tools` of a request.

    Args:
        tools: `Tools`, or an iterable of tools and functions.
        api: the API of the request.

    Raises:
        ValueError: there is no such API.
    """
    if api not in ("chat", "responses"):
        raise ValueError(f'api must be "chat" or "responses", not {shorten(repr(api))}')
    functions = chat_tool_schemas(tools)
    if api == "chat":
        return functions
    return [{"type": "function", **tool["function"], "strict": False} for tool in functions]
