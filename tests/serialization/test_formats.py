"""Detection of the format of a response, by its headers or its first bytes, as early as possible."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant_stream_ce.serialization.decoder import MAX_FRAME_BYTES
from assistant_stream_ce.serialization.formats import FORMATS, FormatDetector, format_of_headers
from tests.support.conversations import conversation
from tests.support.samples import encoded

GOOD = Path(__file__).parents[1] / "conformance" / "inputs" / "good"

#: What the JavaScript clients' tests call a wire.
NAMES = {
    "ai-sdk-v4-data-stream": "data-stream",
    "openai-chat": "openai",
    "ai-sdk-ui": "ui-message-stream",
    "ai-sdk-ui-v5": "ui-message-stream",
    "ai-sdk-ui-v6": "ui-message-stream",
}


def detected(pieces: list[bytes]) -> str:
    detector = FormatDetector()
    for piece in pieces:
        if detector.feed(piece):
            break
    return detector.close()


@pytest.mark.parametrize("wire", [name for name in FORMATS if name != "plain-text"])
def test_the_bytes_of_random_conversations_determine_their_format(wire: str) -> None:
    for seed in range(20):
        said = conversation(seed)
        if not said.acts:
            continue
        data = encoded(said, wire)
        assert detected([data]) == wire, data[:200]
        assert detected([data[at : at + 1] for at in range(len(data))]) == wire, data[:200]


@pytest.mark.parametrize("entry", json.loads((GOOD / "index.json").read_text()), ids=lambda entry: entry["file"])
def test_valid_inputs_of_the_clients_determine_their_format(entry: dict[str, str]) -> None:
    data = (GOOD / entry["file"]).read_bytes()
    assert detected([data]) == NAMES.get(entry["protocol"], entry["protocol"])


@pytest.mark.parametrize(
    ("start", "wire"),
    [
        (b'0:"', "data-stream"),
        (b"2:[", "data-stream"),
        (b'aui-state:[{"type"', "data-stream"),
        (b'\xef\xbb\xbf0:"', "data-stream"),
        (b'\r\n\n0: "a', "data-stream"),
        (b"Hello", "plain-text"),
        (b"hello there", "plain-text"),
        (b"1. First", "plain-text"),
        (b"a: b", "plain-text"),
        (b"<!doctype html>", "plain-text"),
        (b'{"error": {}}', "plain-text"),
        (b": keepalive\n\n", None),
        (b": keepalive\n\ndata: [DONE]\n\n", None),
        (b'data: {"choices": []}\n', None),
        (b'data: {"choices": []}\n\n', "openai"),
        (b'data: {"error": {"message": "x"}}\n\n', "openai"),
        (b'data: {"type": "error", "errorText": "x"}\n\n', "ui-message-stream"),
        (b'data: {"type": "error", "error": "x"}\n\n', "assistant-transport"),
        (b'data: {"type": "RUN_STARTED"}\n\n', "ag-ui"),
        (b'id: 1\nevent: message\ndata: {"type": "start"}\n\n', "ui-message-stream"),
        (b'data: {"type": NaN}\n\ndata: 1\n\ndata: {"type": 1}\n\ndata: {"type": "data-x"}\n\n', "ui-message-stream"),
        (b"\xef\xbb", None),
        (b"0", None),
        (b"0:", None),
        (b"", None),
    ],
)
def test_the_format_is_detected_as_early_as_possible(start: bytes, wire: str | None) -> None:
    assert FormatDetector().feed(start) == wire


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (b"hi", "plain-text"),
        (b"", "plain-text"),
        (b"data: [DONE]\n\n", "assistant-transport"),
        (b'data: {"choices": []}', "openai"),
        (b"data: 5\n\n", "assistant-transport"),
    ],
)
def test_the_end_decides_what_is_open(data: bytes, wire: str) -> None:
    detector = FormatDetector()
    assert detector.feed(data) is None
    assert detector.close() == wire


def test_no_more_than_a_frame_is_waited_for() -> None:
    comments = (b": " + b"padding" * 20 + b"\n\n") * 7_000
    detector = FormatDetector()
    fed = 0
    while detector.feed(comments) is None:
        fed += len(comments)
        assert fed <= MAX_FRAME_BYTES
    assert detector.close() == "assistant-transport"


@pytest.mark.parametrize("filler", [b"\n", b"\r\n", b"0:" + b" " * 100, b"[" * 100, b": comment\n\n"])
def test_a_beginning_in_many_pieces_is_scanned_once(filler: bytes) -> None:
    # Kept whole and scanned anew with each of the 20,000 pieces, these would be gigabytes.
    detector = FormatDetector()
    kept = 0
    for _ in range(20_000):
        detector.feed(filler)
        kept += len(detector._start)
    assert kept < 10_000_000


@pytest.mark.parametrize(
    ("headers", "wire"),
    [
        ({"x-vercel-ai-data-stream": "v1"}, "data-stream"),
        ({"x-vercel-ai-data-stream": " v1 "}, "data-stream"),
        ({"x-vercel-ai-data-stream": "v2"}, None),
        ({"x-vercel-ai-ui-message-stream": "v1"}, "ui-message-stream"),
        ({"x-vercel-ai-ui-message-stream": "v1", "x-vercel-ai-data-stream": "v1"}, "data-stream"),
        ({"content-type": "text/event-stream"}, None),
        ({}, None),
    ],
)
def test_headers_determine_the_format_if_they_declare_it(headers: dict[str, str], wire: str | None) -> None:
    assert format_of_headers(headers) == wire
