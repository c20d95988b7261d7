"""The project's commands, for a machine with nothing but Python. Each installs what it needs, then does its work.

python3 dev.py demo     serve the chat page on a local port
python3 dev.py chat     serve the complete chat of examples/chat, by flask, fastapi or django
python3 dev.py page     build the page of the chat into its archive, for machines without Node.js
python3 dev.py test     run every test; arguments are passed to pytest
python3 dev.py lint     ruff and mypy
python3 dev.py docs     build the documentation, warnings as errors
python3 dev.py check    lint, docs, test
python3 dev.py core     run the core tests on the other Pythons that are present
python3 dev.py lowest   run the core tests with the lowest versions of the frameworks
python3 dev.py sdks     run the tests of each model SDK with its lowest version; arguments are extras
python3 dev.py types    check that every public symbol has a type, with pyright
python3 dev.py extras   install each extra alone in an empty environment, on each Python, and import what it is for
python3 dev.py package  build the wheel and the source distribution into dist, and check their metadata
python3 dev.py pictures make the pictures of the README and the documentation, with Node.js and Chromium
"""

from __future__ import annotations

import configparser
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import NoReturn

from examples import chat_page

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
# Debian's Python lacks it.
HAS_ENSUREPIP = importlib.util.find_spec("ensurepip") is not None
# JavaScript packages of the tests: clients for Node.js, and front ends for a browser.
FRONT_ENDS = ROOT / "tests" / "frontends"
NODE_FOLDERS = (ROOT / "tests" / "conformance", FRONT_ENDS)
CHAT_PAGE = chat_page.PAGE
NO_NODE = """The page of the chat was edited, but Node.js 20 or newer with npm, which builds it, is not installed.
Without an installation of it (https://nodejs.org), the page is served as it was before the edit."""
# Extras that another one includes.
INCLUDED_IN = {"core": ("test",), "demo": ("test",), "docs": ("test",)}
# The versions beside the one that runs the whole suite.
OTHER_PYTHONS = ("python3.12", "python3.13", "python3.14")
# Tests of what depends on the version of Python, without servers, browsers and Node.js.
CORE_FOLDERS = (
    "concurrency",
    "controller",
    "integrations",
    "jsonvalue",
    "matrix",
    "message",
    "responses",
    "run",
    "state",
    "testing",
    "tools",
)
CORE_MODULES = ("cancellation", "chunks", "create_run", "imports")
CORE_TESTS = (
    *(f"tests/{name}" for name in CORE_FOLDERS),
    *(f"tests/test_{name}.py" for name in CORE_MODULES),
    "tests/serialization/test_round_trips.py",
)
# Packages whose lowest versions `lowest` installs.
LOWEST = ("janus", "msgspec", "starlette", "flask", "django")
# The extras of model SDKs, whose lowest versions `sdks` installs, and the packages that their tests need beside them.
SDKS: dict[str, tuple[str, ...]] = {
    "anthropic": (),
    "bedrock": (),
    "google": (),
    "groq": (),
    "langchain": ("langchain-openai==1.0",),
    "langgraph": (),
    "litellm": (),
    "mistral": (),
    "ollama": (),
    "openai": (),
    "openai-agents": (),
    # A newer anthropic does not work with its lowest version.
    "pydantic-ai": ("anthropic==0.108", "openai"),
}
SDK_TEST_TOOLS = ("httpx", "hypothesis", "pydantic", "pytest-asyncio", "pytest-timeout", "pytest-xdist", "trustme")
# What each extra is for: the module of this package, and the one that it imports or whose objects it reads.
MODULES_OF_EXTRAS = {
    "": ("assistant_stream_ce", "janus"),
    "anthropic": ("assistant_stream_ce.integrations.anthropic", "anthropic"),
    "bedrock": ("assistant_stream_ce.integrations.bedrock", "boto3"),
    "django": ("assistant_stream_ce.responses.django", "django"),
    "flask": ("assistant_stream_ce.responses.flask", "flask"),
    "google": ("assistant_stream_ce.integrations.google", "google.genai"),
    "groq": ("assistant_stream_ce.integrations.groq", "groq"),
    "inspect": ("assistant_stream_ce.inspector.live_view", "rich"),
    "langchain": ("assistant_stream_ce.integrations.langchain", "langchain_core"),
    "langgraph": ("assistant_stream_ce.integrations.langgraph", "langgraph.graph"),
    "litellm": ("assistant_stream_ce.integrations.litellm", "litellm"),
    "mistral": ("assistant_stream_ce.integrations.mistral", "mistralai"),
    "ollama": ("assistant_stream_ce.integrations.ollama", "ollama"),
    "openai": ("assistant_stream_ce.integrations.openai", "openai"),
    "openai-agents": ("assistant_stream_ce.integrations.openai_agents", "agents"),
    "opentelemetry": ("assistant_stream_ce.integrations.opentelemetry", "opentelemetry"),
    "pydantic-ai": ("assistant_stream_ce.integrations.pydantic_ai", "pydantic_ai"),
    "redis": ("assistant_stream_ce.resumable.redis", "redis"),
    "starlette": ("assistant_stream_ce.responses.starlette", "starlette"),
}
# Seconds that a child process has to clean up after an interrupt.
STOP_SECONDS = 10

