"""What an inspection tells: one event after the other, and a summary. `--json` writes them as they are."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from assistant_stream_ce.chunks import AssistantStreamChunk
from assistant_stream_ce.jsonvalue import JSON

__all__ = (
    "Broken",
    "ChunkCame",
    "End",
    "Event",
    "Gap",
    "HowEnded",
    "Part",
    "PartCount",
    "Refused",
    "Start",
    "Summary",
    "Usage",
    "WireFound",
    "plain_event",
)

#: How a stream ended: its body came to its end, or the connection was lost, or nothing came for too long, or who
#: was watching stopped it.
HowEnded: TypeAlias = Literal["complete", "cut", "silent", "interrupted"]


class Part(msgspec.Struct, frozen=True):
    """A part of the message: its number, its kind (`text`, `reasoning`, `tool-call` ...), and the name of a tool."""

    index: int
    kind: str
    name: str | None = None


class Start(msgspec.Struct, frozen=True, tag="start", tag_field="event"):
    """The source was opened. `started` is when it was asked for, in UTC."""

    source: str
    started: str
    is_timed: bool
    status: int | None
    headers: dict[str, str]


class WireFound(msgspec.Struct, frozen=True, tag="wire", tag_field="event"):
    """The wire is known: from the command line (`option`), from the `headers`, or from the first `bytes`."""

    seconds: float
    wire: str
    told_by: Literal["option", "headers", "bytes"]


class ChunkCame(msgspec.Struct, frozen=True, tag="chunk", tag_field="event"):
    """A chunk, and the part of the message that it makes or extends."""

    seconds: float
    chunk: AssistantStreamChunk
    part: Part | None


class Broken(msgspec.Struct, frozen=True, tag="broken", tag_field="event"):
    """The first frame that breaks the wire's rules: the place of its first byte, how it begins, and why."""

    seconds: float
    offset: int
    frame: str
    reason: str


class Refused(msgspec.Struct, frozen=True, tag="refused", tag_field="event"):
    """The first frame that is readable, and that a client refuses or drops; at the end its data is empty."""

    seconds: float
    offset: int
    frame: str
    reason: str


class End(msgspec.Struct, frozen=True, tag="end", tag_field="event"):
    """The stream has ended, and how."""

    seconds: float
    how: HowEnded
    message: str | None


class Usage(msgspec.Struct, frozen=True):
    """Tokens, as the stream tells them."""

    input_tokens: int
    output_tokens: int


class Gap(msgspec.Struct, frozen=True):
    """A time in which nothing came, and when it began."""

    seconds: float
    began: float


class PartCount(msgspec.Struct):
    """How many parts of a kind there are, and the characters in them."""

    parts: int = 0
    characters: int = 0


class Summary(msgspec.Struct, frozen=True, tag="summary", tag_field="event"):
    """All that was measured. Times and rates are null where the source has no times, as a file.

    Attributes:
        is_good: whether the stream kept its wire's rules to its end, and no client refuses anything of it.
        skipped: frames that could not be read.
        deltas: pieces of text, reasoning, refusal and arguments that are not empty: about one for each token.
        deltas_per_second: between the first and the last of them.
        tokens_per_second: the output tokens of `usage` in the same time.
        longest_gap: without a byte.
        longest_pause: without a chunk, be there heartbeats or not.
        missing_header: one by which clients know the wire, and which a response does not have.
        other_content_type: the response's, where it is not that of the wire.
    """

    is_good: bool
    end: HowEnded
    wire: str | None
    broken: Broken | None
    refused: Refused | None
    first_byte: float | None
    first_token: float | None
    seconds: float | None
    deltas: int
    deltas_per_second: float | None
    tokens_per_second: float | None
    usage: Usage | None
    longest_gap: Gap | None
    longest_pause: Gap | None
    bytes: int
    pieces: int
    frames: int
    skipped: int
    chunks: int
    parts: dict[str, PartCount]
    errors: list[str]
    finish_reason: str | None
    missing_header: str | None
    other_content_type: str | None


Event: TypeAlias = Start | WireFound | ChunkCame | Broken | Refused | End | Summary


def plain_event(event: Event) -> JSON:
    """Return an event as it is written: an object whose `event` is its kind."""
    return msgspec.to_builtins(event)
