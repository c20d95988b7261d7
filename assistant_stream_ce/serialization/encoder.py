"""What all wires share: the encoder's interface, and its two short drivers for threads and for coroutines.

Nothing in this folder does I/O, knows a framework or reads a clock. An encoder is plain functions on
plain data: chunks in, bytes out, one encoder for one response.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, Self

from assistant_stream_ce import chunks
from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.controller.run_controller import ChunkSource
from assistant_stream_ce.create_run import AsyncReader, SyncReader, as_stream
from assistant_stream_ce.errors import UNKNOWN_ERROR, RunCancelled
from assistant_stream_ce.jsonvalue import JSON, dumps_texts

__all__ = ("EncodedStream", "Encoder", "summary_text")

# To a thread only a failing write shows that the client has left. The first write after that still goes through, and
# where the server writes in another thread (waitress) so does the second. Two heartbeats in a row make these one wait.
_ECHO_SECONDS = 0.25


class Encoder(ABC):
    """Writes the chunks of one response in one wire format. Not for several threads at once.

    A subclass has a method for each type of chunk that its format has a word for. They are found by the names in
    `_METHODS` below, when the subclass is defined; a chunk without a method is not carried.
    """

    #: The media type of the response.
    media_type: ClassVar[str]
    #: Headers by which clients recognise the format.
    headers: ClassVar[Mapping[str, str]] = {}
    #: Bytes that every client skips, to keep a quiet connection awake; None where there are none.
    keepalive: ClassVar[bytes | None] = None

    #: Whether the encoder has to know the state that edits change; then a stream tells it with `start_state`.
    needs_state: ClassVar[bool] = False

    # The method that writes each type of chunk, found once for each encoder class.
    _writers: ClassVar[Mapping[type, Callable[[Any, Any], bytes]]]
    # Whether a subclass has an `encode` of its own, and whether `_around_delta` knows what that makes of a delta.
    _has_own_encode: ClassVar[bool]
    _knows_deltas: ClassVar[bool]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._writers = {kind: getattr(cls, name, _write_nothing) for kind, name in _METHODS.items()}
        cls._has_own_encode = cls.encode is not Encoder.encode
        definers = [next(kind for kind in cls.__mro__ if name in vars(kind)) for name in ("_around_delta", "encode")]
        cls._knows_deltas = issubclass(*definers)

    def encode(self, chunk: AssistantStreamChunk) -> bytes:
        """Return the frames of a chunk; empty where the format has no word for it.

        Raises:
            TypeError: it is no chunk, or holds what is not JSON.
        """
        try:
            write = self._writers[type(chunk)]
        except KeyError:
            raise TypeError(
                f"a stream of chunks is wanted, but it holds a {type(chunk).__name__}: yield TextDeltaChunk(...), "
                "or call controller.append_text(...) in a callback of create_run"
            ) from None
        return write(self, chunk)

    def encode_all(self, batch: Sequence[AssistantStreamChunk], frames: list[bytes]) -> None:
        """Append the frames of several chunks to `frames`, one by one: those before an exception are kept.

        Raises:
            TypeError: as for `encode`.
        """
        if self._knows_deltas and len(batch) > 2:
            batch = self._encode_alike(batch, frames)
        if self._has_own_encode:
            frames.extend(map(self.encode, batch))
            return
        writers = self._writers
        for chunk in batch:
            # As in `encode`, without the call: 0.05 us of 0.46 for a chunk of a burst.
            write = writers.get(type(chunk))
            frames.append(self.encode(chunk) if write is None else write(self, chunk))

    def _encode_alike(
        self, batch: Sequence[AssistantStreamChunk], frames: list[bytes]
    ) -> Sequence[AssistantStreamChunk]:
        """Append the frames of a batch that is nothing but more of one text, as bursts mostly are.

        One by one each would cost 0.05 us more, of 0.5 for a chunk of a burst.

        Returns:
            What is still to be written.
        """
        first: Any = batch[0]
        text_of = _TEXTS.get(type(first))
        if text_of is None or len(set(map(type, batch))) > 1:
            return batch
        if list(map(_parent_of, batch)).count(first.parent_id) < len(batch):
            return batch
        texts = list(map(text_of, batch))
        if set(map(type, texts)) != {str} or not all(texts):
            return batch
        frames.append(self.encode(first))
        around = self._around_delta(first)
        if around is None:
            return batch[1:]
        head, tail = around
        frames += (head, dumps_texts(texts[1:], tail + head), tail)
        return ()

    def _around_delta(self, chunk: Any) -> tuple[bytes, bytes] | None:
        """Return what stands around the text of each further delta like the one just written; None where that varies.

        Args:
            chunk: a `TextDeltaChunk` or `ReasoningDeltaChunk`.
        """
        return None

    @abstractmethod
    def finish(self) -> bytes:
        """Return what ends the wire properly: what is open is closed, then the terminator. To be called once."""

    def start_state(self, state: JSON) -> None:  # noqa: B027
        """Take the state that the stream starts with. For most formats it is of no concern."""

    def encode_stream(self, stream: ChunkSource) -> EncodedStream:
        """Return the bytes of a whole stream, for one `for` or one `async for`.

        When the callback raises, the finished wire is yielded first, and then the exception is raised.
        """
        return EncodedStream(self, stream)

    def _refusal(self, chunk: chunks.RefusalDeltaChunk) -> bytes:
        """Write a refusal as text of the answer, where a format has no other word for it."""
        text = chunks.TextDeltaChunk(chunk.refusal_delta, chunk.parent_id)
        return self._writers[chunks.TextDeltaChunk](self, text)


def summary_text(chunk: chunks.ReasoningPartChunk) -> str:
    """Return the summary of a part of the reasoning as the paragraph with which its text begins."""
    return f"{chunk.summary}\n\n" if chunk.summary else ""


def _write_nothing(encoder: Encoder, chunk: AssistantStreamChunk) -> bytes:
    """Write a chunk for which a format has no word."""
    return b""


# The chunks that come in bursts, and their texts.
_TEXTS: dict[type, Callable[[Any], str]] = {
    chunks.TextDeltaChunk: attrgetter("text_delta"),
    chunks.ReasoningDeltaChunk: attrgetter("reasoning_delta"),
}
_parent_of = attrgetter("parent_id")

_METHODS: dict[type, str] = {
    chunks.TextDeltaChunk: "_text",
    chunks.ReasoningDeltaChunk: "_reasoning",
    chunks.RefusalDeltaChunk: "_refusal",
    chunks.ReasoningPartChunk: "_reasoning_part",
    chunks.ReasoningSignatureChunk: "_reasoning_signature",
    chunks.ToolCallChunk: "_tool_call",
    chunks.ToolCallBeginChunk: "_tool_call_begin",
    chunks.ToolCallDeltaChunk: "_tool_call_delta",
    chunks.ToolResultChunk: "_tool_result",
    chunks.SourceChunk: "_source",
    chunks.FileChunk: "_file",
    chunks.SourceDocumentChunk: "_source_document",
    chunks.DataPartChunk: "_data_part",
    chunks.DataChunk: "_data",
    chunks.AnnotationsChunk: "_annotations",
    chunks.StepStartChunk: "_step_start",
    chunks.StepFinishChunk: "_step_finish",
    chunks.MessageFinishChunk: "_message_finish",
    chunks.ErrorChunk: "_error",
    chunks.UpdateStateChunk: "_update_state",
}


class EncodedStream(Iterator[bytes], AsyncIterator[bytes]):
    """The bytes of one stream. Read it in one world only; each item joins the frames of all waiting chunks.

    Small classes with `close` instead of generators: `close` may come from another thread while the reader
    waits in `next`, which a generator would refuse.

    Args:
        encoder: writes the chunks.
        source: the stream.
        heartbeat: after so many seconds without a chunk the encoder's keepalive is yielded, and in a thread once
            more a quarter of a second after the first one; None for never.
    """

    def __init__(self, encoder: Encoder, source: ChunkSource, heartbeat: float | None = None) -> None:
        self._encoder = encoder
        self._encode_chunk = encoder.encode
        self._stream = as_stream(source)
        if encoder.needs_state:
            encoder.start_state(self._stream.state)
        self._heartbeat = heartbeat
        self._echo = None if heartbeat is None else min(heartbeat, _ECHO_SECONDS)
        self._sync_reader: SyncReader | None = None
        self._async_reader: AsyncReader | None = None
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

    def close(self) -> None:
        """Leave the stream; see `AssistantStream.close`."""
        self._stream.close()

    async def aclose(self) -> None:
        """Leave the stream; see `AssistantStream.aclose`."""
        await (self._async_reader or self._stream).aclose()

    def _encode(self, batch: list[AssistantStreamChunk] | None) -> bytes:
        if not batch:
            if batch is None:
                self._is_finished = True
                return self._encoder.finish()
            return self._encoder.keepalive or b""
        frames: list[bytes] = []
        try:
            if len(batch) == 1:
                # As it mostly is while a model talks.
                return self._encode_chunk(batch[0])
            self._encoder.encode_all(batch, frames)
        except Exception as error:
            # A chunk that was built elsewhere. The run goes on, but nobody reads it any more.
            self._stream.cancel()
            self._report(error)
            frames += (self._encoder.encode(chunks.ErrorChunk(UNKNOWN_ERROR)), self._fail(error))
        return b"".join(frames)

    def _report(self, error: Exception) -> None:
        """Report a chunk that could not be encoded, where no reader of this will."""

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
            # Its traceback holds this frame: no cycle.
            del error
