"""JSON objects that the data stream and the assistant transport share, and their conversion to and from chunks.

Optional fields without a value are omitted, never null: to a client null is a wrong type.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

import msgspec

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.jsonvalue import JSON, describe_types
from assistant_stream_ce.serialization.decoder import ToolCallDecoder, checked, optional_text, token_count
from assistant_stream_ce.serialization.encoder import bounded
from assistant_stream_ce.serialization.framing import FrameError
from assistant_stream_ce.serialization.schema import convert
from assistant_stream_ce.state.operations import is_safe

if TYPE_CHECKING:
    from assistant_stream_ce.message import DataPart, FilePart, SourceDocumentPart, SourcePart

T = TypeVar("T", bound=msgspec.Struct)


def without_none(fields: dict[str, JSON]) -> dict[str, JSON]:
    """Return the fields whose values are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def reasoning_part(chunk: chunks.ReasoningPartChunk) -> dict[str, JSON]:
    """Return the fields of a reasoning part that starts."""
    return without_none({"unstable_summary": chunk.summary, "parentId": chunk.parent_id})


def source(chunk: chunks.SourceChunk | SourcePart) -> dict[str, JSON]:
    """Return the fields of a source part."""
    return without_none(
        {
            "sourceType": chunk.source_type,
            "id": chunk.id,
            "url": chunk.url,
            "title": chunk.title,
            "parentId": chunk.parent_id,
            "startIndex": chunk.start_index,
            "endIndex": chunk.end_index,
        }
    )


def source_document(chunk: chunks.SourceDocumentChunk | SourceDocumentPart) -> dict[str, JSON]:
    """Return the fields of a source part that has no URL."""
    return without_none(
        {
            "sourceType": "document",
            "id": chunk.id,
            "mediaType": chunk.media_type,
            "title": chunk.title,
            "filename": chunk.filename,
            "parentId": chunk.parent_id,
            "startIndex": chunk.start_index,
            "endIndex": chunk.end_index,
        }
    )


def file(chunk: chunks.FileChunk | FilePart) -> dict[str, JSON]:
    """Return the fields of a file part."""
    return without_none(
        {"data": chunk.data, "mimeType": chunk.mime_type, "filename": chunk.filename, "parentId": chunk.parent_id}
    )


def data_part(chunk: chunks.DataPartChunk | DataPart) -> dict[str, JSON]:
    """Return the fields of a data part."""
    return {"name": chunk.name, "data": chunk.data, **without_none({"id": chunk.id, "parentId": chunk.parent_id})}


def result(chunk: chunks.ToolResultChunk) -> dict[str, JSON]:
    """Return the fields of a tool result, without those that address the call."""
    fields: dict[str, JSON] = {"result": chunk.result}
    if chunk.artifact is not None:
        fields["artifact"] = chunk.artifact
    if chunk.is_error:
        fields["isError"] = True
    if chunk.model_content is not None:
        fields["modelContent"] = chunk.model_content
    return fields


def message_finish(chunk: chunks.MessageFinishChunk | chunks.StepFinishChunk) -> dict[str, JSON]:
    """Return the fields of a message's end."""
    return {
        "finishReason": chunk.finish_reason,
        "usage": {"inputTokens": bounded(chunk.input_tokens), "outputTokens": bounded(chunk.output_tokens)},
    }


def step_finish(chunk: chunks.StepFinishChunk) -> dict[str, JSON]:
    """Return the fields of a step's end."""
    return {**message_finish(chunk), "isContinued": chunk.is_continued}


class AssistantUIDecoder(ToolCallDecoder):
    """Base of the decoders of both formats: results and state operations."""

    def _result(self, value: JSON) -> Iterator[AssistantStreamChunk]:
        # Missing if the tool returned JavaScript's undefined.
        chunk = chunk_of(chunks.ToolResultChunk, {"result": None, **checked(value, dict)})
        self._known(chunk.tool_call_id)
        yield from self._answer(chunk)

    def _finish(self, kind: type[T], value: JSON) -> Iterator[T | AssistantStreamChunk]:
        """Yield the end of a step or message, behind the ends of arguments that it implies."""
        finish = finish_of(kind, value)
        yield from self._close_arguments()
        yield finish

    def _operations(self, value: JSON) -> Iterator[AssistantStreamChunk]:
        """Yield the state operations; a lenient decoder skips those that clients reject."""
        given: list[JSON] = checked(value, list, "operations")
        operations: list[chunks.Operation] = []
        for item in given:
            try:
                operations.append(_operation(item))
            except FrameError:
                if self._is_strict:
                    raise
                self.skipped += 1
        if operations or not given:
            yield chunks.UpdateStateChunk(operations)


def chunk_of(kind: type[T], value: JSON) -> T:
    """Return the chunk of a JSON object with the same fields, spelled like `toolCallId`.

    Raises:
        FrameError: a field is missing or has a wrong type.
    """
    return kind(*msgspec.structs.astuple(convert(value, _with_format_names(kind))))


def source_of(value: JSON) -> chunks.SourceChunk | chunks.SourceDocumentChunk:
    """Return the chunk of a source: a URL or a document."""
    fields: dict[str, JSON] = checked(value, dict)
    if fields.get("sourceType") == "document" and fields.get("url") is None:
        return chunk_of(chunks.SourceDocumentChunk, fields)
    return chunk_of(chunks.SourceChunk, fields)


def reasoning_part_of(fields: dict[str, JSON]) -> chunks.ReasoningPartChunk:
    """Return the chunk of a reasoning part that starts."""
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
def _with_format_names(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return a copy of a chunk's type with the field names of the format, in the same order."""
    fields = [(field.name, field.type, field.default) for field in msgspec.structs.fields(kind)]
    copy = msgspec.defstruct(kind.__name__, fields, rename="camel")
    describe_types(copy)
    return copy


def _operation(value: JSON) -> chunks.Operation:
    if isinstance(value, dict) and isinstance(value.get("path"), list):
        # Clients also accept numbers as list indexes.
        value = {**value, "path": [str(one) if type(one) is int else one for one in value["path"]]}
    operation: chunks.Operation = convert(value, chunks.Operation)
    if not is_safe(tuple(operation["path"])):
        raise FrameError("its path has a key that clients reject")
    if operation["type"] == "append-text" and not isinstance(operation["value"], str):
        raise FrameError("only text can be appended to a text")
    return operation
