"""Constants and field values of the UI message stream, shared by its encoder, its decoder and `conversions`."""

from __future__ import annotations

import re
from typing import Any

from assistant_stream_ce.chunks import SourceChunk, SourceDocumentChunk
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.message import SourceDocumentPart, SourcePart

#: Error text of a tool call whose arguments are not JSON.
BAD_ARGUMENTS = "The arguments of this call are not valid JSON."

#: Result of a tool call that was denied without a reason.
DENIED = "Tool execution denied."

#: The finish reasons that AI SDK 5, 6 and 7 all accept. "unknown", of version 5, is fatal in 6 and 7.
FINISH_REASONS = frozenset({"stop", "length", "content-filter", "tool-calls", "error", "other"})

#: The provider name in `providerMetadata` for values without a field in the format.
PROVIDER = "assistant-stream"

# A URL has a scheme. Base64 text has no colon.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

# The media type in a data URL may contain a comma in quotes; frames have the media type in a field too.
_INLINE = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)

# Providers put the signature of reasoning under one of these names.
_SIGNATURES = ("signature", "thoughtSignature", "reasoningEncryptedContent")


def file_url(data: str, mime_type: str) -> str:
    """Return the URL of a file: `data` itself if it is a URL, or else a data URL of the base64 text."""
    return data if _URL.match(data) else f"data:{mime_type};base64,{data}"


def file_data(url: str, media_type: str) -> str:
    """Return the base64 text in a data URL, or any other URL unchanged."""
    head = f"data:{media_type};base64,"
    if url.startswith(head):
        return url[len(head) :]
    inline = _INLINE.match(url)
    return url[inline.end() :] if inline else url


def valid_metadata(metadata: JSON) -> dict[str, JSON]:
    """Return the metadata that clients accept: JSON objects by the name of their provider."""
    if not isinstance(metadata, dict):
        return {}
    return {name: value for name, value in metadata.items() if isinstance(value, dict)}


def metadata_of(value: dict[str, JSON], name: str = "providerMetadata") -> dict[str, JSON]:
    """Return the metadata of a frame or part, without the values that the library writes under its own name."""
    return {key: item for key, item in valid_metadata(value.get(name)).items() if key != PROVIDER}


def place_metadata(source: SourceChunk | SourceDocumentChunk | SourcePart | SourceDocumentPart) -> JSON:
    """Return the metadata with the place of a source in the text, for which the format has no field; None for none."""
    if source.start_index is None or source.end_index is None:
        return None
    return {PROVIDER: {"startIndex": source.start_index, "endIndex": source.end_index}}


def place_of(value: dict[str, JSON]) -> dict[str, Any]:
    """Return the fields of a source's place from the metadata of a frame or part."""
    own = valid_metadata(value.get("providerMetadata")).get(PROVIDER, {})
    start, end = own.get("startIndex"), own.get("endIndex")
    return {"start_index": start, "end_index": end} if type(start) is int and type(end) is int else {}


def signature_of(value: dict[str, JSON]) -> str | None:
    """Return the signature of reasoning from the `providerMetadata` of a frame or part, whatever the provider."""
    metadata = value.get("providerMetadata")
    for fields in metadata.values() if isinstance(metadata, dict) else ():
        for name in _SIGNATURES if isinstance(fields, dict) else ():
            if isinstance(fields.get(name), str):
                return str(fields[name])
    return None
