"""A model provider on loopback: answers each request with a scripted body, and can stall, cut and fail."""

from __future__ import annotations

import asyncio
import binascii
import json
import struct
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from assistant_stream_ce import RunController, create_run


def sse(events: Iterable[Any], end: str = "") -> bytes:
    """Return events as server-sent events without names."""
    return ("".join(f"data: {_json(event)}\n\n" for event in events) + end).encode()


def typed_sse(events: Iterable[Any]) -> bytes:
    """Return events as server-sent events, named by their type."""
    return "".join(f"event: {event['type']}\ndata: {_json(event)}\n\n" for event in events).encode()


def json_lines(events: Iterable[Any]) -> bytes:
    """Return events as lines of JSON."""
    return "".join(f"{_json(event)}\n" for event in events).encode()


def aws_events(events: Iterable[dict[str, Any]]) -> bytes:
    """Return events in the binary framing of AWS."""
    return b"".join(_aws_event(kind, value) for event in events for kind, value in event.items())


def _aws_event(kind: str, value: Any) -> bytes:
    is_error = kind.endswith("Exception")
    headers = {
        ":exception-type" if is_error else ":event-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception" if is_error else "event",
    }
    head = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(text)) + text.encode()
        for name, text in headers.items()
    )
    body = json.dumps(value).encode()
    prelude = struct.pack("!II", len(head) + len(body) + 16, len(head))
    prelude += struct.pack("!I", binascii.crc32(prelude))
    return prelude + head + body + struct.pack("!I", binascii.crc32(prelude + head + body))


def _json(event: Any) -> str:
    return event if isinstance(event, str) else json.dumps(event)


class FakeProvider:
    """What the server answers, and what it has seen.

    Attributes:
        body: of the answer.
        content_type: of the answer.
        status: of the answer.
        stall_after: after so many bytes the server waits for its client to leave; None for never.
        stall_from: the number of the request from which on the body is not sent; None for never.
        holds_headers: whether it waits before the headers.
        requests: the parsed bodies that were posted.
        left: set when a client has left while the server was waiting.
        reached: set when the server begins to wait.
    """

    def __init__(self) -> None:
        self.body = b""
        self.bodies: list[bytes] = []
        self.content_type = "text/event-stream"
        self.status = 200
        self.stall_after: int | None = None
        self.stall_from: int | None = None
        self.holds_headers = False
        self.requests: list[Any] = []
        self.left = threading.Event()
        self.reached = threading.Event()
        self.closing = threading.Event()
        self.url = ""

    def next_body(self) -> bytes:
        """Return the body of the next answer: of a list, one for each request."""
        return self.bodies.pop(0) if self.bodies else self.body


@contextmanager
def fake_provider() -> Iterator[FakeProvider]:
    """Run a provider on a free port."""
    provider = FakeProvider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            provider.requests.append(json.loads(self.rfile.read(length) or b"null"))
            if provider.holds_headers:
                self.wait_for_client()
                return
            body = provider.next_body()
            self.send_response(provider.status)
            self.send_header("content-type", provider.content_type)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            stalls = provider.stall_from is not None and len(provider.requests) >= provider.stall_from
            after = 0 if stalls else provider.stall_after
            self.write(body[:after])
            if after is not None:
                self.wait_for_client()
                return
            self.wfile.write(b"0\r\n\r\n")

        def write(self, data: bytes) -> None:
            if data:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
                self.wfile.flush()

        def wait_for_client(self) -> None:
            provider.reached.set()
            self.close_connection = True
            self.connection.settimeout(0.05)
            while not provider.closing.is_set():
                try:
                    if self.connection.recv(1) == b"":
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            provider.left.set()

        def handle(self) -> None:
            with suppress(ConnectionError, BrokenPipeError):
                super().handle()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="fake-provider", daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


async def leave(provider: FakeProvider, run: Callable[[RunController], Awaitable[object]]) -> None:
    """Leave a run as soon as its model is silent; return when it has ended and the connection is closed."""

    async def callback(controller: RunController) -> None:
        await run(controller)

    stream = create_run(callback)
    await anext(stream)
    assert await asyncio.to_thread(provider.reached.wait, 10)
    await stream.aclose()
    assert await asyncio.to_thread(provider.left.wait, 10), "the connection to the model was not closed"
    assert stream.reason == "cancelled"
