"""Cursors of chunks, and the events that carry them."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce import TextDeltaChunk, create_run
from assistant_stream_ce.serialization import (
    AGUIEncoder,
    AssistantTransportEncoder,
    DataStreamEncoder,
    EncodedStream,
    OpenAIStreamEncoder,
    PlainTextEncoder,
    UIMessageStreamEncoder,
)
from assistant_stream_ce.serialization.cursor import chunks_before, cursor, with_cursor


@pytest.mark.parametrize("count", [0, 1, 12345])
def test_a_cursor_comes_back(count: int) -> None:
    assert chunks_before(cursor(count)) == chunks_before(count) == count


def test_a_cursor_is_of_one_run() -> None:
    text = cursor(7, "0123456789abcdef")
    assert (text, chunks_before(text)) == ("1.7.01234567", 7)
    assert (chunks_before(text, "0123456789abcdef"), chunks_before(text, "fedcba9876543210")) == (7, 0)
    assert chunks_before("1.7", "0123456789abcdef") == 7


@pytest.mark.parametrize("text", ["", "7", "2.7", "1.", "1.-3", "1.٣", "1.1" + "0" * 30, "x.y", "1.7 "])
def test_another_text_means_the_whole_stream(text: str) -> None:
    assert chunks_before(text) == 0


@pytest.mark.parametrize(
    ("after", "error"), [(-1, ValueError), (True, TypeError), (1.5, TypeError), (b"1.2", TypeError)]
)
def test_something_else_is_refused(after: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="after must be"):
        chunks_before(after)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (b"", b""),
        (b"data: a\n\n", b"id: 1.4\ndata: a\n\n"),
        (b"data: a\n\nevent: x\ndata: b\n\n", b"data: a\n\nid: 1.4\nevent: x\ndata: b\n\n"),
    ],
)
def test_the_last_event_gets_it(frames: bytes, expected: bytes) -> None:
    assert with_cursor(frames, 4) == expected


@pytest.mark.parametrize(
    "make_encoder", [AGUIEncoder, AssistantTransportEncoder, OpenAIStreamEncoder, UIMessageStreamEncoder]
)
def test_every_chunk_has_its_id_however_chunks_are_joined(make_encoder: Any) -> None:
    chunks = [TextDeltaChunk(text) for text in "abc"]
    body = b"".join(
        EncodedStream(make_encoder(), create_run(lambda controller: controller.add_stream(chunks)), event_ids=True)
    )
    ids = [line for line in body.split(b"\n") if line.startswith(b"id: ")]
    assert ids == [b"id: 1.1", b"id: 1.2", b"id: 1.3"]


@pytest.mark.parametrize("make_encoder", [DataStreamEncoder, PlainTextEncoder])
def test_formats_without_events_have_no_ids(make_encoder: Any) -> None:
    chunks = [TextDeltaChunk("a")]
    assert list(EncodedStream(make_encoder(), chunks, event_ids=True)) == list(EncodedStream(make_encoder(), chunks))
