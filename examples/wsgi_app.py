"""Bare WSGI with a blocking callback: no framework, only the standard library's server.

python -m examples.wsgi_app
curl -N http://127.0.0.1:8000/api/chat --json '{"prompt": "What is the weather in Lisbon?"}'
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer, make_server

from assistant_stream_ce import create_run, mask_errors
from assistant_stream_ce.responses.wsgi import (
    AssistantTransportResponse,
    DataStreamResponse,
    OpenAIStreamResponse,
)
from examples.assistant import answer
from examples.command_line import chosen_port
from examples.request_body import prompt_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

RESPONSES = {
    "/api/chat": DataStreamResponse,
    "/api/assistant": AssistantTransportResponse,
    "/v1/chat/completions": OpenAIStreamResponse,
}


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a posted prompt; each path has its own format."""
    response = RESPONSES.get(environ["PATH_INFO"])
    if response is None or environ["REQUEST_METHOD"] != "POST":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"POST a prompt to /api/chat\n"]
    body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    stream = create_run(partial(answer, prompt=prompt_of(body)), state=body.get("state"), on_error=mask_errors)
    return response(stream)(environ, start_response)


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """A thread per request: one stream does not hold up the next."""

    daemon_threads = True


def main() -> None:
    """Serve on the loopback interface until interrupted."""
    with make_server("127.0.0.1", chosen_port(), application, server_class=ThreadingServer) as server:
        print(f"Serving on http://127.0.0.1:{server.server_port}")
        server.serve_forever()


if __name__ == "__main__":
    main()
