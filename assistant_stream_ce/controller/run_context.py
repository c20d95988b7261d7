"""Context shared by the controllers of one run, and the interface to the run that drives the callback."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from assistant_stream_ce.cancellation import Cancellation, CancelledEvent
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.concurrency.channel import Channel
from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.controller.tool_calls import ToolCallRegistry
from assistant_stream_ce.errors import RUN_HAS_ENDED, RunEndedError
from assistant_stream_ce.state.document import StateDocument

if TYPE_CHECKING:
    from assistant_stream_ce.controller.run_controller import RunController

# What code that uses the state mentions.
_STATE_NAMES = frozenset(("state", "edit_state"))

# Guards the creation of a run's state and tool calls.
_first_use = new_lock()

#: A source of chunks: another stream, an async iterable, or an iterable of chunks.
ChunkSource: TypeAlias = AsyncIterable[AssistantStreamChunk] | Iterable[AssistantStreamChunk]


class RunHooks(Protocol):
    """Methods of the run that its controllers call."""

    def on_closed(self) -> None:
        """Handle a chunk that is sent after the end: raise, or return to drop it."""

    def on_reader_lost(self) -> None:
        """Handle a disconnect: the reader is lost."""

    def forward(self, source: ChunkSource, controller: RunController) -> Awaitable[None]:
        """Forward a source of chunks to a controller; see `RunController.add_stream`."""

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Register an `on_cancel` callback; return what unregisters it."""


class RunContext:
    """The context that all controllers of one run share: channel, cancellation, state and tool calls.

    It holds only a weak reference to the run: when the last handle of a run is dropped, the run is freed without the
    cycle collector.

    Args:
        state: the initial state; copied.
        max_pending: the capacity of the channel, in slots.
        run: drives the callback.
    """

    def __init__(self, state: object, max_pending: int, run: RunHooks) -> None:
        self._find_run = find_run = weakref.ref(run)
        self.channel: Channel[AssistantStreamChunk] = Channel(
            max_pending,
            on_closed=lambda: _run_of(find_run).on_closed(),
            on_reader_lost=lambda: _run_of(find_run).on_reader_lost(),
        )
        self.cancellation: Cancellation = Cancellation()
        self.cancelled_event: CancelledEvent = CancelledEvent(self.cancellation.signal)
        #: The state and the tool calls; None before their first use, as most runs have neither.
        self.document = None if state is None else StateDocument(state, self.channel)
        self._calls: ToolCallRegistry | None = None

    @property
    def state(self) -> StateDocument:
        """The state of the run."""
        if self.document is None:
            with _first_use:
                if self.document is None:
                    self.document = StateDocument(None, self.channel)
        return self.document

    @property
    def calls(self) -> ToolCallRegistry:
        """The tool calls of the run."""
        if self._calls is None:
            with _first_use:
                if self._calls is None:
                    self._calls = ToolCallRegistry(self.channel)
        return self._calls

    @property
    def run(self) -> RunHooks:
        """The run that drives the callback.

        Raises:
            RunEndedError: it has ended and was freed.
        """
        return _run_of(self._find_run)

    def explain(self, error: BaseException) -> None:
        """Extend the message of an exception that comes from using a state that is None as a dict or list."""
        if self.state.root[0] is not None or not isinstance(error, (TypeError, AttributeError)):
            return
        traceback, uses_state = error.__traceback__, False
        while traceback is not None:
            code, traceback = traceback.tb_frame.f_code, traceback.tb_next
            uses_state = uses_state or bool(_STATE_NAMES.intersection(code.co_names))
        text = error.args[0] if error.args else None
        if uses_state and isinstance(text, str) and "NoneType" in text:
            error.args = (f"{text}: controller.state is None, pass state={{}} to create_run or assign to it first",)


def _run_of(find_run: Callable[[], RunHooks | None]) -> RunHooks:
    run = find_run()
    if run is None:
        raise RunEndedError(RUN_HAS_ENDED)
    return run
