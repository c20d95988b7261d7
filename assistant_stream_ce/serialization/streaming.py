"""Drivers of encoders and decoders: `EncodedStream` reads a stream as bytes, and `decode` reads bytes as chunks.

The only module of `serialization` that depends on runs, and so on threads and event loops.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from typing import Self, overload

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.concurrency.closing import ClosesBothWays, aclosing_source, closing_source
from assistant_stream_ce.controller.run_context import ChunkSource
from assistant_stream_ce.create_run import AsyncReader, SyncReader, as_stream
from assistant_stream_ce.errors import UNKNOWN_ERROR, DecodeError, RunCancelled, StreamUsageError
from assistant_stream_ce.run.recorder import header_of
from assistant_stream_ce.serialization.cursor import with_cursor
from assistant_stream_ce.serialization.decoder import Decoder
from assistant_stream_ce.serialization.encoder import Encoder
from assistant_stream_ce.serialization.framing import EVENT_STREAM

# Under WSGI a disconnect is visible only as a failed write, and the first write after it still succeeds; with a
# server that writes in another thread (waitress) so does the second. A quick second heartbeat shortens the wait to one.
_ECHO_SECONDS = 0.25


class EncodedStream(ClosesBothWays, Iterator[bytes], AsyncIterator[bytes]):
    """The bytes of one stream, to be read once with `for` or `async for`. Each item has all chunks that wait.

    Use it as a context manager where it may not be read to its end, as a stream.
    A class instead of a generator, because `close` may be called from another thread while the reader waits in `next`.

    Args:
        encoder: the encoder of the chunks.
        source: the stream.
        heartbeat: seconds without a chunk after which the encoder's keepalive is yielded, and in a thread once more a
            quarter of a second later; None for no heartbeat.
        event_ids: whether the last server-sent event of each chunk has a cursor as its `id:`; ignored in other formats.

    Raises:
        StreamUsageError: the encoder has encoded another stream, or the stream was read to its end.
        TypeError: `source` is neither a stream nor an iterable of chunks.
    """

    def __init__(
        self, encoder: Encoder, source: ChunkSource, heartbeat: float | None = None, *, event_ids: bool = False
    ) -> None:
        if encoder.has_stream:
            raise StreamUsageError("an encoder encodes one stream: create another one for each")
        self._encoder = encoder
        self._encode_chunk = encoder.encode
        self._stream = as_stream(source)
        encoder.has_stream = True
        if encoder.needs_state:
            encoder.start_state(self._stream.initial_state)
        # Not that of `self._stream`: the run that forwards an iterable of chunks has an id that nobody else knows.
        self._has_event_ids = event_ids and encoder.media_type == EVENT_STREAM
        header = header_of(source) if encoder.needs_header or self._has_event_ids else None
        if encoder.needs_header and header is not None:
            encoder.start_stream(header)
        self._run_id = None if header is None else header.run_id
        if skipped := self._stream.skipped:
            # What the client has already: the rest is encoded as if it had been sent.
            encoder.encode_all(skipped, [])
        self._position = len(skipped)
        self._heartbeat = heartbeat
        self._echo = None if heartbeat is None else min(heartbeat, _ECHO_SECONDS)
        self._sync_reader: SyncReader | None = None
        self._async_reader: AsyncReader | None = None
        # Whether nothing more is yielded: the end was, or the stream was closed.
        self._is_finished = False
        self._is_echo_due = False
        self._error: BaseException | None = None

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._sync_reader is None:
            self._sync_reader = iter(self._stream)
        while not self._is_finished:
            try:
                batch = self._sync_reader.read(self._echo if self._is_echo_due else self._heartbeat)
            except (Exception, RunCancelled) as error:
                data = self._fail(error)
            else:
                self._is_echo_due = not batch and batch is not None and not self._is_echo_due
                data = self._encode(batch)
            if data:
                return data
        self._raise_error()
        raise StopIteration

    async def __anext__(self) -> bytes:
        if self._async_reader is None:
            self._async_reader = aiter(self._stream)
        while not self._is_finished:
            try:
                batch = await self._async_reader.read(self._heartbeat)
            except (Exception, RunCancelled) as error:
                data = self._fail(error)
            else:
                data = self._encode(batch)
            if data:
                return data
        self._raise_error()
        raise StopAsyncIteration

    @property
    def is_read_elsewhere(self) -> bool:
        """Whether another reader has the stream, which is then not this one's to close."""
        reader = self._sync_reader or self._async_reader
        return reader is not None and reader.is_read_elsewhere

    def close(self) -> None:
        """Close the stream, which cancels the run; see `AssistantStream.close`. A reader that waits is at the end."""
        self._is_finished = True
        if not self.is_read_elsewhere:
            self._stream.close()

    async def aclose(self) -> None:
        """Close the stream, which cancels the run; see `AssistantStream.aclose`."""
        self._is_finished = True
        if not self.is_read_elsewhere:
            await (self._async_reader or self._stream).aclose()

    def _encode(self, batch: list[AssistantStreamChunk] | None) -> bytes:
        if self._is_finished:
            # Closed during the read.
            return b""
        if not batch:
            if batch is None:
                self._is_finished = True
                end = self._encoder.interrupt() if self._stream.was_interrupted else b""
                return end + self._encoder.finish()
            return self._encoder.keepalive or b""
        frames: list[bytes] = []
        try:
            if self._has_event_ids:
                self._encode_with_ids(batch, frames)
                return b"".join(frames)
            if len(batch) == 1:
                # The most frequent case while a model streams.
                return self._encode_chunk(batch[0])
            self._encoder.encode_all(batch, frames)
        except Exception as error:
            # An invalid chunk of another stream. The stream cannot continue: cancel the run.
            self._stream.cancel()
            self._report(error)
            frames += (self._encoder.encode(chunks.ErrorChunk(UNKNOWN_ERROR)), self._fail(error))
        return b"".join(frames)

    def _encode_with_ids(self, batch: list[AssistantStreamChunk], frames: list[bytes]) -> None:
        for chunk in batch:
            self._position += 1
            frames.append(with_cursor(self._encode_chunk(chunk), self._position, self._run_id))

    def _report(self, error: Exception) -> None:
        """Report a chunk that could not be encoded; for subclasses whose reader does not see the exception."""

    def _fail(self, error: BaseException) -> bytes:
        self._is_finished = True
        self._error = error
        return self._encoder.finish()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            # Its traceback refers to this frame: avoid a cycle.
            del error


