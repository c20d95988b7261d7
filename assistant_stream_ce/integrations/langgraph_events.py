"""Events of langgraph's `stream` in all its shapes.

Format: https://docs.langchain.com/oss/python/langgraph/streaming
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, NamedTuple

import msgspec

from assistant_stream_ce.integrations.events import (
    NO_FIELDS,
    ApplicationDataError,
    TurnReader,
    application_data,
    field,
    native,
    text_of,
)
from assistant_stream_ce.integrations.langchain_events import LOCAL_IDS, LangChainReader
from assistant_stream_ce.integrations.langgraph_state import assign_channels
from assistant_stream_ce.integrations.turn import CallBuilder, Turn, TurnBuilder, TurnFinish
from assistant_stream_ce.jsonvalue import JSON, loads_or_text, object_or_empty
from assistant_stream_ce.message import Usage

_MODES = frozenset({"values", "updates", "custom", "messages", "checkpoints", "tasks", "debug", "tools"})

# The name of a call that is shown for an interrupt outside of any tool call.
_INTERRUPT = "interrupt"


class GraphInterrupt(msgspec.Struct, frozen=True):
    """An interrupt of a graph.

    Attributes:
        id: the id for `Command(resume={id: ...})`.
        value: the value that was passed to `interrupt`.
    """

    id: str
    value: JSON


class GraphTurn(Turn, frozen=True, kw_only=True):
    """The output of a graph: of all its model calls together, see `Turn`. `tool_calls` are those without a result.

    Attributes:
        interrupts: the interrupts that the graph waits for.
    """

    interrupts: list[GraphInterrupt]


class GraphEvent(NamedTuple):
    """One event: its namespace, its stream mode and its data."""

    namespace: tuple[str, ...]
    mode: str
    data: Any


def parse_event(item: Any, mode: str | None = None) -> GraphEvent:
    """Return an item of `stream` as an event, for one mode, several modes, subgraphs and `version="v2"`.

    Args:
        item: the item.
        mode: the mode of a stream of a single one; None if it is unknown: then the content of an item determines it.
    """
    namespace: tuple[str, ...] = ()
    if isinstance(item, dict) and item.get("type") in _MODES and "ns" in item and "data" in item:
        data = item["data"]
        if item["type"] == "values":
            # With v2 the state may be a pydantic model or a dataclass.
            data = {**(data if isinstance(data, dict) else vars(data)), "__interrupt__": item.get("interrupts")}
        return GraphEvent(tuple(item["ns"]), item["type"], data)
    if isinstance(item, tuple) and len(item) in (2, 3) and isinstance(item[0], tuple):
        namespace, item = item[0], item[1] if len(item) == 2 else item[1:]
    if mode is not None:
        return GraphEvent(namespace, mode, item)
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) and item[0] in _MODES:
        return GraphEvent(namespace, *item)
    return GraphEvent(namespace, _mode_of(item), item)


def single_mode(stream: Any) -> str | None:
    """Return the mode of a generator of `graph.stream` with a single one, from its arguments; None if it is unknown."""
    frame = getattr(stream, "gi_frame", None) or getattr(stream, "ag_frame", None)
    arguments = {} if frame is None else frame.f_locals
    mode = arguments.get("stream_mode") or getattr(arguments.get("self"), "stream_mode", None)
    return mode if isinstance(mode, str) and mode in _MODES else None


def _mode_of(data: Any) -> str:
    if isinstance(data, tuple) and len(data) == 2 and isinstance(data[1], dict):
        return "messages"
    if isinstance(data, dict) and data:
        if isinstance(data.get("messages"), list):
            return "values"
        if "__interrupt__" in data or all(value is None or isinstance(value, dict) for value in data.values()):
            return "updates"
    return "custom"


class GraphReader(TurnReader):
    """Reads the events of one run of a graph.

    Each call of a model is a step; calls that overlap share one, and all but the first of them get a parent id.

    Args:
        out: receives the content of the events.
        messages: whether messages are sent.
        updates: whether updated channels are assigned to the state of the run.
        custom: whether custom events are sent as data.
        interrupts: whether interrupts are sent as requests for approval.
    """

    def __init__(self, out: TurnBuilder, *, messages: bool, updates: bool, custom: bool, interrupts: bool) -> None:
        super().__init__(out)
        self._sends_messages, self._writes_state = messages, updates
        self._sends_custom, self._asks_approval = custom, interrupts
        # The messages that are not complete, by each of their ids, and those with only the provider's id, by task.
        self._open: dict[str, LangChainReader] = {}
        self._unnamed: dict[str, LangChainReader] = {}
        self._seen: set[str] = set()
        self._reason: TurnFinish = "stop"
        self._step_usage = Usage()
        self._messages: list[dict[str, JSON]] = []
        # The calls of the graph by the provider's id; those with a result, and those with a request for approval.
        self._calls: dict[str, CallBuilder] = {}
        self._answered: set[str] = set()
        self._asked: set[str] = set()
        self._interrupts: dict[str, GraphInterrupt] = {}
        self._has_values = False
        self._mode: str | None = None

    def begin(self) -> None:
        """Do nothing: the first message begins a step."""

    def opened(self, stream: Any) -> None:
        """Receive the stream; see the base class."""
        self._mode = single_mode(stream)

    def feed(self, event: Any) -> None:
        """Process an item of the stream."""
        if self._sends_messages and self._feed_text(event):
            return
        namespace, mode, data = parse_event(event, self._mode)
        if mode == "messages":
            if self._sends_messages:
                self._message(namespace, *data)
        elif mode == "custom":
            if self._sends_custom:
                self.out.data(application_data(data, "data"))
        elif mode in ("updates", "values") and isinstance(data, dict):
            for interrupt in data.get("__interrupt__") or ():
                self._interrupt(interrupt)
            if not namespace and self._writes_state:
                self._write_state(mode, data)

    def end(self) -> Turn:
        """Return the turn; see the base class."""
        for reader in list(dict.fromkeys(self._open.values())):
            if reader.provider_reason is None:
                # The model has raised, and the graph went on without it.
                self._abandon(reader)
            else:
                self._complete(reader)
        reason: TurnFinish = self._reason
        if reason == "stop" and any(call.is_ours for call in self.out.calls):
            reason = "tool-calls"
        turn = self.out.turn(reason, self.provider_reason, self._messages)
        return GraphTurn(**msgspec.structs.asdict(turn), interrupts=list(self._interrupts.values()))

    # --- messages ---

    def _feed_text(self, event: Any) -> bool:
        """Process a piece of text of an open message; return whether the event is one. Most are."""
        if type(event) is dict:
            data = event.get("data") if event.get("type") == "messages" and "ns" in event else None
        elif type(event) is not tuple or len(event) < 2:
            data = None
        elif type(event[-1]) is dict:
            # The stream has one mode: a message and its metadata.
            data = event if self._mode in (None, "messages") else None
        else:
            data = event[-1] if type(event[-2]) is str and event[-2] == "messages" else None
        if type(data) is not tuple or not data:
            return False
        message_id = getattr(data[0], "__dict__", NO_FIELDS).get("id")
        reader = self._open.get(message_id) if type(message_id) is str else None
        return reader is not None and reader.feed_text(data[0])

    def _message(self, namespace: tuple[str, ...], message: Any, metadata: Mapping[str, Any]) -> None:
        match text_of(message, "type"):
            case "AIMessageChunk" | "ai" as kind:
                self._ai_message(namespace, message, metadata, kind)
            case "tool" | "ToolMessageChunk":
                self._tool_message(message)

    def _ai_message(self, namespace: tuple[str, ...], message: Any, metadata: Mapping[str, Any], kind: str) -> None:
        message_id, task = text_of(message, "id"), text_of(metadata, "langgraph_checkpoint_ns")
        key = message_id or task
        reader = self._open.get(key)
        if reader is not None and kind == "ai":
            # The whole message after its chunks.
            reader.is_last = True
            self._complete(reader)
            return
        if reader is None:
            if message_id in self._seen:
                return
            if message_id:
                self._seen.add(message_id)
            reader = self._open[key] = self._reader_of(namespace, message_id, task)
        reader.feed(message)
        if reader.is_last:
            self._complete(reader)

    def _reader_of(self, namespace: tuple[str, ...], message_id: str, task: str) -> LangChainReader:
        """Return the reader for a new message id."""
        is_local = message_id.startswith(LOCAL_IDS)
        if is_local and task in self._unnamed:
            # Some integrations send the first chunk with the provider's id and the others with one of langchain.
            return self._unnamed.pop(task)
        parent_id = namespace[-1] if namespace else message_id if self._open else None
        if not self._open:
            self.out.step_start()
        reader = LangChainReader(self.out.branch(parent_id or None))
        if not is_local:
            self._unnamed[task] = reader
        return reader

    def flush(self) -> None:
        """Send what was held back; see the base class."""
        for reader in dict.fromkeys(self._open.values()):
            reader.flush()
        super().flush()

    def _forget(self, reader: LangChainReader) -> None:
        for table in (self._open, self._unnamed):
            for key in [key for key, value in table.items() if value is reader]:
                del table[key]

    def _abandon(self, reader: LangChainReader) -> None:
        self._forget(reader)
        for call in reader.out.calls:
            call.close()
        self._finish_step("error")

    def _finish_step(self, reason: TurnFinish) -> None:
        if not self._open:
            self.out.step_finish(reason, self._step_usage)
            self._step_usage = Usage()

    def _complete(self, reader: LangChainReader) -> None:
        self._forget(reader)
        reader.complete()
        made = reader.out
        for call in made.calls:
            key = call.provider_id or call.id
            self._calls[key] = call
            # Some providers repeat their ids in each response.
            self._answered.discard(key)
        self._messages.extend(reader.messages())
        self.out.calls.extend(made.calls)
        self.out.id, self.out.model = made.id or self.out.id, made.model or self.out.model
        self.out.usage += made.usage
        self._step_usage += made.usage
        self.provider_reason: str | None = reader.provider_reason
        self._reason = "tool-calls" if reader.reason == "stop" and made.calls else reader.reason
        self._finish_step(self._reason)

    def _tool_message(self, message: Any) -> None:
        key = text_of(message, "tool_call_id")
        if key in self._answered:
            return
        self._answered.add(key)
        content = native(field(message, "content"))
        value = loads_or_text(content) if isinstance(content, str) else content
        call = self._calls.get(key)
        if call is not None:
            call.is_ours = False
        self.out.late_result(
            key if call is None else call.id,
            # A text that looks like a number is still a text.
            value if isinstance(value, (dict, list)) else content,
            is_error=text_of(message, "status") == "error",
            artifact=application_data(field(message, "artifact"), "artifact"),
        )
        name = text_of(message, "name")
        answer = {"role": "tool", "tool_call_id": key, "content": content, **({"name": name} if name else {})}
        self._messages.append({**answer, "status": "error"} if text_of(message, "status") == "error" else answer)

    # --- state and interrupts ---

    def _write_state(self, mode: str, data: dict[str, Any]) -> None:
        controller = self.out.controller
        if controller.state is None:
            controller.state = {}
        if not isinstance(controller.state, MutableMapping):
            raise ApplicationDataError(
                f'updates="state" needs a dict in controller.state, not {type(controller.state).__name__}: assign one'
            )
        self._has_values |= mode == "values"
        if mode == "values":
            assign_channels(controller.state, data)
        elif not self._has_values:
            # With `values` the updates are not needed, and wrong for channels with a reducer.
            for channels in data.values():
                for one in channels if isinstance(channels, list) else [channels]:
                    assign_channels(controller.state, object_or_empty(one))

    def _interrupt(self, interrupt: Any) -> None:
        value = application_data(field(interrupt, "value"), "interrupt")
        key = text_of(interrupt, "id") or text_of(interrupt, "interrupt_id") or f"interrupt-{len(self._interrupts) + 1}"
        if key in self._interrupts:
            return
        self._interrupts[key] = GraphInterrupt(key, value)
        if self._asks_approval:
            calls = self._calls_of(value)
            for number, call in enumerate(calls, 1):
                self._asked.add(call.id)
                call.request_approval(key if len(calls) == 1 else f"{key}-{number}")

    def _calls_of(self, value: JSON) -> list[CallBuilder]:
        """Return the tool calls that an interrupt is about; one that shows it if there is none."""
        # Without those that the provider runs, or that have a result.
        waiting = [call for call in self._calls.values() if call.is_ours and call.id not in self._asked]
        found = []
        for name, args in _actions(value):
            match = [call for call in waiting if call.name == name]
            same = [call for call in match if call.tool_call().args == args]
            call = next(iter(same or match), None)
            if call is None:
                call = self._show(name, args)
            else:
                waiting.remove(call)
            found.append(call)
        if found:
            return found
        if key := text_of(value, "tool_call_id") if isinstance(value, dict) else "":
            waiting = [call for call in waiting if call is self._calls.get(key)]
        if len(waiting) == 1:
            return waiting
        return [self._show(_INTERRUPT, value if isinstance(value, dict) else {"value": value})]

    def _show(self, name: str, args: JSON) -> CallBuilder:
        call = self.out.call(name, is_ours=False, is_providers=False)
        call.set(args)
        return call


def _actions(value: JSON) -> Iterable[tuple[str, JSON]]:
    """Yield the names and the arguments of the calls in an interrupt of langchain's middleware, or of older agents."""
    requests = value.get("action_requests") if isinstance(value, dict) else value
    for item in requests if isinstance(requests, list) else ():
        action = object_or_empty(item).get("action_request", item)
        name = text_of(action, "name") or text_of(action, "action") if isinstance(action, dict) else ""
        if name:
            yield name, field(action, "args")
