"""The harness itself can be trusted: it passes its self-test, and its two programs say the same of a stream."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from tests.conformance.clients import FOLDER, Job, decode, decode_all, require_clients

INPUTS = [
    (kind, FOLDER / "inputs" / kind / entry["file"], entry)
    for kind in ("good", "bad")
    for entry in json.loads((FOLDER / "inputs" / kind / "index.json").read_text())
]


@pytest.mark.timeout(180)
def test_self_test_passes() -> None:
    require_clients()
    done = subprocess.run(["sh", "./selftest.sh"], cwd=FOLDER, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^(\d+)/\1 checks passed$", done.stdout, re.MULTILINE)


def test_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (FOLDER / "package-lock.json").read_text()


def test_batch_expects_of_each_input_what_the_self_test_does() -> None:
    require_clients()
    jobs = [Job(entry["protocol"], path.read_bytes()) for _, path, entry in INPUTS]
    for (kind, _, entry), result in zip(INPUTS, decode_all(jobs, tell_ignored=True), strict=True):
        assert result["status"] == (0 if kind == "good" else 1), entry["file"]
        said = result["message"] if kind == "good" else [result["warnings"], result["error"]]
        assert entry["expect"] in as_javascript_prints(said) or entry["expect"] in str(said), entry["file"]


@pytest.mark.parametrize("file", ["good/data-stream--all-frames.txt", "bad/assistant-transport--result-at-root.txt"])
@pytest.mark.parametrize("fragment", [None, 3])
def test_batch_says_what_decode_says(file: str, fragment: int | None) -> None:
    require_clients()
    data = (FOLDER / "inputs" / file).read_bytes()
    protocol = file.split("/")[1].partition("--")[0]
    assert decode_all([Job(protocol, data, fragment)])[0] == decode(protocol, data, fragment=fragment)


def as_javascript_prints(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
