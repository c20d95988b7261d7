"""Abort a blocked read of httpx, or of an SDK built on it (`openai`, `anthropic`), from another thread.

Closing a response or its client from another thread does not release a blocked read. Shutting its socket down does: the
read raises the client's own exception within milliseconds.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any

__all__ = ("abort",)


def abort(response: Any) -> None:
    """Shut down the socket of a response that is being read. Thread-safe and idempotent.

    Register it as soon as there is a response: `controller.on_cancel(lambda: abort(response))`. The reading thread gets
    the client's exception for a lost connection; let it propagate, because the run was cancelled. A response that was
    read to its end or closed is ignored: its connection may serve another request. Over HTTP/2, requests share a
    connection, and all of them are aborted.

    Args:
        response: an `httpx.Response`, or an object with one in its attribute `response`, such as the streams of
            `openai` and `anthropic`.

    Raises:
        TypeError: it has no socket.
    """
    found = getattr(response, "response", response)
    if getattr(found, "is_closed", False):
        return
    stream = getattr(found, "extensions", {}).get("network_stream")
    connection = None if stream is None else stream.get_extra_info("socket")
    if connection is None:
        raise TypeError(
            f"response must be a streamed httpx response, or hold one, not {type(response).__name__}: no socket found"
        )
    with contextlib.suppress(OSError):
        # Raised if it is not connected any more. The plain method also for TLS: SSLSocket's own removes the TLS state
        # that the reading thread uses.
        _shutdown(connection)


def _shutdown(connection: Any) -> None:
    if isinstance(connection, socket.socket):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    else:
        # The socket object of an event loop's transport.
        connection.shutdown(socket.SHUT_RDWR)
