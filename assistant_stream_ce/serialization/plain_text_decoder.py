"""Reads plain text: the bytes are the text of the answer."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.serialization.decoder import BadFrameError, Decoder
from assistant_stream_ce.serialization.framing import Frame

__all__ = ("PlainTextDecoder",)


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
                raise BadFrameError(f"byte {frame.offset + error.start:,} is not UTF-8") from None
            text = frame.data.decode(errors="replace")
        yield chunks.TextDeltaChunk(text)
