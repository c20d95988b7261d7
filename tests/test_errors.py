"""Exceptions: their bases, their messages, and what they carry."""

from __future__ import annotations

import pytest

from assistant_stream_ce import errors


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (errors.StreamUsageError, RuntimeError),
        (errors.RunEndedError, RuntimeError),
        (errors.RunFailedError, RuntimeError),
        (errors.ToolCallError, ValueError),
        (errors.StateError, ValueError),
        (errors.DecodeError, ValueError),
        (errors.MissingExtraError, ImportError),
    ],
)
def test_each_error_can_be_caught_as_the_library_s_and_as_python_s(error: type[Exception], base: type) -> None:
    assert issubclass(error, errors.AssistantStreamError)
    assert issubclass(error, base)


def test_a_cancellation_passes_through_except_exception() -> None:
    assert not issubclass(errors.RunCancelled, Exception)


def test_a_failed_run_has_the_code() -> None:
    error = errors.RunFailedError("too many requests", "rate_limit")
    assert (str(error), error.code) == ("too many requests", "rate_limit")
    assert errors.RunFailedError("boom").code is None


def test_a_decode_error_shows_where_and_what_but_no_more_than_the_beginning() -> None:
    error = errors.DecodeError("r" * 10_000, 12_345, "f" * 10_000, [])
    assert str(error).startswith("cannot decode the frame at byte 12,345, 'fff")
    assert len(str(error)) < 1_000
    assert (error.offset, error.frame, error.chunks) == (12_345, "f" * 10_000, [])


def test_a_missing_extra_is_named_with_the_command() -> None:
    error = errors.MissingExtraError("assistant_stream_ce.responses.flask", "flask")
    assert str(error).startswith("assistant_stream_ce.responses.flask needs a package that is not installed.")
    assert 'pip install "assistant-stream-ce[flask]' in str(error)


def test_a_text_is_shortened_only_beyond_the_limit() -> None:
    assert errors.shorten("a" * 80) == "a" * 80
    assert errors.shorten("a" * 81) == "a" * 80 + "..."
    assert errors.shorten("abc", 2) == "ab..."
