"""Every code block of the README, of CONTRIBUTING and of the documentation, executed.

How a page is written, and what runs when:

- The `python` blocks of a page run in their order and in one namespace, in a Python process of their own that
  may not reach the network and in which a warning is an error.
- A block whose first line is `# name.py` is also that module and, for the commands of the page, that file.
- A hidden block, `<!-- check ... -->` in Markdown and a comment `.. check` in reST, runs in its place. It may call
  `post`, `serve`, `server` and `table`, which are below. What makes an `app` or `application` has to be checked before
  the next one is made.
- A `text` block is exactly what the Python block before it prints.
- A `console` block posts with `$ curl` to the page's newest app, and shows exactly what that answers; or it runs the
  library's own command, and shows what that prints, with `...` for lines that are left out.
- The commands of a `bash` block are run: servers are started and posted to.
- `tsx` is included from the pages that `tests/frontends` runs in a browser.
- There are no other blocks, but for settings of proxies (`nginx`, `apache`) in reST, which nothing runs.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import contextlib
import functools
import http.client
import importlib
import importlib.metadata
import importlib.util
import inspect
import io
import itertools
import json
import os
import re
import shlex
import signal
import socketserver
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import types
import warnings
import wsgiref.simple_server
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import assistant_stream_ce
from tests.support.require import require

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

MARKDOWN_PAGES = ["README.md", "CONTRIBUTING.md"]
REST_PAGES = sorted(f"docs/{path.name}" for path in DOCS.glob("*.rst"))
PAGES = [*MARKDOWN_PAGES, *REST_PAGES]

PAGE_SECONDS = 45
SERVER_SECONDS = 20

#: What a page may need and a machine may lack: its blocks are skipped then. Any other failing import is a mistake.
OPTIONAL_PACKAGES = {"django", "fastapi", "flask", "gunicorn", "httpx", "openai", "starlette", "uvicorn"}

#: The names by which web servers find an application.
APP_NAMES = ("app", "application")

DEFAULT_POST = ("/chat", {"prompt": "Hello there"})


# --- Blocks ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """One block of a page, with the line of the page where its code begins; the language of a hidden one is `check`."""

    page: str
    line: int
    language: str
    code: str

    @property
    def file_name(self) -> str | None:
        """The name in the first line, if it has one."""
        match = re.match(r"# ([\w.]+\.py)\n", self.code)
        return match[1] if match and self.language == "python" else None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


MARKDOWN_BLOCK = re.compile(
    r"^(?:```(?P<language>.*)\n(?P<code>(?:.*\n)*?)```|<!-- (?P<hidden>check)\n(?P<hidden_code>(?:.*\n)*?)-->)$", re.M
)
INCLUDED_PAGE = re.compile(r"^\.\. literalinclude:: \.\./tests/frontends/pages/.*\n   :language: (tsx)$", re.M)
REST_BLOCK = re.compile(
    r"^(?P<indent> *)\.\. (?:code-block:: (?P<language>.*)|(?P<hidden>check))\n"
    r"(?P<code>(?:[ ]*\n|(?P=indent) +\S.*\n)*)",
    re.M,
)


@functools.cache
def blocks_of(page: str) -> list[Block]:
    """Return the blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks: list[Block] = []
    for match in (MARKDOWN_BLOCK if page.endswith(".md") else REST_BLOCK).finditer(text):
        found = match.groupdict()
        code = textwrap.dedent(found["code"] if found.get("hidden_code") is None else found["hidden_code"])
        line = text.count("\n", 0, match.start()) + 2 + len(code) - len(code.lstrip("\n"))
        language = found["hidden"] or found["language"].strip()
        blocks.append(Block(page, line, language, code.strip("\n") + "\n"))
    return blocks


def all_blocks(*languages: str) -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page) if block.language in languages]


def bound_names(code: str) -> set[str]:
    """Return the names that code defines at its top level by `def`, `class` or a plain assignment."""
    names: set[str] = set()
    for node in ast.parse(code).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names


