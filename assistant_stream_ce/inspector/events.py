"""The events of an inspection, as `--json` writes them; the last one is a summary."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from assistant_stream_ce.chunks import (
    AssistantStreamChunk,
    ReasoningDeltaChunk,
    RefusalDeltaChunk,
    TextDeltaChunk,
)

#: How a stream ended: its body was complete, the connection was lost, nothing arrived until the timeout, or the user
#: stopped the inspection.
HowEnded: TypeAlias = Literal["complete", "cut", "silent", "interrupted"]

#: A piece of one of the three kinds of text.
TextChunk: TypeAlias = TextDeltaChunk | ReasoningDeltaChunk | RefusalDeltaChunk

#: The field of each chunk that extends a part with text.
DELTA_FIELDS = {
    "text-delta": "text_delta",
    "reasoning-delta": "reasoning_delta",
    "refusal-delta": "refusal_delta",
    "tool-call-delta": "args_text_delta",
}


def delta_text(chunk: AssistantStreamChunk) -> str:
    """Return the text by which a chunk extends a part; empty for other chunks."""
    text: str = getattr(chunk, DELTA_FIELDS.get(chunk.type, ""), "")
    return text


class PartRef(msgspec.Struct, frozen=True):
    """A part of the message: its number, its kind (`text`, `reasoning`, `tool-call` ...), and the name of a tool."""

    index: int
    kind: str
    name: str | None = None


class Start(msgspec.Struct, frozen=True, tag="start", tag_field="event"):
    """The source was opened. `started` is the time of the request, in UTC and ISO 8601."""

    source: str
    started: str
    is_timed: bool
    status: int | None
    headers: dict[str, str]


class FormatFound(msgspec.Struct, frozen=True, tag="wire", tag_field="event"):
    """The format is known: from the command line (`option`), the `headers` or the first `bytes`."""

    seconds: float
    wire: str
    told_by: Literal["option", "headers", "bytes"]


class ChunkReceived(msgspec.Struct, frozen=True, tag="chunk", tag_field="event"):
    """A chunk, and the part of the message that it starts or extends."""

    seconds: float
    chunk: AssistantStreamChunk
    part: PartRef | None


class Problem(msgspec.Struct, frozen=True, tag_field="event"):
    """A frame: the offset of its first byte, its beginning, which is empty at the end of the stream, and a reason."""

    seconds: float
    offset: int
    frame: str
    reason: str


class Broken(Problem, frozen=True, tag="broken"):
    """The first frame that breaks the rules of the format."""


class Refused(Problem, frozen=True, tag="refused"):
    """The first valid frame that a client refuses or drops."""


class End(msgspec.Struct, frozen=True, tag="end", tag_field="event"):
    """The stream has ended."""

    seconds: float
    how: HowEnded
    message: str | None


class TokenUsage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Token usage that the stream reports."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


class Gap(msgspec.Struct, frozen=True):
    """A time without data: its length, and when it began."""

    seconds: float
    began: float


class PartCount(msgspec.Struct):
    """Number of parts of one kind, and of the characters in them."""

    parts: int = 0
    characters: int = 0


class Summary(msgspec.Struct, tag="summary", tag_field="event"):
    """All measurements. Times and rates are None for a source without times, such as a file.

    Attributes:
        is_good: whether the stream is valid to its end, and no client refuses a part of it.
        skipped: frames that could not be read.
        deltas: pieces of text, reasoning, refusal and arguments that are not empty: about one for each token.
        deltas_per_second: rate between the first and the last delta.
        tokens_per_second: output tokens of `usage` in the same time.
        longest_gap: longest time without a byte.
        longest_pause: longest time without a chunk, whether there were heartbeats or not.
        missing_header: header by which clients detect the format, if the response lacks it.
        other_content_type: content type of the response, if it is not that of the format.
    """

    is_good: bool = False
    end: HowEnded = "interrupted"
    wire: str | None = None
    broken: Broken | None = None
    refused: Refused | None = None
    first_byte: float | None = None
    first_token: float | None = None
    seconds: float | None = None
    deltas: int = 0
    deltas_per_second: float | None = None
    tokens_per_second: float | None = None
    usage: TokenUsage | None = None
    longest_gap: Gap | None = None
    longest_pause: Gap | None = None
    bytes: int = 0
    pieces: int = 0
    frames: int = 0
    skipped: int = 0
    chunks: int = 0
    parts: dict[str, PartCount] = {}
    errors: list[str] = []
    finish_reason: str | None = None
    missing_header: str | None = None
    other_content_type: str | None = None


InspectionEvent: TypeAlias = Start | FormatFound | ChunkReceived | Broken | Refused | End | Summary
