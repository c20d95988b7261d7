"""In process: from `append_text` to encoded bytes, for each wire and each kind of producer and reader."""

from __future__ import annotations

from typing import Any

from benchmarks.measure import BY_HAND, LIMIT, OTHER, OURS, PEER, Preparation, Row, Scale, Target
from benchmarks.processes import sampled

WIRES = {
    "data-stream": "data stream",
    "assistant-transport": "assistant transport",
    "openai": "OpenAI",
    "ui-message-stream": "UI message stream",
    "ag-ui": "AG-UI",
}
#: Those that assistant-stream has.
PEER_WIRES = ("data-stream", "assistant-transport", "openai")

PRODUCERS = {
    # name: (producer, reader, title, target against the peer)
    "burst": ("burst", "async for", "coroutine that never waits", 0.1),
    "yielding": ("yielding", "async for", "coroutine that yields after each chunk", 0.6),
    "thread": ("thread", "async for", "blocking callback, read with ``async for``", 0.1),
    "thread-for": ("thread", "for", "blocking callback, read with ``for``", None),
}


def _encoding(module: str, producer: str, **arguments: str) -> Preparation:
    def sizes(scale: Scale) -> dict[str, Any]:
        counts = {"": scale.turns if producer == "yielding" else scale.burst}
        return {"module": module, "function": "encode", "counts": counts, "producer": producer, **arguments}

    return sampled("cpu", sizes)


def _row(name: str, wire: str) -> Row:
    producer, reader, title, target = PRODUCERS[name]
    subjects = {OURS: _encoding("ours.in_process", producer, wire=wire, reader=reader)}
    has_peer = wire in PEER_WIRES and reader == "async for"
    if has_peer:
        subjects[PEER] = _encoding("peer.in_process", producer, wire=wire)
    # It is made for coroutines.
    has_other = wire == "ui-message-stream" and producer != "thread"
    if has_other:
        subjects[OTHER] = _encoding("others.pydantic_ai_in_process", producer)
    subjects[BY_HAND] = _encoding("by_hand.in_process", producer, wire=wire, reader=reader)
    subjects[LIMIT] = _encoding("limit.in_process", producer, wire=wire)
    return Row(
        name=f"encode-{name}-{wire}",
        family="encode",
        title=f"{title}: {WIRES[wire]}",
        unit="µs",
        subjects=subjects,
        targets=(Target(target, PEER),) if target and has_peer else (),
        another="pydantic-ai" if has_other else "",
    )


ROWS = [_row(name, wire) for name in PRODUCERS for wire in WIRES]
