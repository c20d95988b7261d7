"""The text of the answer and nothing else, for `curl`, logs, and clients that read no format.

There is no word for the end, for an error, or for anything but text; so there is no keepalive either.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import TYPE_CHECKING

from assistant_stream_ce import chunks
from assistant_stream_ce._lazy import STARLETTE, lazy_exports
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.jsonvalue import whole_text
from assistant_stream_ce.serialization.decoder import Decoder
from assistant_stream_ce.serialization.encoder import Encoder
from assistant_stream_ce.serialization.framing import Frame, FrameError

if TYPE_CHECKING:
    from assistant_stream_ce.responses.starlette import PlainTextResponse

__all__ = ("PlainTextDecoder", "PlainTextEncoder", "PlainTextResponse")


class PlainTextEncoder(Encoder):
    """Writes the text as UTF-8. Two halves of a surrogate pair join, also from two deltas; one alone becomes U+FFFD."""

    media_type = "text/plain"

    def __init__(self) -> None:
        # The first half of a pair, which waits for the second one.
        self._half = ""

    def finish(self) -> bytes:
        """Write what is left: U+FFFD for half a character."""
        return whole_text(self._half).encode()

    def text_delta(self, chunk: chunks.TextDeltaChunk) -> bytes:
        text = self._half + chunk.text_delta
        try:
            return text.encode()
        except UnicodeEncodeError:
            self._half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
            return whole_text(text.removesuffix(self._half)).encode()


class _CharacterReader:
    """Cuts bytes where no character is cut: all that has come is one frame.

    Args:
        max_bytes: of no use here, as no more than three bytes are ever kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = b""
        self._offset = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the whole characters that have come."""
        self._decoder.decode(data)
        data = self._pending + data
        self._pending, _ = self._decoder.getstate()
        whole = data.removesuffix(self._pending)
        if whole:
            yield Frame(self._offset, whole)
            self._offset += len(whole)

    def rest(self) -> Frame | None:
        """Return the character whose end has not come, if there is one."""
        return Frame(self._offset, self._pending) if self._pending else None


class PlainTextDecoder(Decoder):
    """Reads plain text, as it comes. The format has no terminator, and no word for anything but text."""

    _make_reader = _CharacterReader

    def _prepare(self) -> None:
        """Keep nothing."""

    def _read(self, frame: Frame) -> Iterator[AssistantStreamChunk]:
        try:
            text = frame.data.decode()
        except UnicodeDecodeError as error:
            if self._is_strict:
                raise FrameError(f"byte {frame.offset + error.start:,} is not UTF-8") from None
            text = frame.data.decode(errors="replace")
        yield chunks.TextDeltaChunk(text)


# The response is imported when it is first asked for.
__getattr__ = lazy_exports(__name__, {"PlainTextResponse": STARLETTE})
