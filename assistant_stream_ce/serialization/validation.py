"""What clients demand of the frames of each wire, and the strict decoders do not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from assistant_stream_ce.jsonvalue import has_refused_key
from assistant_stream_ce.serialization.framing import Frame

__all__ = ("BrokenRuleError", "RULES", "Rules")


class BrokenRuleError(Exception):
    """A frame breaks a rule; the text says which."""


class Rules:
    """The rules of one wire, for one body. Each of the methods raises `BrokenRuleError`."""

    def check(self, frame: Frame) -> None:
        """Check a frame that the decoder has read."""

    def end(self) -> None:
        """Check that the body may end here."""


def _object(data: bytes) -> Mapping[str, Any]:
    """Return the JSON object that a frame is; empty for what is none."""
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _refuse_keys(data: bytes) -> None:
    if has_refused_key(data):
        raise BrokenRuleError("it has a key __proto__ or constructor.prototype, which the clients refuse")


# --- assistant-ui ---------------------------------------------------------------------------------


class DataStreamRules(Rules):
    """What assistant-ui drops with a warning, or without one."""

    def __init__(self) -> None:
        # By the ids of calls: whether argument text came, whether the arguments may grow, whether there is a result.
        self._texts: set[str] = set()
        self._open: dict[str, None] = {}
        self._answered: set[str] = set()

    def check(self, frame: Frame) -> None:
        """Check keys, and the course of tool calls."""
        code, _, rest = frame.data.partition(b":")
        _refuse_keys(rest)
        call_id = _object(rest).get("toolCallId", "")
        match code:
            case b"b":
                self._open[call_id] = None
            case b"c":
                self._extend(call_id, _object(rest))
            case b"9":
                if call_id in self._open and call_id not in self._texts and _object(rest).get("args"):
                    raise BrokenRuleError("after a begin frame, clients ignore the arguments of a whole call")
                self._open.pop(call_id, None)
            case b"a":
                if call_id in self._answered:
                    raise BrokenRuleError("clients ignore a second result of a tool call")
                self._answered.add(call_id)
                self._open.pop(call_id, None)
            case b"e" | b"d":
                self._open.clear()

    def _extend(self, call_id: str, value: Mapping[str, Any]) -> None:
        if call_id not in self._open:
            raise BrokenRuleError("the arguments of this tool call are complete: clients drop what comes after")
        if value.get("argsTextDelta"):
            self._texts.add(call_id)
        if value.get("isFinal"):
            del self._open[call_id]


class TransportRules(Rules):
    """What assistant-ui drops with a warning, or does not read."""

    def __init__(self) -> None:
        self._is_done = False

    def check(self, frame: Frame) -> None:
        """Check that nothing follows the terminator, and the place that a frame is for."""
        if self._is_done:
            raise BrokenRuleError("nothing is read after [DONE]")
        self._is_done = frame.data.strip() == b"[DONE]"
        _refuse_keys(frame.data)
        path = _object(frame.data).get("path", [])
        if not isinstance(path, list) or not all(type(number) is int and number >= 0 for number in path):
            raise BrokenRuleError("a path must be a list of numbers: clients drop the frame")


# --- OpenAI ---------------------------------------------------------------------------------------


class OpenAIRules(Rules):
    """What the official clients need to put a completion together."""

    def __init__(self) -> None:
        self._has_role = False
        self._has_finished = False
        self._has_failed = False
        self._is_done = False
        self._calls = 0

    def check(self, frame: Frame) -> None:
        """Check that the role comes first and the finish reason last, and the numbers of tool calls."""
        if self._is_done:
            raise BrokenRuleError("nothing is read after [DONE]")
        if self._has_failed:
            # Clients read no further, and a run may go on after an error.
            return
        if frame.data.strip() == b"[DONE]":
            self._is_done = True
            if not self._has_finished:
                raise BrokenRuleError("no chunk before [DONE] has a finish_reason")
            return
        value = _object(frame.data)
        if value.get("error") is not None or frame.name == "error":
            self._has_failed = True
            return
        for choice in value.get("choices") or ():
            self._check_choice(choice)

    def _check_choice(self, choice: Mapping[str, Any]) -> None:
        if self._has_finished:
            raise BrokenRuleError("the chunk with the finish_reason must be the last one with a choice")
        if type(choice.get("index")) is not int:
            raise BrokenRuleError("a choice must have an index")
        delta = choice.get("delta") or {}
        role = delta.get("role")
        if role not in (None, "assistant"):
            raise BrokenRuleError(f"the role must be assistant, not {role}")
        self._has_role = self._has_role or role is not None
        if not self._has_role:
            raise BrokenRuleError("the first delta must have the role assistant")
        for call in delta.get("tool_calls") or ():
            self._check_call(call)
        self._has_finished = choice.get("finish_reason") is not None

    def _check_call(self, call: Mapping[str, Any]) -> None:
        index = call.get("index")
        if type(index) is not int or index > self._calls:
            raise BrokenRuleError(f"tool calls must be numbered without gaps: {self._calls} is next, not {index}")
        if index == self._calls:
            function = call.get("function") or {}
            named = {"id": call.get("id"), "type": call.get("type"), "function.name": function.get("name")}
            for name, value in named.items():
                if value is None:
                    raise BrokenRuleError(f"the begin of a tool call must have a field {name}")
            self._calls += 1

    def end(self) -> None:
        """Check that the terminator was read, or an error."""
        if not self._is_done and not self._has_failed:
            raise BrokenRuleError("the stream ended without [DONE]")


# --- The UI message stream ------------------------------------------------------------------------

# What AI SDK 5 knows. It stops at other frames, but for data parts.
_KNOWN = frozenset(
    {
        "start",
        *(f"{part}-{place}" for part in ("text", "reasoning") for place in ("start", "delta", "end")),
        *(f"tool-input-{step}" for step in ("start", "delta", "available", "error")),
        *("tool-output-available", "tool-output-error"),
        *("source-url", "source-document", "file", "start-step", "finish-step"),
        *("message-metadata", "error", "abort", "finish"),
    }
)

# What AI SDK 5, 6 and 7 know.
_FINISH_REASONS = frozenset({"stop", "length", "content-filter", "tool-calls", "error", "other"})


class UIMessageRules(Rules):
    """What AI SDK 5 and 6 refuse, and what would stay unfinished for ever. The decoder does as AI SDK 7."""

    def __init__(self) -> None:
        self._is_done = False
        self._has_begun = False
        # What has been started: texts and reasoning by type and id, inputs of calls by id.
        self._open: dict[tuple[str, str], None] = {}

    def check(self, frame: Frame) -> None:
        """Check a type, and that all that starts ends."""
        if self._is_done:
            raise BrokenRuleError("nothing is read after [DONE]")
        if frame.data.strip() == b"[DONE]":
            self._is_done = True
            return
        value = _object(frame.data)
        kind = str(value.get("type"))
        if kind not in _KNOWN and not kind.startswith("data-"):
            raise BrokenRuleError(f"AI SDK 5 stops at a frame of type {kind}")
        if kind == "start" and self._has_begun:
            raise BrokenRuleError("the start must come first: clients let go of what was before it")
        self._has_begun = True
        match kind.rsplit("-", 1):
            case [("text" | "reasoning") as part, "start"]:
                if (part, str(value.get("id"))) in self._open:
                    raise BrokenRuleError(f"the {part} with its id has not ended, and never will")
                self._open[part, str(value.get("id"))] = None
            case [("text" | "reasoning") as part, "end"]:
                self._open.pop((part, str(value.get("id"))), None)
            case ["tool-input", "delta"]:
                if ("tool-input", str(value.get("toolCallId"))) not in self._open:
                    raise BrokenRuleError("the input of this tool call is complete")
            case ["tool-input", "start"]:
                self._open["tool-input", str(value.get("toolCallId"))] = None
            case ["tool-input" | "tool-output", "available" | "error"]:
                self._open.pop(("tool-input", str(value.get("toolCallId"))), None)
        if kind == "finish-step":
            self._refuse_open()
        if kind == "start-step":
            # AI SDK looks for a call in the current step.
            self._refuse_open("tool-input")
        if kind == "finish" and value.get("finishReason") not in (None, *_FINISH_REASONS):
            raise BrokenRuleError(f"AI SDK 5 or 6 stops at the finish reason {value['finishReason']}")

    def end(self) -> None:
        """Check that nothing is left open."""
        self._refuse_open()

    def _refuse_open(self, *kinds: str) -> None:
        for kind, id in self._open:
            if kinds and kind not in kinds:
                continue
            raise BrokenRuleError(f"the {kind} {id!r} was started and has not ended")


# --- AG-UI ----------------------------------------------------------------------------------------


# What RFC 6902 knows.
_PATCHES = ("add", "remove", "replace", "move", "copy", "test")


class AGUIRules(Rules):
    """What the newest client leaves out with a warning. For the rest the decoder does as the client."""

    def check(self, frame: Frame) -> None:
        """Check that each operation of a patch says what it does."""
        event = _object(frame.data)
        patch = event.get({"STATE_DELTA": "delta", "ACTIVITY_DELTA": "patch"}.get(str(event.get("type")), ""))
        for operation in patch if isinstance(patch, list) else ():
            if operation.get("op") not in _PATCHES:
                raise BrokenRuleError(f"clients leave out an operation {operation.get('op')!r} of a patch")


#: The rules of each wire that has frames.
RULES: Mapping[str, type[Rules]] = {
    "data-stream": DataStreamRules,
    "assistant-transport": TransportRules,
    "openai": OpenAIRules,
    "ui-message-stream": UIMessageRules,
    "ag-ui": AGUIRules,
}
