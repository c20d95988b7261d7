"""Gates at which another process waits, over HTTP, until the test opens them."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

GATE_SECONDS = 60


class Gates:
    """Gates by name. Thread-safe."""

    def __init__(self) -> None:
        self._reached: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self._opened: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        #: The address at which the path of a GET names the gate to wait at.
        self.address = ""

    def open(self, name: str) -> None:
        """Open a gate."""
        self._opened[name].set()

    def wait_until_reached(self, name: str) -> None:
        """Wait until somebody waits at a gate, or has passed it."""
        assert self._reached[name].wait(GATE_SECONDS), f"nobody has reached the gate {name}"

    def pass_through(self, name: str) -> None:
        """Wait at a gate."""
        self._reached[name].set()
        self._opened[name].wait(GATE_SECONDS)


@contextmanager
def serving_gates() -> Iterator[Gates]:
    """Serve gates on a port of their own."""
    gates = Gates()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            gates.pass_through(unquote(self.path[1:]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        gates.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield gates
        finally:
            server.shutdown()
            thread.join()