@overload
def decode(source: Iterable[bytes], decoder: Decoder) -> Generator[AssistantStreamChunk]: ...
@overload
def decode(source: AsyncIterable[bytes], decoder: Decoder) -> AsyncGenerator[AssistantStreamChunk]: ...
def decode(
    source: Iterable[bytes] | AsyncIterable[bytes], decoder: Decoder
) -> Generator[AssistantStreamChunk] | AsyncGenerator[AssistantStreamChunk]:
    """Decode the bytes of a response to a generator of chunks, which is async if the source is.

    The source is closed at the end, if it has `close` or `aclose`. Chunks before a `DecodeError` are yielded before it
    is raised.

    Args:
        source: the bytes of a response: an iterable, or an async iterable. One that is both is read with `for`.
        decoder: the decoder of its format; for this response only.

    Raises:
        TypeError: the source is not an iterable of bytes.
    """
    if isinstance(source, (bytes, bytearray, memoryview, str)):
        raise TypeError(f"source must be an iterable of bytes, not {type(source).__name__}: write [data]")
    if isinstance(source, Iterable):
        return _decode(source, decoder)
    if isinstance(source, AsyncIterable):
        return _decode_async(source, decoder)
    raise TypeError(f"source must be an iterable of bytes, not {type(source).__name__}")


def _decode(source: Iterable[bytes], decoder: Decoder) -> Generator[AssistantStreamChunk]:
    with closing_source(source, "close") as pieces:
        for data in pieces:
            yield from _fed(decoder, data)
        yield from _fed(decoder, None)


async def _decode_async(source: AsyncIterable[bytes], decoder: Decoder) -> AsyncGenerator[AssistantStreamChunk]:
    async with aclosing_source(source) as pieces:
        async for data in pieces:
            for chunk in _fed(decoder, data):
                yield chunk
        for chunk in _fed(decoder, None):
            yield chunk


def _fed(decoder: Decoder, data: bytes | None) -> Iterator[AssistantStreamChunk]:
    """Yield the chunks of the next bytes, or of the end for None; raise a `DecodeError` after its chunks."""
    try:
        found = decoder.close() if data is None else decoder.feed(data)
    except DecodeError as error:
        yield from error.chunks
        raise
    yield from found
