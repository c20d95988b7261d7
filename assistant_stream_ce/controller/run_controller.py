"""What a callback holds: it turns calls into chunks, checks them, and puts them on the channel.

Every method may be called from any thread and from coroutines. A worker thread waits in a call while
the channel is full; a coroutine never waits, and may `await controller.drain()`. Nothing here knows a
wire, a framework, or how the run is driven.

Once the reader has left, a call from a worker thread raises `RunCancelled`, and one from a coroutine
is discarded until its task is cancelled. Once the run has ended, every call raises `RunEndedError`.
"""

from __future__ import annotations

import inspect
import uuid
import weakref
from collections.abc import AsyncIterable, Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

from assistant_stream_ce import chunks
from assistant_stream_ce.cancellation import Cancellation, CancelledEvent
from assistant_stream_ce.chunks import AssistantStreamChunk, ReasoningDeltaChunk, TextDeltaChunk
from assistant_stream_ce.concurrency.channel import Channel
from assistant_stream_ce.controller import validation as arguments
from assistant_stream_ce.controller.resend import replay
from assistant_stream_ce.controller.tool_calls import ToolCallController, ToolCalls
from assistant_stream_ce.controller.validation import places
from assistant_stream_ce.errors import RUN_HAS_ENDED, RunCancelled, RunEndedError
from assistant_stream_ce.jsonvalue import plain, weight
from assistant_stream_ce.state import StateDocument
from assistant_stream_ce.state.proxy import assign_root, read_root

#: What `add_stream` takes, be it another stream, an async generator, or any iterable of chunks.
ChunkSource: TypeAlias = AsyncIterable[AssistantStreamChunk] | Iterable[AssistantStreamChunk]


