"""Many clients of one server, each reading twenty chunks a second: how late the chunks come, and what it takes."""

from __future__ import annotations

import asyncio
import gc
import math
import re
import time
from collections.abc import Sequence

from benchmarks.clients import request
from benchmarks.processes import cpu_seconds

#: Milliseconds between two chunks of an answer.
INTERVAL = 50

# New clients a second. They are spread over time, as people are.
_ARRIVALS = 500

# Seconds that the last clients may take to be answered, those before the measurement, and those after it in which late
# chunks may still come.
_PATIENCE, _SETTLE, _LATE = 15.0, 0.5, 2.0

_STAMP = re.compile(rb"@([\d.]+);")


def chunks_of_answer(clients: int, seconds: float) -> int:
    """Return how many chunks an answer needs to last until the end of the measurement."""
    return math.ceil((clients / _ARRIVALS + _PATIENCE + _SETTLE + seconds + _LATE + 1) * 1000 / INTERVAL)


def load(port: int, path: str, clients: int, seconds: float, pids: Sequence[int]) -> dict[str, float]:
    """Read a path with many clients at once for so many seconds.

    Args:
        port: of the server.
        path: an answer of `ticks`.
        clients: how many there are.
        seconds: how long the chunks are counted.
        pids: the processes of the server.

    Returns:
        The percentage of a core for each answer, and how many milliseconds the chunks are late: median and 99th
        percentile. Those that never come count as late by two seconds.
    """
    # A pause of the clients would count as lateness of the server.
    gc.disable()
    return asyncio.run(_load(port, path, clients, seconds, pids))


async def _load(port: int, path: str, clients: int, seconds: float, pids: Sequence[int]) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    readers = [_Reader(request(path), loop) for _ in range(clients)]
    start = time.monotonic()
    for number, reader in enumerate(readers):
        await asyncio.sleep(max(0.0, start + number / _ARRIVALS - time.monotonic()))
        await loop.create_connection(lambda r=reader: r, "127.0.0.1", port)  # type: ignore[misc]
    # Those that are not answered by then count with every chunk that they miss.
    await asyncio.wait([reader.started for reader in readers], timeout=_PATIENCE)
    await asyncio.sleep(_SETTLE)
    begin, before = time.monotonic(), sum(map(cpu_seconds, pids))
    await asyncio.sleep(seconds)
    end, after = time.monotonic(), sum(map(cpu_seconds, pids))
    await asyncio.sleep(_LATE)
    late = [delay for reader in readers for due, delay in reader.delays() if begin <= due < end]
    expected = int(clients * (end - begin - INTERVAL / 1000) * 1000 / INTERVAL)
    late += [_LATE * 1000] * (expected - len(late))
    late.sort()
    return {
        "processor": (after - before) / (end - begin) / clients * 100,
        "p50": late[len(late) // 2],
        "p99": late[math.ceil(len(late) * 0.99) - 1],
    }


class _Reader(asyncio.Protocol):
    def __init__(self, request: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self.started: asyncio.Future[None] = loop.create_future()
        self._request = request
        # Parsed at the end: the clients must not be the slow ones.
        self._received: list[tuple[float, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received.append((time.monotonic(), data))
        if not self.started.done():
            self.started.set_result(None)

    def delays(self) -> list[tuple[float, float]]:
        """Return when each chunk was due, and how many milliseconds later it came."""
        found, rest = [], b""
        for now, data in self._received:
            text = rest + data
            for match in _STAMP.finditer(text):
                due = float(match[1])
                found.append((due, (now - due) * 1000))
            # A stamp may come in two pieces.
            rest = text[text.rfind(b"@") :] if text.rfind(b"@") > text.rfind(b";") else b""
        return found
