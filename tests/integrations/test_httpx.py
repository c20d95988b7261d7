"""A blocked read ends when the reader leaves: a real slow server, plain and TLS, httpx and the real OpenAI client."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import trustme

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.integrations.httpx import abort, watch
from tests.support.require import require

EVENT = (
    b'data: {"id":"1","object":"chat.completion.chunk","created":0,"model":"m",'
    b'"choices":[{"index":0,"delta":{"role":"assistant","content":"first"},"finish_reason":null}]}\n\n'
)


class Slow(BaseHTTPRequestHandler):
    """Sends one event and then nothing, until the server stops."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
        self.wfile.flush()
        self.server.stopping.wait(60)  # type: ignore[attr-defined]
        self.close_connection = True

    def log_message(self, *arguments: Any) -> None: ...


@contextmanager
def slow_server(context: ssl.SSLContext | None = None) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.stopping = threading.Event()  # type: ignore[attr-defined]
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield f"{'http' if context is None else 'https'}://localhost:{server.server_port}"
    finally:
        server.stopping.set()  # type: ignore[attr-defined]
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.fixture(params=["http", "https"])
def address_and_trust(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any]]:
    if request.param == "http":
        with slow_server() as address:
            yield address.replace("localhost", "127.0.0.1"), True
        return
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    with slow_server(server) as address:
        yield address, client


def leave_while_blocked(run: Callable[[RunController], None]) -> tuple[float, str]:
    """Read the first chunk of a run that then blocks in a read; return how long it took to end, and the reason."""
    reasons: list[str] = []
    ended = threading.Event()
    stream = create_run(run, on_finish=lambda result: (reasons.append(result.reason), ended.set()))
    next(iter(stream))
    # The thread must be inside the read by now; nothing tells when it is.
    threading.Event().wait(0.1)
    started = time.monotonic()
    stream.cancel()
    assert ended.wait(20)
    return time.monotonic() - started, reasons[0]


def test_a_read_that_blocks_in_httpx_ends(address_and_trust: tuple[str, Any]) -> None:
    address, trust = address_and_trust
    errors: list[BaseException] = []

    def run(controller: RunController) -> None:
        with httpx.Client(verify=trust, timeout=30) as client, client.stream("POST", address, json={}) as response:
            controller.on_cancel(lambda: abort(response))
            try:
                for data in response.iter_raw():
                    controller.append_text(data.decode())
            except httpx.TransportError as error:
                errors.append(error)
                raise

    seconds, reason = leave_while_blocked(run)
    assert seconds < 5
    assert reason == "cancelled"
    assert len(errors) == 1


def test_a_read_that_blocks_in_the_openai_client_ends() -> None:
    require(find_spec("openai"), "openai is not installed")
    import openai

    def run(controller: RunController) -> None:
        with (
            openai.OpenAI(base_url=f"{address}/v1", api_key="unused", max_retries=0, timeout=30) as client,
            client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}], stream=True
            ) as completion,
        ):
            controller.on_cancel(lambda: abort(completion))
            for event in completion:
                controller.append_text(event.choices[0].delta.content or "")

    with slow_server() as address:
        seconds, reason = leave_while_blocked(run)
    assert seconds < 5
    assert reason == "cancelled"


def test_a_response_that_is_over_is_left_alone() -> None:
    class Socketless:
        is_closed = True

    abort(Socketless())


@pytest.mark.parametrize("wrong", [object(), httpx.Response(200, content=b""), "response"])
def test_an_object_without_a_socket_is_rejected(wrong: Any) -> None:
    if isinstance(wrong, httpx.Response):
        wrong.is_closed = False
    with pytest.raises(TypeError, match="no socket found"):
        abort(wrong)


@pytest.mark.parametrize("path", ["root_client._client", "_client._client", "client", "client._client._client"])
def test_the_client_inside_a_langchain_model_is_watched(path: str) -> None:
    """Of langchain-openai, -anthropic, -mistralai and -groq."""
    with httpx.Client() as client:
        model: Any = client
        for name in reversed(path.split(".")):
            model = SimpleNamespace(**{name: model})
        assert watch(watch(model)) is model
        assert [len(hooks) for hooks in client.event_hooks.values()] == [1, 1]


def test_an_object_without_a_client_is_rejected() -> None:
    with pytest.raises(TypeError, match="blocking client of httpx"):
        watch(object())
