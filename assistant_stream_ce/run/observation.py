"""The observer of runs and of model turns, for instrumentation. Without one, nothing is called."""

from __future__ import annotations

import contextvars
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

import msgspec

if TYPE_CHECKING:
    from assistant_stream_ce.concurrency.channel import Channel
    from assistant_stream_ce.run.hooks import RunReason

R = TypeVar("R")

#: What cancelled a run.
CancelReason: TypeAlias = Literal["reader", "parent", "shutdown", "outside"]


class RunEnd(msgspec.Struct, frozen=True):
    """How a run ended.

    Attributes:
        reason: as in `RunResult`.
        error: the exception that its reader raises, or None.
        cancelled_by: the reader that left, the parent run, the shutdown of the server, or code that cancelled the task
            from outside; None for a run that was not cancelled.
    """

    reason: RunReason
    error: BaseException | None
    cancelled_by: CancelReason | None


class RunObservation(Protocol):
    """Observes one run."""

    def end(self, end: RunEnd) -> None:
        """Receive the end of the run, in its thread or task."""


class Observer(Protocol):
    """Observes runs and the turns of models in them. Thread-safe."""

    def run_started(self, channel: Channel[Any], context: contextvars.Context) -> RunObservation:
        """Begin to observe a run before its first chunk.

        Args:
            channel: the channel of the run, for a sink.
            context: the context variables in which the callback will run.
        """

    def turn(self, reader: R) -> AbstractContextManager[R]:
        """Return a context manager around the events of a turn, with the reader to use."""


#: The observer; None while nothing is instrumented.
current: Observer | None = None


def turn(reader: R) -> AbstractContextManager[R]:
    """Return a context manager around the events of a turn, with the reader to use."""
    return nullcontext(reader) if current is None else current.turn(reader)
