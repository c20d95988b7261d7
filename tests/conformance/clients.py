"""The real JavaScript clients, called from Python: one stream, a server's stream, or hundreds of streams at once."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.require import require

FOLDER = Path(__file__).resolve().parent
#: How long one decoding, and how long one process with hundreds of them, may take.
ONE_SECONDS = 30
BATCH_SECONDS = 150


#: What a client leaves out without a word, and the documentation says so.
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
        """Return the job in the words of batch.mjs."""
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


def decode(protocol: str, data: bytes, *options: str, fragment: int | None = None) -> dict[str, Any]:
    """Decode bytes with decode.mjs; its exit status is added as `status`."""
    if fragment is not None:
        options = (*options, "--fragment", str(fragment))
    return _decode(protocol, "-", *options, data=data)


def decode_url(protocol: str, url: str, *options: str) -> dict[str, Any]:
    """Decode what a loopback server answers, its headers checked; the exit status is added as `status`."""
    return _decode(protocol, "--url", url, *options, data=b"")


def decode_all(jobs: Sequence[Job], *, tell_ignored: bool = False) -> list[dict[str, Any]]:
    """Decode many streams, on two cores; the results are in the order of the jobs.

    What clients are known to leave out is a warning only with `tell_ignored`.
    """
    # The long ones are spread evenly.
    order = sorted(range(len(jobs)), key=lambda number: len(jobs[number].data) // (jobs[number].fragment or 1000))
    halves = order[::2], order[1::2]
    with ThreadPoolExecutor(len(halves)) as pool:
        decoded = pool.map(lambda half: _decode_batch([jobs[number] for number in half]), halves)
        results = {
            number: result
            for half, part in zip(halves, decoded, strict=True)
            for number, result in zip(half, part, strict=True)
        }
    tidy = dict if tell_ignored else _without_ignored
    return [tidy(results[number]) for number in range(len(jobs))]


def _decode_batch(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    with node("batch.mjs") as process:
        output, errors = process.communicate(json.dumps([job.as_json() for job in jobs]).encode(), BATCH_SECONDS)
    assert process.returncode == 0, errors.decode()
    results: list[dict[str, Any]] = json.loads(output)
    assert len(results) == len(jobs), f"a client never settled: {results[-1:]}"
    return results


def _decode(*arguments: str, data: bytes) -> dict[str, Any]:
    with node("decode.mjs", *arguments) as process:
        output, errors = process.communicate(data, ONE_SECONDS)
    assert process.returncode in (0, 1), errors.decode()
    result: dict[str, Any] = json.loads(output)
    return _without_ignored({**result, "status": process.returncode})


def _without_ignored(result: dict[str, Any]) -> dict[str, Any]:
    ignored = IGNORED.get(result["protocol"], set())
    warnings = [warning for warning in result["warnings"] if warning not in ignored]
    status = 0 if result["error"] is None and not warnings else result["status"]
    return {**result, "warnings": warnings, "status": status}


@contextmanager
def node(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a script of this folder; the process ends with the block."""
    environment = {name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"}
    with subprocess.Popen(
        ["node", *arguments],
        cwd=FOLDER,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
