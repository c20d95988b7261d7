"""gunicorn's configuration that ends live streams at SIGTERM, as docs/deploying.rst has it."""

from __future__ import annotations

import _thread
import signal
from types import FrameType
from typing import Any


def post_worker_init(worker: Any) -> None:
    """Put `shutdown` before the worker's own handler."""
    from tests.servers.shutting_down import end_runs

    server_handler = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> None:
        # Not `threading.Thread`, whose `start` waits: gevent calls signal handlers where nothing may wait.
        _thread.start_new_thread(end_runs, ())
        if callable(server_handler):
            server_handler(number, frame)

    signal.signal(signal.SIGTERM, stop)
