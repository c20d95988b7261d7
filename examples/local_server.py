"""Servers on this machine for the pages of the examples: command line options, a free port, a browser, a clean end."""

from __future__ import annotations

import socket
import threading
import webbrowser
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from typing import Any

import uvicorn

from assistant_stream_ce import ashutdown

HOST = "127.0.0.1"
USUAL_PORT = 8000
SHUTDOWN_SECONDS = 1


def local_options(module: str, description: str) -> ArgumentParser:
    """Return the parser of a module's command line, with the options that `listen` reads."""
    parser = ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--port", type=int, help=f"default: {USUAL_PORT}, or a free one when that is taken")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    return parser


def listen(options: Namespace, name: str) -> socket.socket:
    """Open the port, print the address of what is served there and show it in a browser."""
    try:
        listener = listening_socket(options.port)
    except OSError as error:
        raise SystemExit(f"Port {options.port} cannot be opened: {error}") from error
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    print(f"{name} is at {url} (stop it with Ctrl-C)", flush=True)
    if not options.no_browser:
        # In a thread: some browsers hold the caller until they are closed.
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    return listener


def listening_socket(port: int | None) -> socket.socket:
    """Take the port asked for; without one, the usual port or any that is free."""
    if port is not None:
        return socket.create_server((HOST, port))
    try:
        return socket.create_server((HOST, USUAL_PORT))
    except OSError:
        return socket.create_server((HOST, 0))


class Server(uvicorn.Server):
    """Ends the runs first: uvicorn waits for its connections before it notifies an application of the end."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the runs, then close."""
        await ashutdown(SHUTDOWN_SECONDS)
        await super().shutdown(sockets)


def serve_asgi(app: Any, listener: socket.socket) -> None:
    """Serve an ASGI application until interrupted."""
    with suppress(KeyboardInterrupt):
        Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
