"""The text of the answer and nothing else, for `curl`, logs, and clients that read no format.

There is no word for the end, for an error, or for anything but text; so there is no keepalive either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assistant_stream_ce import chunks
from assistant_stream_ce._lazy import STARLETTE, lazy_exports
from assistant_stream_ce.jsonvalue import whole_text
from assistant_stream_ce.serialization.encoder import Encoder

if TYPE_CHECKING:
    from assistant_stream_ce.responses.starlette import PlainTextResponse

__all__ = ("PlainTextEncoder", "PlainTextResponse")


class PlainTextEncoder(Encoder):
    """Writes the text as UTF-8. Two halves of a surrogate pair join, also from two deltas; one alone becomes U+FFFD."""

    media_type = "text/plain"

    def __init__(self) -> None:
        # The first half of a pair, which waits for the second one.
        self._half = ""

    def finish(self) -> bytes:
        """Write what is left: U+FFFD for half a character."""
        return whole_text(self._half).encode()

    def _text(self, chunk: chunks.TextDeltaChunk) -> bytes:
        text = self._half + chunk.text_delta
        try:
            return text.encode()
        except UnicodeEncodeError:
            self._half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
            return whole_text(text.removesuffix(self._half)).encode()


# The response is imported when it is first asked for.
__getattr__ = lazy_exports(__name__, {"PlainTextResponse": STARLETTE})
