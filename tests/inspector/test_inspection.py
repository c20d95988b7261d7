"""An inspection: pieces in, events and a summary out, with the times of the pieces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant_stream_ce import chunks
from assistant_stream_ce.inspector.events import (
    Broken,
    ChunkReceived,
    End,
    FormatFound,
    HowEnded,
    PartCount,
    PartRef,
    Refused,
    Start,
    Summary,
)
from assistant_stream_ce.inspector.inspection import Inspection
from assistant_stream_ce.inspector.sources import Origin, Piece, SourceError
from assistant_stream_ce.serialization.decoder import MAX_FRAME_BYTES
from assistant_stream_ce.serialization.formats import FORMATS
from tests.inspector.inspecting import inspected, only, texts, whole
from tests.support.conversations import conversation
from tests.support.samples import encoded

BAD = Path(__file__).parents[1] / "conformance" / "inputs" / "bad"


# --- every wire ---


@pytest.mark.parametrize("wire", FORMATS)
def test_random_conversations_are_good_and_complete(wire: str) -> None:
    decoder_class = FORMATS[wire].decoder
    for seed in range(30):
        data = encoded(conversation(seed), wire)
        if not data:
            continue
        decoder = decoder_class(strict=True)
        expected = decoder.feed(data) + decoder.close()
        events = whole(data, wire)
        assert [event.chunk for event in events if isinstance(event, ChunkReceived)] == expected
        summary = only(events, Summary)
        # The conversations go on after an error, which no OpenAI client reads.
        is_after_error = wire == "openai" and summary.refused and "after an error" in summary.refused.reason
        assert summary.is_good or is_after_error, (seed, summary.broken, summary.refused)
        assert (summary.bytes, summary.chunks) == (len(data), len(expected))
        assert summary.frames == decoder.frames
        assert summary.skipped == 0


@pytest.mark.parametrize("wire", FORMATS)
def test_events_do_not_depend_on_how_the_bytes_are_split(wire: str) -> None:
    if wire == "plain-text":
        return
    for seed in range(5):
        data = encoded(conversation(seed), wire)
        if not data:
            continue
        bytewise = inspected([(0.0, data[at : at + 1]) for at in range(len(data))], wire)
        *events, summary = whole(data, wire)
        assert bytewise[:-1] == events
        assert isinstance(summary, Summary)
        assert only(bytewise, Summary).parts == summary.parts


# --- the frame that is broken ---


@pytest.mark.parametrize(
    ("wire", "name", "offset", "reason", "rest"),
    [
        ("data-stream", "unknown-code", 6, "code is unknown", ["a", "b"]),
        ("data-stream", "nan", 0, "not JSON", ["b"]),
        ("data-stream", "sse-comment-keepalive", 6, "not JSON", ["a"]),
        ("data-stream", "result-unknown-id", 6, "no such tool call", ["a"]),
        ("data-stream", "duplicate-tool-id", 39, "has begun before", []),
        ("data-stream", "unterminated-line", 6, "ended in the middle", ["a", "b"]),
        ("assistant-transport", "named-event", 0, "name 'ping'", ["Hel", "lo é😀\u2028"]),
        ("assistant-transport", "unknown-type", None, "type 'tool-call-begin'", ["Hel", "lo é😀\u2028"]),
        ("assistant-transport", "missing-done", None, "without [DONE]", ["Hel", "lo é😀\u2028"]),
        ("openai-chat", "malformed-json", None, "not JSON", []),
        ("ag-ui", "unknown-event", 62, "type 'WEIRD' is unknown", []),
        ("ag-ui", "crlf", 0, "LF alone", ["Hello é😀\u2028"]),
    ],
)
def test_the_broken_frame_is_reported_and_the_rest_is_shown(
    wire: str, name: str, offset: int | None, reason: str, rest: list[str]
) -> None:
    data = (BAD / f"{wire}--{name}.txt").read_bytes()
    events = whole(data, wire.removesuffix("-chat"))
    broken = only(events, Broken)
    assert reason in broken.reason
    assert offset is None or broken.offset == offset
    # What is shown of the frame begins there; a missing end has no bytes.
    assert broken.frame[:20].encode() in data[broken.offset :].replace(b"data: ", b"", 1)
    assert texts(events) == rest
    summary = only(events, Summary)
    assert not summary.is_good
    assert summary.broken == broken
    assert events.index(broken) < len(events) - 2


@pytest.mark.parametrize(
    ("wire", "name", "offset", "reason"),
    [
        ("data-stream", "args-after-result", 74, "arguments of this tool call are complete"),
        ("data-stream", "proto-key", 0, "__proto__"),
        ("data-stream", "second-result", 74, "second result"),
        ("ai-sdk-ui", "text-never-ended", 180, "was started but not ended"),
        ("openai-chat", "no-role", 360, "role assistant"),
    ],
)
def test_frames_that_only_clients_refuse_are_reported(wire: str, name: str, offset: int, reason: str) -> None:
    data = (BAD / f"{wire}--{name}.txt").read_bytes()
    events = whole(data, {"ai-sdk-ui": "ui-message-stream", "openai-chat": "openai"}.get(wire, wire))
    refused = only(events, Refused)
    assert reason in refused.reason
    assert refused.offset == offset
    summary = only(events, Summary)
    assert summary.refused == refused
    assert not summary.is_good


def test_all_bad_inputs_of_the_clients_are_detected() -> None:
    protocols = {"openai-chat": "openai", "ai-sdk-v4-data-stream": "data-stream"}
    unseen = []
    for entry in json.loads((BAD / "index.json").read_text()):
        wire = protocols.get(entry["protocol"], entry["protocol"])
        wire = "ui-message-stream" if wire.startswith("ai-sdk-ui") else wire
        if only(whole((BAD / entry["file"]).read_bytes(), wire), Summary).is_good:
            unseen.append(entry["file"].removesuffix(".txt"))
    assert unseen == [
        # The state that the client began with is not in the stream.
        "data-stream--append-text-missing-key",
        "data-stream--array-index-gap",
        # These clients ignore it, and others do not.
        "data-stream--reasoning-signature",
        # The extensions of assistant-ui are unknown to AI SDK 4.
        "ai-sdk-v4-data-stream--assistant-ui-extension-frame",
        # Both official clients take the end of the body for [DONE].
        "openai-chat--missing-done",
    ]


def test_only_the_first_problem_is_reported() -> None:
    summary = only(whole(b'0:"a"\nz:1\n2:[{"__proto__":1}]\n'), Summary)
    assert summary.broken is not None
    assert summary.refused is None


def test_a_problem_is_reported_with_its_offset() -> None:
    events = whole(b'0:"a"\nz:1\n0:"b"\nz:2\n0:"c"\n')
    kinds = [type(event).__name__ for event in events]
    assert kinds == [
        "Start",
        "FormatFound",
        "ChunkReceived",
        "Broken",
        "ChunkReceived",
        "ChunkReceived",
        "End",
        "Summary",
    ]
    assert only(events, Summary).skipped == 2


def test_nothing_is_read_after_a_frame_that_is_too_large() -> None:
    half = b"x" * (MAX_FRAME_BYTES // 2 + 1)
    events = inspected([(0.0, b'0:"a"\n0:"'), (1.0, half), (2.0, half), (3.0, b'"\n0:"b"\n')])
    assert "more than" in only(events, Broken).reason
    assert (only(events, Broken).offset, only(events, Broken).seconds) == (6, 2.0)
    assert texts(events) == ["a"]
    assert only(events, Summary).bytes == 6 + 3 + 2 * len(half) + 2 + 6


@pytest.mark.parametrize("beginning", [b"text ", b'0:"', b"data: ", b": ", b"x", b"\n"])
def test_a_long_line_without_an_end_is_inspected(beginning: bytes) -> None:
    data = beginning + b"x" * (MAX_FRAME_BYTES + 100)
    pieces = [(0.0, data[at : at + 1_000_000]) for at in range(0, len(data), 1_000_000)]
    summary = only(inspected(pieces), Summary)
    assert summary.bytes == len(data)
    is_text = not beginning.startswith((b"0", b"data", b":"))
    assert (summary.wire == "plain-text", summary.broken is None) == (is_text, is_text)


@pytest.mark.parametrize("how", ["cut", "silent"])
def test_a_stream_that_stops_is_not_good(how: HowEnded) -> None:
    events = inspected([(0.5, b'0:"a"\n0:"b')], end=(2.0, how))
    assert only(events, End).how == how
    assert "ended in the middle" in only(events, Broken).reason
    assert not only(events, Summary).is_good
    finished = inspected([(0.5, b'0:"a"\nd:{"finishReason":"stop"}\n')], end=(2.0, how))
    assert not only(finished, Summary).is_good


def test_an_interrupted_stream_is_not_reported_as_incomplete() -> None:
    events = inspected([(0.5, b'data: {"type":"data","data":[1]}\n\ndata: {"ty')], end=(2.0, "interrupted"))
    assert not any(isinstance(event, Broken) for event in events)
    summary = only(events, Summary)
    assert summary.is_good
    assert (summary.end, summary.seconds) == ("interrupted", 2.0)


# --- the wire ---


def test_the_format_is_taken_from_option_headers_or_bytes() -> None:
    header = {"x-vercel-ai-data-stream": "v1"}
    by_option = inspected([(0.0, b'0:"a"\n')], "plain-text", header)
    assert only(by_option, FormatFound) == FormatFound(0.0, "plain-text", "option")
    assert only(inspected([(0.0, b"")], headers=header), FormatFound).told_by == "headers"
    late = inspected([(1.0, b": keepalive\n\n"), (2.0, b'data: {"choices":[]}\n\n')])
    assert only(late, FormatFound) == FormatFound(2.0, "openai", "bytes")


@pytest.mark.parametrize("wire", FORMATS)
def test_a_missing_header_is_reported(wire: str) -> None:
    data = encoded(conversation(4), wire)
    headers = dict(FORMATS[wire].encoder.headers)
    (missing,) = [f"{name}: {value}" for name, value in headers.items()] or [None]
    assert only(inspected([(0.0, data)]), Summary).missing_header == missing
    assert only(inspected([(0.0, data)], headers=headers), Summary).missing_header is None
    # A file has no headers that could be missing.
    inspection = Inspection(Origin("file", False))
    list(inspection.feed(Piece(0.0, data)))
    assert inspection.summary().missing_header is None


def test_pieces_before_the_detection_keep_their_times() -> None:
    events = inspected([(1.0, b"ab"), (2.0, b"cd"), (3.0, b" e")])
    assert [event.seconds for event in events if isinstance(event, ChunkReceived)] == [1.0, 2.0, 3.0]
    assert only(events, FormatFound).seconds == 3.0


def test_an_empty_stream_is_good_only_if_its_format_is_known() -> None:
    assert not only(whole(b""), Summary).is_good
    assert only(whole(b"", "data-stream"), Summary).is_good
    assert not only(whole(b"", "assistant-transport"), Summary).is_good


# --- parts ---


def test_deltas_extend_parts_as_in_the_front_ends() -> None:
    frames = (
        b'0:"a"\n0:"b"\n2:[1]\n0:"c"\naui-text-delta:{"textDelta":"p","parentId":"x"}\ng:"r"\n0:"d"\n'
        b'b:{"toolCallId":"1","toolName":"f"}\nb:{"toolCallId":"2","toolName":"g"}\n'
        b'c:{"toolCallId":"1","argsTextDelta":"{}"}\na:{"toolCallId":"2","result":1}\n'
        b'h:{"sourceType":"url","id":"s","url":"u"}\nk:{"data":"x","mimeType":"t"}\n0:"e"\n'
    )
    events = whole(frames)
    places = [
        event.part and (event.part.index, event.part.kind) for event in events if isinstance(event, ChunkReceived)
    ]
    text, call, other = (0, "text"), (4, "tool-call"), (5, "tool-call")
    assert places[:4] == [text, text, None, text]
    assert places[4:7] == [(1, "text"), (2, "reasoning"), (3, "text")]
    assert places[7:11] == [call, other, call, other]
    assert places[11:] == [(6, "source"), (7, "file"), (8, "text")]
    assert only(events, Summary).parts == {
        "text": PartCount(4, 6),
        "reasoning": PartCount(1, 1),
        "tool-call": PartCount(2, 2),
        "source": PartCount(1, 0),
        "file": PartCount(1, 0),
    }
    assert PartRef(4, "tool-call", "f") in [event.part for event in events if isinstance(event, ChunkReceived)]


def test_the_start_has_the_source() -> None:
    inspection = Inspection(Origin("GET http://x/", True, "2026-01-01", 200, {"a": "b"}))
    assert list(inspection.begin()) == [Start("GET http://x/", "2026-01-01", True, 200, {"a": "b"})]


def test_every_type_of_chunk_is_known() -> None:
    # A new kind of chunk has to be thought of here.
    assert len(chunks.AssistantStreamChunk.__args__) == 23


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
def test_a_stream_of_another_api_is_named_without_the_end_of_its_last_event(end: bytes) -> None:
    data = b'event: response.created\ndata: {"type":"response.created","response":{}}' + end
    with pytest.raises(SourceError, match="OpenAI's Responses API"):
        whole(data)


def test_a_last_event_that_was_cut_is_not_one_of_an_unknown_api() -> None:
    assert only(whole(b'data: {"type":"start"}'), Broken).reason == "the stream ended in the middle of it"
