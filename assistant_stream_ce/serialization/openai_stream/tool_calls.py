"""Assign the tool call deltas of an OpenAI-compatible chat completion to calls. Sans-I/O.

OpenAI sends an index with each delta, and id and name with the first one. Compatible servers leave out the index, use
index 0 for every call, send no id, a made-up one with each delta or the same one twice, send the name late or in
pieces, or the arguments as an object. This module has the rules for all of them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any, TypeAlias

from assistant_stream_ce.chunks import ToolCallBeginChunk, ToolCallDeltaChunk
from assistant_stream_ce.jsonvalue import JSON, dumps, loads, object_or_empty

_Chunk: TypeAlias = ToolCallBeginChunk | ToolCallDeltaChunk

# The name of a call without a name in any delta.
UNKNOWN_TOOL = "unknown"

# Characters of argument text that are held back until the name or the end arrives.
_MAX_HELD = 1024 * 1024

# The tokens that determine the end of a JSON text; a backslash with the escaped character.
_TOKENS = re.compile(r'\\[\s\S]?|["{}\[\]]')


class ProviderToolCall:
    """One call of a completion.

    Attributes:
        id: the unique id in our chunks; empty until the call begins.
        provider_id: the id that the provider sent, for the request that answers the call; None if there was none.
        name: the name of the tool, as far as it has arrived.
        has_begun: whether the begin chunk was sent.
        has_args: whether any argument text has arrived.
        passes_args: whether more argument text is passed on as it comes.
        is_complete: whether the argument text so far is a complete JSON value.
    """

    def __init__(self, provider_id: str | None) -> None:
        self.id = ""
        self.provider_id = provider_id
        self.name = ""
        self.has_begun = False
        self.has_args: bool = False
        self.passes_args: bool = False
        self.is_complete: bool = False
        # How the argument text begins. A JSON text inside a JSON string, as some gateways send, is held to its end,
        # other text until the name has arrived.
        self._start = ""
        self._held: list[str] = []
        self._held_size = 0
        # A name that was repeated after complete arguments: the name of the next call, if more arguments follow.
        self.next_name = ""
        self._depth = 0
        self._is_in_text = False
        self._escape = ""

    def add_args(self, text: str) -> None:
        """Add argument text to the text that is held back."""
        if len(self._start) < 2:
            self._start = (self._start + text).lstrip()[:2]
            self.has_args = self._start != ""
        self._held.append(text)
        self._held_size += len(text)
        self.read_args(text)

    def read_args(self, text: str) -> None:
        """Read argument text, to know where its JSON value ends."""
        if self._escape:
            text, self._escape = self._escape + text, ""
        if tokens := _TOKENS.findall(text):
            self._read_tokens(tokens)
            text = text.rpartition(tokens[-1])[2]
        if self.is_complete and text.strip():
            # More follows the value, such as a colon.
            self.is_complete = False

    def _read_tokens(self, tokens: list[str]) -> None:
        for token in tokens:
            if token == "\\":
                # The escaped character has not arrived.
                self._escape = token
            elif token == '"':
                self._is_in_text = not self._is_in_text
                self.is_complete = not self._is_in_text and self._depth == 0
            elif not self._is_in_text and token in "{[":
                self._depth += 1
            elif not self._is_in_text and token in "}]":
                self._depth -= 1
                self.is_complete = self._depth == 0

    def take_args(self, *, is_end: bool = False) -> list[str]:
        """Remove and return the argument text that need not be held back any longer."""
        is_quoted = self._start in ('"', '"{', '"[')
        if is_quoted and not is_end and self._held_size <= _MAX_HELD:
            return []
        texts, self._held, self._held_size = self._held, [], 0
        if is_quoted and is_end:
            return [_unquoted("".join(texts))]
        if is_quoted:
            # Above the limit of text that is held back.
            self._start = "  "
        self.passes_args = self.has_begun and len(self._start) > 1
        return texts

    @property
    def must_begin(self) -> bool:
        """Whether the call has to begin now, without waiting for more of its name."""
        return (self.has_args and self.name != "") or self._held_size > _MAX_HELD


class ToolCallDeltas:
    """Converts the tool call deltas of one completion to chunks. Not thread-safe.

    A call begins with its first argument text or when something else follows, because its name may come in pieces.

    Args:
        is_taken: whether an earlier message of the run has a call with an id. A call gets a new id if the provider's
            is taken, or is that of another call of this completion.
    """

    def __init__(self, is_taken: Callable[[str], bool] | None = None) -> None:
        self._is_taken = is_taken
        #: The calls, in order.
        self.calls: list[ProviderToolCall] = []
        self._by_index: dict[Any, ProviderToolCall] = {}
        self._by_id: dict[str, ProviderToolCall] = {}
        self._ids: set[str] = set()
        # The calls that have a name and have not begun.
        self._waiting: dict[ProviderToolCall, None] = {}

    def add(self, delta: dict[str, JSON], position: int = 0) -> list[_Chunk]:
        """Return the chunks of one delta.

        Args:
            delta: an item of `tool_calls`.
            position: its position in a list of several items, counted from 1; 0 for a single item.
        """
        function = object_or_empty(delta.get("function"))
        return self.add_fields(
            delta.get("index"), delta.get("id"), function.get("name"), function.get("arguments"), position
        )

    def add_fields(self, index: JSON, provider_id: JSON, name: JSON, args: JSON, position: int = 0) -> list[_Chunk]:
        """Return the chunks of one delta, given by its fields; see `add`."""
        if type(index) is int and type(args) is str and not (name or provider_id or self._waiting):
            # Fast path, because most deltas only extend arguments: a third of the cost.
            known = self._by_index.get(index)
            if known is not None and known.passes_args and not known.is_complete:
                known.read_args(args)
                return [ToolCallDeltaChunk(known.id, args)] if args else []
        name, args, provider_id = _text(name), _args(args), _text(provider_id)
        if provider_id == "null":
            provider_id = ""
        if type(index) is not int and type(index) is not str:
            index = ("position", position) if position else None
        call = self._find(index, provider_id, name, args)
        if call is not None and call.is_complete:
            if args.strip() and (name or call.next_name):
                name, provider_id, call = name or call.next_name, provider_id or call.provider_id or "", None
            elif name and not args.strip():
                call.next_name = name
        made: list[_Chunk] = []
        if self._waiting and (call not in self._waiting or len(self._waiting) > 1):
            made = self.begin_waiting()
        if call is None:
            call = ProviderToolCall(provider_id or None)
            self.calls.append(call)
        self._note(call, index, provider_id)
        return made + self._extend(call, name, args)

    def begin_waiting(self) -> list[_Chunk]:
        """Begin the calls whose names have arrived: something else follows."""
        return [chunk for call in list(self._waiting) for chunk in self._begin(call)]

    def end(self, *, is_cut: bool = False) -> list[_Chunk]:
        """Return the text that was held back, and the ends of all arguments.

        Args:
            is_cut: whether the stream ended too early, so that arguments may be incomplete; they are not ended then.
        """
        made: list[_Chunk] = []
        for call in self.calls:
            if not call.has_begun and (call.name or call.has_args):
                made += self._begin(call)
        for call in self.calls:
            if call.has_begun:
                made += _deltas(call, call.take_args(is_end=True))
                if not is_cut:
                    made.append(ToolCallDeltaChunk(call.id, "", is_final=True))
        return made

    def _find(self, index: Any, provider_id: str, name: str, args: str) -> ProviderToolCall | None:
        """Return the call that a delta belongs to; None if it begins one."""
        last = self.calls[-1] if self.calls else None
        there = last if index is None else self._by_index.get(index)
        if not provider_id and not name:
            is_over = there is None or (there.is_complete and args.strip() != "")
            if is_over and last is not None and not (last.is_complete and args.strip()):
                # The index changes between deltas of one call.
                return last
            # Otherwise arguments may arrive before the name of their call.
            return there
        if not provider_id:
            return there if there is not None and _may_continue(there, index, name) else None
        known = there if there is not None and there.provider_id == provider_id else self._by_id.get(provider_id)
        if known is not None:
            is_moved = index is not None and there is not known
            return None if name and is_moved and _begins_again(known, name) else known
        if there is None:
            return None
        if there.provider_id is None:
            # An id that arrives late.
            return there if not name or _may_continue(there, index, name) else None
        # A new id begins another call. But some servers generate an id for each delta of a call.
        return None if (name and there.name) or there.is_complete else there

    def _note(self, call: ProviderToolCall, index: Any, provider_id: str) -> None:
        if index is not None:
            self._by_index[index] = call
        if provider_id:
            self._by_id[provider_id] = call
            call.provider_id = call.provider_id or provider_id

    def _extend(self, call: ProviderToolCall, name: str, args: str) -> list[_Chunk]:
        if not call.has_begun and name != call.name:
            call.name += name
            self._waiting[call] = None
        if args:
            call.add_args(args)
        if call.has_begun:
            return _deltas(call, call.take_args())
        return self._begin(call) if call.must_begin else []

    def _begin(self, call: ProviderToolCall) -> list[_Chunk]:
        self._waiting.pop(call, None)
        call.has_begun = True
        call.id = call.provider_id or ""
        if not call.id or call.id in self._ids or (self._is_taken is not None and self._is_taken(call.id)):
            call.id = f"call_{uuid.uuid4().hex}"
        self._ids.add(call.id)
        return [ToolCallBeginChunk(call.id, call.name or UNKNOWN_TOOL), *_deltas(call, call.take_args())]


def _deltas(call: ProviderToolCall, texts: list[str]) -> list[_Chunk]:
    return [ToolCallDeltaChunk(call.id, text) for text in texts if text]


def _may_continue(call: ProviderToolCall, index: Any, name: str) -> bool:
    """Return whether a delta with a name and no known id may belong to a call, and does not begin another one."""
    if not call.name or name == call.name:
        return True
    # The name may arrive in pieces.
    return not call.has_args and index is not None


def _begins_again(call: ProviderToolCall, name: str) -> bool:
    """Return whether a delta with the id of a call, at another index, begins another call with that id."""
    return name != call.name or not call.has_args or call.is_complete


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else ""


def _args(value: JSON) -> str:
    """Return arguments as text; some gateways send an object."""
    return "" if value is None else value if isinstance(value, str) else dumps(value).decode()


def _unquoted(text: str) -> str:
    """Return the JSON text inside a JSON string, or any other text unchanged."""
    try:
        value = loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text
