"""Recordings, and their replay."""

from __future__ import annotations

import contextlib
import json
import random
import time
from pathlib import Path

import pytest

from assistant_stream_ce.inspector.recording import open_recorder, open_recording
from assistant_stream_ce.inspector.sources import CutError, Origin, Piece, SourceError

ORIGIN = Origin("GET http://x/", True, "2026-01-01T00:00:00.000+00:00", 200, {"a": "b", "set-cookie": "secret"})
PIECES = [Piece(0.1, b'0:"\xf0\x9f'), Piece(0.2, b'\x98\x80"\n'), Piece(0.25, b'\x00\x1b\xff"__proto__"\r\n')]


def record(path: Path, *, how: str = "complete", message: str | None = None) -> None:
    with open_recorder(str(path)) as made:
        made.begin(ORIGIN)
        for piece in PIECES:
            made.add(piece)
        made.end(0.3, how, message)  # type: ignore[arg-type]


def replayed(path: Path, speed: float = 0.0) -> tuple[Origin, list[Piece]]:
    with open_recording(str(path), speed) as source:
        return source.origin, list(source.pieces)


def test_a_replay_equals_the_stream(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    record(path)
    origin, pieces = replayed(path)
    assert pieces == [*PIECES, Piece(0.3, b"")]
    assert origin == Origin(ORIGIN.name, True, ORIGIN.started, 200, {"a": "b"})
    assert "secret" not in path.read_text()


def test_a_recording_has_the_documented_form(tmp_path: Path) -> None:
    record(tmp_path / "recording", how="cut", message="gone")
    head, first, second, third, last = map(json.loads, (tmp_path / "recording").read_text().splitlines())
    assert head["version"] == 1
    assert set(head) == {"version", "source", "is_timed", "started", "status", "headers"}
    assert first == {"seconds": 0.1, "base64": "MDoi8J8="}
    assert second == {"seconds": 0.2, "base64": "mIAiCg=="}
    assert third == {"seconds": 0.25, "base64": "ABv/Il9fcHJvdG9fXyINCg=="}
    assert last == {"seconds": 0.3, "end": "cut", "message": "gone"}


def test_a_replay_takes_the_recorded_time_or_less(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    record(path)
    for speed in (1.0, 3.0):
        began = time.monotonic()
        replayed(path, speed)
        assert time.monotonic() - began >= 0.3 / speed


def test_a_cut_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    record(path, how="silent", message="gone")
    with open_recording(str(path), 0) as source:
        assert [next(source.pieces) for _ in PIECES] == PIECES
        with pytest.raises(CutError, match="gone") as caught:
            next(source.pieces)
    assert (caught.value.how, caught.value.seconds) == ("silent", 0.3)


@pytest.mark.parametrize("kept", [-5, -60])
def test_an_incomplete_recording_is_read_as_far_as_possible(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "recording"
    record(path)
    path.write_bytes(path.read_bytes()[:kept])
    with open_recording(str(path), 0) as source:
        assert [next(source.pieces) for _ in PIECES[:2]] == PIECES[:2]
        with pytest.raises(CutError, match="no last line"):
            list(source.pieces)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is no recording"),
        ("0:x\n", "is no recording"),
        ('{"version": 1}\n', "is no recording"),
        ('{"version":9,"source":"","is_timed":true,"started":"","status":null,"headers":{}}\n', "version 9"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "recording").write_text(text)
    with pytest.raises(SourceError, match=complaint):
        replayed(tmp_path / "recording")


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        '{"seconds": 1, "base64": "?"}',
        '{"seconds": 1, "base64": "\u00fc"}',
        '{"seconds": "x"}',
        '{"seconds": 1}',
        '{"seconds": -1, "text": ""}',
        '{"seconds": 1e400, "text": ""}',
        '{"seconds": NaN, "text": ""}',
        '{"seconds": 0, "text": "\\ud83d"}',
        '{"seconds": 0, "end": "now"}',
        "[" * 100_000,
        "1" * 5000,
        "\x00",
        "x",
        "",
    ],
)
def test_an_invalid_line_is_reported(tmp_path: Path, line: str) -> None:
    path = tmp_path / "recording"
    record(path)
    head, *rest = path.read_text().splitlines()
    path.write_text("\n".join([head, line, *rest, ""]))
    with pytest.raises(SourceError, match=r"line 2 of .* is broken"):
        replayed(path)


def test_damaged_recordings_are_read_or_reported(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    record(path)
    good = path.read_bytes()
    dice = random.Random(1)
    for _ in range(500):
        data = bytearray(good)
        for _ in range(dice.randrange(1, 4)):
            place = dice.randrange(len(data))
            data[place : place + dice.randrange(3)] = bytes(dice.choices(range(256), k=dice.randrange(3)))
        path.write_bytes(data)
        with contextlib.suppress(SourceError, CutError):
            replayed(path)


def test_a_file_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read"):
        replayed(tmp_path / "none")
    with pytest.raises(SourceError, match="cannot write"):
        record(tmp_path / "none" / "none")
