"""The harness passes its self-test, and its two programs agree about a stream."""

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


def test_worker_expects_of_each_input_what_the_self_test_does() -> None:
    require_clients()
    jobs = [Job(entry["protocol"], path.read_bytes()) for _, path, entry in INPUTS]
    for (kind, _, entry), result in zip(INPUTS, decode_all(jobs, reports_ignored=True), strict=True):
        assert result["status"] == (0 if kind == "good" else 1), entry["file"]
        talk = result["message"] if kind == "good" else [result["warnings"], result["error"]]
        assert entry["expect"] in as_javascript_prints(talk) or entry["expect"] in str(talk), entry["file"]


@pytest.mark.parametrize("file", ["good/data-stream--all-frames.txt", "bad/assistant-transport--result-at-root.txt"])
@pytest.mark.parametrize("fragment", [None, 3])
def test_worker_and_decode_print_the_same(file: str, fragment: int | None) -> None:
    require_clients()
    protocol = file.split("/")[1].partition("--")[0]
    options = [] if fragment is None else ["--fragment", str(fragment)]
    path = FOLDER / "inputs" / file
    done = subprocess.run(["node", "decode.mjs", protocol, path, *options], cwd=FOLDER, capture_output=True, timeout=30)
    data = path.read_bytes()
    assert decode(protocol, data, fragment=fragment) == {**json.loads(done.stdout), "status": done.returncode}


def test_client_that_never_settles_is_an_error() -> None:
    require_clients()
    script = """
        import { decode } from "./clients.mjs";
        const out = await decode("data-stream", () => new Promise(() => {}));
        process.stdout.write(out.error);
    """
    command = ["node", "--input-type=module", "--eval", script]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith("the client never settled")


def as_javascript_prints(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
