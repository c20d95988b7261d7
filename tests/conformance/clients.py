"""The real JavaScript clients, called from Python: one stream, a server's stream, or hundreds of streams at once.

The Node.js processes that decode are started once and serve all tests: loading the clients takes longer than most
decoding.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.require import require

FOLDER = Path(__file__).resolve().parent
#: How long one decoding, and how long one process with hundreds of them, may take.
ONE_SECONDS = 30
BATCH_SECONDS = 150

#: Processes that decode side by side; one where pytest-xdist already runs tests side by side.
PROCESSES = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2


#: What a client ignores silently, as documented.
IGNORED = {
    "data-stream": {"harness: client ignores frame code j"},
    "ui-message-stream": {"harness: client ignores frame type source-document"},
}


@dataclass(frozen=True)
class Job:
    """Bytes to decode: with which client, in what pieces, and on top of which state."""

    protocol: str
    data: bytes
    fragment: int | None = None
    state: Any = None

    def as_json(self) -> dict[str, Any]:
        """Return the job as worker.mjs reads it."""
        job: dict[str, Any] = {"protocol": self.protocol, "data": base64.b64encode(self.data).decode()}
        if self.fragment is not None:
            job["fragment"] = self.fragment
        if self.state is not None:
            job["initialState"] = self.state
        return job


def require_clients() -> None:
    """Skip the test where the clients cannot run."""
    require(shutil.which("node"), "Node.js is not installed")
    require((FOLDER / "node_modules").is_dir(), "no JavaScript clients: run python3 dev.py test, which installs them")


def decode(protocol: str, data: bytes, *, fragment: int | None = None, state: Any = None) -> dict[str, Any]:
    """Decode one stream."""
    return decode_all([Job(protocol, data, fragment, state)])[0]


def decode_url(protocol: str, url: str, body: Any) -> dict[str, Any]:
    """Post JSON to a loopback server and decode what it answers, its headers checked."""
    (result,) = _in_worker([{"protocol": protocol, "url": url, "json": json.dumps(body)}], ONE_SECONDS)
    return _without_ignored(result)


def decode_all(jobs: Sequence[Job], *, reports_ignored: bool = False) -> list[dict[str, Any]]:
    """Decode many streams; the results are in the order of the jobs, with the exit status of decode.mjs as `status`.

    What clients are known to ignore is a warning only with `reports_ignored`.
    """
    # The long ones are spread evenly.
    order = sorted(range(len(jobs)), key=lambda number: len(jobs[number].data) // (jobs[number].fragment or 1000))
    shares = [share for share in (order[start::PROCESSES] for start in range(PROCESSES)) if share]
    seconds = ONE_SECONDS if len(jobs) == 1 else BATCH_SECONDS
    with ThreadPoolExecutor(PROCESSES) as pool:
        decoded = pool.map(lambda share: _in_worker([jobs[number].as_json() for number in share], seconds), shares)
        results = {
            number: result
            for share, part in zip(shares, decoded, strict=True)
            for number, result in zip(share, part, strict=True)
        }
    tidy = dict if reports_ignored else _without_ignored
    return [tidy(results[number]) for number in range(len(jobs))]


def _without_ignored(result: dict[str, Any]) -> dict[str, Any]:
    ignored = IGNORED.get(result["protocol"], set())
    warnings = [warning for warning in result["warnings"] if warning not in ignored]
    status = 0 if result["error"] is None and not warnings else result["status"]
    return {**result, "warnings": warnings, "status": status}


class _Worker:
    """A process of worker.mjs."""

    def __init__(self) -> None:
        self._process = start_node("worker.mjs")

    def decode(self, jobs: Sequence[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
        timer = threading.Timer(seconds, self._process.kill)
        sender = threading.Thread(target=self._send, args=(jobs,))
        timer.start()
        sender.start()
        try:
            return [self._result(seconds) for _ in jobs]
        finally:
            timer.cancel()
            sender.join()

    def _send(self, jobs: Sequence[dict[str, Any]]) -> None:
        assert self._process.stdin is not None
        # A process that has ended has printed the reason.
        with suppress(BrokenPipeError):
            for job in jobs:
                self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()

    def _result(self, seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the clients ended, or took longer than {seconds} s"
        result: dict[str, Any] = json.loads(line)
        return result

    def end(self) -> None:
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.communicate()


#: Workers that are free; a thread takes one, or starts one, and gives it back.
_free: list[_Worker] = []


def _in_worker(jobs: Sequence[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
    try:
        worker = _free.pop()
    except IndexError:
        worker = _Worker()
    try:
        results = worker.decode(jobs, seconds)
    except BaseException:
        # It is in the middle of something.
        worker.end()
        raise
    _free.append(worker)
    return results


@atexit.register
def _end_workers() -> None:
    while _free:
        _free.pop().end()


def start_node(*arguments: str) -> subprocess.Popen[bytes]:
    """Run a script of this folder."""
    environment = {name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"}
    return subprocess.Popen(
        ["node", *arguments], cwd=FOLDER, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


@contextmanager
def node(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a script of this folder; the process ends with the block."""
    with start_node(*arguments) as process:
        try:
            yield process
        finally:
            process.kill()
