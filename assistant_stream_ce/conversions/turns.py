"""Prepare a history for a model provider: split it into turns, close tool calls, and map ids and names."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias, TypeVar

import msgspec

from assistant_stream_ce.concurrency.gevent import new_lock
from assistant_stream_ce.conversions.files import is_url
from assistant_stream_ce.conversions.reading import history_of, model_result, step_starts
from assistant_stream_ce.jsonvalue import JSON, object_or_empty, whole_text
from assistant_stream_ce.message import (
    AssistantMessage,
    FilePart,
    Message,
    MessagePart,
    ReasoningPart,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolCallPart,
    UserMessage,
    UserPart,
)

Block = TypeVar("Block")

# First message for providers that require one of the user.
_OPENING = "(The conversation begins with the assistant.)"

#: The result of a call without a result.
NOT_COMPLETED = "The tool call was not completed."

# Characters of a tool's name that every provider accepts.
_MAX_NAME = 64

# The names of tools by those that models were given instead, which contain a hash, and so mean the same in all runs.
_described: dict[str, str] = {}
_described_lock = new_lock()
_MAX_DESCRIBED = 1_000

_TEXT_TYPES = ("application/json", "application/xml", "application/yaml", "application/x-yaml")


def turns_of(message: AssistantMessage) -> list[list[MessagePart]]:
    """Return the parts of each turn of the model.

    A turn ends where a step begins, and where the model continues after the results of its calls.
    """
    turns: list[list[MessagePart]] = []
    starts = step_starts(message)
    turn: list[MessagePart] = []
    # Whether all calls of the turn are answered; None if it has none.
    is_answered: bool | None = None
    for number, part in enumerate(message.parts):
        goes_on = isinstance(part, (TextPart, RefusalPart, ReasoningPart)) and is_answered
        if turn and (number in starts or goes_on):
            turns.append(turn)
            turn, is_answered = [], None
        turn.append(part)
        if isinstance(part, ToolCallPart) and not part.provider_executed:
            is_answered = part.state == "answered" and is_answered is not False
    return [*turns, turn] if turn else turns


class Call(msgspec.Struct, frozen=True):
    """A tool call as it is sent to the provider.

    Attributes:
        part: the call.
        id: an id that the provider accepts, unique in the history.
        name: a name that it accepts.
        is_open: whether its result will follow; otherwise it has one.
    """

    part: ToolCallPart
    id: str
    name: str
    is_open: bool

    @property
    def arguments(self) -> JSON:
        """The arguments as an object."""
        return self.part.args if isinstance(self.part.args, dict) else {"input": self.part.args}

    @property
    def is_error(self) -> bool:
        """Whether the result is an error."""
        return self.part.is_error or self.part.state != "answered"

    @property
    def text(self) -> str:
        """The result as the model reads it."""
        return model_text(self.part) if self.part.state == "answered" else NOT_COMPLETED


class ModelTurn(msgspec.Struct, frozen=True):
    """One turn of the model: its output up to its tool calls.

    Attributes:
        parts: its parts in order, with a `Call` for each tool call that is answered to the provider.
        is_new: whether it comes after the last message of the user.
    """

    parts: list[MessagePart | Call]
    is_new: bool = False

    @property
    def calls(self) -> list[Call]:
        """The tool calls."""
        return [part for part in self.parts if isinstance(part, Call)]

    @property
    def answered(self) -> list[Call]:
        """The tool calls that have a result."""
        return [call for call in self.calls if not call.is_open]


Entry: TypeAlias = UserMessage | SystemMessage | ModelTurn


class ProviderNames:
    """Maps tool call ids and names to valid ones of a provider, always in the same way.

    Args:
        max_id: limit of an id, in characters.
    """

    def __init__(self, max_id: int = 64) -> None:
        self._id = re.compile(rf"[A-Za-z0-9_-]{{1,{max_id}}}")

    def id(self, call_id: str, count: int = 0) -> str:
        """Return an id for a call; `count` calls before it have the same one."""
        if not count and self._id.fullmatch(call_id):
            return call_id
        return f"call_{_digest(f'{call_id}#{count}' if count else call_id, 24)}"

    def name(self, name: str) -> str:
        """Return a name for a tool."""
        safe = re.sub(r"[^A-Za-z0-9_-]", "_", name)
        if safe == name and 0 < len(name) <= _MAX_NAME:
            return name
        return f"{safe[: _MAX_NAME - 9]}_{_digest(name, 8)}"

    def describe(self, name: str) -> str:
        """Return a name for a tool that a model may call, and remember it for `original_name`."""
        given = self.name(name)
        if given != name:
            with _described_lock:
                _described.pop(given, None)
                _described[given] = name
                if len(_described) > _MAX_DESCRIBED:
                    del _described[next(iter(_described))]
        return given


def original_name(given: str) -> str:
    """Return the name of a tool that was given to a model by another name; any other name unchanged."""
    return _described.get(given, given)


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def prepare(messages: Iterable[Message], names: ProviderNames, system: str | None = None) -> tuple[str, list[Entry]]:
    """Return the instructions, and the entries of a history that a provider accepts.

    Each call has one result: an error where it was not completed. A call at the very end stays open where its message
    waits for it. Empty texts and messages are left out.

    Args:
        messages: the history, oldest message first.
        names: maps ids and names.
        system: instructions that come first.

    Raises:
        TypeError: an argument has a wrong type.
    """
    if not isinstance(system, str | None):
        raise TypeError(f"system must be a str or None, not {type(system).__name__}")
    history = history_of(messages)
    instructions = [system or "", *(one.text for one in history if isinstance(one, SystemMessage))]
    talk = [one for one in history if not isinstance(one, SystemMessage)]
    last_user = max((number for number, one in enumerate(talk) if isinstance(one, UserMessage)), default=-1)
    entries: list[Entry] = []
    seen: dict[str, int] = {}
    for number, message in enumerate(talk):
        if isinstance(message, UserMessage):
            parts = [part for part in message.parts if not isinstance(part, TextPart) or part.text.strip()]
            entries += [msgspec.structs.replace(message, parts=parts)] if parts else []
            continue
        is_last = number == len(talk) - 1
        turns = turns_of(message)
        for position, turn in enumerate(turns):
            waits = is_last and position == len(turns) - 1 and message.status.type == "requires-action"
            prepared = _parts(turn, names, seen, waits)
            entries += [ModelTurn(prepared, number > last_user)] if prepared else []
    return "\n\n".join(filter(None, instructions)), entries


def _parts(
    turn: Sequence[MessagePart], names: ProviderNames, seen: dict[str, int], waits: bool
) -> list[MessagePart | Call]:
    parts: list[MessagePart | Call] = []
    for part in turn:
        if isinstance(part, ToolCallPart):
            if not part.provider_executed:
                count = seen.get(part.id, 0)
                seen[part.id] = count + 1
                is_open = waits and part.state == "complete"
                parts.append(Call(part, names.id(part.id, count), names.name(part.name), is_open))
        elif not isinstance(part, (TextPart, RefusalPart)) or part.text:
            parts.append(part)
    return parts


def metadata_for(part: TextPart | ReasoningPart | ToolCallPart, provider: str) -> dict[str, JSON]:
    """Return the metadata of a part for a provider, which is sent to that provider only."""
    return object_or_empty(part.provider_metadata.get(provider))


def model_text(part: ToolCallPart) -> str:
    """Return a result as the model reads it, in valid Unicode."""
    return whole_text(model_result(part))


def file_text(part: FilePart) -> str | None:
    """Return the text of a text file, or None for any other file."""
    family, _, _ = part.mime_type.partition("/")
    if is_url(part.data) or not (family == "text" or part.mime_type in _TEXT_TYPES):
        return None
    return base64.b64decode(part.data).decode("utf-8", "replace")


def file_note(part: FilePart) -> str:
    """Return a note for a model that cannot read a file: its name, and its URL."""
    name = part.filename or part.mime_type
    return f"[File: {name}, {part.data}]" if is_url(part.data) else f"[File: {name}, not readable by this model]"


def text_or_note(part: FilePart) -> str:
    """Return the content of a text file, or a note."""
    text = file_text(part)
    return file_note(part) if text is None else text


def content_bytes(part: FilePart) -> bytes:
    """Return the content of a file that is not a URL."""
    return base64.b64decode(part.data)


def alternating(
    entries: Sequence[Entry],
    user_block: Callable[[UserPart], Block],
    model_block: Callable[[MessagePart | Call], Block | None],
    result_block: Callable[[Call], Block],
    *,
    model: str = "assistant",
) -> list[tuple[str, list[Block]]]:
    """Return the blocks of messages that begin with the user's and whose roles alternate, with no message empty.

    Args:
        entries: the history.
        user_block: returns the block of a part of the user.
        model_block: returns the block of a part of the model, or None to leave it out.
        result_block: returns the block of a result, which is sent with the role of the user.
        model: the name of the model's role.
    """
    made: list[tuple[str, list[Block]]] = []

    def add(role: str, blocks: list[Block]) -> None:
        if not blocks:
            return
        if not made and role == model:
            made.append(("user", [user_block(TextPart(_OPENING))]))
        if made and made[-1][0] == role:
            made[-1][1].extend(blocks)
        else:
            made.append((role, blocks))

    for entry in entries:
        if isinstance(entry, UserMessage):
            add("user", [user_block(part) for part in entry.parts])
        elif isinstance(entry, ModelTurn):
            add(model, [block for part in entry.parts if (block := model_block(part)) is not None])
            add("user", [result_block(call) for call in entry.answered])
    return made
