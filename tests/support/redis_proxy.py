"""A proxy before a real redis-server, which loses replies and connections, or cuts the network for a while."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any


class RedisProxy:
    """Passes connections to a server.

    Args:
        server_url: the URL of its Unix socket.
        every: each so many-th reply is lost; 0 for none.
        cuts: whether the connection is lost with it.
        timeout: seconds for which clients wait for a reply.
    """

    def __init__(self, server_url: str, every: int = 0, *, cuts: bool = False, timeout: float = 0.2) -> None:
        self._path = server_url.removeprefix("unix://")
        self._every = every
        self._cuts = cuts
        self._replies = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}?socket_timeout={timeout}"
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._is_open = threading.Event()
        self._is_open.set()
        #: The number of replies and connections that were lost.
        self.lost = 0
        self._start(self._accept)

    def _start(self, function: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=function, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if not self._is_open.is_set():
                    client.close()
                    continue
                upstream = socket.socket(socket.AF_UNIX)
                upstream.connect(self._path)
                self._sockets += [client, upstream]
                self._start(self._pass, client, upstream, False)
                self._start(self._pass, upstream, client, True)

    def _pass(self, source: socket.socket, target: socket.socket, has_replies: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                # Not those of the handshake, which would only be repeated.
                if self._every and has_replies and data not in (b"+OK\r\n", b"+OK\r\n+OK\r\n"):
                    self._replies += 1
                    if self._replies % self._every == 0:
                        self.lost += 1
                        if self._cuts:
                            break
                        continue
                target.sendall(data)
        _shut_down(source, target)

    def cut(self) -> None:
        """Cut all connections, and refuse new ones until `heal`."""
        self._is_open.clear()
        _shut_down(*self._sockets)

    def heal(self) -> None:
        """Pass connections again."""
        self._is_open.set()

    def close(self) -> None:
        """Close everything."""
        _shut_down(self._listener, *self._sockets)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._sockets):
            end.close()


def _shut_down(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