# One more than there are cores: many tests wait for servers. With two more, the suite takes as long.
TEST_PROCESSES = (os.cpu_count() or 1) + 1


def run(*command: str | Path, folder: Path = ROOT) -> None:
    """Run a command; exit with its status if it fails. The child ends with this process, however that is stopped."""
    process = subprocess.Popen([str(part) for part in command], cwd=folder)
    try:
        status = process.wait()
    except KeyboardInterrupt:
        # Sent by a terminal to the child too; a second interrupt would cut its clean-up short.
        stop(process, is_interrupted=True)
        raise
    except BaseException:
        stop(process)
        raise
    if status:
        raise SystemExit(status if status > 0 else 128 - status)


def stop(process: subprocess.Popen[bytes], is_interrupted: bool = False) -> None:
    """Interrupt a child process, so that it can clean up, and kill it if that takes too long."""
    if not is_interrupted:
        process.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def become(*command: str | Path) -> NoReturn:
    """Replace this process by a command, so that every signal reaches it; where that is not possible, run it."""
    if os.name == "nt":
        run(*command)
        raise SystemExit(0)
    os.chdir(ROOT)
    os.execv(str(command[0]), [str(part) for part in command])


def exit_on_signals() -> None:
    """Make the signals that end a process raise `SystemExit`, so that children are stopped."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), leave)


def python_of(environment: Path) -> Path:
    """Return the Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


PYTHON = python_of(ENVIRONMENT)


def pip(python: Path) -> tuple[str | Path, ...]:
    """Return the command of pip in an environment, or of this Python's pip if it cannot install pip there."""
    if HAS_ENSUREPIP:
        return (python, "-m", "pip")
    return (sys.executable, "-m", "pip", "--python", python)


def make_environment(environment: Path, interpreter: str = sys.executable) -> Path:
    """Make a virtual environment, if there is none; return its Python."""
    python = python_of(environment)
    if not python.exists():
        print(f"Making the virtual environment {environment.name} ...", flush=True)
        if interpreter == sys.executable:
            venv.create(environment, with_pip=HAS_ENSUREPIP)
        else:
            run(interpreter, "-m", "venv", environment)
    return python


def set_up(extra: str, environment: Path = ENVIRONMENT, *requirements: Path, interpreter: str = sys.executable) -> None:
    """Make a virtual environment with the project, an extra of it and requirements, unless it is up to date."""
    python = make_environment(environment, interpreter)
    files = (ROOT / "setup.cfg", ROOT / "pyproject.toml", *requirements)
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    markers = [environment / f"installed-{name}" for name in (extra, *INCLUDED_IN.get(extra, ()))]
    if not any(marker.exists() and marker.read_text() == wanted for marker in markers):
        print(f"Installing assistant-stream-ce[{extra}] (the first time takes a minute) ...", flush=True)
        more = [part for path in requirements for part in ("--requirement", path)]
        run(*pip(python), "install", "--quiet", "--disable-pip-version-check", "--editable", f".[{extra}]", *more)
        markers[0].write_text(wanted)


