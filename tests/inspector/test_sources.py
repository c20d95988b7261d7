"""Sources of bytes: files, pipes, and how they end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assistant_stream_ce.inspector.sources import (
    PIECE_BYTES,
    CutError,
    SourceError,
    Stopwatch,
    error_reason,
    open_descriptor,
    open_file,
)


def test_a_file_has_no_times(tmp_path: Path) -> None:
    path = tmp_path / "stream"
    path.write_bytes(b"x" * (PIECE_BYTES + 1))
    with open_descriptor(str(path), "stream") as source:
        pieces = list(source.pieces)
    assert (source.origin.name, source.origin.is_timed, source.watch) == ("stream", False, None)
    assert [len(piece.data) for piece in pieces] == [PIECE_BYTES, 1, 0]
    assert {piece.seconds for piece in pieces} == {0.0}


def test_a_pipe_has_times_and_stays_open() -> None:
    reader, writer = os.pipe()
    with open_descriptor(reader, "pipe") as source:
        assert source.origin.is_timed
        os.write(writer, b"a")
        first = next(source.pieces)
        os.write(writer, b"b")
        os.close(writer)
        rest = list(source.pieces)
    assert [piece.data for piece in (first, *rest)] == [b"a", b"b", b""]
    assert 0 <= first.seconds <= rest[-1].seconds
    os.close(reader)


def test_a_silent_pipe_is_given_up() -> None:
    reader, writer = os.pipe()
    with open_descriptor(reader, "pipe", timeout=0.01) as source, pytest.raises(CutError) as raised:
        list(source.pieces)
    assert raised.value.how == "silent"
    assert raised.value.seconds >= 0.01
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("path", ["missing", "a\0b"])
def test_a_file_that_cannot_be_read(path: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read it: "):
        open_file(str(tmp_path / path), "rb", "cannot read it")


def test_the_reason_is_that_of_the_system() -> None:
    assert error_reason(OSError(2, "No such file")) == "No such file"
    assert error_reason(ValueError("a text")) == "a text"
    assert error_reason(ValueError()) == "ValueError"


def test_a_stopwatch_does_not_go_back() -> None:
    watch = Stopwatch()
    assert 0 <= watch.seconds() <= watch.seconds()
