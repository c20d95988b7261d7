"""The servers under test: how each is started, and what each makes impossible."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.servers.client import Client
from tests.support.require import require

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
START_ATTEMPTS = 3
STOP_SECONDS = 20.0

MEGABYTE = 2**20

#: The kinds of callbacks.
KINDS = ("def", "async")

#: What a producer makes that nothing stops.
ENDLESS_BYTES = 64 * MEGABYTE

#: What the apps are made of.
PACKAGES = ("django", "flask", "httpx", "opentelemetry", "psutil", "starlette", "structlog")

_run_numbers = itertools.count(1)


@dataclass(frozen=True)
class Server:
    """A web server and how to run it."""

    name: str
    interface: str
    package: str
    command: tuple[str, ...]
    #: How many streams it serves at once.
    capacity: int = 24
    #: Why a client that never reads cannot stop the producer; nothing where it can.
    no_backpressure: str = ""
    #: Whether it marks the end of a body whose length it does not know by chunks, and not by closing the connection.
    is_chunked: bool = True
    #: What it does with live streams at SIGTERM: waits for them, cancels them, or dies at once.
    at_sigterm: str = "waits"

    @property
    def frameworks(self) -> tuple[str, ...]:
        """The frameworks that it serves here."""
        return ("starlette", "django") if self.interface == "asgi" else ("flask", "django", "plain")

    @property
    def is_installed(self) -> bool:
        """Whether this machine has it."""
        if self.package == "uwsgi":
            return Path(sys.prefix, "bin", "uwsgi").exists()
        return find_spec(self.package) is not None


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-u", "-m", name, *arguments)


def _gunicorn(worker: str, app: str = "wsgi", *arguments: str) -> tuple[str, ...]:
    address = ("--bind", "127.0.0.1:{port}", "--no-control-socket")
    return _module("gunicorn", "-k", worker, *address, "--log-level", "warning", *arguments, f"{APPS}:{app}")


APPS = "tests.servers.apps"
_WERKZEUG = (
    f"from {APPS} import wsgi; from werkzeug.serving import run_simple; "
    "run_simple('127.0.0.1', {port}, wsgi, threaded=True)"
)
_UWSGI = (
    "--http-socket",
    "127.0.0.1:{port}",
    "--master",
    "--die-on-term",
    "--threads",
    "24",
    "--enable-threads",
    "--disable-logging",
)
_GRANIAN = ("--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning")

SERVERS = {
    server.name: server
    for server in (
        Server(
            "uvicorn",
            "asgi",
            "uvicorn",
            _module("uvicorn", "--port", "{port}", "--log-level", "warning", f"{APPS}:asgi"),
        ),
        Server("hypercorn", "asgi", "hypercorn", _module("hypercorn", "--bind", "127.0.0.1:{port}", f"{APPS}:asgi")),
        Server(
            "daphne",
            "asgi",
            "daphne",
            _module("daphne", "-v", "0", "-b", "127.0.0.1", "-p", "{port}", f"{APPS}:asgi"),
            no_backpressure="its send never waits: it keeps in memory what the client does not take",
            at_sigterm="cancels",
        ),
        Server("granian asgi", "asgi", "granian", _module("granian", "--interface", "asgi", *_GRANIAN, f"{APPS}:asgi")),
        Server("gunicorn asgi", "asgi", "gunicorn", _gunicorn("asgi", "asgi")),
        Server("werkzeug", "wsgi", "werkzeug", (sys.executable, "-u", "-c", _WERKZEUG), at_sigterm="dies"),
        Server("gunicorn sync", "wsgi", "gunicorn", _gunicorn("sync"), capacity=1),
        Server("gunicorn gthread", "wsgi", "gunicorn", _gunicorn("gthread", "wsgi", "--threads", "24")),
        Server("gunicorn gevent", "wsgi", "gevent", _gunicorn("gevent")),
        Server(
            "waitress",
            "wsgi",
            "waitress",
            _module("waitress", "--host=127.0.0.1", "--port={port}", "--threads=24", f"{APPS}:wsgi"),
            at_sigterm="dies",
        ),
        Server(
            "cheroot",
            "wsgi",
            "cheroot",
            _module("cheroot", "--bind", "127.0.0.1:{port}", "--threads", "24", f"{APPS}:wsgi"),
            at_sigterm="dies",
        ),
        Server(
            "granian wsgi",
            "wsgi",
            "granian",
            _module("granian", "--interface", "wsgi", "--blocking-threads", "24", *_GRANIAN, f"{APPS}:wsgi"),
        ),
        Server(
            "uwsgi",
            "wsgi",
            "uwsgi",
            (str(Path(sys.prefix, "bin", "uwsgi")), *_UWSGI, "--virtualenv", sys.prefix, f"--module={APPS}:wsgi"),
            is_chunked=False,
            at_sigterm="dies",
        ),
    )
}

#: ASGI servers that serve WSGI applications: they stream, but never report a disconnect. The documentation advises
#: against them, and only streaming is tested.
WSGI_ON_ASGI = (
    Server(
        "uvicorn wsgi",
        "wsgi",
        "uvicorn",
        _module("uvicorn", "--interface", "wsgi", "--port", "{port}", "--log-level", "warning", f"{APPS}:wsgi"),
    ),
    Server(
        "hypercorn wsgi", "wsgi", "hypercorn", _module("hypercorn", "--bind", "127.0.0.1:{port}", f"wsgi:{APPS}:wsgi")
    ),
)

ALL = tuple(SERVERS)
ASGI = tuple(name for name in ALL if SERVERS[name].interface == "asgi")
WSGI = tuple(name for name in ALL if SERVERS[name].interface == "wsgi")


# --- What the apps noted ---------------------------------------------------------------------------


class Notes:
    """The notes of one server's runs. Its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Guards the fields below.
        self._lock = threading.Lock()
        self._position = 0
        self._notes: dict[str, list[dict[str, Any]]] = {}

    def all(self) -> list[dict[str, Any]]:
        """Return all notes so far."""
        with self._lock:
            self._read()
            return [one for notes in self._notes.values() for one in notes]

    def of(self, run: str, event: str | None = None) -> list[dict[str, Any]]:
        """Return the notes of a run, of one event if it is named."""
        with self._lock:
            self._read()
            return [one for one in self._notes.get(run, ()) if event in (None, one["event"])]

    def _read(self) -> None:
        """Read what was added to the file, with the lock held."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            lines, end, _ = file.read().rpartition(b"\n")
        self._position += len(lines) + len(end)
        for line in lines.splitlines():
            note = json.loads(line)
            self._notes.setdefault(note["run"], []).append(note)

    def wait(self, run: str, event: str, seconds: float = STOP_SECONDS) -> dict[str, Any]:
        """Wait until something was noted, and return the note."""
        deadline = time.monotonic() + seconds
        while not (found := self.of(run, event)):
            assert time.monotonic() < deadline, f"no {event!r} within {seconds} s: {self.of(run)}"
            time.sleep(0.01)
        return found[0]

    def wait_until(self, run: str, event: str, times: int, seconds: float = STOP_SECONDS) -> None:
        """Wait until something was noted so many times."""
        deadline = time.monotonic() + seconds
        while len(self.of(run, event)) < times:
            assert time.monotonic() < deadline, f"not {times} times {event!r}: {self.of(run)}"
            time.sleep(0.01)


# --- A server's process ----------------------------------------------------------------------------


@dataclass
class Running:
    """A server that runs."""

    server: Server
    port: int
    process: subprocess.Popen[bytes]
    folder: Path
    notes: Notes = field(init=False)

    def __post_init__(self) -> None:
        self.notes = Notes(self.folder / "notes")

    @property
    def output(self) -> str:
        """What it printed so far."""
        return (self.folder / "output").read_text()

    def name_run(self) -> str:
        """Return a name for a run that no other has."""
        return f"{self.server.name.replace(' ', '-')}-{next(_run_numbers)}"

    def request(self, target: str, **query: Any) -> Client:
        """Send a request."""
        return Client(self.port, target, **query)

    def get(self, target: str, **query: Any) -> Any:
        """Return the JSON that an endpoint answers with."""
        with self.request(target, **query) as client:
            answer = client.read_to_end()
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def stats(self, **query: Any) -> dict[str, Any]:
        """Return what a leak would make grow."""
        numbers: dict[str, Any] = self.get("stats", **query)
        return numbers

    def wait_for(self, condition: Callable[[dict[str, Any]], bool], **query: Any) -> None:
        """Wait until the numbers of a leak meet a condition."""
        deadline = time.monotonic() + STOP_SECONDS
        while not condition(numbers := self.stats(**query)):
            assert time.monotonic() < deadline, f"never came to be: {numbers}"
            time.sleep(0.05)

    def memory(self) -> int:
        """Return the memory of its processes."""
        import psutil

        main = psutil.Process(self.process.pid)
        return sum(one.memory_info().rss for one in (main, *main.children(recursive=True)))

    def acknowledge(self, run: str, words: int) -> None:
        """Acknowledge the words that were read, to a callback that runs in step."""
        (self.folder / f"{run}.read").write_bytes(b"." * words)

    def stop(self) -> float:
        """Ask the process to end, and make it if it does not; return the seconds that it took."""
        started = time.monotonic()
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            self.kill()
        return time.monotonic() - started

    def kill(self) -> None:
        """End the process and its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def in_each_combination(running: Running, scenario: Callable[[Running, str, str], Any]) -> list[Any]:
    """Run a scenario in each framework with each kind of callback, as many at once as the server serves."""
    with ThreadPoolExecutor(running.server.capacity) as pool:
        jobs = [pool.submit(scenario, running, *way) for way in itertools.product(running.server.frameworks, KINDS)]
    return [job.result() for job in jobs]


