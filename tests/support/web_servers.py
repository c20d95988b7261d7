"""Real web servers on a loopback port, each ended by the block that started it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from tests.support.require import require

STOP_SECONDS = 10


@contextmanager
def serving_asgi(app: Any) -> Iterator[str]:
    """Serve an ASGI app with uvicorn in a thread; give its address."""
    require(find_spec("uvicorn"), "uvicorn is not installed")
    import uvicorn

    # Connections wait in the socket's queue until the server has started.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS)
            assert not thread.is_alive()


@contextmanager
def serving_wsgi(app: Any) -> Iterator[str]:
    """Serve a WSGI app with werkzeug in a thread for each request; give its address."""
    require(find_spec("werkzeug"), "werkzeug is not installed")
    from werkzeug.serving import WSGIRequestHandler, make_server

    class QuietHandler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, type: str, message: str, *arguments: Any) -> None:
            """Log nothing."""

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(STOP_SECONDS)
        server.server_close()
        assert not thread.is_alive()
