"""A server on the loopback interface that answers with given bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 20.0


@contextmanager
def answering(*answers: bytes | Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """Answer one connection after the other; give the address, and the requests as they come.

    An answer is the bytes to send, or what is done with the connection; it is closed afterwards.
    """
    requests: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(SECONDS)

    def answer_all() -> None:
        for answer in answers:
            try:
                connection, _ = listener.accept()
            except OSError:
                # The test has ended before.
                return
            with connection:
                connection.settimeout(SECONDS)
                requests.append(_request(connection))
                if callable(answer):
                    answer(connection)
                else:
                    connection.sendall(answer)

    thread = threading.Thread(target=answer_all)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        # An accept that waits is not woken by a close, but by a connection.
        with socket.create_connection(listener.getsockname(), SECONDS):
            listener.close()
            thread.join(SECONDS)


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b": ")
        while name == b"content-length" and len(body) < int(value) and (more := connection.recv(65536)):
            body += more
    return head + b"\r\n\r\n" + body


def response(status: str, body: bytes = b"", **headers: str) -> bytes:
    """Return an HTTP response; an underscore in a header's name becomes a dash."""
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body