class RunPort(Protocol):
    """What controllers need of the run that drives their callback."""

    def on_closed(self) -> None:
        """Handle a chunk sent after the end: raise, or return to drop it."""

    def on_reader_lost(self) -> None:
        """Handle the loss of the reader."""

    def forward(self, source: ChunkSource, controller: RunController) -> Awaitable[None]:
        """Read a source of chunks into a controller, in the way that suits the caller."""

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Register an `on_cancel` callback; return what unregisters it."""


class RunLink:
    """What all controllers of one run share: the way out, the cancel signal, the state, the tool calls.

    It holds the run weakly, and nothing below refers back up: when the last handle of a run goes, the run goes with
    it, without the help of the garbage collector.

    Args:
        state: where the state starts; copied.
        max_pending: about how many chunks may wait for the reader.
        run: drives the callback.
    """

    def __init__(self, state: object, max_pending: int, run: RunPort) -> None:
        self._find_run = find_run = weakref.ref(run)
        self.channel: Channel[AssistantStreamChunk] = Channel(
            max_pending,
            on_closed=lambda: _run_of(find_run).on_closed(),
            on_reader_lost=lambda: _run_of(find_run).on_reader_lost(),
        )
        self.cancellation = Cancellation()
        self.cancelled_event = CancelledEvent(self.cancellation.signal)
        self.state: StateDocument = StateDocument(state, self.channel)
        self.calls = ToolCalls(self.channel)

    @property
    def run(self) -> RunPort:
        """The run that drives the callback.

        Raises:
            RunEndedError: it ended long ago.
        """
        return _run_of(self._find_run)


def _run_of(find_run: Callable[[], RunPort | None]) -> RunPort:
    run = find_run()
    if run is None:
        raise RunEndedError(RUN_HAS_ENDED)
    return run


class RunController:
    """What the assistant says and does, as it happens.

    The library makes one for each run and hands it to the callback. Every method may be called from any
    thread and from coroutines. An argument of a wrong type is a `TypeError` that names it; the stream
    goes on.
    """

    # A misspelt `controller.sate = ...` is an error.
    __slots__ = ("__weakref__", "_parent_id", "_put", "link")

    def __init__(self, link: RunLink, parent_id: str | None = None) -> None:
        #: What the controllers of the run share. Internal to the library.
        self.link: RunLink = link
        self._parent_id = parent_id
        self._put = link.channel.put

    # --- the message ---

    def append_text(self, text: str) -> None:
        """Append text to the answer. An empty text changes nothing."""
        if type(text) is not str:
            text = arguments.text(text, "text")
        if 0 < len(text) < 1024:
            self._put(TextDeltaChunk(text, self._parent_id))
        elif text:
            self._put(TextDeltaChunk(text, self._parent_id), places(len(text)))
        else:
            self.link.channel.check_open()

    def append_reasoning(self, text: str) -> None:
        """Append text to the reasoning. An empty text changes nothing."""
        if type(text) is not str:
            text = arguments.text(text, "text")
        if 0 < len(text) < 1024:
            self._put(ReasoningDeltaChunk(text, self._parent_id))
        elif text:
            self._put(ReasoningDeltaChunk(text, self._parent_id), places(len(text)))
        else:
            self.link.channel.check_open()

    def append_refusal(self, text: str) -> None:
        """Append to the text in which the model declines to answer. An empty text changes nothing."""
        text = arguments.text(text, "text")
        if text:
            self._put(chunks.RefusalDeltaChunk(text, self._parent_id), places(len(text)))
        else:
            self.link.channel.check_open()

    def add_text_part(self) -> None:
        """Start a new text part: `append_text` after this does not extend the previous text."""
        self._put(chunks.TextPartChunk(self._parent_id))

    def add_reasoning_part(self, summary: str | None = None) -> None:
        """Start a new part of the reasoning, perhaps under a summary; `append_reasoning` adds its text."""
        self._put(chunks.ReasoningPartChunk(arguments.optional_text(summary, "summary"), self._parent_id))

    def add_reasoning_signature(self, signature: str) -> None:
        """Add the provider's signature of the reasoning before it, which the next request has to send back."""
        signature = arguments.text(signature, "signature")
        self._put(chunks.ReasoningSignatureChunk(signature), places(len(signature)))

    def add_tool_call(
        self,
        tool_name: str,
        tool_call_id: str | None = None,
        *,
        args: Mapping[str, object] | None = None,
        provider_executed: bool = False,
        dynamic: bool = False,
    ) -> ToolCallController:
        """Start a tool call. `await` is optional; `with` and `async with` close it.

        Args:
            tool_name: the tool.
            tool_call_id: the model's id for the call; a fresh one when left out.
            args: the arguments, where they come whole; else they are appended as text.
            provider_executed: whether the model provider runs the tool, so that no result is expected from the client.
            dynamic: whether the front end has no type for the tool, as for tools that are discovered at run time.

        Raises:
            ToolCallError: the id was used in this run already.
        """
        call_id = arguments.optional_text(tool_call_id, "tool_call_id") or f"call_{uuid.uuid4().hex[:24]}"
        name = arguments.text(tool_name, "tool_name")
        flags = arguments.flag(provider_executed, "provider_executed"), arguments.flag(dynamic, "dynamic")
        if args is None:
            self.link.calls.begin(chunks.ToolCallBeginChunk(call_id, name, self._parent_id, *flags))
        else:
            whole = arguments.fields(args, "args")
            self.link.calls.add(chunks.ToolCallChunk(call_id, name, whole, self._parent_id, *flags))
        return ToolCallController(self.link.calls, call_id, name)

    def add_tool_result(
        self,
        tool_call_id: str,
        result: object,
        *,
        artifact: object = None,
        is_error: bool = False,
        model_content: Sequence[object] | None = None,
    ) -> None:
        """Add the result of a tool call, of this run or of an earlier message; see `ToolCallController.set_response`.

        Raises:
            ToolCallError: the call has its result already.
        """
        call_id = arguments.text(tool_call_id, "tool_call_id")
        self.link.calls.add_result(call_id, result, artifact, is_error, model_content)

    def add_source(self, id: str, url: str, title: str | None = None) -> None:
        """Add a document that the answer rests on."""
        self._put(
            chunks.SourceChunk(
                arguments.text(id, "id"),
                arguments.text(url, "url"),
                title=arguments.optional_text(title, "title"),
                parent_id=self._parent_id,
            )
        )

    def add_source_document(self, id: str, media_type: str, title: str, filename: str | None = None) -> None:
        """Add a document without a URL that the answer rests on, for example an uploaded file."""
        self._put(
            chunks.SourceDocumentChunk(
                arguments.text(id, "id"),
                arguments.text(media_type, "media_type"),
                arguments.text(title, "title"),
                arguments.optional_text(filename, "filename"),
                self._parent_id,
            )
        )

    def add_file(self, data: str, mime_type: str, *, filename: str | None = None) -> None:
        """Add a file: base64 text or a URL, its media type, and perhaps its name."""
        data = arguments.text(data, "data")
        mime_type, filename = arguments.text(mime_type, "mime_type"), arguments.optional_text(filename, "filename")
        self._put(chunks.FileChunk(data, mime_type, self._parent_id, filename), places(len(data)))

    def add_data_part(self, name: str, data: object, *, id: str | None = None, transient: bool = False) -> None:
        """Add application data as a part of the message: any JSON value.

        Args:
            name: by which the front end chooses how to show it.
            data: the value.
            id: a part with the id of an earlier one of that name takes its place, where the wire has ids.
            transient: whether it is only handed to the front end, and not kept in the message.
        """
        value = plain(data, "data")
        chunk = chunks.DataPartChunk(
            arguments.text(name, "name"),
            value,
            arguments.optional_text(id, "id"),
            arguments.flag(transient, "transient"),
            self._parent_id,
        )
        self._put(chunk, places(weight(value)))

    def add_error(self, message: str, *, code: str | None = None, severity: chunks.Severity | None = None) -> None:
        """Tell the user of an error; the run goes on.

        Args:
            message: what the user reads.
            code: a word by which the front end knows the error.
            severity: how grave it is.

        Raises:
            ValueError: there is no such severity.
        """
        self._put(
            chunks.ErrorChunk(
                arguments.text(message, "message"),
                arguments.optional_text(code, "code"),
                arguments.severity(severity),
            )
        )

    # --- beside the message ---

    def add_data(self, data: object) -> None:
        """Send application data: any JSON value."""
        value = plain(data, "data")
        self._put(chunks.DataChunk(value), places(weight(value)))

    def add_annotations(self, annotations: Sequence[object]) -> None:
        """Send notes about the message: a list of JSON values."""
        value = arguments.items(annotations, "annotations")
        self._put(chunks.AnnotationsChunk(value), places(weight(value)))

    def add_step_start(self, message_id: str) -> None:
        """Start a step: one call of the model."""
        self._put(chunks.StepStartChunk(arguments.text(message_id, "message_id")))

    def add_step_finish(
        self, finish_reason: str, input_tokens: int = 0, output_tokens: int = 0, is_continued: bool = False
    ) -> None:
        """Finish a step, with its usage in tokens. It ends the arguments of every tool call.

        Args:
            finish_reason: one of `FinishReason`; OpenAI's spellings `tool_calls` and `content_filter` are taken too.
            input_tokens: the tokens of the prompt.
            output_tokens: the tokens of the answer.
            is_continued: whether the next step goes on with the same text.
        """
        self.link.calls.finish(
            chunks.StepFinishChunk(
                arguments.finish_reason(finish_reason),
                arguments.count(input_tokens, "input_tokens"),
                arguments.count(output_tokens, "output_tokens"),
                arguments.flag(is_continued, "is_continued"),
            )
        )

    def add_message_finish(self, finish_reason: str, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """Finish the message, with its usage in tokens; see `add_step_finish`."""
        self.link.calls.finish(
            chunks.MessageFinishChunk(
                arguments.finish_reason(finish_reason),
                arguments.count(input_tokens, "input_tokens"),
                arguments.count(output_tokens, "output_tokens"),
            )
        )

    # --- other streams ---

    def add_stream(self, stream: ChunkSource) -> Awaitable[None]:
        """Send the chunks of another stream as if they were this run's own.

        A plain iterable, and any stream in a worker thread, is read to its end before the call returns. In
        a coroutine an async one is read alongside; `await` the returned object to wait for its end, or
        let the run wait for it.

        An error chunk at the end of a stream that raises is left to the exception: it is raised here or
        from the `await`, or fails the run.
        """
        return self.link.run.forward(stream, self)

    def add_chunk(self, chunk: AssistantStreamChunk) -> None:
        """Send a chunk that was built elsewhere, checked as the method for its kind would check it.

        Raises:
            TypeError: it is no chunk, or a field has a wrong type.
        """
        parent_id = getattr(chunk, "parent_id", None)
        replay(self if parent_id is None else self.with_parent_id(parent_id), chunk)

    def with_parent_id(self, parent_id: str) -> RunController:
        """Return a controller of the same run whose parts are shown under the part or group `parent_id`."""
        return RunController(self.link, arguments.text(parent_id, "parent_id"))

    # --- state ---

    @property
    def state(self) -> Any:
        """The state, as a look-alike of the dict or list it is, or the plain value. Assign to replace it."""
        # As in `read_root`, without the call: 0.05 us of 1 for an edit.
        proxy = self.link.state.root_proxy
        return read_root(self.link.state) if proxy is None else proxy

    @state.setter
    def state(self, value: Any) -> None:
        assign_root(self.link.state, value)

    def append_state_text(self, path: Sequence[str | int], text: str) -> None:
        """Append to a text in the state, for example at `["messages", 0, "text"]`.

        Raises:
            StateError: there is no text at the path.
        """
        if type(path) is not list and (isinstance(path, str) or not isinstance(path, Sequence)):
            raise TypeError(f"path must be a list of keys and indexes, not {type(path).__name__}")
        self.link.state.append_text(path, text)

    @contextmanager
    def edit_state(self) -> Generator[Any]:
        """Hold several edits of the state together, for example to count: `with controller.edit_state() as state:`.

        Edits of other threads wait until the block ends, and the front end gets all of it in one chunk. So only edit
        inside: what else waits there, `append_text` included, may wait for one who waits for the block. An
        exception does not undo the edits before it.
        """
        with self.link.state.edit():
            yield self.state

    def flush(self) -> None:
        """Close the group of state edits: what follows travels in a chunk of its own.

        Edits are handed over at once in any case; those in one waiting chunk reach the client together. Inside
        `edit_state` it does nothing.
        """
        self.link.state.flush()

    # --- pace and cancellation ---

    async def drain(self) -> None:
        """Wait in a coroutine until the reader has caught up; returns at once when there is room."""
        await self.link.channel.drain()

    @property
    def is_cancelled(self) -> bool:
        """Whether the reader has left."""
        return self.link.cancellation.signal.is_set()

    @property
    def cancelled_event(self) -> CancelledEvent:
        """The cancel signal, to wait for from a thread or a coroutine."""
        return self.link.cancelled_event

    def raise_if_cancelled(self) -> None:
        """Raise `RunCancelled` if the reader has left."""
        if self.is_cancelled:
            raise RunCancelled("the reader has left")

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have a plain function called once when the reader leaves; at once when it has left already.

        It is called in a thread of its own, with the context variables of this place, so that it may
        block; what it raises is logged. Registered too late it is called before this returns, but in a
        thread of its own if this is a coroutine.

        Returns:
            A function that takes the registration back, for a callback about something that ends before the run.
        """
        if not callable(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError("callback must be a plain function; a coroutine callback meets CancelledError instead")
        return self.link.run.on_cancel(callback)
