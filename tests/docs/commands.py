"""The commands shown in the documentation."""

from __future__ import annotations

import configparser
import importlib
import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from tests.docs.blocks import ROOT, Block, blocks_of
from tests.docs.clients import SERVER_SECONDS, post_to, server
from tests.support.require import require

DEFAULT_POST = ("/chat", {"prompt": "Hello there"})

#: The first request to a server of a page, where no `curl` command shows one.
FIRST_POSTS: dict[str, tuple[str, object]] = {
    "docs/chat-backend.rst": ("/api/login", {"user": "demo", "password": "demo"}),
    "docs/front-ends.rst": ("/use-chat", {"messages": []}),
}


#: How the library's own command begins.
OWN_COMMAND = "python -m assistant_stream_ce "


def run_own_command(command: str) -> str:
    """Run the library's own command in the page's folder, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *shlex.split(command)[1:]],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=SERVER_SECONDS,
    )
    return done.stdout


def check_output(printed: str, expected: str) -> None:
    """Compare the output shown with the output printed; a line `...` matches any lines."""
    lines = [re.escape(line.rstrip()) if line != "..." else r"(?:.*\n)*.*" for line in expected.strip().splitlines()]
    assert re.fullmatch("\n".join(lines), "\n".join(line.rstrip() for line in printed.strip().splitlines())), printed


def parse_curl(command: str) -> tuple[str, object]:
    """Return the path and the JSON body of a `curl` command."""
    words = shlex.split(command)
    assert words[0] == "curl", f"not a curl command: {command}"
    url = next(word for word in words if word.startswith("localhost:8000/"))
    return url.removeprefix("localhost:8000"), json.loads(words[words.index("--json") + 1])


def run_command(block: Block, command: str, folder: Path) -> None:
    """Run a command, or check its arguments where a test cannot run it."""
    words = shlex.split(command)
    if command.startswith(OWN_COMMAND):
        importlib.import_module("assistant_stream_ce.__main__").parser().parse_args(words[3:])
    elif words[:2] == ["pip", "install"]:
        check_requirements(words[2:])
    elif words[:2] == ["python3", "dev.py"]:
        assert words[2] in importlib.import_module("dev").COMMANDS
    elif words[:2] == ["python3", "benchmarks/run.py"]:
        benchmarks = importlib.import_module("benchmarks.run")
        assert benchmarks.chosen(benchmarks.parser().parse_args(words[2:]).only)
    elif words[:2] == ["npm", "install"]:
        installed = json.loads((ROOT / "tests/frontends/package.json").read_text(encoding="utf-8"))["dependencies"]
        assert set(words[2:]) <= set(installed)
    elif words[:2] == ["npx", "esbuild"]:
        assert command in build_commands(block.page)  # tests/frontends runs it
    elif words[0] in ("uvicorn", "gunicorn"):
        run_server(block.page, words, folder)
    else:
        raise AssertionError(f"no way to run {command!r}")


def build_commands(page: str) -> list[str]:
    """Return the commands of a page that build its pages for a browser."""
    lines = [line for block in blocks_of(page) if block.language == "bash" for line in block.code.splitlines()]
    return [line for line in lines if line.startswith("npx esbuild ")]


def check_requirements(requirements: list[str]) -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    for requirement in requirements:
        name, extra, version = re.fullmatch(r"([\w.-]+)(?:\[([\w-]+)\])?(>=.*)?", requirement).groups()  # type: ignore[union-attr]
        if name in (config["metadata"]["name"], "."):
            assert extra is None or extra in config["options.extras_require"]
            assert name == "." or version == ">=0.1", "releases 0.0.x on the package index are a different code base"
        else:
            require(is_installed(name), f"not installed: {name}")


def run_server(page: str, words: list[str], folder: Path) -> None:
    """Start a server, post to it, and end it."""
    require(is_installed(words[0]), f"not installed: {words[0]}")
    with server(page, shlex.join(words), folder) as (process, address):
        status, answer = post_to(address, *first_post(page))
        assert status == 200
        assert answer
        process.terminate()
        assert process.wait(SERVER_SECONDS) in (0, -signal.SIGTERM)


def is_installed(package: str) -> bool:
    """Return whether a package can be imported."""
    return importlib.util.find_spec(package) is not None


def first_post(page: str) -> tuple[str, object]:
    """Return the path and body of the first `curl` command of a page."""
    for block in blocks_of(page):
        if block.language == "console" and block.code.startswith("$ curl"):
            return parse_curl(block.code.partition("\n")[0].removeprefix("$ "))
    return FIRST_POSTS.get(page, DEFAULT_POST)
