"""The application of `examples/chat` with one of its back ends: `python3 dev.py chat` builds its page and runs this.

python -m examples.chat_server [flask|fastapi|django] [--port N] [--no-browser]
"""

from __future__ import annotations

import logging
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from assistant_stream_ce import shutdown
from examples.local_server import HOST, SHUTDOWN_SECONDS, listen, local_options, serve_asgi

CHAT = Path(__file__).with_name("chat")


def serve_flask(app: Any, listener: socket.socket) -> None:
    """Serve a Flask application until interrupted, each request in a thread."""
    from werkzeug.serving import make_server

    # Without a line for each request.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    port = listener.getsockname()[1]
    make_server(HOST, port, app, threaded=True, fd=listener.fileno()).serve_forever()
    shutdown(SHUTDOWN_SECONDS)


BACK_ENDS = {
    "flask": ("flask_app", "app", serve_flask),
    "fastapi": ("fastapi_app", "app", serve_asgi),
    "django": ("django_app", "asgi_application", serve_asgi),
}


def main() -> None:
    """Serve the page and its back end until interrupted."""
    parser = local_options("examples.chat_server", "Serve the complete chat of examples/chat.")
    parser.add_argument("back_end", nargs="?", choices=list(BACK_ENDS), default="flask")
    options = parser.parse_args()
    # Its modules import each other as in a copy of the folder.
    sys.path.insert(0, str(CHAT))
    module, name, serve = BACK_ENDS[options.back_end]
    app = getattr(import_module(module), name)
    serve(app, listen(options, f"The chat with {options.back_end} (user demo, password demo)"))


if __name__ == "__main__":
    main()
