"""Every measurement happens in a process of its own: samples, servers and clients."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import Measurement, Preparation, Sample, Scale

ROOT = Path(__file__).resolve().parent.parent
_SECONDS = 180


def environment() -> dict[str, str]:
    """Return the variables of a child: byte code is kept, and nothing but this project is put before the rest."""
    hidden = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONWARNINGS"}
    return {name: value for name, value in os.environ.items() if name not in hidden}


def call(module: str, function: str, /, **arguments: Any) -> Any:
    """Call a function in a new Python process; return what it returns, as JSON.

    Raises:
        RuntimeError: the process failed.
    """
    program = f"import json; from {module} import {function} as f; print(json.dumps(f(**{arguments!r})), flush=True)"
    # A subject may not end all of its threads.
    program += "; import os; os._exit(0)"
    child = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=_SECONDS
    )
    if child.returncode:
        raise RuntimeError(child.stderr.strip()[-1000:])
    return json.loads(child.stdout.splitlines()[-1])


def sampled(function: str, arguments: Callable[[Scale], dict[str, Any]]) -> Preparation:
    """Prepare nothing: each round calls a function of `benchmarks.sample` in a new process."""

    def prepare(scale: Scale) -> contextlib.nullcontext[Measurement]:
        return contextlib.nullcontext(functools.partial(call, "benchmarks.sample", function, **arguments(scale)))

    return prepare


class Server:
    """A web server in a process of its own, on a free port, from its making to `close`."""

    def __init__(self, command: str) -> None:
        self.command = command
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command.split()],
            cwd=ROOT,
            env={**environment(), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._printed: list[str] = []
        self._has_address = threading.Event()
        self._port = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def port(self) -> int:
        """The port, once the server has printed it."""
        self._has_address.wait(_SECONDS)
        if not self._port:
            raise RuntimeError(f"{self.command} printed no address: {''.join(self._printed)[-1000:]}")
        return self._port

    def cpu_seconds(self) -> float:
        """Return the processor time, user and system, of the server and its workers."""
        return sum(map(cpu_seconds, self.pids()))

    def megabytes(self) -> float:
        """Return the memory in use of the server and its workers."""
        import psutil

        return sum(float(psutil.Process(pid).memory_info().rss) for pid in self.pids()) / 2**20

    def close(self) -> None:
        """End the server and its workers at once."""
        with contextlib.suppress(ProcessLookupError):
            for pid in self.pids():
                os.kill(pid, 9)
        self._process.wait()
        self._reader.join()

    def pids(self) -> list[int]:
        """Return the numbers of the processes of the server and its workers."""
        import psutil

        return [self._process.pid, *(child.pid for child in psutil.Process(self._process.pid).children(recursive=True))]

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._printed.append(line)
                if match := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                    self._port = int(match[1])
                    self._has_address.set()
        self._has_address.set()


def cpu_seconds(pid: int) -> float:
    """Return the processor time, user and system, of a process."""
    if sys.platform == "linux":
        # The number of a process's clock, as clock_getcpuclockid(3) makes it: exact, where /proc counts in 10 ms.
        return time.clock_gettime((~pid << 3) | 2)
    import psutil

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def served(
    command: str, measurement: Callable[[Server, Scale], Sample], warm_up: str = "data-stream/thread"
) -> Preparation:
    """Prepare a server that serves all rounds; it is warmed up with the beginning of a path."""

    @contextlib.contextmanager
    def prepare(scale: Scale) -> Iterator[Measurement]:
        server = Server(command)
        is_warm = False

        def run() -> Sample:
            nonlocal is_warm
            if not is_warm:
                crowd(server.port, f"{warm_up}/words/10/1", 10)
                is_warm = True
            return measurement(server, scale)

        try:
            yield run
        finally:
            server.close()

    return prepare


def served_anew(
    command: str, measurement: Callable[[Server, Scale], Sample], warm_up: str = "data-stream/thread"
) -> Preparation:
    """Prepare nothing: each round has a server of its own, where memory that was used before would count as free."""

    def prepare(scale: Scale) -> contextlib.nullcontext[Measurement]:
        def run() -> Sample:
            with served(command, measurement, warm_up)(scale) as measure_once:
                return measure_once()

        return contextlib.nullcontext(run)

    return prepare


def uvicorn(app: str) -> str:
    """Return the command of uvicorn, as far as it needs no further packages."""
    return f"uvicorn benchmarks.subjects.{app} --port 0 --no-access-log"


def gunicorn(app: str, threads: int = 128) -> str:
    """Return the command of gunicorn with threads enough for all clients."""
    connections = f"--worker-connections {threads}"
    return f"gunicorn benchmarks.subjects.{app} --threads {threads} {connections} --bind 127.0.0.1:0"


# --- Clients, in processes of their own, which are not counted ------------------------------------


def crowd(port: int, path: str, clients: int) -> None:
    """Read a path with many clients at once, and check that each got all its words.

    Raises:
        RuntimeError: words were lost.
    """
    call("benchmarks.clients", "crowd", port=port, path=path, clients=clients)


@contextlib.contextmanager
def background_crowd(port: int, path: str, clients: int) -> Iterator[None]:
    """Keep many clients reading meanwhile; the block begins when all of them have been answered."""
    program = f"from benchmarks.clients import crowd; crowd({port}, {path!r}, {clients}, announce=True)"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            if child.stdout.readline() != "all are reading\n":
                raise RuntimeError("the other clients were not answered")
            yield
        finally:
            child.kill()
