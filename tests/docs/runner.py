"""Runs a page of the documentation: its blocks in order, and the checks registered by its test file.

- The `python` blocks of a page share one namespace, in a process of their own that may not reach the network and
  in which a warning is an error. The processes are forked from one that has imported the frameworks.
- A block whose first line is `# name.py` is also that module and, for the commands of the page, that file. An included
  file of `examples` is such a block.
- A `text` block is exactly the output of the Python block before it.
- A `console` block posts with `$ curl` to the newest application of the page and shows exactly the response; or it
  runs the library's own command and shows its output, with `...` for omitted lines.
- The commands of a `bash` block are executed: servers are started and requested.
- The `tsx` and `html` of README.md are run by `tests/frontends/test_readme.py`. Other pages include such files from
  `examples`, and `tests/frontends` runs them in a browser. Proxy settings (`nginx`, `apache`) and blocks of `html` or
  `none` are not executed.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import inspect
import io
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import APP_NAMES, ROOT, Block, blocks_of, bound_names, imported_packages
from tests.docs.clients import at_page_end, post
from tests.docs.commands import OWN_COMMAND, check_output, parse_curl, run_command, run_own_command
from tests.support.require import require

#: A page may start servers, on a machine that is busy with other tests.
PAGE_SECONDS = 240
SKIPPED = "skipped: "

#: What a page may need and a machine may lack: its steps are skipped then. Any other failing import is an error.
OPTIONAL_PACKAGES = {
    "django",
    "fastapi",
    "flask",
    "gunicorn",
    "httpx",
    "langchain_core",
    "langgraph",
    "openai",
    "rest_framework",
    "starlette",
    "uvicorn",
}

#: The same, but not imported in advance: that takes seconds.
SLOW_PACKAGES = {"agents", "anthropic", "boto3", "google", "groq", "ollama", "opentelemetry", "pydantic_ai"}

Check = Callable[[], object]


@dataclass(frozen=True)
class Step:
    """A block or a check of a page."""

    name: str
    run: Callable[[PageRunner], None]

    def __str__(self) -> str:
        return self.name


@dataclass
class Document:
    """A page with its checks; its test module holds it as `doc`."""

    name: str
    page: Any = field(default_factory=lambda: types.ModuleType("page"))
    checks: list[tuple[str, str, Check]] = field(default_factory=list)

    def before(self, snippet: str) -> Callable[[Check], Check]:
        """Run a check before the block that contains a snippet."""
        return self._register("before", snippet)

    def after(self, snippet: str) -> Callable[[Check], Check]:
        """Run a check after the block that contains a snippet."""
        return self._register("after", snippet)

    def _register(self, place: str, snippet: str) -> Callable[[Check], Check]:
        found = [block for block in blocks_of(self.name) if snippet in block.code]
        assert len(found) == 1, f"{len(found)} blocks of {self.name} contain {snippet!r}"

        def register(check: Check) -> Check:
            self.checks.append((place, str(found[0]), check))
            return check

        return register

    def checks_of(self, place: str, block: Block) -> list[Check]:
        """Return the checks that run before or after a block."""
        return [check for where, name, check in self.checks if (where, name) == (place, str(block))]

    def steps(self) -> Iterator[Step]:
        """Return the blocks and checks in order."""
        for block in blocks_of(self.name):
            yield from map(_check_step, self.checks_of("before", block))
            if block.language in ("python", "text", "console", "bash"):
                yield Step(f"{Path(self.name).name}:{block.line}", functools.partial(PageRunner.run, block=block))
            yield from map(_check_step, self.checks_of("after", block))

    def test(self) -> Callable[[str], None]:
        """Return a test of each step."""
        module = sys._getframe(1).f_globals["__name__"]

        @pytest.mark.timeout(PAGE_SECONDS + 20)
        @pytest.mark.parametrize("step", [step.name for step in self.steps()])
        def test_page(step: str) -> None:
            _require_packages(self.name, inspect.getsource(sys.modules[module]))
            errors = _outcomes(module)
            assert step in errors, f"the step was not run: {errors}"
            if (errors[step] or "").startswith(SKIPPED):
                pytest.skip(errors[step])
            assert errors[step] is None, errors[step]

        return test_page


def _check_step(check: Check) -> Step:
    return Step(check.__name__.removeprefix("check_"), lambda runner: check())


def _require_packages(page: str, test_source: str) -> None:
    code = [test_source, *(block.code for block in blocks_of(page) if block.language == "python")]
    needed = {*set().union(*map(imported_packages, code)), *re.findall(r'\bserver\("[^"]+", "(\w+)', test_source)}
    missing = [
        name for name in sorted(needed & (OPTIONAL_PACKAGES | SLOW_PACKAGES)) if importlib.util.find_spec(name) is None
    ]
    require(not missing, f"not installed: {', '.join(missing)}")


# --- In pytest's process --------------------------------------------------------------------------


@functools.cache
def _outcomes(module: str) -> dict[str, str | None]:
    """Run a page in its own process; return the error of each step, or None, by the step's name."""
    context = _context()
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_send_outcomes, args=(module, writer), daemon=True)
    process.start()
    writer.close()
    try:
        outcomes: dict[str, str | None] = reader.recv() if reader.poll(PAGE_SECONDS + 5) else {}
        return outcomes
    except EOFError:
        return {}
    finally:
        process.kill()
        process.join()


