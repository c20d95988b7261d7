"""The clients: raw sockets, so that on a small machine they take little CPU time from the server."""

from __future__ import annotations

import asyncio
import re
import socket
import statistics
import time

from benchmarks.subjects.work import TEXT, parse


def crowd(port: int, path: str, clients: int, announce: bool = False) -> int:
    """Read a path with many clients at once; return the words that came, of which none may be missing."""
    order = parse(path.removeprefix("async/"))
    words = asyncio.run(_read_all(port, path, clients, announce))
    if words != clients * order.count:
        raise SystemExit(f"{words} words of {clients * order.count} came from /{path}")
    return words


async def _read_all(port: int, path: str, clients: int, announce: bool) -> int:
    loop = asyncio.get_running_loop()
    readers = [_Reader(request(path), loop) for _ in range(clients)]
    await asyncio.gather(*(loop.create_connection(lambda r=reader: r, "127.0.0.1", port) for reader in readers))  # type: ignore[misc]
    if announce:
        await asyncio.gather(*(reader.started for reader in readers))
        print("all are reading", flush=True)
    await asyncio.gather(*(reader.ended for reader in readers))
    return sum(reader.body.count(TEXT.encode()) for reader in readers)


class _Reader(asyncio.Protocol):
    def __init__(self, request: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self.body = bytearray()
        self.started: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.body += data
        if not self.started.done():
            self.started.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


def delays(port: int, path: str) -> dict[str, float]:
    """Read the times of sending; return how many milliseconds later they came."""
    late: list[float] = []
    with _connect(port, path) as connection:
        while data := connection.recv(65536):
            now = time.monotonic()
            late += [(now - float(sent)) * 1000 for sent in re.findall(rb"@([\d.]+);", data)]
    order = parse(path)
    if len(late) != order.count:
        raise SystemExit(f"{len(late)} stamps of {order.count} came from /{path}")
    late.sort()
    return {"median": statistics.median(late), "p99": late[int(len(late) * 0.99) - 1]}


def first_byte(port: int, path: str, requests: int) -> dict[str, float]:
    """Return how many milliseconds after connecting the first byte of the body comes."""
    waits = []
    for _ in range(requests):
        start = time.monotonic()
        with _connect(port, path) as connection:
            _read_to_body(connection)
            waits.append((time.monotonic() - start) * 1000)
            while connection.recv(65536):
                pass
    return {"": statistics.median(waits)}


def stop_reading(port: int, path: str) -> socket.socket:
    """Return a connection whose first byte of the body has been read, and no more."""
    connection = _connect(port, path, buffer=65536)
    _read_to_body(connection)
    return connection


def _connect(port: int, path: str, buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(60)
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.connect(("127.0.0.1", port))
    connection.sendall(request(path))
    return connection


def _read_to_body(connection: socket.socket) -> None:
    received = b""
    while not received.partition(b"\r\n\r\n")[2]:
        data = connection.recv(65536)
        if not data:
            raise SystemExit(f"there was no body: {received!r}")
        received += data


def request(path: str) -> bytes:
    """Return the request for a path."""
    return f"GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
