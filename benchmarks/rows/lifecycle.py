"""The start and end of a run, and of a program: its import."""

from __future__ import annotations

from typing import Any

from benchmarks.measure import BY_HAND, LIMIT, OURS, PEER, Preparation, Row, Scale, Target
from benchmarks.processes import sampled


def _runs(module: str, producer: str) -> Preparation:
    def sizes(scale: Scale) -> dict[str, Any]:
        return {"module": module, "function": "start_and_end", "counts": {"": scale.runs}, "producer": producer}

    return sampled("cpu", sizes)


def _import(modules: str) -> Preparation:
    return sampled("imports", lambda scale: {"modules": modules})


ROWS = [
    *(
        Row(
            name=f"run-{producer}",
            family="lifecycle",
            title=f"a whole run of one word, {title}",
            unit="µs",
            subjects={
                OURS: _runs("ours.in_process", producer),
                PEER: _runs("peer.in_process", producer),
                BY_HAND: _runs("by_hand.in_process", producer),
            },
            targets=(Target(1.0, PEER),),
        )
        for producer, title in (("burst", "coroutine"), ("thread", "blocking callback"))
    ),
    Row(
        name="import",
        family="lifecycle",
        title="import (the limit: ``import asyncio, janus, msgspec``)",
        unit="ms",
        subjects={
            OURS: _import("assistant_stream_ce"),
            PEER: _import("assistant_stream"),
            LIMIT: _import("asyncio, janus, msgspec"),
        },
        targets=(Target(1.5, LIMIT),),
    ),
]
