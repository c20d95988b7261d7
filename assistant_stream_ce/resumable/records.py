"""Records of a stored stream, and their bytes: the header, the entries of chunks, the terminal entry, the summary.

A store keeps the bytes and never reads them. They begin with one letter: `m` for msgpack, `j` for JSON, which holds
what msgpack cannot: lone surrogates and integers of more than 64 bits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias, TypeVar

import msgspec

from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.jsonvalue import JSON, describe_types, plain
from assistant_stream_ce.message import AssistantMessage

__all__ = (
    "Entry",
    "Header",
    "StreamState",
    "Summary",
    "Terminal",
    "decode",
    "decode_header",
    "encode",
)

T = TypeVar("T")

#: Number of the format of the records. A process that finds a larger one treats the stream as unknown.
FORMAT: Final = 1

#: How a stream is, or how it has ended.
StreamState: TypeAlias = Literal["running", "completed", "failed", "stopped", "interrupted"]


class Header(msgspec.Struct, frozen=True):
    """What is known of a stream when it begins: the first record of its log.

    Attributes:
        format: the number of the format of all its records.
        run: a random text, new for each run: tells two streams of one id apart.
        worker: the process that runs the callback.
        message_id: the id of the message.
        run_id: the id of the run, for formats that send one.
        created: when it began, in Unix seconds.
        thread: the hash of the conversation's name, or None.
        thread_id: the id of the conversation, for formats that send one.
        is_continued: whether the id of the message was given to `create_run`.
        state: the initial state.
        needs_followers: whether the run is cancelled when nobody follows it: processes then announce their followers.
    """

    format: int
    run: str
    worker: str
    message_id: str
    run_id: str
    created: float
    thread: str | None = None
    thread_id: str | None = None
    is_continued: bool = False
    state: JSON = None
    needs_followers: bool = False


class Terminal(msgspec.Struct, frozen=True):
    """The last record of a log, written exactly once.

    Attributes:
        state: how the stream has ended.
        error: the text of the error for the user, or None.
        adds_error: whether a reader adds an error chunk with that text, because the log has none.
        count: the number of chunks in the log; a log that has fewer has lost some.
    """

    state: StreamState
    error: str | None = None
    adds_error: bool = False
    count: int = 0


class Summary(msgspec.Struct, frozen=True):
    """What is kept of a stream when its log is gone.

    Attributes:
        header: its header.
        terminal: its terminal entry.
        chunks: the number of its chunks.
        message: the message; None where the run kept none.
    """

    header: Header
    terminal: Terminal
    chunks: int
    message: AssistantMessage | None = None


class Entry:
    """A batch of chunks, the unit that is stored. Immutable; equal entries have equal bytes.

    Args:
        last: the number of the stream's chunks up to the end of the entry.
        count: the number of its own chunks, at least 1.
        data: its bytes; None to encode the chunks at the first access.
        chunks: the chunks; None to decode the bytes at the first access.
    """

    __slots__ = ("_chunks", "_data", "count", "last")

    def __init__(
        self, last: int, count: int, data: bytes | None, chunks: Sequence[AssistantStreamChunk] | None = None
    ) -> None:
        self.last: int = last
        self.count: int = count
        self._data = data
        self._chunks = chunks

    @property
    def before(self) -> int:
        """The number of the stream's chunks before the entry."""
        return self.last - self.count

    @property
    def data(self) -> bytes:
        """The bytes to store."""
        if self._data is None:
            self._data = encode(list(self._chunks or ()))
        return self._data

    @property
    def chunks(self) -> Sequence[AssistantStreamChunk]:
        """The chunks.

        Raises:
            ValueError: the bytes are not chunks that this version knows.
        """
        if self._chunks is None:
            self._chunks = decode(self.data, list[AssistantStreamChunk])
        return self._chunks

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and (self.last, self.count, self.data) == (other.last, other.count, other.data)

    def __hash__(self) -> int:
        return hash((self.last, self.count))

    def __repr__(self) -> str:
        return f"Entry(last={self.last}, count={self.count})"


_encoder = msgspec.msgpack.Encoder()
_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


def encode(record: object) -> bytes:
    """Return the bytes of a record.

    Args:
        record: a struct of this module, or a list of chunks.

    Raises:
        TypeError: it has a value that JSON cannot hold.
    """
    try:
        return b"m" + _encoder.encode(record)
    except (UnicodeEncodeError, OverflowError):
        fields = msgspec.to_builtins(record)
    except TypeError:
        fields = plain(record)
    return b"j" + json.dumps(fields, separators=(",", ":")).encode()


def decode(data: bytes, kind: type[T]) -> T:
    """Return the record of a type from its bytes.

    Args:
        data: the bytes that `encode` has returned.
        kind: the type of the record.

    Raises:
        ValueError: they are not such a record.
    """
    if data[:1] == b"j":
        return msgspec.convert(json.loads(data[1:]), kind)
    if data[:1] != b"m":
        raise ValueError("not the bytes of a record")
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    record: T = decoder.decode(memoryview(data)[1:])
    return record


class _Numbered(msgspec.Struct):
    format: int


describe_types(Header, Terminal, Summary, _Numbered)


def decode_header(data: bytes) -> Header | None:
    """Return a header, or None for one of a newer format.

    Args:
        data: its bytes.

    Raises:
        ValueError: the bytes are not a header.
    """
    return decode(data, Header) if decode(data, _Numbered).format <= FORMAT else None
