"""The response of a request for a stream that is not there: `None` in place of the stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.serialization import Encoder

S = TypeVar("S", int, int | str)


class Nothing(Encoder):
    """Writes what a format's clients take for "nothing to follow".

    Args:
        encoder: the encoder of the format.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.media_type: str = encoder.media_type  # type: ignore[misc]
        self.headers: Mapping[str, str] = encoder.headers  # type: ignore[misc]
        self._body = encoder.nothing
        #: The status code.
        self.status = 204 if self._body is None else 200

    def unhandled(self, chunk: AssistantStreamChunk) -> bytes:
        """Return nothing; there are no chunks."""
        return b""

    def finish(self) -> bytes:
        """Return the whole body."""
        return self._body or b""

    def end_reconnecting(self) -> None:
        """Answer 204 in every format: `EventSource` would connect again after any other end."""
        self._body = None
        self.status = 204


def replace_none(stream: ChunkSource | None, encoder: Encoder, status: S) -> tuple[ChunkSource, Encoder, S]:
    """Return the source, encoder and status of a response.

    Args:
        stream: the stream; None where there is nothing to follow.
        encoder: the encoder of the format.
        status: the status that the response has otherwise.
    """
    if stream is not None:
        return stream, encoder, status
    if isinstance(encoder, Encoder):
        encoder = Nothing(encoder)
        status = encoder.status
    return (), encoder, status
