"""The JSON objects that assistant-ui's two wires share: one spelling of each chunk's fields.

Absent optional fields are left out, never null: a client takes null for a wrong type.
"""

from __future__ import annotations

from assistant_stream_ce import chunks
from assistant_stream_ce.jsonvalue import JSON

__all__ = ("file", "message_finish", "result", "source", "step_finish", "with_parent")


def with_parent(fields: dict[str, JSON], parent_id: str | None) -> dict[str, JSON]:
    """Return the fields of a part, with its parent if it has one."""
    return fields if parent_id is None else {**fields, "parentId": parent_id}


def source(chunk: chunks.SourceChunk) -> dict[str, JSON]:
    """Return the fields of a source part."""
    fields = {"sourceType": chunk.source_type, "id": chunk.id, "url": chunk.url}
    if chunk.title is not None:
        fields["title"] = chunk.title
    return with_parent(fields, chunk.parent_id)


def file(chunk: chunks.FileChunk) -> dict[str, JSON]:
    """Return the fields of a file part."""
    return with_parent({"data": chunk.data, "mimeType": chunk.mime_type}, chunk.parent_id)


def result(chunk: chunks.ToolResultChunk) -> dict[str, JSON]:
    """Return the fields of a tool result, but for what addresses the call."""
    fields: dict[str, JSON] = {"result": chunk.result}
    if chunk.artifact is not None:
        fields["artifact"] = chunk.artifact
    if chunk.is_error:
        fields["isError"] = True
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
