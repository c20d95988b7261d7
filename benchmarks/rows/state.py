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


def _edits(module: str, edit: str) -> Preparation:
    def sizes(scale: Scale) -> dict[str, Any]:
        counts = {f"{count:,}": count for count in scale.edits}
        return {"module": module, "function": "edit_state", "counts": counts, "edit": edit}

    return sampled("cpu", sizes)


def _row(edit: str) -> Row:
    subjects = {OURS: _edits("ours.in_process", edit)}
    targets: tuple[Target, ...] = ()
    if edit in _PEER_EDITS:
        subjects[PEER] = _edits("peer.in_process", edit)
        targets = (Target(1 / 3, PEER, "1,000"), Target(_FLAT, OURS, "100,000", "1,000"))
    # The same edits of a plain dict: what Python itself needs, for a long text above all.
    subjects[BY_HAND] = _edits("by_hand.in_process", edit)
    subjects[LIMIT] = _edits("limit.in_process", edit)
    return Row(f"state-{edit}", "state", EDITS[edit], "µs", subjects, targets)


ROWS = [_row(edit) for edit in EDITS]
