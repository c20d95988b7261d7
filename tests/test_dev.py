"""`dev.py`: no child process outlives it, and each command installs no more than it needs."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import dev
from tests.support.require import require, require_packages

SECONDS = 60.0
SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"]

pytestmark = pytest.mark.timeout(2 * SECONDS + 30)


def started(code: str) -> subprocess.Popen[str]:
    """Run code that calls functions of `dev.py`, without its installations, as if it was called in a terminal."""
    head = "import signal, sys, dev; signal.signal(signal.SIGINT, signal.default_int_handler); dev.exit_on_signals(); "
    head += "dev.set_up = lambda *arguments, **options: None; dev.PYTHON = sys.executable; "
    command = [sys.executable, "-u", "-c", head + code]
    return subprocess.Popen(command, cwd=dev.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("name", SIGNALS)
def test_ending_the_demo_ends_its_server(name: str) -> None:
    require_packages("fastapi", "uvicorn")
    require(hasattr(signal, name), f"this system has no {name}")
    with started("dev.demo('--port', '0', '--no-browser')") as process:
        try:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line_of(process))
            assert found is not None
            port = int(found[1])
            assert is_listening(port)
            process.send_signal(getattr(signal, name))
            process.wait(SECONDS)
            assert not is_listening(port)
        finally:
            process.kill()


@pytest.mark.parametrize("name", SIGNALS)
def test_ending_a_command_interrupts_its_child(name: str) -> None:
    require(hasattr(signal, name), f"this system has no {name}")
    # Short sleeps: an interrupt right before one is noticed after it, on CPython 3.14 in one of ten runs.
    child = (
        "import os, time\ntry:\n  print(os.getpid(), flush=True)\n  while True: time.sleep(0.05)\n"
        "finally: print('cleaned up', flush=True)"
    )
    with started(f"dev.STOP_SECONDS = 1; dev.run(sys.executable, '-c', {child!r})") as process:
        try:
            pid = int(line_of(process))
            process.send_signal(getattr(signal, name))
            process.wait(SECONDS)
            assert process.returncode != 0
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
            # A lone interrupt looks like one of a terminal, which the child has received too.
            assert (line_of(process) == "cleaned up\n") == (name != "SIGINT")
        finally:
            process.kill()


def test_a_failing_command_ends_with_its_status() -> None:
    with started("dev.run(sys.executable, '-c', 'raise SystemExit(3)')") as process:
        assert process.wait(SECONDS) == 3


def test_each_command_installs_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "make_environment", lambda environment, interpreter: environment / "bin" / "python")
    monkeypatch.setattr(dev, "run", lambda *command, **options: commands.append([*map(str, command)]))
    for name in ("setup.cfg", "pyproject.toml"):
        (tmp_path / name).write_text("one")

    def installed(extra: str) -> bool:
        before = len(commands)
        dev.set_up(extra, tmp_path)
        assert all(command[-1] == f".[{extra}]" for command in commands[before:])
        return len(commands) > before

    assert [installed(extra) for extra in ("docs", "docs", "test", "demo", "core")] == [True, False, True, False, False]
    (tmp_path / "setup.cfg").write_text("two")
    assert installed("docs")


def test_an_extra_is_installed_alone_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    environment = tmp_path / "with-flask"

    def make_environment(path: Path, interpreter: str) -> Path:
        path.mkdir()
        return path / "python"

    monkeypatch.setattr(dev, "make_environment", make_environment)
    monkeypatch.setattr(dev, "run", lambda *command, **options: commands.append([*map(str, command)]))
    dev.check_extra("flask", tmp_path / "package.whl", environment, "python3.12")
    installed, imported = commands
    assert installed[-1] == f"{tmp_path / 'package.whl'}[flask]"
    assert "import platform, assistant_stream_ce.responses.flask, flask;" in imported[-1]
    assert not environment.exists()


def test_no_python_is_checked_twice() -> None:
    assert f"python3.{sys.version_info.minor}" not in dev.other_pythons()


def test_an_unknown_python_is_reported() -> None:
    assert dev.find_python("python9.99") is None
    found = dev.find_python(Path(sys.executable).name)
    assert found is None or Path(found).exists()
    with pytest.raises(SystemExit, match=r"there is no python9\.99"):
        dev.core("python9.99")


def test_the_core_tests_exist() -> None:
    assert [path for path in dev.CORE_TESTS if not (dev.ROOT / path).exists()] == []


def test_the_docs_need_neither_tests_nor_servers() -> None:
    text = (Path(dev.__file__).parent / "setup.cfg").read_text()
    extra = text.partition("\ndocs =\n")[2].partition("=\n")[0]
    assert not re.search(r"pytest|playwright|uwsgi|gunicorn|\[test\]|\[core\]|\[demo\]", extra)
