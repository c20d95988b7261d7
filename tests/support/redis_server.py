"""A real redis-server of one test module, which is started, frozen, killed and started again."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.require import require, require_packages


class RedisServer:
    """A redis-server on a socket of its own, without persistence."""

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "s"
        self.url = f"unix://{self._socket}"
        self._process: subprocess.Popen[str] | None = None
        self._drain: threading.Thread | None = None

    def start(self, *options: str) -> None:
        """Start it, empty, and wait until it accepts connections."""
        self._process = process = subprocess.Popen(
            [
                "redis-server", "--port", "0", "--unixsocket", str(self._socket), "--save", "", "--appendonly", "no",
                *options,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert process.stdout is not None
        log = []
        for line in process.stdout:
            log.append(line)
            if "eady to accept connections" in line:
                break
        else:
            raise AssertionError("redis-server has not started:\n" + "".join(log))
        # Its log would fill the pipe and block it.
        self._drain = threading.Thread(target=process.stdout.read)
        self._drain.start()

    def freeze(self) -> None:
        """Stop the process without ending it."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the process go on."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """End the process and its data."""
        if self._process is not None:
            self._send(signal.SIGKILL)
            self._process.wait()
            if self._drain is not None:
                self._drain.join()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def restart(self, *options: str) -> None:
        """Start an empty server in its place."""
        self.kill()
        self.start(*options)

    def client(self) -> Any:
        """Return a client, for looking at what is stored. The caller closes it."""
        import redis

        return redis.Redis.from_url(self.url)

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@contextlib.contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Run a server, or skip the test where there is none."""
    require_packages("redis")
    require(shutil.which("redis-server"), "no redis-server on the PATH")
    # A short name, because the path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as directory:
        server = RedisServer(Path(directory))
        try:
            server.start(*options)
            yield server
        finally:
            server.kill()
