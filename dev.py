"""The project's commands, for a machine with nothing but Python: each sets up all it needs, then does its work.

python3 dev.py demo     serve the chat page on a local port
python3 dev.py test     run every test; arguments are passed to pytest
python3 dev.py lint     ruff and mypy
python3 dev.py docs     build the documentation, warnings as errors
python3 dev.py check    lint, docs, test
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
# Debian leaves it out of its Python.
HAS_ENSUREPIP = importlib.util.find_spec("ensurepip") is not None
# Where the tests' JavaScript packages are: clients for Node.js, and front ends for a browser.
NODE_FOLDERS = (ROOT / "tests" / "conformance", ROOT / "tests" / "frontends")

# One more than there are cores: many tests wait for servers.
TEST_PROCESSES = (os.cpu_count() or 1) + 1


def run(*command: str | Path, folder: Path = ROOT) -> None:
    """Run a command; end with its status if it fails."""
    status = subprocess.run([str(part) for part in command], cwd=folder, check=False).returncode
    if status:
        raise SystemExit(status)


def python_of(environment: Path) -> Path:
    """Return the Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


PYTHON = python_of(ENVIRONMENT)


def pip(python: Path) -> tuple[str | Path, ...]:
    """Return the command of the environment's pip; of this Python's own where it cannot give pip to others."""
    if HAS_ENSUREPIP:
        return (python, "-m", "pip")
    return (sys.executable, "-m", "pip", "--python", python)


def set_up(extra: str, environment: Path = ENVIRONMENT, *requirements: Path) -> None:
    """Make a virtual environment, with the project, extras of it and files of requirements; once."""
    python = python_of(environment)
    if not python.exists():
        print(f"Making the virtual environment {environment.relative_to(ROOT)} ...", flush=True)
        venv.create(environment, with_pip=HAS_ENSUREPIP)
    files = (ROOT / "setup.cfg", ROOT / "pyproject.toml", *requirements)
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    done = environment / f"installed-{extra}"
    if not done.exists() or done.read_text() != wanted:
        print(f"Installing assistant-stream-ce[{extra}] (the first time takes a minute) ...", flush=True)
        more = [part for path in requirements for part in ("--requirement", path)]
        run(*pip(python), "install", "--quiet", "--disable-pip-version-check", "--editable", f".[{extra}]", *more)
        done.write_text(wanted)


def set_up_node(folder: Path) -> None:
    """Install the JavaScript packages of a folder, where there is a Node.js; their tests skip elsewhere."""
    npm = shutil.which("npm")
    wanted = (folder / "package-lock.json").read_bytes()
    done = folder / "node_modules" / ".installed"
    if npm is None or (done.exists() and done.read_bytes() == wanted):
        return
    print(f"Installing the JavaScript packages of {folder.relative_to(ROOT)} ...", flush=True)
    command = [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, cwd=folder, check=False).returncode == 0:
        done.write_bytes(wanted)
    else:
        print("npm could not install them: the tests that need them will skip.", flush=True)


def demo(*arguments: str) -> None:
    """Serve the chat page."""
    set_up("demo")
    run(PYTHON, "-m", "examples.demo", *arguments)


def test(*arguments: str) -> None:
    """Run the tests side by side; `-n 0` runs them in one process."""
    set_up("test")
    for folder in NODE_FOLDERS:
        set_up_node(folder)
    run(PYTHON, "-m", "pytest", f"--numprocesses={TEST_PROCESSES}", *arguments)


def lint() -> None:
    """Check style and types."""
    set_up("test")
    run(PYTHON, "-m", "ruff", "check", ".")
    run(PYTHON, "-m", "ruff", "format", "--check", ".")
    run(PYTHON, "-m", "mypy")


def docs() -> None:
    """Build the documentation into docs/_build/html."""
    set_up("test")
    run(PYTHON, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")
    print("docs/_build/html/index.html", flush=True)


def check() -> None:
    """Do all that a change has to pass."""
    lint()
    docs()
    test()


COMMANDS = {"demo": demo, "test": test, "lint": lint, "docs": docs, "check": check}


def main() -> None:
    """Do the command that is named on the command line."""
    if sys.version_info < (3, 11):  # noqa: UP036 - said plainly to who runs it with an older one
        raise SystemExit("assistant-stream-ce needs Python 3.11 or newer")
    name, arguments = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if name not in COMMANDS:
        print(f"unknown command: {name}\n\n{__doc__}" if name else __doc__)
        raise SystemExit(2)
    COMMANDS[name](*arguments)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
