"""Wake a thread that waits with a selector."""

from __future__ import annotations

import contextlib
import selectors
import socket

from assistant_stream_ce.concurrency.gevent import new_lock


class Waker:
    """A pair of sockets: `wake` makes one of them readable.

    Args:
        selector: the selector that waits for it, in one thread.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        selector.register(self._reader, selectors.EVENT_READ)
        # Guards the closing against `wake` of another thread.
        self._lock = new_lock()
        self._is_closed = False

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._reader.fileno()

    def wake(self) -> None:
        """End the wait of the selector, or the next one. Thread-safe; never blocks."""
        with self._lock:
            if not self._is_closed:
                # A full buffer wakes as well.
                with contextlib.suppress(BlockingIOError):
                    self._writer.send(b"\0")

    def clear(self) -> None:
        """Forget that `wake` was called."""
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(4096)

    def close(self) -> None:
        """Close the sockets. The selector is closed before."""
        with self._lock:
            self._is_closed = True
            self._reader.close()
            self._writer.close()
