"""What the decoders of assistant-ui's two wires share: the fields of chunks, and the course of tool calls."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.serialization.decoder import BadFrameError, Decoder, checked, optional_text, token_count
from assistant_stream_ce.serialization.schema import convert
from assistant_stream_ce.serialization.tool_calls import CallRecord
from assistant_stream_ce.state.operations import is_safe

__all__ = ("AssistantUIDecoder", "chunk_of", "finish_of", "reasoning_part_of", "source_of")

T = TypeVar("T", bound=msgspec.Struct)


class AssistantUIDecoder(Decoder):
    """A decoder that keeps tool calls in order, so that whoever gets the chunks may pass them on.

    As in the clients, argument text after the end of the arguments and a second result are ignored.
    """

    def _prepare(self) -> None:
        self._calls: dict[str, CallRecord] = {}
        # Those whose arguments may grow. Apart, so that many ends of steps after many calls take no longer than few.
        self._open: dict[str, None] = {}

    def _begin(self, chunk: chunks.ToolCallBeginChunk) -> Iterator[AssistantStreamChunk]:
        if chunk.tool_call_id in self._calls:
            raise BadFrameError("the tool call has begun before")
        self._record(chunk.tool_call_id)
        self._open[chunk.tool_call_id] = None
        yield chunk

    def _whole(self, chunk: chunks.ToolCallChunk) -> Iterator[AssistantStreamChunk]:
        """Pass on a call, not known before, that comes whole."""
        self._record(chunk.tool_call_id)
        yield chunk

    def _arguments(self, chunk: chunks.ToolCallDeltaChunk) -> Iterator[AssistantStreamChunk]:
        record = self._known(chunk.tool_call_id)
        if chunk.tool_call_id in self._open:
            record.has_args = record.has_args or chunk.args_text_delta != ""
            if chunk.is_final:
                del self._open[chunk.tool_call_id]
            yield chunk

    def _result(self, value: JSON) -> Iterator[AssistantStreamChunk]:
        # A tool that returned JavaScript's undefined has no field for it.
        chunk = chunk_of(chunks.ToolResultChunk, {"result": None, **checked(value, dict)})
        self._known(chunk.tool_call_id)
        yield from self._answer(chunk)

    def _answer(self, chunk: chunks.ToolResultChunk) -> Iterator[AssistantStreamChunk]:
        """Pass the first result of a call on; it may be a call of an earlier message."""
        record = self._record(chunk.tool_call_id)
        if not record.has_result:
            record.has_result = True
            self._open.pop(chunk.tool_call_id, None)
            yield chunk

    def _close_arguments(self) -> Iterator[AssistantStreamChunk]:
        """Say that all arguments are complete, as the end of a step or message implies."""
        for call_id in self._open:
            yield chunks.ToolCallDeltaChunk(call_id, "", is_final=True)
        self._open.clear()

    def _record(self, call_id: str) -> CallRecord:
        """Return the record of a call, made if it is new."""
        record = self._calls.get(call_id)
        if record is None:
            record = self._calls[call_id] = CallRecord(call_id, len(self._calls))
        return record

    def _known(self, call_id: str) -> CallRecord:
        record = self._calls.get(call_id)
        if record is None:
            raise BadFrameError("no such tool call has begun")
        return record

    def _operations(self, value: JSON) -> Iterator[AssistantStreamChunk]:
        """Yield the edits of the state; a lenient decoder leaves out single ones that clients refuse."""
        given: list[JSON] = checked(value, list, "operations")
        operations: list[chunks.Operation] = []
        for item in given:
            try:
                operations.append(_operation(item))
            except BadFrameError:
                if self._is_strict:
                    raise
                self.skipped += 1
        if operations or not given:
            yield chunks.UpdateStateChunk(operations)


def chunk_of(kind: type[T], value: JSON) -> T:
    """Return a chunk whose fields are those of a JSON object, where they have names like `toolCallId`.

    Raises:
        BadFrameError: a field is missing or has a wrong type.
    """
    return kind(*msgspec.structs.astuple(convert(value, _on_the_wire(kind))))


def source_of(value: JSON) -> chunks.SourceChunk | chunks.SourceDocumentChunk:
    """Return the chunk of a source, which has a URL or is a document."""
    fields: dict[str, JSON] = checked(value, dict)
    if fields.get("sourceType") == "document" and fields.get("url") is None:
        return chunk_of(chunks.SourceDocumentChunk, fields)
    return chunk_of(chunks.SourceChunk, fields)


def reasoning_part_of(fields: dict[str, JSON]) -> chunks.ReasoningPartChunk:
    """Return the chunk of a part of the reasoning that starts."""
    return chunks.ReasoningPartChunk(optional_text(fields, "unstable_summary"), optional_text(fields, "parentId"))


def finish_of(kind: type[T], value: JSON) -> T:
    """Return the chunk of a step's or message's end; AI SDK 4 has its own names for the two counts."""
    fields: dict[str, JSON] = checked(value, dict)
    usage = fields.get("usage")
    counts = {
        "inputTokens": token_count(usage, "inputTokens", "promptTokens"),
        "outputTokens": token_count(usage, "outputTokens", "completionTokens"),
    }
    return chunk_of(kind, {**fields, **counts})


@functools.cache
def _on_the_wire(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return the twin of a chunk's type with the wire's names of its fields, in the same order."""
    fields = [(field.name, field.type, field.default) for field in msgspec.structs.fields(kind)]
    return msgspec.defstruct(kind.__name__, fields, rename="camel")


def _operation(value: JSON) -> chunks.Operation:
    if isinstance(value, dict) and isinstance(value.get("path"), list):
        # The clients take numbers for positions in a list too.
        value = {**value, "path": [str(one) if type(one) is int else one for one in value["path"]]}
    operation: chunks.Operation = convert(value, chunks.Operation)
    if not is_safe(tuple(operation["path"])):
        raise BadFrameError("its path has a key that the clients refuse")
    if operation["type"] == "append-text" and not isinstance(operation["value"], str):
        raise BadFrameError("only text can be appended to a text")
    return operation
