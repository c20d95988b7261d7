"""The records of a stored stream, to bytes and back."""

from __future__ import annotations

import pytest

from assistant_stream_ce import chunks
from assistant_stream_ce.message import AssistantMessage, TextPart
from assistant_stream_ce.resumable.records import (
    FORMAT,
    Entry,
    Header,
    Summary,
    Terminal,
    decode,
    decode_header,
    encode,
)

HEADER = Header(FORMAT, "r", "w", "m", "i", 1.5, state={"a": [1, 2.0, None]})


@pytest.mark.parametrize(
    "record",
    [HEADER, Terminal("failed", "boom"), Summary(HEADER, Terminal("stopped"), 3, AssistantMessage([TextPart("a")]))],
)
def test_a_record_comes_back(record: object) -> None:
    assert decode(encode(record), type(record)) == record


@pytest.mark.parametrize("text", ["plain", "\ud83d half a pair", "é\u2028"])
@pytest.mark.parametrize("value", [1, 2.0, 2**70, None, {"b": 1, "a": [True]}])
def test_chunks_come_back_with_what_msgpack_cannot_hold(text: str, value: object) -> None:
    batch = [chunks.TextDeltaChunk(text), chunks.ToolResultChunk("c", value)]
    entry = Entry(7, 2, None, batch)
    assert Entry(7, 2, entry.data).chunks == batch
    assert Entry(7, 2, entry.data) == entry
    assert (entry.before, repr(entry), len({entry, Entry(7, 2, entry.data)})) == (5, "Entry(last=7, count=2)", 1)


def test_the_header_of_a_newer_format_is_unknown() -> None:
    assert decode_header(encode(HEADER)) == HEADER
    assert decode_header(encode({"format": FORMAT + 1, "other": []})) is None


@pytest.mark.parametrize("data", [b"", b"x", b"m\xff", b"j{"])
def test_other_bytes_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(data, Header)


def test_a_value_of_another_type_becomes_json_or_is_refused() -> None:
    assert decode(encode([chunks.DataChunk({1, 2})]), list[chunks.DataChunk])  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        encode(object())
