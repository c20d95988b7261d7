"""The text of the answer and nothing else, for `curl`, logs, and clients that read no format.

There is no word for the end, for an error, or for anything but text; so there is no keepalive either.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from assistant_stream_ce import chunks
from assistant_stream_ce.serialization import doorway
from assistant_stream_ce.serialization.base import Encoder

if TYPE_CHECKING:
    from assistant_stream_ce.responses.starlette import PlainTextResponse

__all__ = ("PlainTextEncoder", "PlainTextResponse")


class PlainTextEncoder(Encoder):
    """Writes the text as UTF-8. Two halves of a surrogate pair join, also from two deltas; one alone becomes U+FFFD."""

    media_type = "text/plain"

    def __init__(self) -> None:
        # It keeps the first half of a pair until the second one comes.
        self._decoder = codecs.getincrementaldecoder("utf-16-le")("replace")

    def finish(self) -> bytes:
        """Write what is left: U+FFFD for half a character."""
        return self._decoder.decode(b"", True).encode()

    def _text(self, chunk: chunks.TextDeltaChunk) -> bytes:
        return self._decoder.decode(chunk.text_delta.encode("utf-16-le", "surrogatepass")).encode()


# The response is imported when it is first asked for.
__getattr__ = doorway.to_starlette("PlainTextResponse")
