"""One inspection from its options to its exit status; tests/inspector/test_command.py runs it as a command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assistant_stream_ce.inspector.session import FAILED, Options, inspect

GOOD = b'0:"Hello"\nd:{"finishReason":"stop","usage":{"promptTokens":1,"completionTokens":2}}\n'


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    path = tmp_path / "stream"
    path.write_bytes(GOOD)
    return path


def events_of(output: str) -> list[Any]:
    return [json.loads(line) for line in output.splitlines()]


def test_a_good_stream_is_shown_as_events(stream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(Options(str(stream), view="json")) == 0
    events = events_of(capsys.readouterr().out)
    assert [event["event"] for event in events] == ["start", "wire", "chunk", "chunk", "end", "summary"]
    assert events[-1]["is_good"]


def test_a_bad_stream_has_the_status_1(stream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream.write_bytes(GOOD + b"bad\n")
    assert inspect(Options(str(stream), view="json")) == 1
    assert not events_of(capsys.readouterr().out)[-1]["is_good"]


def test_a_recording_is_replayed(stream: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = str(tmp_path / "recording")
    assert inspect(Options(str(stream), record=recording, view="json")) == 0
    first = capsys.readouterr().out
    assert inspect(Options(replay=recording, view="json")) == 0
    again = capsys.readouterr().out
    assert [event for event in events_of(first) if event["event"] == "chunk"] == [
        event for event in events_of(again) if event["event"] == "chunk"
    ]


@pytest.mark.parametrize("source", ["missing", "ftp://example.org"])
def test_a_source_that_is_not_there_is_one_line(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(Options(source, view="plain")) == FAILED
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"there is no file {source}")
    assert output.err.count("\n") == 1


def test_a_stream_is_not_recorded_over_itself(stream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(Options(str(stream), record=str(stream), view="plain")) == FAILED
    assert stream.read_bytes() == GOOD
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (Options(source="none"), "there is no file none"),
        (Options(source=""), "there is no file"),
        (Options(source="a\x00b"), "there is no file"),
        (Options(source="."), "cannot read ."),
        (Options(replay="none"), "cannot read none"),
        (Options(replay="a\x00b"), "cannot read a"),
        (Options(source=__file__, record=""), "cannot write"),
        (Options(source=__file__, record=__file__), "is read or written by this command already"),
        (Options(source=__file__, record="."), "cannot write ."),
        (Options(source="http://[x"), "no answer from GET http://[x"),
    ],
)
def test_failures_are_one_line(options: Options, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(options) == FAILED
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