def set_up_node(folder: Path) -> None:
    """Install the JavaScript packages of a folder if there is a Node.js; otherwise their tests are skipped."""
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
    become(PYTHON, "-m", "examples.demo", *arguments)


def build_chat_page(folder: Path = CHAT_PAGE, *options: str) -> None:
    """Build the page of the chat; without Node.js, take the one in the archive."""
    if chat_page.can_build():
        chat_page.build(folder, *options)
    else:
        print(NO_NODE, flush=True)
        chat_page.unpack(folder)


def chat(*arguments: str) -> None:
    """Serve the complete chat; the back end is an argument."""
    set_up("demo")
    if chat_page.is_packed():
        chat_page.unpack()
    else:
        set_up_node(FRONT_ENDS)
        build_chat_page(CHAT_PAGE, "--minify")
    become(PYTHON, "-m", "examples.chat_server", *arguments)


def page() -> None:
    """Write the archive of the chat's page."""
    set_up_node(FRONT_ENDS)
    chat_page.pack()


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
    set_up("docs")
    run(PYTHON, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")
    print("docs/_build/html/index.html", flush=True)


def core(*names: str) -> None:
    """Run the core tests on other Pythons, side by side; without names, on those that are present."""
    names = names or tuple(name for name in other_pythons() if find_python(name))
    if len(names) == 1:
        core_on(*names)
        return
    command = [sys.executable, __file__, "core"]
    children = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for name in names]
    try:
        # Ends with the last one; the pipes of the others hold their few lines meanwhile.
        outputs = [child.communicate()[0].decode(errors="replace") for child in children]
    except BaseException:
        for child in children:
            stop(child)
        raise
    for name, output in zip(names, outputs, strict=True):
        print(f"--- {name} ---\n{output}", flush=True)
    if any(child.returncode for child in children):
        raise SystemExit(1)


def core_on(name: str) -> None:
    """Run the core tests on one Python, in an environment of its own."""
    interpreter = find_python(name)
    if interpreter is None:
        raise SystemExit(f"there is no {name} on the PATH or in pyenv")
    environment = ROOT / f".venv-{Path(name).name}"
    set_up("core", environment, interpreter=interpreter)
    run(python_of(environment), "-m", "pytest", "-q", "-p", "no:cacheprovider", *CORE_TESTS)


def setup_cfg() -> configparser.ConfigParser:
    """Return the settings of the package."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def pins(*names: str) -> list[str]:
    """Return the lowest versions of packages that setup.cfg allows, as requirements."""
    config = setup_cfg()
    lists = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    found = dict(line.split(">=") for text in lists for line in text.split() if line.count(">=") == 1)
    return [f"{name}=={found[name]}" for name in names]


def lowest(*arguments: str) -> None:
    """Run the core tests with the lowest versions of the frameworks; arguments are passed to pytest."""
    environment = ROOT / ".venv-lowest"
    python = make_environment(environment)
    requirements = environment / "lowest.txt"
    requirements.write_text("\n".join(pins(*LOWEST)))
    set_up("core", environment, requirements)
    run_pytest(python, *(arguments or CORE_TESTS))


def sdks(*names: str) -> None:
    """Run the tests of each model SDK with the lowest version of it that setup.cfg allows; without names, of all."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    for extra in names or SDKS:
        environment = ROOT / f".venv-lowest-{extra}"
        python = make_environment(environment)
        packages = (line.partition(">=")[0] for line in setup_cfg()["options.extras_require"][extra].split())
        requirements = environment / "lowest.txt"
        requirements.write_text("\n".join([*pins(*packages), *SDKS[extra], *SDK_TEST_TOOLS]))
        set_up(extra, environment, requirements)
        # litellm warns of its own models.
        run_pytest(python, "-W", "ignore::UserWarning", "-k", extra.replace("-", "_"), "tests/integrations")


def run_pytest(python: Path, *arguments: str) -> None:
    """Run tests with old packages, which use what newer ones deprecate."""
    run(python, "-m", "pytest", "-q", "-W", "ignore::DeprecationWarning", "-p", "no:cacheprovider", *arguments)