@functools.cache
def _context() -> Any:
    """Return how processes are started: forked from one that has imported the frameworks, where that is possible."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    ours = ["testing", *(f"responses.{name}" for name in ("starlette", "flask", "django", "wsgi"))]
    # A package that is not installed is left out.
    context.set_forkserver_preload(
        ["tests.docs.runner", *OPTIONAL_PACKAGES, *(f"assistant_stream_ce.{name}" for name in ours)]
    )
    return context


def _send_outcomes(module: str, writer: Any) -> None:
    writer.send(run_page(module))


# --- In the page's process ------------------------------------------------------------------------


def run_page(module: str) -> dict[str, str | None]:
    """Run the steps of a page; return the error of each by its name."""
    document: Document = importlib.import_module(module).doc
    sys.addaudithook(_refuse_network)
    os.environ["NO_PROXY"] = "127.0.0.1"
    # A busy machine may take longer than the usual 50 ms to let a thread see that it is cancelled.
    importlib.import_module("assistant_stream_ce.run.run")._GRACE_SECONDS = 0.5
    warnings.simplefilter("error")
    # On Python 3.14, as in pyproject.toml.
    warnings.filterwarnings("ignore", "'asyncio.iscoroutinefunction' is deprecated", DeprecationWarning, "langsmith")
    stray: list[str] = []
    sys.unraisablehook = lambda args: stray.append(f"unraisable: {args.exc_value!r} in {args.object!r}")
    threading.excepthook = lambda args: stray.append(f"in thread {args.thread}: {args.exc_value!r}")
    errors: dict[str, str | None] = {}
    with _time_limit(), _captured_output() as output:
        runner = PageRunner(document)
        for step in document.steps():
            errors[step.name] = None
            try:
                runner.prepare()
                step.run(runner)
                runner.wait_for_threads()
                if stray:
                    raise AssertionError("; ".join(stray))
            except pytest.skip.Exception as skipped:
                errors[step.name] = f"{SKIPPED}{skipped}"
            except BaseException:
                errors[step.name] = f"{traceback.format_exc()}\n{output()}"
            stray.clear()
        at_page_end.close()
    return errors


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Raise in the main thread when the page takes too long."""

    def stop(*args: object) -> None:
        raise TimeoutError(f"the page took more than {PAGE_SECONDS} s")

    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, stop)
        signal.alarm(PAGE_SECONDS)
    yield
    if hasattr(signal, "SIGALRM"):
        signal.alarm(0)


@contextlib.contextmanager
def _captured_output() -> Iterator[Callable[[], str]]:
    """Collect what the process and its children print; give a function that returns the last 4,000 characters."""
    with tempfile.TemporaryFile() as file:
        kept = os.dup(1), os.dup(2)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)

        def output() -> str:
            sys.stdout.flush()
            sys.stderr.flush()
            return os.pread(file.fileno(), 1 << 20, 0).decode(errors="replace")[-4000:]

        try:
            yield output
        finally:
            for descriptor, copy in enumerate(kept, start=1):
                os.dup2(copy, descriptor)
                os.close(copy)


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    address = {"socket.connect": 1, "socket.getaddrinfo": 0}.get(event)
    if address is not None:
        host = arguments[address][0] if isinstance(arguments[address], tuple) else arguments[address]
        if host not in ("127.0.0.1", "localhost", "::1"):
            raise OSError(f"a page may not reach the network: {host!r}")


class PageRunner:
    """Runs one block after the other in one namespace."""

    def __init__(self, document: Document) -> None:
        self.module = document.page
        sys.modules["page"] = self.module
        self.namespace = self.module.__dict__
        self.app: Any = None
        self.printed = ""

    def prepare(self) -> None:
        """Let a page add routes to its Flask application after a request."""
        if hasattr(self.app, "_got_first_request"):
            self.app._got_first_request = False

    def run(self, block: Block) -> None:
        """Run a block as its language requires."""
        if block.language == "python":
            self._run_python(block)
        elif block.language == "text":
            printed, self.printed = self.printed, ""
            assert block.code == printed, f"the block before prints:\n{printed}"
        elif block.language == "console":
            self._run_console(block)
        else:
            with tempfile.TemporaryDirectory() as folder:
                for command in block.code.splitlines():
                    if command and not command.startswith("#"):
                        run_command(block, command, Path(folder))

    def wait_for_threads(self) -> None:
        """Check that the threads of all runs have ended."""
        deadline = time.monotonic() + 3
        for thread in threading.enumerate():
            if re.fullmatch(r"assistant-stream-\d+", thread.name):
                thread.join(max(0, deadline - time.monotonic()))
                assert not thread.is_alive(), f"the thread of a run is still alive: {thread.name}"

    def _run_python(self, block: Block) -> None:
        printed, self.printed = self.printed, ""
        name = (block.file_name or "page.py").removesuffix(".py")
        sys.modules[name] = self.module
        self.module.__name__ = name
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            self._execute(block)
        self.printed = output.getvalue()
        for app_name in bound_names(block.code) & set(APP_NAMES):
            self.app = self.namespace[app_name]
        assert not printed, f"an earlier block printed what the page does not show:\n{printed}"

    def _run_console(self, block: Block) -> None:
        commands = re.split(r"^\$ ", block.code, flags=re.M)
        assert commands[0].strip() == "", "a console block starts with a command: $ curl ..."
        for command in commands[1:]:
            line, _, expected = command.partition("\n")
            if line.startswith(OWN_COMMAND):
                check_output(run_own_command(line), expected)
                continue
            path, body = parse_curl(line)
            reply = post(self.app, path, body)
            assert reply.status == 200
            assert reply.text.strip() == expected.strip()

    def _execute(self, block: Block) -> None:
        if block.path is not None:
            self.module.__file__ = str(ROOT / block.path)
            code = block.code
        else:
            # The blank lines make the line numbers in tracebacks those of the page.
            self.module.__file__ = str(ROOT / block.page)
            code = "\n" * (block.line - 1) + block.code
        exec(compile(code, self.module.__file__, "exec"), self.namespace)
