"""The JSON objects that assistant-ui's two wires share: one spelling of each chunk's fields.

Absent optional fields are left out, never null: a client takes null for a wrong type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assistant_stream_ce import chunks
from assistant_stream_ce.jsonvalue import JSON

if TYPE_CHECKING:
    from assistant_stream_ce.message import DataPart, FilePart, SourceDocumentPart, SourcePart

__all__ = (
    "data_part",
    "file",
    "known",
    "message_finish",
    "reasoning_part",
    "result",
    "source",
    "source_document",
    "step_finish",
)


def known(fields: dict[str, JSON]) -> dict[str, JSON]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def reasoning_part(chunk: chunks.ReasoningPartChunk) -> dict[str, JSON]:
    """Return the fields of a reasoning part that starts."""
    return known({"unstable_summary": chunk.summary, "parentId": chunk.parent_id})


def source(chunk: chunks.SourceChunk | SourcePart) -> dict[str, JSON]:
    """Return the fields of a source part."""
    return known(
        {
            "sourceType": chunk.source_type,
            "id": chunk.id,
            "url": chunk.url,
            "title": chunk.title,
            "parentId": chunk.parent_id,
        }
    )


def source_document(chunk: chunks.SourceDocumentChunk | SourceDocumentPart) -> dict[str, JSON]:
    """Return the fields of a source part that has no URL."""
    return known(
        {
            "sourceType": "document",
            "id": chunk.id,
            "mediaType": chunk.media_type,
            "title": chunk.title,
            "filename": chunk.filename,
            "parentId": chunk.parent_id,
        }
    )


def file(chunk: chunks.FileChunk | FilePart) -> dict[str, JSON]:
    """Return the fields of a file part."""
    return known(
        {"data": chunk.data, "mimeType": chunk.mime_type, "filename": chunk.filename, "parentId": chunk.parent_id}
    )


def data_part(chunk: chunks.DataPartChunk | DataPart) -> dict[str, JSON]:
    """Return the fields of a data part."""
    return {"name": chunk.name, "data": chunk.data, **known({"id": chunk.id, "parentId": chunk.parent_id})}


def result(chunk: chunks.ToolResultChunk) -> dict[str, JSON]:
    """Return the fields of a tool result, but for what addresses the call."""
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
        "usage": {"inputTokens": chunk.input_tokens, "outputTokens": chunk.output_tokens},
    }


def step_finish(chunk: chunks.StepFinishChunk) -> dict[str, JSON]:
    """Return the fields of a step's end."""
    return {**message_finish(chunk), "isContinued": chunk.is_continued}
