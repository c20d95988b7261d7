"""Ending a read that blocks in httpx, or in an SDK built on it (`openai`, `anthropic`), from another thread.

To close a response or its client from another thread does not release a blocked read. To shut the socket down
does: the read ends with the client's own exception within milliseconds.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any

__all__ = ("abort",)


def abort(response: Any) -> None:
    """Shut down the socket under a response that is being read. From any thread; made for `controller.on_cancel`.

    Register it as soon as there is a response: `controller.on_cancel(lambda: abort(response))`. The thread that reads
    gets the client's exception for a lost connection; let it pass, for the run was cancelled. A response that was read
    to its end or closed is left alone: its connection may serve another request by now. Over HTTP/2 requests share a
    connection, and all of them end.

    Args:
        response: an `httpx.Response`, or what has one as its attribute `response`, as the streams of `openai` and
            `anthropic` have.

    Raises:
        TypeError: there is no socket to be found.
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
        # Not connected any more. The plain method also for TLS: the one of SSLSocket takes the TLS state away from
        # under the reading thread.
        _shutdown(connection)


def _shutdown(connection: Any) -> None:
    if isinstance(connection, socket.socket):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    else:
        # An event loop's view of its socket.
        connection.shutdown(socket.SHUT_RDWR)