def needed_packages(page: str) -> set[str]:
    """Return the top-level packages that the Python of a page imports, and the servers that its checks start."""
    names: set[str] = set()
    for block in blocks_of(page):
        if block.language in ("python", "check"):
            names.update(re.findall(r'\bserver\("[^"]+", "(\w+)', block.code))
            for node in ast.walk(ast.parse(block.code)):
                if isinstance(node, ast.Import):
                    names.update(alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    names.add(node.module.partition(".")[0])
    return names


def require_packages(page: str) -> None:
    missing = [name for name in needed_packages(page) & OPTIONAL_PACKAGES if not is_installed(name)]
    require(not missing, f"not installed: {', '.join(missing)}")


def is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


# --- What a check may call ------------------------------------------------------------------------


@dataclass
class Reply:
    """What an application answered."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)

    @property
    def text(self) -> str:
        return b"".join(self.pieces).decode()


def post(
    app: Any,
    path: str,
    body: object = None,
    *,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    leave_after: int | None = None,
) -> Reply:
    """Send a request with a JSON body to a WSGI or ASGI application.

    Args:
        app: the application.
        path: where to.
        body: any JSON value.
        method: the request's method.
        headers: extra request headers.
        leave_after: after so many pieces of the body the client closes the connection.
    """
    data = b"" if body is None else json.dumps(body).encode()
    sent = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(app.__call__):
        return asyncio.run(_post_asgi(app, method, path, sent, data, leave_after))
    return _post_wsgi(app, method, path, sent, data, leave_after)


def _post_wsgi(
    app: Any, method: str, path: str, headers: dict[str, str], data: bytes, leave_after: int | None
) -> Reply:
    reply = Reply()
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    environ |= {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": io.BytesIO(data)}
    environ |= {"CONTENT_TYPE": headers["content-type"], "CONTENT_LENGTH": headers["content-length"]}
    wsgiref.util.setup_testing_defaults(environ)

    def start_response(status: str, pairs: list[tuple[str, str]], error: object = None) -> None:
        reply.status = int(status.split()[0])
        reply.headers = {name.lower(): value for name, value in pairs}

    body = app(environ, start_response)
    try:
        reply.pieces.extend(itertools.islice(body, leave_after))
    finally:
        getattr(body, "close", lambda: None)()
    return reply


async def _post_asgi(
    app: Any, method: str, path: str, headers: dict[str, str], data: bytes, leave_after: int | None
) -> Reply:
    reply = Reply()
    has_left = asyncio.Event()
    requests = iter([{"type": "http.request", "body": data, "more_body": False}])

    async def receive() -> dict[str, Any]:
        for request in requests:
            return request
        await has_left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        elif message.get("body") and not has_left.is_set():
            reply.pieces.append(message["body"])
            if len(reply.pieces) == leave_after:
                has_left.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 50000),
    }
    await app(scope, receive, send)
    return reply


class _Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class _QuietHandler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


#: Closed when the page has ended.
_at_page_end = contextlib.ExitStack()


def serve(application: Any) -> str:
    """Serve a WSGI application on the loopback interface for the rest of the page; return its address."""
    server = wsgiref.simple_server.make_server(
        "127.0.0.1", 0, application, server_class=_Server, handler_class=_QuietHandler
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _at_page_end.callback(server.server_close)
    _at_page_end.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_port}"


def table(page: str, title: str) -> list[list[str]]:
    """Return the rows of a list-table of a page, the heading left out, without the marks of inline literals."""
    text = (DOCS / page).read_text(encoding="utf-8")
    _, found, rest = text.partition(f".. list-table:: {title}\n")
    assert found, f"{page} has no table {title!r}"
    body = re.split(r"^\S", rest, maxsplit=1, flags=re.M)[0]
    rows = [
        [" ".join(cell.split()).replace("``", "") for cell in re.split(r"^ +- ", row, flags=re.M)]
        for row in re.split(r"^ +\* - ", body, flags=re.M)
    ]
    return rows[2:]


# --- Running a page: in a process of its own ------------------------------------------------------


def run_page(page: str) -> None:
    """Run the blocks of a page; print a line of JSON for each: where it is, and what went wrong."""
    sys.addaudithook(_refuse_network)
    # A busy machine may take longer than the usual 50 ms to let a thread see that it is cancelled.
    importlib.import_module("assistant_stream_ce.run.run")._GRACE_SECONDS = 0.5
    warnings.simplefilter("error")
    stray: list[str] = []
    sys.unraisablehook = lambda args: stray.append(f"unraisable: {args.exc_value!r} in {args.object!r}")
    threading.excepthook = lambda args: stray.append(f"in thread {args.thread}: {args.exc_value!r}")
    report, sys.stdout = sys.stdout, sys.stderr
    runner = PageRunner(page)
    for block in blocks_of(page):
        error = None
        try:
            runner.run(block)
            runner.wait_for_threads()
            if stray:
                raise AssertionError("; ".join(stray))
        except BaseException:
            error = traceback.format_exc()
        stray.clear()
        print(json.dumps({"line": block.line, "error": error}), file=report, flush=True)
    _at_page_end.close()


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    address = {"socket.connect": 1, "socket.getaddrinfo": 0}.get(event)
    if address is not None:
        host = arguments[address][0] if isinstance(arguments[address], tuple) else arguments[address]
        if host not in ("127.0.0.1", "localhost", "::1"):
            raise OSError(f"a page may not reach the network: {host!r}")


class PageRunner:
    """Runs one block after the other in one namespace."""

    def __init__(self, page: str) -> None:
        self.module = types.ModuleType("page")
        self.module.__file__ = str(ROOT / page)
        sys.modules["page"] = self.module
        self.namespace = self.module.__dict__
        self.app: Any = None
        self.printed = ""

    def run(self, block: Block) -> None:
        """Run a block as its language asks."""
        if block.language == "python":
            self._run_python(block)
        elif block.language == "check":
            self._run_check(block)
        elif block.language == "text":
            assert block.code == self.printed, f"the block before prints:\n{self.printed}"
            self.printed = ""
        elif block.language == "console":
            self._run_console(block)

    def wait_for_threads(self) -> None:
        """Hold that the threads of all runs have ended."""
        deadline = time.monotonic() + 3
        for thread in threading.enumerate():
            if re.fullmatch(r"assistant-stream-\d+", thread.name):
                thread.join(deadline - time.monotonic())
                assert not thread.is_alive(), f"the thread of a run is still alive: {thread.name}"

    def _run_python(self, block: Block) -> None:
        assert not self.printed, f"a block printed what the page does not show:\n{self.printed}"
        name = (block.file_name or "page.py").removesuffix(".py")
        sys.modules[name] = self.module
        self.module.__name__ = name
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            self._execute(block)
        self.printed = output.getvalue()
        for app_name in bound_names(block.code) & set(APP_NAMES):
            self.app = self.namespace[app_name]

    def _run_check(self, block: Block) -> None:
        hidden = {name: self.namespace[name] for name in HELPERS if name in self.namespace}
        self.namespace.update(HELPERS)
        try:
            self._execute(block)
        finally:
            for name in HELPERS:
                del self.namespace[name]
            self.namespace.update(hidden)

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
        if hasattr(self.app, "_got_first_request"):
            # Flask takes no new routes after its first request, and a page adds them as it goes.
            self.app._got_first_request = False
        # The blank lines make the line numbers in tracebacks those of the page.
        code = "\n" * (block.line - 1) + block.code
        exec(compile(code, str(ROOT / block.page), "exec"), self.namespace)


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
    """Hold that a page shows what was printed; a line `...` stands for any lines."""
    lines = [re.escape(line.rstrip()) if line != "..." else r"(?:.*\n)*.*" for line in expected.strip().splitlines()]
    assert re.fullmatch("\n".join(lines), "\n".join(line.rstrip() for line in printed.strip().splitlines())), printed


def parse_curl(command: str) -> tuple[str, object]:
    """Return the path and the JSON body of a `curl` command."""
    words = shlex.split(command)
    assert words[0] == "curl", f"not a curl command: {command}"
    url = next(word for word in words if word.startswith("localhost:8000/"))
    return url.removeprefix("localhost:8000"), json.loads(words[words.index("--json") + 1])


# --- Running a page's commands --------------------------------------------------------------------


def run_command(block: Block, command: str, folder: Path) -> None:
    """Do what a command does, as far as a test may."""
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
    elif words[0] in ("uvicorn", "gunicorn"):
        run_server(block.page, words, folder)
    else:
        raise AssertionError(f"no way to run {command!r}")


def check_requirements(requirements: list[str]) -> None:
    for requirement in requirements:
        name, extra = re.fullmatch(r"([\w-]+)(?:\[([\w-]+)\])?", requirement).groups()  # type: ignore[union-attr]
        known = importlib.metadata.metadata("assistant-stream-ce")
        if name == known["Name"]:
            assert extra is None or extra in (known.get_all("Provides-Extra") or ())
        else:
            require(is_installed(name), f"not installed: {name}")


def run_server(page: str, words: list[str], folder: Path) -> None:
    """Start a server, post to it, and end it."""
    require(is_installed(words[0]), f"not installed: {words[0]}")
    require_packages(page)
    with server(page, shlex.join(words), folder) as (process, address):
        status, answer = post_to(address, *first_post(page))
        assert status == 200
        assert answer
        process.terminate()
        assert process.wait(SERVER_SECONDS) in (0, -signal.SIGTERM)


@contextlib.contextmanager
def server(page: str, command: str, folder: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server with the files of a page in a folder, on a free port; give its process and its address."""
    for block in blocks_of(page):
        if block.file_name:
            (Path(folder) / block.file_name).write_text(block.code, encoding="utf-8")
    words = shlex.split(command)
    port = ["--port", "0"] if words[0] == "uvicorn" else ["--bind", "127.0.0.1:0"]
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", *words, *port],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            output: list[str] = []
            address = find_address(process, output)
            assert address, f"the server printed no address:\n{''.join(output)}"
            yield process, address
        finally:
            process.kill()


def find_address(process: subprocess.Popen[str], output: list[str]) -> str | None:
    """Return the address in what a server prints."""
    assert process.stdout is not None
    for line in process.stdout:
        output.append(line)
        if match := re.search(r"http://(127\.0\.0\.1:\d+)", line):
            return match[1]
    return None


def first_post(page: str) -> tuple[str, object]:
    """Return the path and body that a page posts first."""
    for block in blocks_of(page):
        if is_request(block, set()):
            return parse_curl(block.code.partition("\n")[0].removeprefix("$ "))
    return DEFAULT_POST


def post_to(address: str, path: str, body: object) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=SERVER_SECONDS)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