def types() -> None:
    """Check that pyright knows the type of every public symbol."""
    environment = ROOT / ".venv-types"
    python = make_environment(environment)
    remove_build()
    run(*pip(python), "install", "--quiet", "--disable-pip-version-check", "--upgrade", ".[types]")
    # pyright reads the packages of the first Python on the PATH; in another folder, those that are installed.
    os.environ["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    run(python, "-m", "pyright", "--verifytypes", "assistant_stream_ce", "--ignoreexternal", folder=environment)


def extras(*names: str) -> None:
    """Install each extra alone in an empty environment, on each Python, and import its modules."""
    remove_build()
    # Otherwise it asks the network for prices when it is imported.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(*pip(make_environment(folder / "build")), "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ".")
        (wheel,) = folder.glob("*.whl")
        for interpreter in (sys.executable, *filter(None, map(find_python, other_pythons()))):
            for extra in names or MODULES_OF_EXTRAS:
                check_extra(extra, wheel, folder / f"with-{extra or 'none'}", interpreter)


def check_extra(extra: str, wheel: Path, environment: Path, interpreter: str) -> None:
    """Install a wheel with one extra in an environment that is removed again, and import the modules of the extra."""
    python = make_environment(environment, interpreter)
    wanted = f"{wheel}[{extra}]" if extra else str(wheel)
    run(*pip(python), "install", "--quiet", "--disable-pip-version-check", wanted)
    module, other = MODULES_OF_EXTRAS[extra]
    code = f"import platform, {module}, {other}; print('Python', platform.python_version(), {extra!r}, {module!r})"
    # In another folder, those that are installed.
    run(python, "-c", code, folder=environment)
    shutil.rmtree(environment)


def remove_build() -> None:
    """Remove what setuptools has left of an earlier build: it would put modules that are gone into the next wheel."""
    shutil.rmtree(ROOT / "build", ignore_errors=True)


def package() -> None:
    """Build the wheel and the source distribution into dist, and check their metadata and the README in them."""
    python = make_environment(ROOT / ".venv-package")
    run(*pip(python), "install", "--quiet", "--disable-pip-version-check", "--upgrade", "build", "twine")
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    run(python, "-m", "build", "--outdir", "dist")
    run(python, "-m", "twine", "check", "--strict", *(ROOT / "dist").iterdir())


def other_pythons() -> list[str]:
    """Return the names of the supported Pythons beside the one that runs."""
    return [name for name in OTHER_PYTHONS if name != f"python3.{sys.version_info.minor}"]


def pictures() -> None:
    """Make the pictures of the README and the documentation, from the complete chat in a browser."""
    set_up("pictures")
    set_up_node(FRONT_ENDS)
    run(PYTHON, "-m", "tests.frontends.pictures", "docs/pictures")


def find_python(name: str) -> str | None:
    """Return the path of an interpreter on the PATH, or of one that pyenv has installed; None if it does not work."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    installed = sorted(versions.glob(f"{name.removeprefix('python')}.*/bin/{name}")) if name else []
    for path in [shutil.which(name), *map(str, installed)]:
        # A shim of pyenv is on the PATH without working.
        if path and subprocess.run([path, "-c", "import venv"], capture_output=True, check=False).returncode == 0:
            return path
    return None


def check() -> None:
    """Do everything that a change has to pass."""
    lint()
    docs()
    test()


COMMANDS = {
    "demo": demo,
    "chat": chat,
    "page": page,
    "test": test,
    "lint": lint,
    "docs": docs,
    "check": check,
    "core": core,
    "lowest": lowest,
    "sdks": sdks,
    "types": types,
    "extras": extras,
    "package": package,
    "pictures": pictures,
}


def main() -> None:
    """Run the command that is named on the command line."""
    if sys.version_info < (3, 11):  # noqa: UP036 - a clear message for older versions
        raise SystemExit("assistant-stream-ce needs Python 3.11 or newer")
    name, arguments = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if name not in COMMANDS:
        print(f"unknown command: {name}\n\n{__doc__}" if name else __doc__)
        raise SystemExit(2)
    COMMANDS[name](*arguments)


if __name__ == "__main__":
    exit_on_signals()
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
