"""A client on a bare socket: it reads incrementally, disconnects abruptly, or never reads at all."""

from __future__ import annotations

import json
import socket
import struct
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

#: Generous: what has to be quick is measured, and held to a bound of its own.
ANSWER_SECONDS = 20.0


@dataclass
class Answer:
    """A whole response."""

    status: int
    headers: dict[str, str]
    body: bytes
    #: Whether the server has sent the end, and not only stopped.
    is_complete: bool

    @property
    def words(self) -> list[str]:
        """The texts of a data stream."""
        return [json.loads(line[2:]) for line in self.body.decode().splitlines() if line.startswith("0:")]

    @property
    def errors(self) -> list[str]:
        """The errors of a data stream."""
        return [json.loads(line[2:]) for line in self.body.decode().splitlines() if line.startswith("3:")]


class Client:
    """One request on its own connection."""

    def __init__(
        self, port: int, target: str, *, method: str = "GET", small_buffer: bool = False, **query: Any
    ) -> None:
        self._socket = socket.socket()
        if small_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(ANSWER_SECONDS)
        self._deadline = time.monotonic() + ANSWER_SECONDS
        self._received = b""
        target = f"/{target}?{urlencode(query)}" if query else f"/{target}"
        request = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        try:
            self._socket.connect(("127.0.0.1", port))
            self._socket.sendall(request.encode())
        except OSError:
            self._socket.close()
            raise

    def read_until(self, mark: bytes) -> float:
        """Read until something has come; return when it came."""
        while mark not in self._received:
            piece = self._receive()
            assert piece, f"the server hung up before {mark!r}: {self._received!r}"
            self._received += piece
        return time.monotonic()

    def read_to_end(self) -> Answer:
        """Read until the server hangs up."""
        while piece := self._receive():
            self._received += piece
        return parse(self._received)

    def _receive(self) -> bytes:
        # There may be no end to the heartbeats.
        assert time.monotonic() < self._deadline, f"no end: {self._received[-1000:]!r}"
        try:
            return self._socket.recv(65536)
        except ConnectionResetError:
            # A server that dies with unread data.
            return b""

    def disconnect(self, *, abruptly: bool = False) -> float:
        """Hang up, with a reset if wanted; return when."""
        if abruptly:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        at = time.monotonic()
        self._socket.close()
        return at

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()


def parse(received: bytes) -> Answer:
    """Take a response apart."""
    head, _, rest = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    assert first.startswith("HTTP/1."), f"no response: {received!r}"
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding") == "chunked":
        body, is_complete = join_chunks(rest)
    else:
        body, is_complete = rest, len(rest) == int(headers.get("content-length", len(rest)))
    return Answer(int(first.split()[1]), headers, body, is_complete)


def join_chunks(rest: bytes) -> tuple[bytes, bool]:
    """Return a chunked body, and whether its end has come."""
    body = b""
    while rest:
        size, _, after = rest.partition(b"\r\n")
        length = int(size or b"0", 16)
        if length == 0:
            return body, after.startswith(b"\r\n")
        body, rest = body + after[:length], after[length + 2 :]
    return body, False
