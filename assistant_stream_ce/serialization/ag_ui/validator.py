"""Validation of AG-UI streams by the rules of `@ag-ui/client` 1.0.0: the order of events, and skipped operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.serialization.framing import Frame, FrameError
from assistant_stream_ce.serialization.validation import Validator, json_object


class _ItemKind(NamedTuple):
    """Kind of an item that events open and end: its name, its id field, and the kind that its owner is recorded for."""

    name: str
    id_field: str
    owned_as: str


_TEXT = _ItemKind("text message", "messageId", "message")
_CALL = _ItemKind("tool call", "toolCallId", "tool call")
_REASONING = _ItemKind("reasoning", "messageId", "reasoning")
_REASONING_MESSAGE = _ItemKind("reasoning message", "messageId", "reasoning")

_OPENED: Mapping[str, _ItemKind] = {
    "TEXT_MESSAGE_START": _TEXT,
    "TOOL_CALL_START": _CALL,
    "REASONING_START": _REASONING,
    "REASONING_MESSAGE_START": _REASONING_MESSAGE,
}
_CONTINUED: Mapping[str, _ItemKind] = {
    "TEXT_MESSAGE_CONTENT": _TEXT,
    "TOOL_CALL_ARGS": _CALL,
    "REASONING_MESSAGE_CONTENT": _REASONING_MESSAGE,
}
_ENDED: Mapping[str, _ItemKind] = {
    "TEXT_MESSAGE_END": _TEXT,
    "TOOL_CALL_END": _CALL,
    "REASONING_END": _REASONING,
    "REASONING_MESSAGE_END": _REASONING_MESSAGE,
}


class RunOrder:
    """Checks the order of the events of one stream, whose fields were already checked."""

    def __init__(self) -> None:
        self._last = ""
        self._is_active = False
        self._forget()

    def check(self, kind: str, event: dict[str, JSON]) -> None:
        """Check the next event.

        Raises:
            FrameError: it is out of order.
        """
        self._check_run(kind)
        owner = event.get("subagentRunId")
        if kind in _OPENED:
            self._open(_OPENED[kind], event, owner)
        elif kind in _CONTINUED:
            self._continue(_CONTINUED[kind], event, owner)
        elif kind in _ENDED:
            self._continue(_ENDED[kind], event, owner)
            self._items.discard((_ENDED[kind].name, event[_ENDED[kind].id_field]))
        else:
            self._check_other(kind, event, owner)
        self._last = kind

    def _forget(self) -> None:
        # The open items by kind and id, the open steps by subagent and name, and the active subagents.
        self._items: set[tuple[str, str]] = set()
        self._steps: set[tuple[str | None, str]] = set()
        self._subagents: set[str] = set()
        self._ended_subagents: set[str] = set()
        # The subagents that messages, tool calls, reasoning and activities belong to; None for the agent itself.
        self._owners: dict[tuple[str, str], str | None] = {}

    def _check_run(self, kind: str) -> None:
        """Check that the events belong to runs, one after the other."""
        if not self._last:
            if kind not in ("RUN_STARTED", "RUN_ERROR"):
                raise FrameError("the first event must be RUN_STARTED")
        elif kind == "RUN_STARTED":
            if self._is_active:
                raise FrameError("the previous run has not finished")
            self._forget()
        elif not self._is_active and (kind != "RUN_ERROR" or self._last == "RUN_ERROR"):
            raise FrameError(f"only RUN_STARTED may follow {self._last}")
        if kind == "RUN_FINISHED":
            self._check_nothing_open()
        self._is_active = kind not in ("RUN_FINISHED", "RUN_ERROR")

    def _check_nothing_open(self) -> None:
        items = [
            *(f"{name} {item_id!r}" for name, item_id in self._items),
            *(f"step {name!r}" for _, name in self._steps),
            *(f"subagent {subagent!r}" for subagent in self._subagents),
        ]
        if items:
            more = f" and {len(items) - 1} more" if len(items) > 1 else ""
            raise FrameError(f"the run finishes while an item is open: {items[0][:100]}{more}")

    def _open(self, item: _ItemKind, event: dict[str, JSON], owner: str | None) -> None:
        item_id = event[item.id_field]
        if (item.name, item_id) in self._items:
            raise FrameError(f"a {item.name} with its id is open")
        record = (item.owned_as, item_id)
        if item is _CALL:
            owner = self._owner_of_call(event, owner)
        self._check_owner(record, owner)
        self._items.add((item.name, item_id))
        self._owners.setdefault(record, owner)

    def _owner_of_call(self, event: dict[str, JSON], owner: str | None) -> str | None:
        """Return the subagent of a tool call: that of its parent message, if it is known."""
        parent = ("message", event.get("parentMessageId"))
        if parent not in self._owners:
            return owner
        self._check_owner(parent, owner)
        inherited = self._owners[parent]
        record = ("tool call", event["toolCallId"])
        if record in self._owners and self._owners[record] != inherited and owner is None:
            raise FrameError("its parent message belongs to another subagent than the tool call")
        return inherited if owner is None else owner

    def _continue(self, item: _ItemKind, event: dict[str, JSON], owner: str | None) -> None:
        item_id = event[item.id_field]
        if (item.name, item_id) not in self._items:
            raise FrameError(f"no {item.name} with its id is open")
        self._check_owner((item.owned_as, item_id), owner)

    def _check_owner(self, record: tuple[str, JSON], owner: str | None) -> None:
        """Check that an event names the subagent that its item belongs to, if it names one."""
        if owner is not None and record in self._owners and self._owners[record] != owner:
            raise FrameError(f"its subagent {owner[:40]!r} differs from that of the {record[0]}")

    def _check_other(self, kind: str, event: dict[str, JSON], owner: str | None) -> None:
        match kind:
            case "STEP_STARTED" | "STEP_FINISHED":
                self._check_step(kind, (owner, event["stepName"]))
            case "TOOL_CALL_RESULT":
                self._owners["message", event["messageId"]] = owner
            case "REASONING_ENCRYPTED_VALUE":
                entity = event["entityId"]
                kinds = ("tool call",) if event["subtype"] == "tool-call" else ("message", "reasoning")
                known = [(owned_as, entity) for owned_as in kinds if (owned_as, entity) in self._owners]
                for record in known[:1]:
                    self._check_owner(record, owner)
            case "ACTIVITY_SNAPSHOT":
                record = ("activity", event["messageId"])
                if record not in self._owners or event.get("replace") is not False:
                    self._owners[record] = owner
            case "ACTIVITY_DELTA":
                self._check_owner(("activity", event["messageId"]), owner)
            case "SUBAGENT_STARTED":
                self._start_subagent(event)
            case "SUBAGENT_FINISHED" | "SUBAGENT_ERROR":
                self._end_subagent(event["subagentRunId"])
            case "MESSAGES_SNAPSHOT":
                self._note_messages(event["messages"], is_newer=True)
            case "RUN_STARTED":
                self._note_messages(event.get("input", {}).get("messages", []), is_newer=False)

    def _check_step(self, kind: str, step: tuple[str | None, str]) -> None:
        if kind == "STEP_STARTED":
            if step in self._steps:
                raise FrameError("a step with its name is open")
            self._steps.add(step)
        elif step in self._steps:
            self._steps.discard(step)
        else:
            raise FrameError("no step with its name is open")

    def _start_subagent(self, event: dict[str, JSON]) -> None:
        subagent, parent = event["subagentRunId"], event.get("parentSubagentRunId")
        if subagent in self._subagents or subagent in self._ended_subagents:
            raise FrameError("a subagent with its id was started before")
        if parent is not None and parent not in self._subagents and parent not in self._ended_subagents:
            raise FrameError("its parent subagent was not started")
        self._subagents.add(subagent)

    def _end_subagent(self, subagent: str) -> None:
        if subagent not in self._subagents:
            raise FrameError("no such subagent is active")
        self._subagents.discard(subagent)
        self._ended_subagents.add(subagent)

    def _note_messages(self, messages: list[JSON], *, is_newer: bool) -> None:
        """Record the subagents of the messages in a snapshot or input."""
        for message in messages:
            role, message_id = message.get("role"), message.get("id")
            if not isinstance(role, str) or not isinstance(message_id, str):
                # The client skips messages of unknown kinds.
                continue
            owned_as = role if role in ("reasoning", "activity") else "message"
            calls = [("tool call", call["id"]) for call in message.get("toolCalls", []) if role == "assistant"]
            for record in ((owned_as, message_id), *calls):
                if is_newer or record not in self._owners:
                    self._owners[record] = message.get("subagentRunId")


# The operations of RFC 6902.
_PATCHES = ("add", "remove", "replace", "move", "copy", "test")


class AGUIValidator(Validator):
    """Checks for events that the client skips with a warning. The strict decoder checks the rest."""

    def check(self, frame: Frame) -> None:
        """Check the operations of patches."""
        event = json_object(frame.data)
        patch = event.get({"STATE_DELTA": "delta", "ACTIVITY_DELTA": "patch"}.get(str(event.get("type")), ""))
        for operation in patch if isinstance(patch, list) else ():
            if operation.get("op") not in _PATCHES:
                raise FrameError(f"clients skip the operation {operation.get('op')!r:.100} of a patch")
