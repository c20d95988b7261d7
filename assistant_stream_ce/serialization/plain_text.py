"""The plain text format: only the text of the answer, for `curl`, logs and simple clients.

It has no terminator, no errors, and no keepalive.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import TYPE_CHECKING

from assistant_stream_ce import chunks
from assistant_stream_ce._lazy import STARLETTE, ModuleGetattr, lazy_exports
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.jsonvalue import whole_text
from assistant_stream_ce.serialization.decoder import Decoder
from assistant_stream_ce.serialization.encoder import Encoder
from assistant_stream_ce.serialization.framing import Frame, FrameError

if TYPE_CHECKING:
    from assistant_stream_ce.responses.starlette import PlainTextResponse

__all__ = ("PlainTextDecoder", "PlainTextEncoder", "PlainTextResponse")


class PlainTextEncoder(Encoder):
    """Encoder of plain text, in UTF-8. Surrogate pairs are joined, also of two deltas; lone ones become U+FFFD."""

    media_type = "text/plain"

    def __init__(self) -> None:
        # The first half of a surrogate pair at the end of the text so far.
        self._half = ""

    def finish(self) -> bytes:
        """Return U+FFFD if the text ended with half a surrogate pair."""
        return whole_text(self._half).encode()

    def text_delta(self, chunk: chunks.TextDeltaChunk) -> bytes:
        text = self._half + chunk.text_delta
        try:
            return text.encode()
        except UnicodeEncodeError:
            self._half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
            return whole_text(text.removesuffix(self._half)).encode()


class _CharacterReader:
    """Splits bytes between characters: all complete characters are one frame.

    Args:
        max_bytes: ignored, because at most three bytes are kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = b""
        self._offset = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the complete characters."""
        self._decoder.decode(data)
        data = self._pending + data
        self._pending, _ = self._decoder.getstate()
        whole = data.removesuffix(self._pending)
        if whole:
            yield Frame(self._offset, whole)
            self._offset += len(whole)

    def rest(self) -> Frame | None:
        """Return the incomplete last character, or None."""
        return Frame(self._offset, self._pending) if self._pending else None


class PlainTextDecoder(Decoder):
    """Decoder of plain text. The format has text only, and no terminator."""

    _make_reader = _CharacterReader

    def _prepare(self) -> None:
        """Initialize nothing: the decoder has no state."""

    def _read(self, frame: Frame) -> Iterator[AssistantStreamChunk]:
        try:
            text = frame.data.decode()
        except UnicodeDecodeError as error:
            if self._is_strict:
                raise FrameError(f"byte {frame.offset + error.start:,} is not UTF-8") from None
            text = frame.data.decode(errors="replace")
        yield chunks.TextDeltaChunk(text)


# Imported on first access.
__getattr__: ModuleGetattr = lazy_exports(__name__, {"PlainTextResponse": STARLETTE})
