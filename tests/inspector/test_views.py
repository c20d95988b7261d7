"""The plain view, and `--json`."""

from __future__ import annotations

import io
import json

import msgspec
import pytest

from assistant_stream_ce.inspector.events import InspectionEvent
from assistant_stream_ce.inspector.views import JSONView, PlainView, View
from assistant_stream_ce.serialization.formats import FORMATS
from tests.inspector.inspecting import inspected, is_harmless
from tests.support.conversations import conversation
from tests.support.samples import encoded


def shown(view: View, events: list[InspectionEvent]) -> None:
    with view:
        view.announce("test")
        for event in events:
            view.show(event)
        view.flush()


def plain(events: list[InspectionEvent]) -> str:
    out = io.StringIO()
    shown(PlainView(out), events)
    return out.getvalue()


def json_lines(events: list[InspectionEvent]) -> list[str]:
    out = io.StringIO()
    shown(JSONView(out), events)
    return out.getvalue().splitlines()


def test_the_plain_view_extends_parts() -> None:
    events = inspected(
        [
            (0.25, b'g:"hm"\n0:"Hello "\n'),
            (0.5, b'0:"there\\nand here"\nb:{"toolCallId":"1","toolName":"f"}\nb:{"toolCallId":"2","toolName":"g"}\n'),
            (0.75, b'c:{"toolCallId":"1","argsTextDelta":"{"}\nc:{"toolCallId":"2","argsTextDelta":"{}"}\n'),
            (1.0, b'c:{"toolCallId":"1","argsTextDelta":"}"}\na:{"toolCallId":"1","result":{"a":1},"isError":true}\n'),
            (1.25, b'aui-state:[{"type":"set","path":[],"value":{"t":""}}]\n'),
            (1.5, b'aui-state:[{"type":"append-text","path":["t"],"value":"x"}]\n'),
            (1.75, b'aui-state:[{"type":"append-text","path":["t"],"value":"y"}]\nz:1\n'),
            (2.0, b'd:{"finishReason":"stop","usage":{"inputTokens":1,"outputTokens":1200}}\n'),
        ],
        headers={"x-vercel-ai-data-stream": "v1", "content-type": "text/plain"},
    )
    assert plain(events) == (
        "test\n"
        "200 OK, text/plain\n"
        "data-stream, detected by its header\n"
        "\n"
        "    0.250  reasoning    hm\n"
        "    0.250  text         Hello there\n"
        "                        and here  (2 deltas, 0.250 s)\n"
        "    0.500  tool call    f (1)  {}  (2 deltas, 0.500 s)\n"
        "    0.500  tool call    g (2)  {}\n"
        '    1.000  failure      f (1)  {"a":1}\n'
        '    1.250  state        set []: {"t":""}\n'
        '    1.500  state        append to ["t"]  xy  (2 deltas, 0.250 s)\n'
        "    1.750  broken       the frame at byte 461: its code is unknown  z:1\n"
        "    2.000  finish       stop, 1 tokens in, 1,200 out\n"
        "\n"
        "result         broken at byte 461: its code is unknown\n"
        "time           first byte 0.250 s, first token 0.250 s, end 2.000 s\n"
        "speed          6.7 deltas a second, 1,600.0 tokens a second by the usage\n"
        "longest gap    0.250 s without a byte (from 0.250 s), 0.250 s without a chunk (from 0.250 s)\n"
        "size           537 bytes in 8 pieces, 14 frames, 14 chunks, 6 deltas\n"
        "message        1 reasoning (2 characters), 1 text (20 characters), 2 tool-call (4 characters)\n"
        "usage          1 tokens in, 1,200 out\n"
        "finish reason  stop\n"
    )


def test_alternating_texts_are_not_split_into_words() -> None:
    pieces = [(0.0, b'aui-state:[{"type":"set","path":[],"value":{"t":""}}]\n')]
    for number, word in enumerate((b"It ", b"is ", b"sunny"), 1):
        repeated = b'0:"%s"\naui-state:[{"type":"append-text","path":["t"],"value":"%s"}]\n' % (word, word)
        pieces.append((float(number), repeated))
    pieces.append((4.0, b'g:"hm"\n'))
    assert plain(inspected(pieces)).split("\n\n")[1].splitlines() == [
        '    0.000  state        set []: {"t":""}',
        "    1.000  text         It is sunny  (3 deltas, 2.000 s)",
        '    1.000  state        append to ["t"]  It is sunny  (3 deltas, 2.000 s)',
        "    4.000  reasoning    hm",
    ]


def test_a_waiting_line_is_bounded() -> None:
    state = b'aui-state:[{"type":"append-text","path":["t"],"value":"%s"}]\n' % (b"x" * 1000)
    out = io.StringIO()
    view = PlainView(out)
    for event in inspected([(0.0, b'0:"a"\n'), *((1.0, state) for _ in range(100))])[:-2]:
        view.show(event)
    assert out.getvalue().count("x") >= 80_000


