"""How an app calls `shutdown` at SIGTERM, for each kind of server: the recipes of docs/deploying.rst.

gunicorn's way is its configuration, `gunicorn_shutdown.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from types import FrameType
from typing import Any

from assistant_stream_ce import ashutdown, shutdown

SECONDS = 5

#: How long streams may go on by themselves, which the test chooses.
GRACE = float(os.environ.get("SERVERS_GRACE", "0"))

end_runs = functools.partial(shutdown, SECONDS, grace=GRACE)

#: For the last bytes of a stream whose callback has ended, where the server does not wait for its own threads.
LAST_BYTES_SECONDS = 0.2

#: The way that the test wants, by its name here; none if the server is to do what it does by itself.
WAY = os.environ.get("SERVERS_SHUTDOWN")


@contextlib.asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[None]:
    """uvicorn, hypercorn, granian: a signal handler before the server's own, which goes on to wait for the streams."""
    if WAY == "lifespan":
        loop = asyncio.get_running_loop()
        server_handler = signal.getsignal(signal.SIGTERM)

        def stop(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(end_runs)
            if callable(server_handler):
                server_handler(number, frame)

        signal.signal(signal.SIGTERM, stop)
    yield
    if WAY == "lifespan":
        # For the hooks of runs whose client had left before.
        await ashutdown(SECONDS)


def handle_signal() -> None:
    """waitress, cheroot, Werkzeug, which have no handler: their main thread may wait in this one."""

    def stop(number: int, frame: FrameType | None) -> None:
        end_runs()
        time.sleep(LAST_BYTES_SECONDS)
        sys.exit()

    signal.signal(signal.SIGTERM, stop)


def watch_signals() -> None:
    """Granian under WSGI, which puts its own handlers over those of the app: a thread hears of signals too."""
    ours, pythons = socket.socketpair()
    pythons.setblocking(False)
    signal.set_wakeup_fd(pythons.fileno())

    def watch() -> None:
        # The function holds both ends.
        while pythons and ours.recv(1)[0] != signal.SIGTERM:
            pass
        end_runs()

    threading.Thread(target=watch, daemon=True).start()


def stop_reactor_later() -> None:
    """Daphne, which cancels all requests once its reactor is to stop: the reactor is stopped after the streams."""
    reactor: Any = __import__("twisted.internet.reactor").internet.reactor

    async def end() -> None:
        await ashutdown(SECONDS, grace=GRACE)
        reactor.callLater(LAST_BYTES_SECONDS, reactor.stop)

    def install() -> None:
        loop = asyncio.get_event_loop()

        def stop(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(lambda: loop.create_task(end()))

        signal.signal(signal.SIGTERM, stop)

    reactor.callWhenRunning(install)


def await_signals_after_fork() -> None:
    """uWSGI, whose workers' own handlers end them at once: a thread takes the signals instead, and ends the worker."""
    uwsgi: Any = __import__("uwsgi")
    signals = {signal.SIGINT, signal.SIGTERM}

    def end() -> None:
        signal.sigwait(signals)
        end_runs()
        time.sleep(LAST_BYTES_SECONDS)
        os._exit(0)

    def install() -> None:
        # The threads that serve are started later and block what this one blocks.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        threading.Thread(target=end, daemon=True).start()

    uwsgi.post_fork_hook = install


WAYS: dict[str | None, Callable[[], None]] = {
    "handler": handle_signal,
    "wakeup": watch_signals,
    "reactor": stop_reactor_later,
    "fork": await_signals_after_fork,
}

WAYS.get(WAY, lambda: None)()
