"""A model that says what the test wants, when the test wants it, in place of an SDK."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Generator, Iterable
from types import SimpleNamespace, TracebackType
from typing import Any, Self, TypeAlias

from assistant_stream_ce.cancellation import Signal
from assistant_stream_ce.chunks import ReasoningDeltaChunk, ToolCallChunk
from assistant_stream_ce.concurrency.channel import in_event_loop
from assistant_stream_ce.concurrency.gevent import guard
from assistant_stream_ce.testing.openai_client import OpenAIClient, openai_events
from assistant_stream_ce.testing.watching import DONE, seconds_of, wait_for

__all__ = ("Gate", "ModelCall", "ScriptedModel")


class Gate:
    """A place in a script where the model waits until the test opens it. Every method may be called from any thread.

    Args:
        timeout: after so many seconds the model raises, and so does a test that waits: nothing hangs for ever.
    """

    def __init__(self, timeout: float = 10.0) -> None:
        self._timeout = timeout
        self._reached = Signal()
        # Guards both fields.
        self._lock = guard()
        self._is_open = False
        self._waiting: list[Signal] = []

    def open(self) -> None:
        """Let the model go on, also when it comes here later."""
        with self._lock:
            self._is_open = True
            waiting, self._waiting = self._waiting, []
        for signal in waiting:
            signal.set()

    def wait_reached(self) -> Awaitable[None]:
        """Wait until the model is here: in a thread it blocks, in a coroutine `await` what it returns.

        Raises:
            TimeoutError: it does not come.
        """
        message = f"the model did not come to the gate in {seconds_of(self._timeout)}"
        return wait_for(self._reached, self._timeout, lambda: message)

    def _pass(self, go: Signal) -> Awaitable[None]:
        """Wait, in the model, for the gate or for whoever else sets the signal."""
        with self._lock:
            if not self._is_open:
                self._waiting.append(go)
            is_open = self._is_open
        self._reached.set()
        if is_open:
            return DONE
        return wait_for(go, self._timeout, lambda: f"nobody opened the gate for {seconds_of(self._timeout)}")


#: What a script is made of: text, reasoning, tool calls, gates, exceptions; anything else is given as it is.
Event: TypeAlias = str | ReasoningDeltaChunk | ToolCallChunk | Gate | BaseException | Any


class ModelCall:
    """One call of the model: what it was asked, and the answer, to be read with `for` or `async for`.

    It may be awaited, and used with `with` and `async with`, as the streams of SDKs are.
    """

    def __init__(self, args: tuple[Any, ...], options: dict[str, Any], events: Iterable[Event]) -> None:
        #: The positional arguments of the call, copied.
        self.args = _copy(args)
        #: The keyword arguments of the call, copied.
        self.options: dict[str, Any] = _copy(options)
        #: How many pieces were read.
        self.taken = 0
        #: Whether the answer was closed, or read to its end.
        self.is_closed = False
        #: Whether the connection was shut down while the answer was read; see `integrations.httpx.abort`.
        self.is_aborted = False
        #: What has the socket, as the `response` of `openai` and `anthropic` streams; `abort` takes it.
        self.response = _Response(self)
        self._events = iter(events)
        # What the read that waits at a gate waits for.
        self._go: Signal | None = None

    def abort(self) -> None:
        """End a read with `ConnectionAbortedError`, as if the socket was shut down. From any thread."""
        if not self.is_closed:
            self.is_aborted = True
            if (go := self._go) is not None:
                go.set()

    def close(self) -> Awaitable[None]:
        """Close the answer; `await` is optional. As in an SDK, a read that waits in another thread goes on waiting."""
        self.is_closed = True
        return DONE

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while isinstance(event := self._next(StopIteration), Gate):
            if in_event_loop():
                raise AssertionError("the model is read with `for` in a coroutine, which blocks the event loop")
            event._pass(self._arrive())
        return self._given(event)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        # A real client lets the loop run.
        await asyncio.sleep(0)
        while isinstance(event := self._next(StopAsyncIteration), Gate):
            await event._pass(self._arrive())
        return self._given(event)

    def _next(self, stop: type[Exception]) -> Event:
        self._refuse_aborted()
        if self.is_closed:
            raise stop
        for event in self._events:
            return event
        self.is_closed = True
        raise stop

    def _arrive(self) -> Signal:
        self._go = Signal()
        if self.is_aborted:
            self._go.set()
        return self._go

    def _given(self, event: Event) -> Any:
        self._refuse_aborted()
        if isinstance(event, BaseException) or (isinstance(event, type) and issubclass(event, BaseException)):
            self.is_closed = True
            raise event
        self.taken += 1
        return event

    def _refuse_aborted(self) -> None:
        if self.is_aborted:
            self.is_closed = True
            raise ConnectionAbortedError("the connection to the model was shut down")

    def __await__(self) -> Generator[Any, None, Self]:
        return self
        yield

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _copy(value: Any) -> Any:
    """Return a copy, because callbacks go on editing their list of messages; what cannot be copied as it is."""
    try:
        return copy.deepcopy(value)
    except Exception:
        return copy.copy(value)


class _Response:
    """As much of an HTTP response as `integrations.httpx.abort` looks for."""

    def __init__(self, call: ModelCall) -> None:
        self._call = call
        self.extensions = {"network_stream": self}

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
    """Stands for a model in a callback. Each answer is a list of events; the first call gets the first answer.

    An event is a `str`, a `ReasoningDeltaChunk`, a `ToolCallChunk`, a `Gate`, where the model waits, an exception,
    which is raised there, or anything else, which is given as it is. An answer that is an exception is raised by
    the call itself.

    Call the model for the events themselves, `model(prompt)`; use `model.openai` in place of a client of the `openai`
    package, blocking or async.

    Args:
        answers: what the model says to each call.
        usage: the tokens read and written by each call, for who asks OpenAI to include them.
    """

    def __init__(self, *answers: Iterable[Event] | BaseException, usage: tuple[int, int] = (0, 0)) -> None:
        for answer in answers:
            if isinstance(answer, str):
                raise TypeError(f"an answer is a list of events, not a str: write [{answer!r}]")
        self._answers = answers
        self._usage = usage
        #: The calls so far, in order.
        self.calls: list[ModelCall] = []
        #: As a client of the `openai` package: `model.openai.chat.completions.create(stream=True, ...)`.
        self.openai = OpenAIClient(self._create)

    def __call__(self, *args: Any, **options: Any) -> ModelCall:
        """Ask the model; the arguments are only noted.

        Raises:
            AssertionError: it was asked more often than there are answers.
        """
        return self._start(args, options, self._next_answer(args, options))

    def _next_answer(self, args: tuple[Any, ...], options: dict[str, Any]) -> list[Event]:
        number = len(self.calls)
        if number >= len(self._answers):
            raise AssertionError(f"the model was asked once more than there are answers, which are {number}")
        answer = self._answers[number]
        if isinstance(answer, BaseException):
            self._start(args, options, ())
            raise answer
        return list(answer)

    def _start(self, args: tuple[Any, ...], options: dict[str, Any], events: Iterable[Event]) -> ModelCall:
        call = ModelCall(args, options, events)
        self.calls.append(call)
        return call

    def _create(self, **options: Any) -> ModelCall:
        if options.get("stream") is not True:
            raise AssertionError("a scripted model answers with streams only: pass stream=True")
        events = self._next_answer((), options)
        return self._start((), options, openai_events(events, options, len(self.calls) + 1, self._usage))
