"""Expansion of AG-UI's `*_CHUNK` events into START, CONTENT and END events.

One `*_CHUNK` event starts a message or tool call, or continues the open one. The agent and each of its subagents has at
most one open item, which its next event of another kind ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.serialization.decoder import text_or
from assistant_stream_ce.serialization.framing import FrameError

#: The type of an event, and its fields.
TypedEvent: TypeAlias = tuple[str, dict[str, JSON]]


class _ItemKind(NamedTuple):
    """Kind of the item that a `*_CHUNK` event starts: a message or a tool call."""

    prefix: str
    id_field: str
    content: str
    #: Fields that the first event must have.
    required: tuple[str, ...] = ()
    #: Fields that later events may repeat, but not change.
    repeatable: tuple[str, ...] = ()


_KINDS: Mapping[str, _ItemKind] = {
    "TEXT_MESSAGE_CHUNK": _ItemKind("TEXT_MESSAGE", "messageId", "CONTENT", repeatable=("role", "name")),
    "REASONING_MESSAGE_CHUNK": _ItemKind("REASONING_MESSAGE", "messageId", "CONTENT"),
    "TOOL_CALL_CHUNK": _ItemKind(
        "TOOL_CALL", "toolCallId", "ARGS", ("toolCallName",), repeatable=("toolCallName", "parentMessageId")
    ),
}

# Events of the run end the open items of the agent and of all subagents.
_RUN_EVENTS = frozenset({"RUN_STARTED", "RUN_FINISHED", "RUN_ERROR", "MESSAGES_SNAPSHOT"})
# These events end the open item of their own agent or subagent. All others end nothing.
_AGENT_EVENTS = ("TEXT_MESSAGE_", "TOOL_CALL_", "REASONING_", "STATE_", "STEP_", "CUSTOM", "SUBAGENT_")
_INDEPENDENT_EVENTS = frozenset({"REASONING_ENCRYPTED_VALUE", "SUBAGENT_STARTED"})


class _OpenItem(NamedTuple):
    """A message or tool call that `*_CHUNK` events have started."""

    kind: _ItemKind
    item_id: str
    start: dict[str, JSON]


class ChunkEventExpander:
    """Expands the `*_CHUNK` events of one stream."""

    def __init__(self) -> None:
        # The open items by their subagent, None for the agent itself, and two indexes of them.
        self._items: dict[str | None, _OpenItem] = {}
        self._owner_by_id: dict[tuple[str, str], str | None] = {}
        self._owners_by_kind: dict[str, dict[str | None, None]] = {kind.prefix: {} for kind in _KINDS.values()}

    def expand(self, event_type: str, event: dict[str, JSON]) -> list[TypedEvent]:
        """Return the events that an event is equivalent to, after the ends that it implies.

        Raises:
            FrameError: a `*_CHUNK` event continues no open item, or differs from the start of the item.
        """
        if event_type in _KINDS:
            return self._expand_chunk(_KINDS[event_type], event)
        ends: list[TypedEvent] = []
        if event_type in _RUN_EVENTS:
            for owner in list(self._items):
                ends += self._close(owner)
        elif self._items and event_type.startswith(_AGENT_EVENTS) and event_type not in _INDEPENDENT_EVENTS:
            ends = self._close(_owner(event))
        return [*ends, (event_type, event)]

    def _expand_chunk(self, kind: _ItemKind, event: dict[str, JSON]) -> list[TypedEvent]:
        owner = self._find_owner(kind, event)
        item = self._items.get(owner)
        events: list[TypedEvent] = []
        if item is None or item.kind is not kind or event.get(kind.id_field) not in (None, item.item_id):
            events = self._close(owner)
            item = self._open(kind, owner, event)
            events.append((f"{kind.prefix}_START", item.start))
        else:
            for name in kind.repeatable:
                if event.get(name) is not None and event[name] != item.start.get(name):
                    raise FrameError(f"its {name} differs from that of the first event with this id")
        if event.get("delta") is not None:
            content = {kind.id_field: item.item_id, "delta": event["delta"], **_owner_field(owner)}
            events.append((f"{kind.prefix}_{kind.content}", content))
        return events

    def _find_owner(self, kind: _ItemKind, event: dict[str, JSON]) -> str | None:
        """Return the subagent of an event, which may omit it and the id."""
        owner, item_id = _owner(event), event.get(kind.id_field)
        address = (kind.prefix, item_id)
        if isinstance(item_id, str) and address in self._owner_by_id:
            known = self._owner_by_id[address]
            if owner is not None and owner != known:
                raise FrameError(f"its subagent {owner[:40]!r} differs from that of the first event with this id")
            return known
        candidates = self._owners_by_kind[kind.prefix]
        if item_id is not None or owner is not None or None in candidates or not candidates:
            return owner
        if len(candidates) > 1:
            raise FrameError(f"it needs a {kind.id_field} or a subagent, as several subagents have one open")
        return next(iter(candidates))

    def _open(self, kind: _ItemKind, owner: str | None, event: dict[str, JSON]) -> _OpenItem:
        for name in (kind.id_field, *kind.required):
            if not isinstance(event.get(name), str):
                raise FrameError(f"the first event of its kind must have a {name}")
        start = {name: value for name, value in event.items() if value is not None and name not in ("type", "delta")}
        if kind.prefix == "TEXT_MESSAGE":
            start.setdefault("role", "assistant")
        item = self._items[owner] = _OpenItem(kind, event[kind.id_field], start)
        self._owner_by_id[kind.prefix, item.item_id] = owner
        self._owners_by_kind[kind.prefix][owner] = None
        return item

    def _close(self, owner: str | None) -> list[TypedEvent]:
        item = self._items.pop(owner, None)
        if item is None:
            return []
        self._owner_by_id.pop((item.kind.prefix, item.item_id), None)
        self._owners_by_kind[item.kind.prefix].pop(owner, None)
        return [(f"{item.kind.prefix}_END", {item.kind.id_field: item.item_id, **_owner_field(owner)})]


def _owner(event: dict[str, JSON]) -> str | None:
    return text_or(event, "subagentRunId", None)


def _owner_field(owner: str | None) -> dict[str, JSON]:
    return {} if owner is None else {"subagentRunId": owner}
