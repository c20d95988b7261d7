"""Memory: of many quiet streams, and before a client that stops reading."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.clients import stop_reading
from benchmarks.measure import BY_HAND, LIMIT, OURS, PEER, Preparation, Row, Sample, Scale, Target
from benchmarks.processes import Server, sampled, served_anew
from benchmarks.rows.servers import STARLETTE

_TICK = 0.05
_GROWTH, _PROCESSOR = "memory, MB", "processor, s"


def _quiet(who: str, way: str) -> Preparation:
    def sizes(scale: Scale) -> dict[str, Any]:
        return {"app": f"{who}.starlette_app:app", "path": f"data-stream/{way}/quiet/1/0", "counts": scale.quiet}

    return sampled("memory", sizes)


def _stalled(command: str, way: str) -> Preparation:
    def measurement(server: Server, scale: Scale) -> Sample:
        memory, cpu = server.megabytes(), server.cpu_seconds()
        most = memory
        with stop_reading(server.port, f"data-stream/{way}/flood/{scale.megabytes * 16}/0"):
            end = time.monotonic() + scale.seconds
            while time.monotonic() < end:
                time.sleep(_TICK)
                most = max(most, server.megabytes())
        return {_GROWTH: most - memory, _PROCESSOR: server.cpu_seconds() - cpu}

    return served_anew(command, measurement)


ROWS = [
    Row(
        name="quiet-coroutine",
        family="memory",
        title="quiet streams, coroutines",
        unit="KiB each",
        subjects={
            OURS: _quiet("ours", "coroutine"),
            PEER: _quiet("peer", "coroutine"),
            LIMIT: _quiet("limit", "coroutine"),
        },
        targets=(Target(1.5, LIMIT, "5,000"),),
    ),
    Row(
        name="quiet-thread",
        family="memory",
        title="quiet streams, blocking callbacks",
        unit="KiB each",
        # The peer's pool of threads has less than 5,000. The limit has no threads.
        subjects={
            OURS: _quiet("ours", "thread"),
            BY_HAND: _quiet("by_hand", "thread"),
            LIMIT: _quiet("limit", "thread"),
        },
        targets=(Target(1.5, LIMIT, "5,000"),),
    ),
    *(
        Row(
            name=f"stalled-{way}",
            family="stalled",
            title=f"a reader that stops, {'coroutine' if way == 'coroutine' else 'blocking callback'}",
            unit="",
            subjects={who: _stalled(command, way) for who, command in STARLETTE.items()},
            targets=(Target(16, None, _GROWTH),),
        )
        for way in ("coroutine", "thread")
    ),
]
