"""What the `openai` package gives a callback: the client, and the chunks of an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any, Self

from assistant_stream_ce.chunks import ReasoningDeltaChunk, ToolCallChunk
from assistant_stream_ce.jsonvalue import dumps
from assistant_stream_ce.testing.watching import DONE

__all__ = ("OpenAIClient", "openai_events")

# A model sends the arguments of a tool call in pieces; these are so long.
_PIECE = 8


class OpenAIClient:
    """As much of `openai.OpenAI` and `openai.AsyncOpenAI` as a callback uses."""

    def __init__(self, create: Callable[..., Any]) -> None:
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=create))

    def close(self) -> Awaitable[None]:
        """Close nothing."""
        return DONE

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Close nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close nothing."""


def openai_events(events: Iterable[Any], options: dict[str, Any], number: int, usage: tuple[int, int]) -> Iterator[Any]:
    """Yield what the `openai` package gives for an answer: chunks with choices; gates and exceptions as they are.

    Args:
        events: the answer, as a `ScriptedModel` takes it.
        options: what the callback asked with.
        number: of the call, for the id.
        usage: the tokens read and written, for who asks to include them.
    """
    chunks = _Chunks(number, options.get("model", "scripted"))
    yield chunks.delta(role="assistant", content="")
    calls = 0
    for event in events:
        match event:
            case str():
                yield chunks.delta(content=event)
            case ReasoningDeltaChunk(text):
                yield chunks.delta(reasoning_content=text)
            case ToolCallChunk(call_id, name, args):
                yield chunks.delta(tool_calls=[_call(calls, call_id, name, "")])
                text = dumps(args).decode()
                for start in range(0, len(text), _PIECE):
                    yield chunks.delta(tool_calls=[_call(calls, None, None, text[start : start + _PIECE])])
                calls += 1
            case _:
                yield event
    yield chunks.delta("tool_calls" if calls else "stop")
    if (options.get("stream_options") or {}).get("include_usage"):
        yield chunks.usage(*usage)


class _Chunks:
    """Makes the chunks of one answer."""

    def __init__(self, number: int, model: str) -> None:
        self._number = number
        self._model = model

    def delta(self, finish_reason: str | None = None, **fields: Any) -> SimpleNamespace:
        nothing = {"role": None, "content": None, "refusal": None, "function_call": None, "tool_calls": None}
        made = SimpleNamespace(**{**nothing, **fields})
        return self._chunk([SimpleNamespace(index=0, delta=made, finish_reason=finish_reason, logprobs=None)], None)

    def usage(self, read: int, written: int) -> SimpleNamespace:
        usage = SimpleNamespace(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)
        return self._chunk([], usage)

    def _chunk(self, choices: list[Any], usage: SimpleNamespace | None) -> SimpleNamespace:
        return SimpleNamespace(
            id=f"chatcmpl-{self._number}",
            object="chat.completion.chunk",
            created=0,
            service_tier=None,
            model=self._model,
            system_fingerprint=None,
            choices=choices,
            usage=usage,
        )


def _call(index: int, call_id: str | None, name: str | None, text: str) -> SimpleNamespace:
    function = SimpleNamespace(name=name, arguments=text)
    return SimpleNamespace(index=index, id=call_id, type=call_id and "function", function=function)