#: What a check may call.
HELPERS: dict[str, Callable[..., Any]] = {"post": post, "serve": serve, "server": server, "table": table}


# --- Every block is run ---------------------------------------------------------------------------


@functools.cache
def outcomes(page: str) -> tuple[dict[int, str | None], str]:
    """Run a page; return the error of each block that was run, by its line, and what the process printed."""
    try:
        process = subprocess.run(
            [sys.executable, "-m", "tests.test_docs", page],
            cwd=ROOT,
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PAGE_SECONDS,
        )
        printed, errors = process.stdout, process.stderr
    except subprocess.TimeoutExpired as timeout:
        printed, errors = bytes(timeout.stdout or b"").decode(), f"the page took more than {PAGE_SECONDS} s"
    lines = [json.loads(line) for line in printed.splitlines()]
    return {line["line"]: line["error"] for line in lines}, errors


@pytest.mark.parametrize("block", all_blocks("python", "check", "text", "console"), ids=str)
def test_block(block: Block) -> None:
    require_packages(block.page)
    errors, output = outcomes(block.page)
    assert block.line in errors, f"the block was not run:\n{output}"
    assert errors[block.line] is None, f"{errors[block.line]}\n{output}"


@pytest.mark.parametrize("block", all_blocks("bash"), ids=str)
def test_commands(block: Block, tmp_path: Path) -> None:
    for command in block.code.splitlines():
        if command and not command.startswith("#"):
            run_command(block, command, tmp_path)