def start(server: Server, folder: Path, environment: Mapping[str, str] | None = None, *arguments: str) -> Running:
    """Start a server and wait until it answers."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(folder / "database")) as database:
        database.execute("create table if not exists word (id integer primary key, text text)")
    for attempt in range(1, START_ATTEMPTS + 1):
        running = _launch(server, folder, environment or {}, *arguments)
        try:
            wait_until_ready(running)
            return running
        except BaseException:
            running.kill()
            # Another process may have taken the port since the system chose it.
            if attempt == START_ATTEMPTS or "in use" not in running.output:
                raise
    raise AssertionError


def _launch(server: Server, folder: Path, environment: Mapping[str, str], *arguments: str) -> Running:
    port = free_port()
    command = [part.replace("{port}", str(port)) for part in (*server.command[:-1], *arguments, server.command[-1])]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "SERVERS_FOLDER": str(folder), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Running(server, port, process, folder)


def require_server(name: str) -> None:
    """Skip the test when a server is missing, or what the apps that it serves are made of."""
    require_apps()
    require(SERVERS[name].is_installed, f"{name} is not installed")


def require_apps() -> None:
    """Skip the test when something is missing that the apps are made of."""
    missing = [one for one in PACKAGES if find_spec(one) is None]
    require(not missing, f"not installed: {', '.join(missing)}")


def free_port() -> int:
    """Return a port that the system chose."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until_ready(running: Running) -> None:
    """Wait until a server answers a request."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            running.stats()
            return
        except (OSError, AssertionError):
            assert running.process.poll() is None, f"{running.server.name} ended:\n{running.output}"
            assert time.monotonic() < deadline, f"{running.server.name} never answered:\n{running.output}"
            time.sleep(0.05)


@contextlib.contextmanager
def serving(server: Server, environment: Mapping[str, str] | None = None, *arguments: str) -> Iterator[Running]:
    """Run a separate server, for a test that stops or disturbs it."""
    with tempfile.TemporaryDirectory() as folder:
        running = start(server, Path(folder), environment, *arguments)
        try:
            yield running
        finally:
            running.kill()


class Farm:
    """The servers that tests share, each started when it is first wanted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Guards the dictionary.
        self._lock = threading.Lock()
        self._running: dict[str, Future[Running]] = {}

    def get(self, name: str) -> Running:
        """Return a server, running."""
        with self._lock:
            is_first = name not in self._running
            future = self._running.setdefault(name, Future())
        if is_first:
            try:
                future.set_result(start(SERVERS[name], self._folder / name.replace(" ", "-")))
            except BaseException as error:
                future.set_exception(error)
        return future.result()

    def started(self) -> dict[str, Running]:
        """Return the servers that were started."""
        with self._lock:
            return {name: one.result() for name, one in self._running.items() if one.exception() is None}

    def kill(self) -> None:
        """End all."""
        for running in self.started().values():
            running.kill()
