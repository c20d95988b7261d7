"""Edits of the shared state, from the edit to encoded bytes."""

from __future__ import annotations

from typing import Any

from benchmarks.measure import BY_HAND, LIMIT, OURS, PEER, Preparation, Row, Scale, Target
from benchmarks.processes import sampled

EDITS = {
    "append": "append to a list",
    "text": "``+=`` on a text",
    "append-state-text": "``append_state_text``",
    "nested-set": "set a nested value",
    "insert": "insert into a short list",
    "delete": "delete from a short list",
}
# The peer refuses the others.
_PEER_EDITS = ("append", "text", "append-state-text", "nested-set")
#: The slack in "flat": what the memory's caches cost when the state grows a hundredfold.
_FLAT = 1.5
#: How many edits a sample has at least.
_ITEMS = 10_000


def _edits(module: str, edit: str, producer: str) -> Preparation:
    def sizes(scale: Scale) -> dict[str, Any]:
        counts = {f"{count:,}": count for count in scale.edits} if producer == "burst" else {"": scale.edits[0]}
        how = {"module": module, "function": "edit_state", "edit": edit, "producer": producer}
        return {**how, "counts": counts, "items": _ITEMS}

    return sampled("cpu_of_runs", sizes)


def _row(edit: str, producer: str) -> Row:
    subjects = {OURS: _edits("ours.in_process", edit, producer)}
    targets: tuple[Target, ...] = ()
    if edit in _PEER_EDITS:
        subjects[PEER] = _edits("peer.in_process", edit, producer)
        in_bursts = (
            Target(1 / 3, PEER, "1,000"),
            Target(1.0, PEER, "100,000"),
            Target(_FLAT, OURS, "100,000", "1,000"),
        )
        targets = in_bursts if producer == "burst" else (Target(0.6, PEER),)
    # The same edits of a plain dict: what Python itself needs, for a long text above all.
    subjects[BY_HAND] = _edits("by_hand.in_process", edit, producer)
    subjects[LIMIT] = _edits("limit.in_process", edit, producer)
    family, title = ("state", "") if producer == "burst" else ("state-yielding", "yielding after each ")
    return Row(f"{family}-{edit}", family, f"{title}{EDITS[edit]}", "µs", subjects, targets)


ROWS = [_row(edit, producer) for producer in ("burst", "yielding") for edit in EDITS]
