"""Build a history from untrusted or stored messages: tolerant, with a report of everything that was dropped."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from assistant_stream_ce.conversions.files import UnsafeFileError, file_part
from assistant_stream_ce.jsonvalue import JSON, dumps, has_refused_key, loads, loads_or_text, object_or_empty
from assistant_stream_ce.message import (
    AssistantMessage,
    Message,
    MessagePart,
    MessageStatus,
    RefusalPart,
    Step,
    SystemMessage,
    TextPart,
    ToolCallPart,
    UserMessage,
    UserPart,
)
from assistant_stream_ce.message.partial_json import parse_partial

#: The longest id or name, in characters.
MAX_ID_LENGTH = 100_000

#: The most reports of dropped data: a hostile body has a million values to report.
MAX_REPORTS = 10_000

#: Why a key was dropped.
POLLUTES = "a key that pollutes prototypes"

_SHOWN = 80


class Dropped(msgspec.Struct, frozen=True):
    """Report of something that was dropped from a history.

    Attributes:
        path: its path in the input, such as `messages.3.parts.0`.
        reason: why it was dropped; safe to log and to show.
    """

    path: str
    reason: str


class HistoryBuilder:
    """Collects messages, and reports of dropped data. Not thread-safe.

    Args:
        trust_system: whether messages of the system are kept.
        max_id_length: limit of ids and names, in characters; longer ones are dropped.
    """

    #: Whether empty texts are kept.
    keeps_empty = False

    def __init__(self, *, trust_system: bool = False, max_id_length: int = MAX_ID_LENGTH) -> None:
        self.messages: list[Message] = []
        self.dropped: list[Dropped] = []
        self._trust_system = trust_system
        self.max_id_length = max_id_length

    def drop(self, path: str, reason: str) -> None:
        """Report something that is dropped. After `MAX_REPORTS`, one last report says that there is more."""
        if len(self.dropped) < MAX_REPORTS:
            self.dropped.append(Dropped(path, reason))
        elif len(self.dropped) == MAX_REPORTS:
            self.dropped.append(Dropped("", f"more than {MAX_REPORTS:,} values were dropped"))

    def ignore(self, path: str, reason: str) -> None:
        """Report something that is unknown, or that no message may contain."""
        self.drop(path, reason)

    def objects(self, value: JSON, path: str) -> Iterator[tuple[str, dict[str, JSON]]]:
        """Yield the objects of a list, each with its path; report all other items."""
        if value is None:
            return
        if not isinstance(value, list):
            self.drop(path, "not a list")
            return
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield f"{path}.{index}", item
            else:
                self.drop(f"{path}.{index}", "not an object")

    def check_fields(self, value: dict[str, JSON], path: str, known: Collection[str]) -> None:
        """Report the fields of an object that its format does not have."""
        for name in value:
            if name not in known:
                self.ignore(f"{path}.{name:.{_SHOWN}}", "an unknown field")

    def arguments(self, value: JSON, path: str) -> JSON:
        """Return the arguments of a tool call; keys that pollute prototypes are dropped from JSON text."""
        if isinstance(value, str) and self._report_refused_key(value, path):
            # One that is nested too deep stays as it is, and has no arguments.
            with contextlib.suppress(ValueError):
                return loads(value)
        return value

    def content(self, value: JSON, path: str) -> JSON:
        """Return the result of a tool: the value of a JSON text, or any other text unchanged."""
        if not isinstance(value, str):
            return value
        self._report_refused_key(value, path)
        return loads_or_text(value)

    def _report_refused_key(self, text: str, path: str) -> bool:
        is_refused = has_refused_key(text.encode("utf-8", "surrogatepass"))
        if is_refused:
            self.ignore(path, POLLUTES)
        return is_refused

    def name(self, value: JSON, path: str) -> str | None:
        """Return an id or a name; None for an invalid one, which is reported unless it is absent."""
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value:
            self.drop(path, "not a text")
            return None
        if len(value) > self.max_id_length:
            self.reject_name(path, f"longer than {self.max_id_length:,} characters")
            return None
        return value

    def reject_name(self, path: str, reason: str) -> None:
        """Report an id or a name that is too long."""
        self.drop(path, reason)

    def system(self, text: str, message_id: str | None, path: str) -> None:
        """Add a message of the system, if these are trusted."""
        if not self._trust_system:
            self.drop(path, "a system message of the client")
        elif text:
            self.messages.append(SystemMessage(text, message_id))

    def user(self, parts: list[UserPart], path: str, message_id: str | None = None, metadata: JSON = None) -> None:
        """Add a message of the user."""
        if not parts:
            self.drop(path, "a user message without content")
            return
        self.messages.append(UserMessage(parts, message_id, object_or_empty(metadata)))

    def file(self, data: JSON, media_type: JSON, filename: JSON, path: str) -> list[UserPart]:
        """Return a file as a list of one part; an empty list for an unsafe one, which is reported."""
        try:
            return [file_part(data, media_type, filename)]
        except UnsafeFileError as error:
            self.drop(path, str(error))
            return []

    def text(self, value: JSON, path: str) -> list[UserPart]:
        """Return a text as a list of one part; an empty list for an empty text or any other value."""
        if isinstance(value, str):
            return [TextPart(value)] if value else []
        self.drop(path, "a text part without text")
        return []

    def unknown(self, kind: JSON, path: str) -> None:
        """Report a part, message or command of an unknown type."""
        self.ignore(path, f"the type {kind!r:.{_SHOWN}} is not supported here")

    def unknown_state(self, state: JSON, path: str) -> None:
        """Report a state that its format does not have; none at all is reported too."""
        self.ignore(path, f"the state {state!r:.{_SHOWN}} is not supported here")

    def assistant(self, builder: AssistantBuilder, path: str) -> None:
        """Add a message of the assistant."""
        message = builder.build()
        if message.parts or message.data or message.annotations or message.state is not None:
            self.messages.append(message)
        else:
            self.drop(path, "an assistant message without content")

    def result(self) -> tuple[list[Message], list[Dropped]]:
        """Return the messages, and what was dropped. A last message with open calls waits for their results."""
        if self.messages and isinstance(last := self.messages[-1], AssistantMessage):
            waits = any(call.state == "complete" and not call.provider_executed for call in last.tool_calls)
            if waits and last.status.type == "complete":
                status = MessageStatus("requires-action", "tool-calls")
                self.messages[-1] = msgspec.structs.replace(last, status=status)
        return self.messages, self.dropped


class AssistantBuilder:
    """Collects the parts of one message of the assistant.

    Args:
        history: receives the reports.
        message_id: the id of the message.
    """

    def __init__(self, history: HistoryBuilder, message_id: str | None = None) -> None:
        self.id = message_id
        self.parts: list[MessagePart] = []
        self.data: list[JSON] = []
        self.annotations: list[JSON] = []
        self.metadata: dict[str, JSON] = {}
        self.usage: JSON = {}
        self.state: JSON = None
        self._history = history
        self._steps: list[Step] = []
        self._was_cut = False
        # The index of the newest call of each id; the ids of the calls in the current step.
        self._calls: dict[str, int] = {}
        self._step_calls: set[str] = set()

    def step(self) -> None:
        """Begin a step."""
        self._steps.append(Step("", len(self.parts)))
        self._step_calls.clear()

    @property
    def last_step_start(self) -> int:
        """The number of parts before the last step."""
        return self._steps[-1].first_part if self._steps else 0

    def add(self, part: MessagePart, *, was_cut: bool = False) -> None:
        """Add a part other than a tool call."""
        self._was_cut |= was_cut
        self.parts.append(part)

    def add_call(self, call: ToolCallPart, path: str) -> None:
        """Add a tool call; of two with one id in a step the first is kept."""
        if call.id in self._step_calls:
            self._history.drop(path, f"a second tool call with the id {call.id!r:.{_SHOWN}}")
            return
        self._step_calls.add(call.id)
        self._calls[call.id] = len(self.parts)
        self._was_cut |= call.state == "partial"
        self.parts.append(call)

    def answer(self, call_id: str, path: str, **fields: Any) -> ToolCallPart | None:
        """Set the result of a tool call; return the call, or None if there is no such call or it has a result."""
        index = self._calls.get(call_id)
        if index is None:
            self._history.drop(path, f"a result for the call {call_id!r:.{_SHOWN}}, which is not in the history")
            return None
        call = self.parts[index]
        assert isinstance(call, ToolCallPart)
        if call.state == "answered":
            self._history.drop(path, f"a second result for the call {call_id!r:.{_SHOWN}}")
            return None
        answered = msgspec.structs.replace(call, state="answered", preliminary=False, **fields)
        self.parts[index] = answered
        return answered

    def build(self) -> AssistantMessage:
        """Return the message."""
        status = MessageStatus("incomplete", "cancelled") if self._was_cut else MessageStatus("complete", "unknown")
        return AssistantMessage(
            parts=self.parts,
            status=status,
            steps=self._steps,
            usage=self.usage or AssistantMessage().usage,
            data=self.data,
            annotations=self.annotations,
            state=self.state,
            metadata=self.metadata,
            id=self.id,
        )

    def refusal(self, text: JSON) -> None:
        """Add a refusal, if there is one."""
        if isinstance(text, str) and text:
            self.add(RefusalPart(text))


def system_text(value: JSON) -> str:
    """Return instructions that are a text, or a list of blocks with texts."""
    blocks = value if isinstance(value, list) else [{"text": value}]
    return "\n\n".join(
        text for block in blocks if isinstance(block, dict) and (text := text_or_none(block.get("text")))
    )


def call_part(call_id: str, name: str, arguments: JSON, **fields: Any) -> ToolCallPart:
    """Return a tool call from its arguments: a value, or JSON text, which need not be complete."""
    if isinstance(arguments, str):
        return ToolCallPart(call_id, name, arguments or "{}", _parsed(arguments or "{}"), **fields)
    value = {} if arguments is None else arguments
    return ToolCallPart(call_id, name, dumps(value).decode(), value, **fields)


def _parsed(text: str) -> JSON:
    value = parse_partial(text)
    return value if isinstance(value, (dict, list)) else {}


def text_or_none(value: JSON) -> str | None:
    """Return a text that is not empty, or None."""
    return value if isinstance(value, str) and value else None
