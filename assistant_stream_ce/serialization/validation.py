"""Validation of a body: base of the validators, which check more client rules than the strict decoders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.jsonvalue import has_refused_key, loads, object_or_empty
from assistant_stream_ce.serialization.decoder import Decoder
from assistant_stream_ce.serialization.framing import Frame, FrameError

if TYPE_CHECKING:
    from assistant_stream_ce.serialization.formats import Format


class Validator:
    """The rules of one format for one body; each method raises `FrameError`. This one accepts everything."""

    def check(self, frame: Frame) -> None:
        """Check a frame that the strict decoder has accepted."""

    def end(self) -> None:
        """Check that the body may end here."""


class Validation:
    """Reads one body with a strict decoder and the validator of its format. Not thread-safe.

    Args:
        format: the format of the body.
        decoder: a strict decoder; made when None, for frames of any size.
        max_frame_bytes: the same limit as the decoder's; 0 for any size.
    """

    def __init__(self, format: Format, decoder: Decoder | None = None, max_frame_bytes: int = 0) -> None:
        self._decoder = decoder or format.decoder(strict=True, max_frame_bytes=max_frame_bytes)
        self._validator = format.validator()
        self._reader = format.reader(max_frame_bytes)
        self._bytes = 0

    def feed(self, data: bytes) -> Iterator[tuple[Frame, list[AssistantStreamChunk]]]:
        """Yield each frame that the next bytes complete, with its chunks. Exhaust the iterator before the next call.

        Raises:
            DecodeError: the format does not allow a frame.
            FrameError: a client does not accept a frame; its `frame` is set.
        """
        # Plain text has no frames.
        for line in data.splitlines(keepends=True) if self._reader is not None else [data]:
            start, self._bytes = self._bytes, self._bytes + len(line)
            chunks = self._decoder.feed(line)
            frames = [Frame(start, line)] if self._reader is None else self._reader.feed(line)
            for frame in frames:
                if frame.data.strip():
                    _check(self._validator, frame)
                    yield frame, chunks
                    chunks = []

    def close(self) -> Iterator[tuple[Frame, list[AssistantStreamChunk]]]:
        """Yield the last chunks at the end of the body, with an empty frame.

        Raises:
            DecodeError: the format does not allow the body to end here.
            FrameError: a client does not accept it.
        """
        at_end = Frame(self._bytes, b"")
        yield at_end, self._decoder.close()
        _check(self._validator, at_end)


def validate(
    format: Format, data: bytes, decoder: Decoder | None = None
) -> Iterator[tuple[Frame, list[AssistantStreamChunk]]]:
    """Yield the frames of a whole body with their chunks, up to the first one that a client does not accept.

    Args:
        format: the format of the body.
        data: the body.
        decoder: a strict decoder; made when None.

    Raises:
        DecodeError: the format does not allow a frame.
        FrameError: a client does not accept a frame; its `frame` is set.
    """
    validation = Validation(format, decoder)
    yield from validation.feed(data)
    yield from validation.close()


def json_object(data: bytes) -> Mapping[str, Any]:
    """Return the JSON object in a frame; an empty one for any other data."""
    try:
        return object_or_empty(loads(data))
    except ValueError:
        return {}


def refuse_unsafe_keys(data: bytes) -> None:
    """Check that JSON has no key that would pollute a prototype in JavaScript.

    Raises:
        FrameError: it has one.
    """
    if has_refused_key(data):
        raise FrameError("it has a key __proto__ or constructor.prototype, which clients reject")


def _check(validator: Validator, frame: Frame) -> None:
    try:
        validator.end() if not frame.data else validator.check(frame)
    except FrameError as error:
        raise FrameError(str(error), frame) from None
