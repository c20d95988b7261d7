"""A fake model that plays back a script, in place of an SDK."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from types import SimpleNamespace
from typing import Any, Self, TypeAlias

from assistant_stream_ce.chunks import ReasoningDeltaChunk, ToolCallChunk
from assistant_stream_ce.concurrency.closing import ClosesBothWays
from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.concurrency.waiters import OneShotEvent, in_event_loop
from assistant_stream_ce.jsonvalue import dumps
from assistant_stream_ce.testing.timeouts import await_event, refuse_event_loop, wait_for_event

# Characters in each piece of a tool call's arguments.
_PIECE_LENGTH = 8


class _AlreadyDone:
    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


# Returned by methods that an SDK has in two versions: the sync one returns nothing, the async one is awaited.
_ALREADY_DONE: Awaitable[None] = _AlreadyDone()


class Gate:
    """A point in a script at which the model waits until the test opens the gate. Thread-safe.

    Args:
        timeout: seconds after which a waiting model raises a `TimeoutError`, and so does a waiting test.
    """

    def __init__(self, timeout: float = 10.0) -> None:
        self._timeout = timeout
        self._reached = OneShotEvent()
        # Guards both fields.
        self._lock = new_lock()
        self._is_open = False
        self._waiting: list[OneShotEvent] = []

    def open(self) -> None:
        """Let the model continue, also when it gets here later."""
        with self._lock:
            self._is_open = True
            waiting, self._waiting = self._waiting, []
        for event in waiting:
            event.set()

    def wait_reached(self) -> None:
        """Wait in a thread until the model is here; in a coroutine use `await_reached`.

        Raises:
            StreamUsageError: an event loop is running in this thread.
            TimeoutError: the model does not get here.
        """
        refuse_event_loop("wait_reached()", "gate.await_reached()")
        wait_for_event(self._reached, self._timeout, self._not_reached)

    async def await_reached(self) -> None:
        """Wait in a coroutine until the model is here; see `wait_reached`."""
        await await_event(self._reached, self._timeout, self._not_reached)

    def _enter(self, go: OneShotEvent) -> OneShotEvent:
        """Report that the model is here; return the event that lets it continue, which an open gate sets."""
        with self._lock:
            is_open = self._is_open
            if not is_open:
                self._waiting.append(go)
        if is_open:
            go.set()
        self._reached.set()
        return go

    def _not_reached(self) -> str:
        return f"the model did not reach the gate in {self._timeout:g} s"

    def _not_opened(self) -> str:
        return f"the gate was not opened for {self._timeout:g} s"


#: An item of a script: text, reasoning, a tool call, a gate, an exception, or anything else, which is passed through.
ScriptItem: TypeAlias = str | ReasoningDeltaChunk | ToolCallChunk | Gate | BaseException | Any


class ModelCall(ClosesBothWays, Iterator[Any], AsyncIterator[Any]):
    """One call of the model: its arguments, and the answer, which is read with `for` or `async for`.

    Like the streams of SDKs it may be awaited, and used as a context manager, sync or async.

    Attributes:
        args: the positional arguments of the call, copied.
        options: the keyword arguments of the call, copied.
        taken: number of items that were read.
        is_closed: whether the answer was closed, or read to its end.
        is_aborted: whether the connection was shut down before that; see `integrations.httpx.abort`.
        response: has the socket, as in the streams of `openai` and `anthropic`; for `abort`.
    """

    def __init__(self, args: tuple[Any, ...], options: dict[str, Any], items: Iterable[ScriptItem]) -> None:
        self.args: Any = _copy(args)
        self.options: dict[str, Any] = _copy(options)
        self.taken: int = 0
        self.is_closed: bool = False
        self.is_aborted: bool = False
        self.response: _Response = _Response(self)
        self._items = iter(items)
        # The event that the read at a gate waits for.
        self._go: OneShotEvent | None = None

    def abort(self) -> None:
        """Make a read raise `ConnectionAbortedError`, as if the socket was shut down. Thread-safe."""
        if not self.is_closed:
            self.is_aborted = True
            if (go := self._go) is not None:
                go.set()

    def close(self) -> Any:
        """Close the answer; `await` is optional. As in an SDK, a read that blocks in another thread stays blocked."""
        self.is_closed = True
        return _ALREADY_DONE

    async def aclose(self) -> None:
        """Close the answer; see `close`."""
        self.is_closed = True

    def __next__(self) -> Any:
        while isinstance(item := self._next(StopIteration), Gate):
            if in_event_loop():
                raise AssertionError("the model is read with `for` in a coroutine, which blocks: use `async for`")
            wait_for_event(item._enter(self._new_event()), item._timeout, item._not_opened)
        return self._deliver(item)

    async def __anext__(self) -> Any:
        # A real client yields to the loop.
        await asyncio.sleep(0)
        while isinstance(item := self._next(StopAsyncIteration), Gate):
            await await_event(item._enter(self._new_event()), item._timeout, item._not_opened)
        return self._deliver(item)

    def _next(self, stop: type[Exception]) -> ScriptItem:
        self._refuse_aborted()
        if self.is_closed:
            raise stop
        for item in self._items:
            return item
        self.is_closed = True
        raise stop

    def _new_event(self) -> OneShotEvent:
        self._go = OneShotEvent()
        if self.is_aborted:
            self._go.set()
        return self._go

    def _deliver(self, item: ScriptItem) -> Any:
        self._refuse_aborted()
        if isinstance(item, BaseException) or (isinstance(item, type) and issubclass(item, BaseException)):
            self.is_closed = True
            raise item
        self.taken += 1
        return item

    def _refuse_aborted(self) -> None:
        if self.is_aborted:
            self.is_closed = True
            raise ConnectionAbortedError("the connection to the model was shut down")

    def __await__(self) -> Generator[Any, None, Self]:
        return self
        yield


def _copy(value: Any) -> Any:
    """Return a deep copy, because callbacks edit their list of messages later; a shallow one if that fails."""
    try:
        return copy.deepcopy(value)
    except Exception:
        return copy.copy(value)


class _Response:
    """The part of an HTTP response that `integrations.httpx.abort` uses."""

    def __init__(self, call: ModelCall) -> None:
        self._call = call
        self.extensions: dict[str, _Response] = {"network_stream": self}

    @property
    def is_closed(self) -> bool:
        return self._call.is_closed

    def close(self) -> None:
        self._call.close()

    async def aclose(self) -> None:
        self._call.close()

    def get_extra_info(self, name: str) -> Any:
        return SimpleNamespace(shutdown=lambda how: self._call.abort()) if name == "socket" else None


class ScriptedModel:
    """A fake model for callbacks. Each call of it plays back the next answer, which is a list of items.

    An item is a `str`, a `ReasoningDeltaChunk`, a `ToolCallChunk`, a `Gate`, at which the model waits, an exception,
    which is raised there, or anything else, which is passed through. An answer that is an exception is raised by the
    call itself.

    Call the model to read the items themselves, `model(prompt)`; pass `model.openai` in place of a client of the
    `openai` package, sync or async.

    Args:
        answers: the answers, one for each call.
        usage: input and output tokens of each call, for OpenAI's `include_usage`.

    Attributes:
        calls: the calls so far, in order.
        openai: a client as in the `openai` package: `model.openai.chat.completions.create(stream=True, ...)`.

    Raises:
        TypeError: an answer is a `str`.
    """

    def __init__(self, *answers: Iterable[ScriptItem] | BaseException, usage: tuple[int, int] = (0, 0)) -> None:
        for answer in answers:
            if isinstance(answer, str):
                raise TypeError(f"an answer is a list of items, not a str: write [{answer[:40]!r}]")
        self._answers = answers
        self._usage = usage
        self.calls: list[ModelCall] = []
        self.openai: _OpenAIClient = _OpenAIClient(self._create)

    def __call__(self, *args: Any, **options: Any) -> ModelCall:
        """Call the model. The arguments are recorded and not used.

        Raises:
            AssertionError: all answers were used.
        """
        return self._start(args, options, self._next_answer(args, options))

    def _next_answer(self, args: tuple[Any, ...], options: dict[str, Any]) -> list[ScriptItem]:
        number = len(self.calls)
        if number >= len(self._answers):
            raise AssertionError(f"the model was called more often than it has answers, which are {number}: add one")
        answer = self._answers[number]
        if isinstance(answer, BaseException):
            self._start(args, options, ())
            raise answer
        return list(answer)

    def _start(self, args: tuple[Any, ...], options: dict[str, Any], items: Iterable[ScriptItem]) -> ModelCall:
        call = ModelCall(args, options, items)
        self.calls.append(call)
        return call

    def _create(self, **options: Any) -> ModelCall:
        if options.get("stream") is not True:
            raise AssertionError("a scripted model supports streams only: pass stream=True")
        items = self._next_answer((), options)
        return self._start((), options, _openai_events(items, options, len(self.calls) + 1, self._usage))


# --- A client of `openai` --------------------------------------------------------------------------


class _OpenAIClient(ClosesBothWays):
    """The part of `openai.OpenAI` and `openai.AsyncOpenAI` that a callback uses."""

    def __init__(self, create: Callable[..., Any]) -> None:
        self.chat: SimpleNamespace = SimpleNamespace(completions=SimpleNamespace(create=create))

    def close(self) -> Any:
        """Do nothing; `await` is optional."""
        return _ALREADY_DONE

    async def aclose(self) -> None:
        """Do nothing."""


def _openai_events(items: Iterable[Any], options: dict[str, Any], number: int, usage: tuple[int, int]) -> Iterator[Any]:
    """Yield an answer as the `openai` package does, in chunks with choices; gates and exceptions are passed through."""
    common = {"id": f"chatcmpl-{number}", "model": options.get("model", "scripted")}
    calls = 0
    yield _openai_chunk(common, role="assistant", content="")
    for item in items:
        match item:
            case str():
                yield _openai_chunk(common, content=item)
            case ReasoningDeltaChunk(text):
                yield _openai_chunk(common, reasoning_content=text)
            case ToolCallChunk(call_id, name, args):
                yield _openai_chunk(common, tool_calls=[_tool_call(calls, call_id, name, "")])
                text = dumps(args).decode()
                for start in range(0, len(text), _PIECE_LENGTH):
                    piece = _tool_call(calls, None, None, text[start : start + _PIECE_LENGTH])
                    yield _openai_chunk(common, tool_calls=[piece])
                calls += 1
            case _:
                yield item
    yield _openai_chunk(common, "tool_calls" if calls else "stop")
    if (options.get("stream_options") or {}).get("include_usage"):
        names = ("prompt_tokens", "completion_tokens", "total_tokens")
        counts = SimpleNamespace(**dict(zip(names, (*usage, sum(usage)), strict=True)))
        yield SimpleNamespace(**{**_EMPTY_CHUNK, **common, "choices": [], "usage": counts})


_EMPTY_CHUNK = {
    "object": "chat.completion.chunk",
    "created": 0,
    "service_tier": None,
    "system_fingerprint": None,
    "usage": None,
}
_EMPTY_DELTA = dict.fromkeys(("role", "content", "refusal", "function_call", "tool_calls"))


def _openai_chunk(common: dict[str, str], finish_reason: str | None = None, **fields: Any) -> SimpleNamespace:
    delta = SimpleNamespace(**{**_EMPTY_DELTA, **fields})
    choice = SimpleNamespace(index=0, delta=delta, finish_reason=finish_reason, logprobs=None)
    return SimpleNamespace(**{**_EMPTY_CHUNK, **common, "choices": [choice]})


def _tool_call(index: int, call_id: str | None, name: str | None, text: str) -> SimpleNamespace:
    function = SimpleNamespace(name=name, arguments=text)
    return SimpleNamespace(index=index, id=call_id, type=call_id and "function", function=function)
