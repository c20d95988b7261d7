"""A fake client of the `openai` package, and the chunks of its answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from types import SimpleNamespace
from typing import Any, Self

from assistant_stream_ce.chunks import ReasoningDeltaChunk, ToolCallChunk
from assistant_stream_ce.jsonvalue import dumps

# Models send the arguments of a tool call in pieces; characters of one.
_PIECE_LENGTH = 8


class _AlreadyDone:
    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


#: Returned by methods that an SDK has in two versions: the sync one returns nothing, the async one is awaited.
ALREADY_DONE: Awaitable[None] = _AlreadyDone()


class OpenAIClient:
    """The part of `openai.OpenAI` and `openai.AsyncOpenAI` that a callback uses."""

    def __init__(self, create: Callable[..., Any]) -> None:
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=create))

    def close(self) -> Awaitable[None]:
        """Do nothing; `await` is optional."""
        return ALREADY_DONE

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Do nothing."""


def openai_events(items: Iterable[Any], options: dict[str, Any], number: int, usage: tuple[int, int]) -> Iterator[Any]:
    """Yield an answer as the `openai` package does, in chunks with choices; gates and exceptions are passed through.

    Args:
        items: the answer, as a `ScriptedModel` takes it.
        options: the arguments of the call.
        number: number of the call, for the id.
        usage: input and output tokens, for `include_usage`.
    """
    chunks = _ChunkFactory(number, options.get("model", "scripted"))
    yield chunks.delta(role="assistant", content="")
    calls = 0
    for item in items:
        match item:
            case str():
                yield chunks.delta(content=item)
            case ReasoningDeltaChunk(text):
                yield chunks.delta(reasoning_content=text)
            case ToolCallChunk(call_id, name, args):
                yield chunks.delta(tool_calls=[_tool_call(calls, call_id, name, "")])
                text = dumps(args).decode()
                for start in range(0, len(text), _PIECE_LENGTH):
                    yield chunks.delta(tool_calls=[_tool_call(calls, None, None, text[start : start + _PIECE_LENGTH])])
                calls += 1
            case _:
                yield item
    yield chunks.delta("tool_calls" if calls else "stop")
    if (options.get("stream_options") or {}).get("include_usage"):
        yield chunks.usage(*usage)


class _ChunkFactory:
    """Makes the chunks of one answer."""

    def __init__(self, number: int, model: str) -> None:
        self._number = number
        self._model = model

    def delta(self, finish_reason: str | None = None, **fields: Any) -> SimpleNamespace:
        empty = {"role": None, "content": None, "refusal": None, "function_call": None, "tool_calls": None}
        delta = SimpleNamespace(**{**empty, **fields})
        return self._chunk([SimpleNamespace(index=0, delta=delta, finish_reason=finish_reason, logprobs=None)], None)

    def usage(self, input_tokens: int, output_tokens: int) -> SimpleNamespace:
        total = input_tokens + output_tokens
        usage = SimpleNamespace(prompt_tokens=input_tokens, completion_tokens=output_tokens, total_tokens=total)
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


def _tool_call(index: int, call_id: str | None, name: str | None, text: str) -> SimpleNamespace:
    function = SimpleNamespace(name=name, arguments=text)
    return SimpleNamespace(index=index, id=call_id, type=call_id and "function", function=function)