@pytest.mark.parametrize("page", PAGES)
def test_every_application_is_checked(page: str) -> None:
    waiting: Block | None = None
    for block in blocks_of(page):
        apps = bound_names(block.code) & set(APP_NAMES) if block.language == "python" else set()
        if apps:
            assert waiting is None, f"nothing posts to the application of {waiting}"
            waiting, waiting_for = block, apps
        elif waiting and is_request(block, waiting_for):
            waiting = None
    assert waiting is None, f"nothing posts to the application of {waiting}"


def is_request(block: Block, apps: set[str]) -> bool:
    """Return whether a block posts to an application."""
    if block.language == "check":
        used, _ = names_in(block.code)
        return "post" in used and not used.isdisjoint(apps)
    return block.language == "console" and block.code.startswith("$ curl")


@pytest.mark.parametrize("page", PAGES)
def test_visible_code_needs_no_hidden_code(page: str) -> None:
    known = {*dir(builtins), "__name__"}
    for block in blocks_of(page):
        if block.language == "python":
            used, bound = names_in(block.code)
            known |= bound
            assert used <= known, f"{block} uses what no visible block defines: {used - known}"


def names_in(code: str) -> tuple[set[str], set[str]]:
    """Return the names that code reads, and those that it binds anywhere in it."""
    used: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name) | ast.arg(arg=name) | ast.alias(asname=str(name)) | ast.alias(name=name):
                bound.add(name.partition(".")[0])
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                bound.add(name)
    return used, bound


