"""Abort a blocked read of a model's response from another thread, in httpx and the HTTP clients of model SDKs.

Closing a response or its client from another thread does not release a blocked read; shutting its socket down does,
within milliseconds: the reading thread gets the client's own exception for a lost connection.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import weakref
from collections.abc import Iterator
from typing import Any, TypeVar

from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.errors import READER_HAS_LEFT, RunCancelled
from assistant_stream_ce.run.drivers import current_run

__all__ = ("abort", "watch")

Client = TypeVar("Client")

# Attributes in which streams and responses hold the one that they read: of openai and anthropic, their `.stream()`
# helpers, litellm (by provider), requests, botocore.
_INNER = ("response", "_response", "http_response", "completion_stream", "raw", "_raw_stream", "_raw_response")

# Attribute paths from SDK clients to their blocking httpx client: openai, anthropic, groq and ollama; google-genai;
# mistral; langchain's chat models of openai, anthropic, mistral, ollama, groq and google.
_CLIENTS = (
    ("_client",),
    ("_api_client", "_httpx_client"),
    ("sdk_configuration", "client"),
    ("root_client", "_client"),
    ("client",),
    ("client", "_client"),
    ("client", "_client", "_client"),
    ("client", "_api_client", "_httpx_client"),
    ("_client", "_client"),
)


def abort(response: Any) -> None:
    """Shut down the socket under a response that is being read.

    Thread-safe and idempotent; for `controller.on_cancel(lambda: abort(response))`. A response that was read to its end
    or closed is ignored: its connection may serve another request. Over HTTP/2 all requests of the connection end.

    Args:
        response: a streamed response of httpx or httpx2, of requests, urllib3 or botocore, or a stream of openai,
            anthropic, groq, mistral or litellm that holds one, the `.stream()` helpers included.

    Raises:
        TypeError: no socket is found.
    """
    for found in _held_by(response):
        if _shut_down(found):
            return
    raise TypeError(
        f"response must be a streamed HTTP response, or a stream that holds one, not {type(response).__name__}: no "
        "socket found. For google-genai, ollama and langchain call watch(client) once instead"
    )


def _held_by(value: Any, depth: int = 4) -> Iterator[Any]:
    """Yield a value and the objects that it wraps, by the attributes of streams and responses."""
    yield value
    if depth:
        for name in _INNER:
            inner = getattr(value, "__dict__", {}).get(name)
            inner = getattr(value, name, None) if inner is None and name in ("response", "raw") else inner
            if inner is not None and inner is not value:
                yield from _held_by(inner, depth - 1)


def _shut_down(response: Any) -> bool:
    """Shut down the socket of a response; return False if none is found."""
    if _is_closed(response):
        return True
    stream = getattr(response, "extensions", {})
    stream = stream.get("network_stream") if isinstance(stream, dict) else None
    if stream is not None:
        return _shut_down_stream(stream)
    if hasattr(response, "release_conn"):
        return _shut_down_urllib3(response)
    return False


def _is_closed(response: Any) -> bool:
    return getattr(response, "is_closed", False) is True


def _shut_down_stream(stream: Any) -> bool:
    connection = stream.get_extra_info("socket")
    if connection is not None:
        _shut_down_socket(connection)
    return connection is not None


def _shut_down_urllib3(response: Any) -> bool:
    if getattr(response, "closed", False):
        return True
    # Since urllib3 2.3.
    shutdown = getattr(response, "shutdown", None)
    if shutdown is not None:
        with contextlib.suppress(ValueError, OSError, RuntimeError):
            shutdown()
            return True
    connection = getattr(getattr(response, "_connection", None), "sock", None)
    if connection is not None:
        _shut_down_socket(connection)
    return connection is not None


def _shut_down_socket(connection: Any) -> None:
    # Suppressed: it is no longer connected.
    with contextlib.suppress(OSError):
        if isinstance(connection, socket.socket):
            # The plain method also for TLS: SSLSocket's own removes the TLS state that the reading thread uses.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
        else:
            # The socket object of an event loop's transport.
            connection.shutdown(socket.SHUT_RDWR)


def watch(client: Client) -> Client:
    """Have a client abort its requests when their run is cancelled, also while it waits for headers.

    Idempotent. A request belongs to the run in whose callback it is sent, in any thread with a copy of the callback's
    context. A cancelled run sends no more requests, also no retries. Async clients do not need this: their requests end
    with the task.

    Args:
        client: a blocking client of httpx, httpx2, openai, anthropic, groq, google-genai, mistral or ollama, or a chat
            model of langchain that holds one.

    Returns:
        The client.

    Raises:
        TypeError: no such client is found. For boto3 and requests set a read timeout, and use `abort`.
    """
    found = False
    for inner in _http_clients(client):
        found = True
        hooks = inner.event_hooks
        if _before_request not in hooks["request"]:
            hooks["request"].append(_before_request)
            hooks["response"].append(_after_headers)
    if not found:
        raise TypeError(
            f"client must be a blocking client of httpx, or of an SDK that uses httpx, not {type(client).__name__}"
        )
    return client


def _http_clients(client: Any) -> Iterator[Any]:
    seen: set[int] = set()
    for path in ((), *_CLIENTS):
        inner = client
        for name in path:
            inner = getattr(inner, name, None)
        hooks = getattr(inner, "event_hooks", None)
        is_async = hasattr(inner, "aclose") or hasattr(inner, "__aenter__")
        if isinstance(hooks, dict) and not is_async and id(inner) not in seen:
            seen.add(id(inner))
            yield inner


class _OpenRequests:
    """The open requests of one run. Thread-safe."""

    def __init__(self) -> None:
        # Guards the sets.
        self._lock = new_lock()
        self._streams: weakref.WeakSet[Any] = weakref.WeakSet()
        self._responses: weakref.WeakSet[Any] = weakref.WeakSet()
        self._is_cancelled = False

    def add_stream(self, stream: Any) -> None:
        """Add the connection of a request that waits for its headers."""
        with self._lock:
            self._streams.add(stream)
            is_late = self._is_cancelled
        if is_late:
            _shut_down_stream(stream)

    def add_response(self, response: Any) -> None:
        """Add a response in place of its connection."""
        stream = response.extensions.get("network_stream")
        with self._lock:
            self._streams.discard(stream)
            self._responses.add(response)
            is_late = self._is_cancelled
        if is_late:
            _shut_down(response)

    def cancel(self) -> None:
        """Shut down all connections."""
        with self._lock:
            self._is_cancelled = True
            streams, responses = list(self._streams), list(self._responses)
        for stream in streams:
            _shut_down_stream(stream)
        for response in responses:
            _shut_down(response)


# The open requests by run; a context variable has the current run.
_open_requests: weakref.WeakKeyDictionary[Any, _OpenRequests] = weakref.WeakKeyDictionary()
# Guards the table above.
_open_requests_lock = new_lock()


def _requests_of_run() -> _OpenRequests | None:
    """Return the requests of the run in whose callback this is called.

    Raises:
        RunCancelled: the run is cancelled. As a `BaseException` it also ends the retries of an SDK.
    """
    find_run = current_run.get()
    run = None if find_run is None else find_run()
    if run is None:
        return None
    if run.is_cancelled:
        raise RunCancelled(READER_HAS_LEFT)
    with _open_requests_lock:
        requests = _open_requests.get(run)
        if requests is not None:
            return requests
        requests = _open_requests[run] = _OpenRequests()
    RunController(run.run_context).on_cancel(requests.cancel)
    return requests


def _before_request(request: Any) -> None:
    requests = _requests_of_run()
    if requests is None:
        return
    before = request.extensions.get("trace")

    def trace(name: str, info: Any) -> Any:
        if name.endswith("send_request_headers.started"):
            stream = _network_stream()
            if stream is not None:
                requests.add_stream(stream)
        return None if before is None else before(name, info)

    request.extensions["trace"] = trace


def _network_stream() -> Any:
    """Return the connection that calls a trace function; httpcore has no public access to it before the headers.

    None if it is not found: then only the client's timeout ends the wait for headers.
    """
    frame = sys._getframe(2)
    for _ in range(6):
        stream = getattr(frame.f_locals.get("self"), "_network_stream", None)
        if stream is not None and hasattr(stream, "get_extra_info"):
            return stream
        if frame.f_back is None:
            break
        frame = frame.f_back
    return None


def _after_headers(response: Any) -> None:
    requests = _requests_of_run()
    if requests is not None:
        requests.add_response(response)
