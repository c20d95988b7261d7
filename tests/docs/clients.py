"""Clients and servers for the checks of the documentation."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import inspect
import io
import itertools
import json
import logging
import os
import re
import shlex
import socketserver
import subprocess
import sys
import threading
import wsgiref.simple_server
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.docs.blocks import DOCS, ROOT, blocks_of, included_pages

SERVER_SECONDS = 60


@dataclass
class Reply:
    """The response of an application."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    #: The names and values of the cookies that it sets.
    cookies: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)

    @property
    def text(self) -> str:
        return b"".join(self.pieces).decode()

    def take_headers(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Take the headers, of which only cookies may repeat."""
        for name, value in pairs:
            self.headers[name.lower()] = value
            if name.lower() == "set-cookie":
                key, _, cookie = value.partition(";")[0].partition("=")
                self.cookies[key] = cookie


def post(
    app: Any,
    path: str,
    body: object = None,
    *,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    leave_after: int | None = None,
) -> Reply:
    """Send a request with a JSON body to a WSGI or ASGI application.

    Args:
        app: The application.
        path: The request's path.
        body: Any JSON value.
        method: The request's method.
        headers: Additional request headers.
        leave_after: Close the connection after this many pieces of the body.
    """
    data = b"" if body is None else json.dumps(body).encode()
    sent = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(app.__call__):
        return asyncio.run(_post_asgi(app, method, path, sent, data, leave_after))
    return _post_wsgi(app, method, path, sent, data, leave_after)


def _post_wsgi(
    app: Any, method: str, path: str, headers: dict[str, str], data: bytes, leave_after: int | None
) -> Reply:
    reply = Reply()
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    environ |= {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": io.BytesIO(data)}
    environ |= {"CONTENT_TYPE": headers["content-type"], "CONTENT_LENGTH": headers["content-length"]}
    wsgiref.util.setup_testing_defaults(environ)

    def start_response(status: str, pairs: list[tuple[str, str]], error: object = None) -> None:
        reply.status = int(status.split()[0])
        reply.take_headers(pairs)

    body = app(environ, start_response)
    try:
        reply.pieces.extend(itertools.islice(body, leave_after))
    finally:
        getattr(body, "close", lambda: None)()
    return reply


async def _post_asgi(
    app: Any, method: str, path: str, headers: dict[str, str], data: bytes, leave_after: int | None
) -> Reply:
    reply = Reply()
    has_left = asyncio.Event()
    requests = iter([{"type": "http.request", "body": data, "more_body": False}])

    async def receive() -> dict[str, Any]:
        for request in requests:
            return request
        await has_left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.take_headers((name.decode(), value.decode()) for name, value in message["headers"])
        elif message.get("body") and not has_left.is_set():
            reply.pieces.append(message["body"])
            if len(reply.pieces) == leave_after:
                has_left.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 50000),
    }
    await app(scope, receive, send)
    return reply


class _Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class _QuietHandler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class RecordList(logging.Handler):
    """A log handler that keeps the records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


#: Closed when the page has run.
at_page_end = contextlib.ExitStack()


def serve(application: Any) -> str:
    """Serve a WSGI application on the loopback interface for the rest of the page; return its address."""
    server = wsgiref.simple_server.make_server(
        "127.0.0.1", 0, application, server_class=_Server, handler_class=_QuietHandler
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at_page_end.callback(server.server_close)
    at_page_end.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_port}"


def table(page: str, title: str) -> list[list[str]]:
    """Return the rows of a list-table of a page, without its header and the marks of inline literals."""
    text = (DOCS / page).read_text(encoding="utf-8")
    _, found, rest = text.partition(f".. list-table:: {title}\n")
    assert found, f"{page} has no table {title!r}"
    body = re.split(r"^\S", rest, maxsplit=1, flags=re.M)[0]
    rows = [
        [" ".join(cell.split()).replace("``", "") for cell in re.split(r"^ +- ", row, flags=re.M)]
        for row in re.split(r"^ +\* - ", body, flags=re.M)
    ]
    return rows[2:]


def write_files(page: str, folder: Path, changes: tuple[str, str] = ("", "")) -> None:
    """Write the files that a page shows to a folder.

    `changes` is a text of the Python files and its replacement.
    """
    for block in blocks_of(page):
        if block.file_name:
            (folder / block.file_name).write_text(block.code.replace(*changes), encoding="utf-8")
    for path in included_pages(page):
        # Below the folder of the example.
        copy = folder / Path(*path.relative_to(ROOT / "examples").parts[1:])
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())


@contextlib.contextmanager
def server(
    page: str, command: str, folder: str | Path, changes: tuple[str, str] = ("", "")
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server with the files of a page in a folder, on a free port; give its process and its address.

    `changes` is a text of the files and its replacement.
    """
    write_files(page, Path(folder), changes)
    with running(command, folder) as found:
        yield found


@contextlib.contextmanager
def running(command: str, folder: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server in a folder, on a free port; give its process and its address."""
    words = shlex.split(command)
    port = ["--port", "0"] if words[0] == "uvicorn" else ["--bind", "127.0.0.1:0"]
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", *words, *port],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            output: list[str] = []
            address = find_address(process, output)
            assert address, f"the server printed no address:\n{''.join(output)}"
            yield process, address
        finally:
            process.kill()


def find_address(process: subprocess.Popen[str], output: list[str]) -> str | None:
    """Return the address in what a server prints."""
    assert process.stdout is not None
    for line in process.stdout:
        output.append(line)
        if match := re.search(r"http://(127\.0\.0\.1:\d+)", line):
            return match[1]
    return None


def post_to(address: str, path: str, body: object) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=SERVER_SECONDS)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
