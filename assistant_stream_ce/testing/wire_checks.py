"""Validate a response against its format: status, headers, frames, and the edits of the state."""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

from assistant_stream_ce.chunks import AssistantStreamChunk, UpdateStateChunk
from assistant_stream_ce.errors import DecodeError, StateError, shorten
from assistant_stream_ce.jsonvalue import JSON, plain
from assistant_stream_ce.serialization.ag_ui.decoder import AGUIDecoder
from assistant_stream_ce.serialization.decoder import Decoder
from assistant_stream_ce.serialization.formats import FORMATS, Format
from assistant_stream_ce.serialization.framing import Frame, FrameError, excerpt
from assistant_stream_ce.serialization.validation import validate
from assistant_stream_ce.state.operations import apply


class WireError(AssertionError):
    """Raised when a response is not valid for the clients of its format.

    Attributes:
        reason: the problem.
        offset: offset of the frame in the body, in bytes; None for a status or header.
        frame: the beginning of the frame; empty for a status or header, and at the end of the body.
    """

    def __init__(self, reason: str, offset: int | None = None, frame: str = "") -> None:
        place = "" if offset is None else f"byte {offset:,}{f', {frame!r}' if frame else ''}: "
        reason = shorten(reason, 500)
        super().__init__(f"{place}{reason}")
        self.reason = reason
        self.offset = offset
        self.frame = frame


def check_wire(response: Any, wire: str, *, state: object = None) -> list[AssistantStreamChunk]:
    """Validate a whole response against its format, and return its chunks. Thread-safe.

    Args:
        response: the body as bytes, or the response of a test client, whose status and headers are validated too:
            Flask's, Django's, FastAPI's and Starlette's (httpx), or anything with `status_code`, `headers`, and
            `content` or `data`.
        wire: "data-stream", "assistant-transport", "openai", "ui-message-stream", "ag-ui" or "plain-text".
        state: the state that the client has when it sends the request.

    Returns:
        The chunks of the response.

    Raises:
        WireError: a client would not accept the response; the error has the first invalid frame.
        TypeError: `response` has a wrong type.
        ValueError: `wire` is unknown.
    """
    found = FORMATS.get(wire)
    if found is None:
        raise ValueError(f"there is no format {shorten(str(wire))!r}: use one of {', '.join(FORMATS)}")
    if isinstance(response, (bytes, bytearray, memoryview)):
        data = bytes(response)
    else:
        _check_head(response, found)
        data = _body_of(response)
    start = plain(state, "state")
    # A patch of AG-UI is read on top of the state.
    options = {"state": start} if found.decoder is AGUIDecoder else {}
    return _read(found, found.decoder(strict=True, max_frame_bytes=None, **options), data, start)


# --- Status, headers, body ------------------------------------------------------------------------


def _check_head(response: Any, wire: Format) -> None:
    status = getattr(response, "status_code", None)
    headers = getattr(response, "headers", None)
    if status is None or headers is None:
        raise TypeError(f"response must be bytes, or have status_code and headers, not {type(response).__name__}")
    if status != 200:
        raise WireError(f"the status is {status}, not 200: {excerpt(_body_of(response))}")
    found = {name.lower(): value.strip() for name, value in headers.items()}
    media_type, *parameters = (part.strip().lower() for part in found.get("content-type", "").split(";"))
    if media_type != wire.encoder.media_type:
        raise WireError(f"the content type is {media_type or 'missing'}, not {wire.encoder.media_type}")
    if charsets := [one for one in parameters if one.startswith("charset=") and one != "charset=utf-8"]:
        raise WireError(f"the text is always UTF-8, but the content type has {charsets[0]}")
    for name, value in wire.encoder.headers.items():
        if found.get(name) != value:
            raise WireError(f"the header {name} must be {value}, by which clients know the format")
    coding = found.get("content-encoding", "identity")
    if coding != "identity":
        raise WireError(f"the body is compressed ({coding}), which holds the stream back")
    if not {"no-cache", "no-store"} & set(re.split(r"[\s,]+", found.get("cache-control", ""))):
        raise WireError("the header cache-control must have no-cache or no-store")


def _body_of(response: Any) -> bytes:
    if getattr(response, "is_async", False):
        raise TypeError(
            "the body of this response is read in a coroutine: pass its bytes, "
            'b"".join([piece async for piece in response.streaming_content])'
        )
    for name in ("content", "data", "getvalue"):
        body = getattr(response, name, None)
        if callable(body):
            body = body()
        if isinstance(body, bytes):
            return body
    raise TypeError(f"response must have its body as bytes in content or data, not {type(response).__name__}")


# --- The body -------------------------------------------------------------------------------------


def _read(format: Format, decoder: Decoder, data: bytes, state: JSON) -> list[AssistantStreamChunk]:
    """Return the chunks of a body, after a validation that includes the edits of the state."""
    found: list[AssistantStreamChunk] = []
    try:
        for frame, chunks in validate(format, data, decoder):
            state = _edited(state, chunks, frame)
            found += chunks
    except DecodeError as error:
        raise WireError(error.reason, error.offset, error.frame) from None
    except FrameError as error:
        raise WireError(str(error), error.frame.offset, excerpt(error.frame.data)) from None
    return found


def _edited(state: JSON, chunks: list[AssistantStreamChunk], frame: Frame) -> JSON:
    try:
        for operation in chain(*(chunk.operations for chunk in chunks if isinstance(chunk, UpdateStateChunk))):
            state = apply(state, operation, "create")
    except StateError as error:
        raise FrameError(f"the state does not allow it: {error}", frame) from None
    return state