def test_the_first_line_is_written_as_it_grows() -> None:
    out = io.StringIO()
    view = PlainView(out)
    events = inspected([(0.0, b'0:"a"\n0:"b"\naui-state:[{"type":"append-text","path":["t"],"value":"x"}]\n0:"c"\n')])
    for event in events[:-2]:
        view.show(event)
    assert out.getvalue().endswith("text         abc")


def test_a_file_is_shown_without_times() -> None:
    assert plain(inspected([(0.0, b'0:"a"\n0:"b"\n')], is_timed=False)).splitlines() == [
        "test",
        "200 OK, without a content type",
        "data-stream, detected by its first bytes",
        "",
        "text         ab  (2 deltas)",
        "",
        "result         good",
        "size           12 bytes, 2 frames, 2 chunks, 2 deltas",
        "message        1 text (2 characters)",
        "finish reason  none: this format has no other end, so the stream may have been cut",
        "note           the response lacks the header x-vercel-ai-data-stream: v1, by which some clients detect the "
        "format",
    ]


def test_an_error_in_the_stream_is_shown_with_the_result() -> None:
    assert "result         good, but it carries an error\n" in plain(inspected([(0.0, b'0:"a"\n3:"overloaded"\n')]))


def test_the_content_type_of_another_format_is_noted() -> None:
    note = "note           the content type is text/html, not text/plain\n"
    page = [(0.0, b"<html>")]
    assert note in plain(inspected(page, headers={"content-type": "text/HTML; charset=utf-8"}))
    assert note not in plain(inspected(page, headers={"content-type": "text/plain; charset=utf-8"}))


def test_deltas_that_arrive_at_once_are_noted() -> None:
    words = b"".join(b'0:"%d "\n' % number for number in range(10))
    assert "came at once" in plain(inspected([(1.0, words)]))
    assert "came at once" not in plain(inspected([(1.0, words), (2.0, words)]))
    assert "came at once" not in plain(inspected([(1.0, words)], is_timed=False))


@pytest.mark.parametrize(
    ("pieces", "end", "result"),
    [
        ([(0.0, b"")], None, "empty: nothing came"),
        ([(0.0, b'0:"a"\n')], (1.0, "cut", "gone"), "cut off before its end"),
        ([(0.0, b'0:"a"\n')], (1.0, "silent", "gone"), "silent for too long"),
        ([(0.0, b'0:"a"\n')], (1.0, "interrupted"), "stopped before its end"),
        ([(0.0, b'0:"a"\n0')], (1.0, "cut", "gone"), "broken at byte 6: the stream ended in the middle of it; cut off"),
        ([(0.0, b'2:[{"__proto__":1}]\n')], None, "refused by some clients at byte 0: it has a key __proto__"),
        ([(0.0, b'0:"a"\nz:1\nz:1\n')], None, "broken at byte 6: its code is unknown (2 frames could not be read)"),
    ],
)
def test_the_result_has_all_problems(pieces: list[tuple[float, bytes]], end: tuple, result: str) -> None:
    text = plain(inspected(pieces, end=end))
    assert f"result         {result}" in text
    if len(end or ()) == 3:
        assert f"    1.000  {end[1]:<13}gone\n" in text


@pytest.mark.parametrize("wire", FORMATS)
def test_no_control_characters_are_written(wire: str) -> None:
    for seed in range(20):
        data = encoded(conversation(seed), wire)
        # And broken, at any place.
        for given in (data, data[: len(data) // 2] + b'\x1b[2J\x9b:"\x07\n\n' + data[len(data) // 2 :]):
            events = inspected([(0.0, given)], wire)
            assert is_harmless(plain(events))
            assert all(is_harmless(line) and line.isascii() for line in json_lines(events))


@pytest.mark.parametrize("wire", FORMATS)
def test_json_lines_hold_the_events(wire: str) -> None:
    for seed in range(20):
        events = inspected([(0.5, encoded(conversation(seed), wire))], wire)
        lines = [json.loads(line) for line in json_lines(events)]
        assert lines == [msgspec.to_builtins(event) for event in events]
        assert [line["event"] for line in lines][:2] == ["start", "wire"]
        assert [line["event"] for line in lines][-2:] == ["end", "summary"]


def test_a_json_chunk_has_its_type_and_its_part() -> None:
    line = json_lines(inspected([(0.5, b'0:"\\ud83d\x7f"\n')]))[2]
    assert json.loads(line) == {
        "event": "chunk",
        "seconds": 0.5,
        "chunk": {"type": "text-delta", "text_delta": "\ud83d\x7f", "parent_id": None},
        "part": {"index": 0, "kind": "text", "name": None},
    }
