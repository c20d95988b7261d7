"""The command line: `python -m assistant_stream_ce`."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "assistant_stream_ce", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("arguments", [("--help",), ("inspect", "--help")])
def test_help_is_printed(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: python -m assistant_stream_ce" in done.stdout
    assert "inspect" in done.stdout


@pytest.mark.parametrize("arguments", [(), ("unknown",), ("inspect",), ("inspect", "--unknown", "-")])
def test_a_wrong_command_line_is_refused_with_the_usage(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("usage: python -m assistant_stream_ce")
    assert "Traceback" not in done.stderr
