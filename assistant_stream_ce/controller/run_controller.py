"""The controller passed to a callback: validates arguments, builds chunks and sends them.

Every method may be called from any thread and from coroutines. A worker thread waits in a call while the channel is
full; a coroutine never waits, and may `await controller.drain()`. Nothing here knows a format, a framework, or how
the run is driven.

Once the run was cancelled, a call from a worker thread raises `RunCancelled`, and one from a coroutine is dropped
until its task is cancelled. Once the run has ended, every call raises `RunEndedError`.
"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

from assistant_stream_ce import chunks
from assistant_stream_ce.cancellation import CancelledEvent
from assistant_stream_ce.chunks import AssistantStreamChunk, ReasoningDeltaChunk, TextDeltaChunk
from assistant_stream_ce.controller import validation
from assistant_stream_ce.controller.resend import Resender
from assistant_stream_ce.controller.run_context import ChunkSource, RunContext
from assistant_stream_ce.controller.tool_calls import ToolCallController, result_chunk, send_approval_request
from assistant_stream_ce.controller.validation import slots
from assistant_stream_ce.errors import READER_HAS_LEFT, RunCancelled
from assistant_stream_ce.jsonvalue import json_size, plain
from assistant_stream_ce.state.proxy import assign_root, read_root


class RunController:
    """Controller of a run, passed to its callback. Every method is thread-safe, and may be called from coroutines.

    An argument of a wrong type raises a `TypeError` that names it; the stream continues.
    """

    # A misspelt `controller.sate = ...` is an error.
    __slots__ = ("__weakref__", "_put", "parent_id", "run_context")

    def __init__(self, run_context: RunContext, parent_id: str | None = None) -> None:
        #: Internal to the library, and so is `parent_id`.
        self.run_context: RunContext = run_context
        self.parent_id: str | None = parent_id
        self._put = run_context.channel.put

    # --- the message ---

    def append_text(self, text: str) -> None:
        """Append text to the answer. An empty text is ignored.

        Args:
            text: a piece of the answer, of any size.
        """
        if type(text) is not str:
            text = validation.text(text, "text")
        if 0 < len(text) < 1024:
            self._put(TextDeltaChunk(text, self.parent_id))
        elif text:
            self._put(TextDeltaChunk(text, self.parent_id), slots(len(text)))
        else:
            self.run_context.channel.check_open()

    def append_reasoning(self, text: str) -> None:
        """Append text to the reasoning. An empty text is ignored.

        Args:
            text: a piece of the reasoning, of any size.
        """
        if type(text) is not str:
            text = validation.text(text, "text")
        if 0 < len(text) < 1024:
            self._put(ReasoningDeltaChunk(text, self.parent_id))
        elif text:
            self._put(ReasoningDeltaChunk(text, self.parent_id), slots(len(text)))
        else:
            self.run_context.channel.check_open()

    def append_refusal(self, text: str) -> None:
        """Append text to a refusal. An empty text is ignored.

        Args:
            text: a piece of the refusal, of any size.
        """
        text = validation.text(text, "text")
        if text:
            self._put(chunks.RefusalDeltaChunk(text, self.parent_id), slots(len(text)))
        else:
            self.run_context.channel.check_open()

    def add_text_part(self) -> None:
        """Start a new text part: `append_text` after this does not extend the previous text."""
        self._put(chunks.TextPartChunk(self.parent_id))

    def add_reasoning_part(self, summary: str | None = None) -> None:
        """Start a new reasoning part; `append_reasoning` adds its text.

        Args:
            summary: the summary of the part, or None.
        """
        self._put(chunks.ReasoningPartChunk(validation.optional_text(summary, "summary"), self.parent_id))

    def add_reasoning_signature(self, signature: str) -> None:
        """Add the provider's signature of the preceding reasoning.

        Args:
            signature: the signature, which the next request has to send back.
        """
        signature = validation.text(signature, "signature")
        self._put(chunks.ReasoningSignatureChunk(signature), slots(len(signature)))

    def add_provider_metadata(
        self, part: Literal["text", "reasoning"], provider_metadata: Mapping[str, Mapping[str, object]]
    ) -> None:
        """Add metadata to the text or reasoning that is open, or to a new one: what its provider needs again.

        Args:
            part: the kind of the part.
            provider_metadata: JSON objects by the name of their provider, as `{"anthropic": {"signature": "..."}}`.

        Raises:
            ValueError: there is no such kind of part.
        """
        kind, metadata = validation.part_kind(part), validation.provider_metadata(provider_metadata)
        self._put(chunks.ProviderMetadataChunk(metadata, kind, self.parent_id), slots(json_size(metadata)))

    def add_tool_call(
        self,
        tool_name: str,
        tool_call_id: str | None = None,
        *,
        args: Mapping[str, object] | None = None,
        provider_executed: bool = False,
        dynamic: bool = False,
        provider_metadata: Mapping[str, Mapping[str, object]] | None = None,
    ) -> ToolCallController:
        """Start a tool call. `await` is optional; `with` and `async with` close it.

        Args:
            tool_name: the tool.
            tool_call_id: the model's id for the call; generated if None.
            args: the complete arguments; None if they are appended as text.
            provider_executed: whether the model provider runs the tool, so that no result is expected from the client.
            dynamic: whether the front end has no type for the tool, as for tools that are discovered at run time.
            provider_metadata: what the model provider needs again with the call, as in `add_provider_metadata`.

        Raises:
            ToolCallError: the id was used in this run already.
        """
        call_id = validation.optional_text(tool_call_id, "tool_call_id") or f"call_{uuid.uuid4().hex[:24]}"
        name = validation.text(tool_name, "tool_name")
        flags = validation.flag(provider_executed, "provider_executed"), validation.flag(dynamic, "dynamic")
        metadata = None if provider_metadata is None else validation.provider_metadata(provider_metadata)
        if args is None:
            self.run_context.calls.begin(chunks.ToolCallBeginChunk(call_id, name, self.parent_id, *flags, metadata))
        else:
            whole = validation.fields(args, "args")
            self.run_context.calls.add(chunks.ToolCallChunk(call_id, name, whole, self.parent_id, *flags, metadata))
        return ToolCallController(self.run_context.calls, call_id, name)

    def add_tool_result(
        self,
        tool_call_id: str,
        result: object,
        *,
        artifact: object = None,
        is_error: bool = False,
        model_content: Sequence[object] | None = None,
        denied: bool = False,
        preliminary: bool = False,
    ) -> None:
        """Add the result of a tool call, of this run or of an earlier message.

        Args:
            tool_call_id: the id of the call.
            result: the result, any JSON value.
            artifact: data for the front end that the model does not read.
            is_error: whether the tool failed.
            model_content: the result as the model reads it, a list of content parts, or None.
            denied: whether the call was not allowed to run; `result` is the reason. It counts as an error.
            preliminary: whether more results follow, each in place of the one before.

        Raises:
            ValueError: a preliminary result is an error or denied.
            ToolCallError: the call has its final result already.
        """
        call_id = validation.text(tool_call_id, "tool_call_id")
        self.run_context.calls.add_result(
            result_chunk(call_id, result, artifact, is_error, model_content, denied, preliminary)
        )

    def add_tool_approval_request(
        self, tool_call_id: str, approval_id: str | None = None, *, signature: str | None = None
    ) -> str:
        """Ask for the user's approval of a tool call of this run, which completes its arguments.

        Args:
            tool_call_id: the id of the call.
            approval_id: the id that the decision refers to; generated if None.
            signature: text that the client sends back with the decision, so that the server can check it.

        Returns:
            The approval id.

        Raises:
            ValueError: an id is empty.
            ToolCallError: there is no such call, it was asked for or answered before, or the approval id was used.
        """
        call_id = validation.id(tool_call_id, "tool_call_id")
        return send_approval_request(self.run_context.calls, call_id, approval_id, signature)

    def add_source(
        self, id: str, url: str, title: str | None = None, start_index: int | None = None, end_index: int | None = None
    ) -> None:
        """Add a source cited by the answer.

        Args:
            id: the id of the source.
            url: its URL.
            title: its title, or None.
            start_index: where the cited text starts in the answer, in characters, or None.
            end_index: where it ends.
        """
        place = validation.place(start_index, end_index)
        self._put(validation.checked(chunks.SourceChunk(id, url, "url", title, self.parent_id, *place)))

    def add_source_document(
        self,
        id: str,
        media_type: str,
        title: str,
        filename: str | None = None,
        start_index: int | None = None,
        end_index: int | None = None,
    ) -> None:
        """Add a document without a URL that the answer cites, for example an uploaded file.

        Args:
            id: the id of the source.
            media_type: the media type of the document.
            title: its title.
            filename: its file name, or None.
            start_index: where the cited text starts in the answer, in characters, or None.
            end_index: where it ends.
        """
        place = validation.place(start_index, end_index)
        self._put(
            validation.checked(chunks.SourceDocumentChunk(id, media_type, title, filename, self.parent_id, *place))
        )

    def add_file(self, data: str, mime_type: str, *, filename: str | None = None) -> None:
        """Add a file.

        Args:
            data: base64 text, or a URL.
            mime_type: the media type, for example `image/png`.
            filename: the name, or None.
        """
        data = validation.text(data, "data")
        mime_type, filename = validation.text(mime_type, "mime_type"), validation.optional_text(filename, "filename")
        self._put(chunks.FileChunk(data, mime_type, self.parent_id, filename), slots(len(data)))

    def add_data_part(self, name: str, data: object, *, id: str | None = None, transient: bool = False) -> None:
        """Add application data as a part of the message: any JSON value.

        Args:
            name: the name by which the front end chooses how to show it.
            data: the value.
            id: a part with the name and id of an earlier one replaces it, in formats that have ids.
            transient: whether it is passed to the front end, but not stored in the message.
        """
        value = plain(data, "data")
        name, id = validation.text(name, "name"), validation.optional_text(id, "id")
        transient = validation.flag(transient, "transient")
        self._put(chunks.DataPartChunk(name, value, id, transient, self.parent_id), slots(json_size(value)))

    def add_error(self, message: str, *, code: str | None = None, severity: chunks.Severity | None = None) -> None:
        """Report an error to the user; the run continues.

        Args:
            message: the text for the user.
            code: a machine-readable code.
            severity: the severity.

        Raises:
            ValueError: there is no such severity.
        """
        message, code = validation.text(message, "message"), validation.optional_text(code, "code")
        self._put(chunks.ErrorChunk(message, code, validation.severity(severity)))

    # --- beside the message ---

    def add_data(self, data: object) -> None:
        """Send application data beside the message.

        Args:
            data: any JSON value, see `jsonvalue.plain`.
        """
        value = plain(data, "data")
        self._put(chunks.DataChunk(value), slots(json_size(value)))

    def add_annotations(self, annotations: Sequence[object]) -> None:
        """Send annotations of the message.

        Args:
            annotations: JSON values for the application.
        """
        value = validation.items(annotations, "annotations")
        self._put(chunks.AnnotationsChunk(value), slots(json_size(value)))

    def add_step_start(self, message_id: str) -> None:
        """Start a step: one call of the model.

        Args:
            message_id: the id of the step's message.
        """
        self._put(chunks.StepStartChunk(validation.text(message_id, "message_id")))

    def add_step_finish(
        self,
        finish_reason: str,
        input_tokens: int = 0,
        output_tokens: int = 0,
        is_continued: bool = False,
        *,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
    ) -> None:
        """Finish a step, with its usage in tokens. It ends the arguments of every tool call.

        Args:
            finish_reason: "stop", "length", "content-filter", "tool-calls", "error", "other" or "unknown"; OpenAI's
                spellings `tool_calls` and `content_filter` are accepted too.
            input_tokens: the tokens of the prompt.
            output_tokens: the tokens of the answer.
            is_continued: whether the next step continues the same text.
            cached_tokens: those of the input that were read from a cache.
            cache_write_tokens: those of the input that were written to a cache.
            reasoning_tokens: those of the output that are reasoning.
        """
        reason, details = validation.finish_reason(finish_reason), (cached_tokens, cache_write_tokens, reasoning_tokens)
        chunk = chunks.StepFinishChunk(reason, input_tokens, output_tokens, is_continued, *details)
        self.run_context.calls.finish(validation.checked(chunk))

    def add_message_finish(
        self,
        finish_reason: str,
        input_tokens: int = 0,
        output_tokens: int = 0,
        *,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
    ) -> None:
        """Finish the message, with its usage in tokens.

        Args:
            finish_reason: the reason of the end, as in `add_step_finish`.
            input_tokens: the tokens read by the model.
            output_tokens: the tokens generated.
            cached_tokens: those of the input that were read from a cache.
            cache_write_tokens: those of the input that were written to a cache.
            reasoning_tokens: those of the output that are reasoning.
        """
        reason, details = validation.finish_reason(finish_reason), (cached_tokens, cache_write_tokens, reasoning_tokens)
        chunk = chunks.MessageFinishChunk(reason, input_tokens, output_tokens, *details)
        self.run_context.calls.finish(validation.checked(chunk))

    # --- other streams ---

    def add_stream(self, stream: ChunkSource) -> Awaitable[None]:
        """Send the chunks of another stream as if they were this run's own.

        A plain iterable, and in a worker thread any stream, is read to its end before the call returns. In a coroutine
        an async one is read concurrently: `await` the returned object, or let the run wait for its end. An exception of
        the stream is raised here or by the `await`, or fails the run; the error chunk before it is not sent.

        Args:
            stream: another stream, an async iterable, or an iterable of chunks.
        """
        return self.run_context.run.forward(stream, self)

    def add_chunk(self, chunk: AssistantStreamChunk) -> None:
        """Send a chunk that was created elsewhere, validated as by the method for its type.

        Args:
            chunk: the chunk.

        Raises:
            TypeError: it is no chunk, or a field has a wrong type.
            ValueError: a field has a value that is not allowed.
            ToolCallError: it is out of order.
        """
        Resender(self).handle(chunk)

    def with_parent_id(self, parent_id: str) -> RunController:
        """Return a controller of the same run whose parts belong to a parent.

        Args:
            parent_id: the id of a part or group.
        """
        return RunController(self.run_context, validation.text(parent_id, "parent_id"))

    # --- state ---

    @property
    def state(self) -> Any:
        """The state: a proxy for its dict or list, or the plain value. Assign to replace it."""
        # Inlined from `read_root`: the call would cost 0.05 us of 1 for an edit.
        document = self.run_context.document or self.run_context.state
        proxy = document.root_proxy
        return read_root(document) if proxy is None else proxy

    @state.setter
    def state(self, value: Any) -> None:
        assign_root(self.run_context.state, value)

    def append_state_text(self, path: Sequence[str | int], text: str) -> None:
        """Append to a text in the state.

        Args:
            path: keys and indexes, for example `["messages", 0, "text"]`.
            text: the text to append.

        Raises:
            StateError: there is no text at the path.
        """
        if type(path) is not list and (isinstance(path, str) or not isinstance(path, Sequence)):
            raise TypeError(f"path must be a list of keys and indexes, not {type(path).__name__}")
        self.run_context.state.append_text(path, text)

    def edit_state(self) -> AbstractContextManager[Any]:
        """Group edits of the state into a transaction, for example to count: `with controller.edit_state() as state:`.

        Edits of other threads wait until the block ends, and the front end receives all edits in one chunk. Call
        nothing else inside that blocks, such as `append_text`: it may deadlock. An exception does not undo earlier
        edits.
        """
        return self.run_context.state.edit(lambda: self.state)

    def flush(self) -> None:
        """Send later state edits in another chunk than earlier ones. Does nothing inside `edit_state`."""
        self.run_context.state.flush()

    # --- backpressure and cancellation ---

    async def drain(self) -> None:
        """Wait for free capacity (backpressure); returns at once if there is any."""
        await self.run_context.channel.drain()

    @property
    def is_cancelled(self) -> bool:
        """Whether the reader has left."""
        return self.run_context.cancellation.signal.is_set()

    @property
    def cancelled_event(self) -> CancelledEvent:
        """The cancellation event, for threads and coroutines to wait for."""
        return self.run_context.cancelled_event

    def raise_if_cancelled(self) -> None:
        """Raise `RunCancelled` if the reader has left."""
        if self.is_cancelled:
            raise RunCancelled(READER_HAS_LEFT)

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Register a function that is called once when the reader leaves, or at once if it has left.

        It is called in its own thread, with the context variables of this call, so it may block; exceptions are logged.

        Args:
            callback: a function without parameters.

        Returns:
            A function that unregisters the callback, for a resource that is released before the run ends.
        """
        if not callable(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError("callback must be a plain function; in a coroutine, handle CancelledError instead")
        return self.run_context.run.on_cancel(callback)
