"""AG-UI's short events, written out: one `..._CHUNK` stands for the start, a piece and the end of a message or call.

The agent and each of its subagents has a lane, which holds what its short events have opened; its next event of another
kind ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.serialization.framing import FrameError

__all__ = ("Event", "Lanes")

#: The type of an event, and its fields.
Event: TypeAlias = tuple[str, dict[str, JSON]]


class _Kind(NamedTuple):
    """What a short event stands for: how its long events begin, the field of its id, and what its start says."""

    prefix: str
    id_field: str
    piece: str
    needed: tuple[str, ...] = ()
    told_again: tuple[str, ...] = ()


_SHORT: Mapping[str, _Kind] = {
    "TEXT_MESSAGE_CHUNK": _Kind("TEXT_MESSAGE", "messageId", "CONTENT", told_again=("role", "name")),
    "REASONING_MESSAGE_CHUNK": _Kind("REASONING_MESSAGE", "messageId", "CONTENT"),
    "TOOL_CALL_CHUNK": _Kind(
        "TOOL_CALL", "toolCallId", "ARGS", ("toolCallName",), told_again=("toolCallName", "parentMessageId")
    ),
}

# These belong to the run, and end what is open in every lane.
_OF_THE_RUN = frozenset({"RUN_STARTED", "RUN_FINISHED", "RUN_ERROR", "MESSAGES_SNAPSHOT"})
# These end what is open in their own lane; others, and those of an unknown type, end nothing.
_OF_A_LANE = ("TEXT_MESSAGE_", "TOOL_CALL_", "REASONING_", "STATE_", "STEP_", "CUSTOM", "SUBAGENT_")
_BESIDE = frozenset({"REASONING_ENCRYPTED_VALUE", "SUBAGENT_STARTED"})


class _Lane(NamedTuple):
    """What short events have opened."""

    kind: _Kind
    thing_id: str
    start: dict[str, JSON]


class Lanes:
    """Writes out the short events of one stream."""

    def __init__(self) -> None:
        # By their subagents, None for the agent; and the subagents by what they have open, and by its kind.
        self._lanes: dict[str | None, _Lane] = {}
        self._holders: dict[tuple[str, str], str | None] = {}
        self._by_kind: dict[str, dict[str | None, None]] = {kind.prefix: {} for kind in _SHORT.values()}

    def write_out(self, event_type: str, event: dict[str, JSON]) -> list[Event]:
        """Return the events for which an event stands, after the ends that it implies.

        Raises:
            FrameError: it continues nothing that is open, or not as it began.
        """
        if event_type in _SHORT:
            return self._write_out(_SHORT[event_type], event)
        ends: list[Event] = []
        if event_type in _OF_THE_RUN:
            for owner in list(self._lanes):
                ends += self._close(owner)
        elif event_type.startswith(_OF_A_LANE) and event_type not in _BESIDE:
            ends = self._close(_owner(event))
        return [*ends, (event_type, event)]

    def _write_out(self, kind: _Kind, event: dict[str, JSON]) -> list[Event]:
        owner = self._find_lane(kind, event)
        lane = self._lanes.get(owner)
        events: list[Event] = []
        if lane is None or lane.kind is not kind or event.get(kind.id_field) not in (None, lane.thing_id):
            events = self._close(owner)
            lane = self._open(kind, owner, event)
            events.append((f"{kind.prefix}_START", lane.start))
        else:
            for name in kind.told_again:
                if event.get(name) is not None and event[name] != lane.start.get(name):
                    raise FrameError(f"its {name} is not the one that began with this id")
        if event.get("delta") is not None:
            tag = {} if owner is None else {"subagentRunId": owner}
            piece = {kind.id_field: lane.thing_id, "delta": event["delta"], **tag}
            events.append((f"{kind.prefix}_{kind.piece}", piece))
        return events

    def _find_lane(self, kind: _Kind, event: dict[str, JSON]) -> str | None:
        """Return the subagent whose lane an event belongs to: it may leave out its id and its subagent."""
        owner, thing_id = _owner(event), event.get(kind.id_field)
        address = (kind.prefix, thing_id)
        if isinstance(thing_id, str) and address in self._holders:
            holder = self._holders[address]
            if owner is not None and owner != holder:
                raise FrameError(f"its subagent {owner[:40]!r} is not the one that began with this id")
            return holder
        candidates = self._by_kind[kind.prefix]
        if thing_id is not None or owner is not None or None in candidates or not candidates:
            return owner
        if len(candidates) > 1:
            raise FrameError(f"it names neither a {kind.id_field} nor a subagent, and several have one open")
        return next(iter(candidates))

    def _open(self, kind: _Kind, owner: str | None, event: dict[str, JSON]) -> _Lane:
        for name in (kind.id_field, *kind.needed):
            if not isinstance(event.get(name), str):
                raise FrameError(f"the first of its kind must have a {name}")
        start = {name: value for name, value in event.items() if value is not None and name not in ("type", "delta")}
        if kind.prefix == "TEXT_MESSAGE":
            start.setdefault("role", "assistant")
        lane = self._lanes[owner] = _Lane(kind, event[kind.id_field], start)
        self._holders[kind.prefix, lane.thing_id] = owner
        self._by_kind[kind.prefix][owner] = None
        return lane

    def _close(self, owner: str | None) -> list[Event]:
        lane = self._lanes.pop(owner, None)
        if lane is None:
            return []
        self._holders.pop((lane.kind.prefix, lane.thing_id), None)
        self._by_kind[lane.kind.prefix].pop(owner, None)
        tag = {} if owner is None else {"subagentRunId": owner}
        return [(f"{lane.kind.prefix}_END", {lane.kind.id_field: lane.thing_id, **tag})]


def _owner(event: dict[str, JSON]) -> str | None:
    owner = event.get("subagentRunId")
    return owner if isinstance(owner, str) else None
