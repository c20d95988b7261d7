"""A network between a browser and a server that a test can take away."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Network:
    """Forwards the connections to an address to a server, until they are cut. Thread-safe."""

    def __init__(self, server: str) -> None:
        self._target = (urlsplit(server).hostname, urlsplit(server).port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        """Accept connections until `close`."""
        with suppress(OSError):
            while True:
                browser, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                with self._lock:
                    self._sockets += (browser, server)
                for source, sink in ((browser, server), (server, browser)):
                    threading.Thread(target=_forward, args=(source, sink), daemon=True).start()

    def cut(self) -> None:
        """Cut all connections."""
        with self._lock:
            for each in self._sockets:
                _shut_down(each)
                each.close()
            self._sockets.clear()

    def close(self) -> None:
        """Accept no more connections, and cut those that there are."""
        _shut_down(self._listener)
        self._listener.close()
        self.cut()


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    _shut_down(sink)


def _shut_down(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


@contextmanager
def network_to(server: str) -> Iterator[Network]:
    """Run a network to a server."""
    network = Network(server)
    thread = threading.Thread(target=network.serve)
    thread.start()
    try:
        yield network
    finally:
        network.close()
        thread.join()
