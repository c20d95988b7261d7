"""Connections to a real server through a proxy that loses replies and connections."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from assistant_stream_ce import StoreUnavailableError, TextDeltaChunk
from assistant_stream_ce.resumable import RedisStore
from assistant_stream_ce.resumable.records import Entry
from assistant_stream_ce.resumable.store import Append, StoreOptions, StoreSession, StreamKey
from tests.support.redis_server import redis_server

KEY = StreamKey("_", "a")


class LossyProxy:
    """Passes connections to a server. Every so many replies of it are dropped, with the connection if asked."""

    def __init__(self, path: str, every: int, *, cuts: bool) -> None:
        self._path = path
        self._every = every
        self._cuts = cuts
        self._replies = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}?socket_timeout=0.2"
        self._sockets: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, function: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=function, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                upstream = socket.socket(socket.AF_UNIX)
                upstream.connect(self._path)
                self._sockets += [client, upstream]
                self._start(self._pass, client, upstream, False)
                self._start(self._pass, upstream, client, True)

    def _pass(self, source: socket.socket, target: socket.socket, has_replies: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                # Not those of the handshake, which would only be repeated.
                if has_replies and data not in (b"+OK\r\n", b"+OK\r\n+OK\r\n"):
                    self._replies += 1
                    if self._replies % self._every == 0:
                        if self._cuts:
                            break
                        continue
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture(scope="module")
def path() -> Iterator[str]:
    with redis_server() as server:
        yield server.url.removeprefix("unix://")


def repeat(call: Any) -> Any:
    """Repeat a call until the store is there, as the engine does."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return call()
        except StoreUnavailableError:
            assert time.monotonic() < deadline


def write(session: StoreSession, entries: list[Entry]) -> None:
    for entry in entries:
        assert repeat(lambda entry=entry: session.append([Append(KEY, "r", entry)])) == ["ok"]
    assert repeat(lambda: session.finish(KEY, "r", b"t", b"s", None)) == "ok"


@pytest.mark.parametrize("cuts", [False, True], ids=["replies lost", "connections lost"])
def test_nothing_is_doubled_or_lost(path: str, cuts: bool) -> None:
    entries = [Entry(number, 1, None, [TextDeltaChunk(str(number))]) for number in range(1, 61)]
    proxy = LossyProxy(path, 7, cuts=cuts)
    store = RedisStore(proxy.url, prefix="cut" if cuts else "lost")
    producer, follower = store.connect("p", StoreOptions(lease=30)), store.connect("f", StoreOptions(lease=30))
    try:
        assert repeat(lambda: producer.start(KEY, b"h", "r", None)) == "created"
        repeat(lambda: follower.read(KEY))
        follower.watch(KEY, 0)
        writer = threading.Thread(target=write, args=(producer, entries))
        writer.start()
        found: list[Entry] = []
        terminal = None
        while terminal is None:
            for event in repeat(lambda: follower.poll(1.0)):
                assert event.kind == "arrived"
                found += event.entries
                terminal = event.terminal
        writer.join()
        assert found == entries
        assert repeat(lambda: follower.read(KEY)) == (b"h", entries, b"t")
    finally:
        producer.close()
        follower.close()
        proxy.close()
