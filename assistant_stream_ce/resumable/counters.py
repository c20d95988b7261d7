"""Counters of the streams of one process, for monitoring."""

from __future__ import annotations

import time
from collections import deque

from assistant_stream_ce.concurrency.gevent import new_lock

# Latencies that are kept, and seconds for which they count.
_MOST_LATENCIES = 1024
_RECENT = 60.0


class Counters:
    """Counters, each only ever increased by one thread at a time or under a lock, and the latency of the store."""

    def __init__(self) -> None:
        self.started = self.entries = self.bytes = self.failures = self.reaped = self.stopped = self.unstored = 0
        # Guards the next one.
        self._lock = new_lock()
        # Of each call that stored entries: when it ended, by `time.monotonic`, and its seconds.
        self._appends: deque[tuple[float, float]] = deque(maxlen=_MOST_LATENCIES)

    def add_append(self, began: float) -> None:
        """Count a call that stored entries and ends now.

        Args:
            began: when it began, by `time.monotonic`.
        """
        now = time.monotonic()
        with self._lock:
            self._appends.append((now, now - began))

    def totals(self) -> dict[str, int]:
        """Return what was counted since the first use."""
        names = ("started", "entries", "bytes", "failures", "reaped", "stopped", "unstored")
        return {name: getattr(self, name) for name in names}

    def latencies(self) -> dict[str, float]:
        """Return the median and the 99th percentile of the last minute, in seconds; 0 without a call."""
        since = time.monotonic() - _RECENT
        with self._lock:
            recent = sorted(seconds for ended, seconds in self._appends if ended >= since) or [0.0]
        return {f"append_p{percent}": recent[len(recent) * percent // 100] for percent in (50, 99)}