@pytest.mark.parametrize("page", PAGES)
def test_text_follows_what_prints_it(page: str) -> None:
    before = ""
    for block in blocks_of(page):
        assert block.language != "text" or before == "python", f"{block} shows the output of no Python block"
        before = block.language


@pytest.mark.parametrize("page", MARKDOWN_PAGES)
def test_markdown_has_no_other_blocks(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    visible = [block for block in blocks_of(page) if block.language != "check"]
    assert {block.language for block in visible} <= {"python", "text", "console", "bash"}
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.M)) == 2 * len(visible)
    assert len(re.findall(r"^\s*<!--", text, re.M)) == len(blocks_of(page)) - len(visible)


# --- The built documentation ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the documentation, warnings as errors."""
    require(is_installed("sphinx") and is_installed("furo"), "not installed: sphinx, furo")
    require_packages_of_api()
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PAGE_SECONDS)
    assert result.returncode == 0, result.stderr
    return folder


def require_packages_of_api() -> None:
    missing = [name for name in ("starlette", "flask", "django") if not is_installed(name)]
    require(not missing, f"not installed: {', '.join(missing)}")


@pytest.mark.parametrize("page", REST_PAGES)
def test_the_built_page_shows_the_same_blocks(page: str, site: Path) -> None:
    built = (site / Path(page).with_suffix(".html").name).read_text(encoding="utf-8")
    shown = Counter(re.findall(r'<div class="highlight-(\w+) notranslate">', built))
    written = Counter(block.language for block in blocks_of(page) if block.language != "check")
    included = Counter(INCLUDED_PAGE.findall((ROOT / page).read_text(encoding="utf-8")))
    assert shown == written + included
    assert set(written) <= {"python", "text", "console", "bash", "nginx", "apache"}


PUBLIC_MODULES = [
    "assistant_stream_ce",
    *(
        f"assistant_stream_ce.{name}"
        for name in (
            "cancellation",
            "chunks",
            "controller",
            "conversions",
            "create_run",
            "errors",
            "integrations.httpx",
            "message",
            "serialization",
            "state",
            "testing",
        )
    ),
    *(
        f"assistant_stream_ce.serialization.{name}"
        for name in ("ag_ui", "assistant_transport", "data_stream", "openai_stream")
    ),
    *(
        f"assistant_stream_ce.responses.{path.stem}"
        for path in sorted((ROOT / "assistant_stream_ce" / "responses").glob("[!_]*.py"))
    ),
]


@pytest.mark.parametrize("module_name", PUBLIC_MODULES)
def test_api_reference_has_every_public_name(module_name: str, site: Path) -> None:
    reference = (site / "api.html").read_text(encoding="utf-8")
    documented = [found(anchor) for anchor in re.findall(r'id="(assistant_stream_ce\.[\w.]+)"', reference)]
    module = importlib.import_module(module_name)
    assert not [name for name in module.__all__ if not any(getattr(module, name) is value for value in documented)]


def found(dotted_name: str) -> object:
    """Return what a dotted name stands for, in the public module with the longest name that it begins with."""
    module_name = max((name for name in PUBLIC_MODULES if dotted_name.startswith(f"{name}.")), key=len)
    value: object = importlib.import_module(module_name)
    for part in dotted_name.removeprefix(f"{module_name}.").split("."):
        value = getattr(value, part, None)
    return value


# --- The other files ------------------------------------------------------------------------------


def test_changelog_begins_with_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)", text, re.M)
    assert versions[0] == assistant_stream_ce.__version__


def test_contributing_names_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    package = ROOT / "assistant_stream_ce"
    rooms = {path.stem for path in package.glob("[!_]*.py")} | {path.parent.name for path in package.glob("*/*.py")}
    assert not [room for room in sorted(rooms) if not re.search(rf"`{room}/?`", text)]


@pytest.mark.parametrize("page", [*MARKDOWN_PAGES, "CHANGELOG.md"])
def test_links_to_files_are_right(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert not [link for link in links if not (ROOT / link).exists()]


if __name__ == "__main__":
    run_page(sys.argv[1])
