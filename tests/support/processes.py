"""Run a Python module of this project in its own process, and find the address that it prints."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Longer than on a quiet machine by far: on a loaded one, importing a framework and an SDK takes half a minute.
START_SECONDS = 60
STOP_SECONDS = 10


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run `python -u -m arguments...` in the project's folder; the process ends with the block."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    with subprocess.Popen(
        [sys.executable, "-u", "-m", *arguments],
        cwd=ROOT,
        env={**inherited, "NO_PROXY": "127.0.0.1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Ask the process to end, and make it."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[str]:
    """Run a server and give its address, which is read from what the server prints."""
    output: list[str] = []
    found = threading.Event()

    def read(process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            output.append(line)
            if address_in(line):
                found.set()
        found.set()

    with started(*arguments, **environment) as process:
        reader = threading.Thread(target=read, args=(process,))
        reader.start()
        try:
            found.wait(START_SECONDS)
            address = address_in("".join(output))
            assert address, f"the server printed no address:\n{''.join(output)}"
            yield address
        finally:
            end(process)
            reader.join(STOP_SECONDS)


def address_in(text: str) -> str | None:
    """Return the first loopback address in what a server printed."""
    match = re.search(r"http://127\.0\.0\.1:\d+", text)
    return match[0] if match else None


def python(code: str, *, after: str = "", interrupts: bool = False) -> tuple[int, str, str, float]:
    """Run a script; return its status, what it printed, and how long it took, in all or after a line that it prints.

    Its errors are without asyncio's reports of slow steps, which it makes in its debug mode on a busy machine.

    Args:
        code: the script.
        after: what is in that line.
        interrupts: whether to press Ctrl-C then.
    """
    started = time.monotonic()
    code = textwrap.dedent(code)
    if interrupts:
        # Whatever is started in the background of a shell script ignores Ctrl-C, and hands that down.
        code = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{code}"
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-X", "dev", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        printed = ""
        if after:
            assert process.stdout is not None
            while after not in (line := process.stdout.readline()):
                assert line, "the script ended early"
                printed += line
            started = time.monotonic()
        if interrupts:
            process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
        seconds = time.monotonic() - started
        errors = "".join(line for line in errors.splitlines(True) if not line.startswith("Executing "))
        return process.returncode, printed + out, errors, seconds
    finally:
        process.kill()
        process.wait()
