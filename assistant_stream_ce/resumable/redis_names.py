"""Names of the keys of a `RedisStore`, and the requests that workers send each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from assistant_stream_ce.resumable.store import StreamKey, ThreadKey

#: Milliseconds that a stop request, and the inbox of a worker, are kept: longer than a lease, for a lost event.
REQUEST: Final = 60_000


class Names:
    """The names of keys.

    Args:
        prefix: the beginning of all of them.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def of(self, key: StreamKey, suffix: str = "") -> str:
        """Return the key of a stream's log, or of what a suffix names. The hash tag keeps them in one slot."""
        name = f"{self._prefix}:{{{key.owner}:{key.stream_id}}}"
        return f"{name}:{suffix}" if suffix else name

    def all(self, key: StreamKey, *suffixes: str) -> list[str]:
        """Return several keys of a stream."""
        return [self.of(key, suffix) for suffix in suffixes]

    def thread(self, thread: ThreadKey) -> str:
        """Return the key of a thread pointer."""
        return f"{self._prefix}:thread:{{{thread.owner}:{thread.thread}}}"

    def note(self, thread: ThreadKey) -> str:
        """Return the key of the note that a thread has a new stream, which wakes those that wait for it."""
        return f"{self.thread(thread)}:new"

    def inbox(self, worker: str) -> str:
        """Return the key of the requests to a worker."""
        return f"{self._prefix}:in:{worker}"

    def letter(self, worker: str, word: str, key: StreamKey) -> list[Sequence[Any]]:
        """Return the commands that send a request for a stream to a worker."""
        inbox = self.inbox(worker)
        return [
            ("XADD", inbox, "MAXLEN", "~", 1000, "*", "k", word, "i", f"{key.owner}:{key.stream_id}"),
            ("PEXPIRE", inbox, REQUEST),
        ]
