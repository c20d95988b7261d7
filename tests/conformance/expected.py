"""What each client must show of a conversation, worked out from what the callback wrote and from nothing else.

The rules are those of the clients: which deltas extend a part, when arguments are complete, what ends a
message. No encoder is asked.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from tests.conformance.conversations import Act, Conversation, Holder, edit, joined, made_safe

#: Stands for an id that the client invented.
ANY_ID = object()

# What ends the arguments of every open call.
_ENDS = ("add_step_finish", "add_message_finish")


# --- assistant-ui ---------------------------------------------------------------------------------


def assistant_ui_message(conversation: Conversation, protocol: str) -> dict[str, Any]:
    """Return the message that assistant-ui's accumulator shows, from either of its two wires."""
    message = _AssistantUIMessage(conversation, protocol)
    for act in conversation.acts:
        message.take(act)
    return message.finish()


class _AssistantUIMessage:
    def __init__(self, conversation: Conversation, protocol: str) -> None:
        # The two decoders finish a tool call's part at different times, which its status tells.
        self.answered_status = "stop" if protocol == "assistant-transport" else "unknown"
        self.parts: list[dict[str, Any]] = []
        self.calls: dict[str, dict[str, Any]] = {}
        # The part that the next text may extend, and under which type and parent.
        self.growing: tuple[str, str | None] | None = None
        self.holder = Holder(copy.deepcopy(conversation.state))
        self.data: list[Any] = []
        self.annotations: list[Any] = []
        self.steps: list[dict[str, Any]] = []
        self.error: str | None = None
        self.finish_reason: str | None = None

    def take(self, act: Act) -> None:
        values = act.values
        match act.what:
            case "append_text":
                self.grow("text", act.parent_id, values["text"])
            case "append_reasoning":
                self.grow("reasoning", act.parent_id, values["text"])
            case "add_tool_call":
                self.begin(values["tool_call_id"], values["tool_name"], act.parent_id)
            case "tool.append_args_text":
                self.extend_arguments(self.calls[values["tool_call_id"]], values["text"])
            case "tool.close":
                self.complete(self.calls[values["tool_call_id"]])
            case "tool.set_response" | "add_tool_result":
                self.answer(**values)
            case "add_source":
                title = {"title": values["title"]} if values["title"] else {}
                self.add(
                    {"type": "source", "sourceType": "url", "id": values["id"], "url": values["url"], **title}, act
                )
            case "add_file":
                self.add({"type": "file", "data": values["data"], "mimeType": values["mime_type"]}, act)
            case "add_data":
                self.data.append(made_safe(values["data"]))
            case "add_annotations":
                self.annotations += made_safe(values["annotations"])
            case "add_step_start":
                self.steps.append({"state": "started", "messageId": values["message_id"]})
            case "add_step_finish":
                self.complete_all()
                self.finish_step(values)
            case "add_message_finish":
                self.complete_all()
                self.finish_reason = values["finish_reason"]
            case "state":
                edit(self.holder, values["kind"], values["path"], copy.deepcopy(made_safe(values["value"])))
            case "append_state_text":
                edit(self.holder, "extend text", values["path"], values["text"])
            case "add_error":
                self.error = values["message"]
            case "raise":
                self.error = values["text"]
            case _:
                raise AssertionError(act)

    def grow(self, kind: str, parent_id: str | None, text: str) -> None:
        if not text:
            return
        if self.growing != (kind, parent_id):
            self.parts.append(_under(parent_id, {"type": kind, "text": "", "status": _complete("unknown")}))
            self.growing = (kind, parent_id)
        self.parts[-1]["text"] += text

    def add(self, part: dict[str, Any], act: Act) -> None:
        self.growing = None
        self.parts.append(_under(act.parent_id, {**part, "status": _complete("unknown")}))

    def begin(self, call_id: str, name: str, parent_id: str | None) -> dict[str, Any]:
        call = {
            "type": "tool-call",
            "state": "partial-call",
            "status": _complete("unknown"),
            "toolCallId": call_id,
            "toolName": name,
            "argsText": "",
            "args": {},
        }
        self.growing = None
        self.parts.append(_under(parent_id, call))
        self.calls[call_id] = self.parts[-1]
        return self.parts[-1]

    def extend_arguments(self, call: dict[str, Any], text: str) -> None:
        call["argsText"] += text
        arguments = parse_partial(call["argsText"])
        # What does not parse, or is no object, leaves the arguments as they were.
        if isinstance(arguments, (dict, list)) and not _is_poisoned(arguments):
            call["args"] = arguments

    def complete(self, call: dict[str, Any]) -> None:
        if call["state"] == "partial-call":
            call["state"] = "call"
            if not call["argsText"]:
                call["argsText"] = "{}"

    def complete_all(self) -> None:
        for call in self.calls.values():
            self.complete(call)

    def answer(self, tool_call_id: str, result: Any, artifact: Any = None, is_error: bool = False) -> None:
        call = self.calls.get(tool_call_id) or self.begin(tool_call_id, "unknown", None)
        self.complete(call)
        call |= {
            "state": "result",
            "result": made_safe(result),
            "isError": is_error,
            "status": _complete(self.answered_status),
        }
        if made_safe(artifact) is not None:
            call["artifact"] = made_safe(artifact)

    def finish_step(self, values: dict[str, Any]) -> None:
        if not self.steps or self.steps[-1]["state"] == "finished":
            self.steps.append({"messageId": ANY_ID})
        usage = {"inputTokens": values["input_tokens"], "outputTokens": values["output_tokens"]}
        self.steps[-1] |= {
            "state": "finished",
            "finishReason": values["finish_reason"],
            "usage": usage,
            "isContinued": values["is_continued"],
        }

    def finish(self) -> dict[str, Any]:
        self.complete_all()
        return {
            "role": "assistant",
            "status": self.status(),
            "parts": self.parts,
            "metadata": {
                "unstable_state": self.holder.state,
                "unstable_data": self.data,
                "unstable_annotations": self.annotations,
                "steps": self.steps,
                "custom": {},
            },
        }

    def status(self) -> dict[str, Any]:
        if self.error is not None:
            return {"type": "incomplete", "reason": "error", "error": {"code": "unknown", "message": self.error}}
        reason = self.finish_reason
        if reason is None:
            reason = "tool-calls" if any(call["state"] == "call" for call in self.calls.values()) else "unknown"
        kinds = {"tool-calls": "requires-action", "stop": "complete", "unknown": "complete"}
        return {"type": kinds.get(reason, "incomplete"), "reason": reason}


def _complete(reason: str) -> dict[str, Any]:
    return {"type": "complete", "reason": reason}


def _under(parent_id: str | None, part: dict[str, Any]) -> dict[str, Any]:
    return {**part, "parentId": parent_id} if parent_id else part


def _is_poisoned(value: Any) -> bool:
    """Return whether the client's parser refuses a value, as one that reaches for an object's prototype."""
    match value:
        case dict():
            constructor = value.get("constructor")
            reaches = "__proto__" in value or (isinstance(constructor, dict) and "prototype" in constructor)
            return reaches or any(map(_is_poisoned, value.values()))
        case list():
            return any(map(_is_poisoned, value))
        case _:
            return False


# --- AI SDK 4 -------------------------------------------------------------------------------------


def ai_sdk_v4_message(conversation: Conversation) -> dict[str, Any]:
    """Return the message that `useChat` of AI SDK 4 shows; an error ends it there."""
    message = _AISDKv4Message()
    for act in conversation.acts:
        if act.what == "add_error":
            return message.as_json()
        if act.what != "raise":
            message.take(act)
    # At its end, and also before the error of a raising callback.
    message.complete_all()
    return message.as_json()


class _AISDKv4Message:
    def __init__(self) -> None:
        self.id: Any = ANY_ID
        self.parts: list[dict[str, Any]] = []
        self.texts = {"text": "", "reasoning": ""}
        # The part that the next text of a type extends; tool calls do not break it, steps do.
        self.growing: dict[str, dict[str, Any]] = {}
        self.calls: dict[str, dict[str, Any]] = {}
        self.arguments: dict[str, str] = {}
        self.step = 0
        self.data: list[Any] = []
        self.annotations: list[Any] = []

    def take(self, act: Act) -> None:
        values = act.values
        match act.what:
            case "append_text":
                self.grow("text", values["text"])
            case "append_reasoning":
                self.grow("reasoning", values["text"])
            case "add_tool_call":
                self.begin(values["tool_call_id"], values["tool_name"])
            case "tool.append_args_text":
                self.extend_arguments(values["tool_call_id"], values["text"])
            case "tool.close":
                self.complete(values["tool_call_id"])
            case "tool.set_response":
                self.answer(**values)
            case "add_source":
                title = {} if values["title"] is None else {"title": values["title"]}
                source = {"sourceType": "url", "id": values["id"], "url": values["url"], **title}
                self.parts.append({"type": "source", "source": source})
            case "add_file":
                self.parts.append({"type": "file", "data": values["data"], "mimeType": values["mime_type"]})
            case "add_data":
                self.data.append(made_safe(values["data"]))
            case "add_annotations":
                self.annotations += made_safe(values["annotations"])
            case "add_step_start":
                self.id = values["message_id"]
                self.parts.append({"type": "step-start"})
            case "add_step_finish":
                self.complete_all()
                self.step += 1
                text = self.growing.get("text")
                self.growing = {"text": text} if text is not None and values["is_continued"] else {}
            case "add_message_finish":
                self.complete_all()
            case _:
                raise AssertionError(act)

    def grow(self, kind: str, text: str) -> None:
        if not text:
            return
        if kind not in self.growing:
            self.growing[kind] = {"type": kind, kind: ""}
            self.parts.append(self.growing[kind])
        self.growing[kind][kind] += text
        self.texts[kind] += text
        if kind == "reasoning":
            self.growing[kind]["details"] = [{"type": "text", "text": self.growing[kind][kind]}]

    def begin(self, call_id: str, name: str) -> None:
        call = {"state": "partial-call", "step": self.step, "toolCallId": call_id, "toolName": name}
        self.calls[call_id] = call
        self.arguments[call_id] = ""
        self.parts.append({"type": "tool-invocation", "toolInvocation": call})

    def extend_arguments(self, call_id: str, text: str) -> None:
        if text:
            self.arguments[call_id] += text
            # Half-way arguments are not looked at here: in this flavor of conversation they all arrive.
            self.calls[call_id]["args"] = parse_partial(self.arguments[call_id])

    def complete(self, call_id: str) -> None:
        # The format has no frame for it that this client knows, but arguments without text are an object.
        if not self.arguments[call_id] and self.calls[call_id]["state"] == "partial-call":
            self.extend_arguments(call_id, "{}")

    def complete_all(self) -> None:
        for call_id in self.calls:
            self.complete(call_id)

    def answer(self, tool_call_id: str, result: Any, artifact: Any = None, is_error: bool = False) -> None:
        call = self.calls[tool_call_id]
        call |= {"state": "result", "result": made_safe(result)}
        if made_safe(artifact) is not None:
            call["artifact"] = made_safe(artifact)
        if is_error:
            call["isError"] = True

    def as_json(self) -> dict[str, Any]:
        message = {
            "id": self.id,
            "role": "assistant",
            "content": self.texts["text"],
            "parts": self.parts,
            "data": self.data,
        }
        if self.texts["reasoning"]:
            message["reasoning"] = self.texts["reasoning"]
        if self.calls:
            message["toolInvocations"] = list(self.calls.values())
        if self.annotations:
            message["annotations"] = self.annotations
        return message


# --- OpenAI ---------------------------------------------------------------------------------------


def openai_message(conversation: Conversation) -> dict[str, Any]:
    """Return what an OpenAI client must have of a conversation; an error ends it there.

    The reasoning is what the deltas say together: the JavaScript client keeps only the last one.
    """
    said: dict[str, Any] = {"content": "", "reasoning": "", "tool_calls": [], "error": None}
    calls: dict[str, dict[str, Any]] = {}
    complete: set[str] = set()
    answered: set[str] = set()
    finish_reason = None
    usage = [0, 0]

    def finish_arguments(call_ids: set[str]) -> None:
        for call_id in call_ids - complete:
            calls[call_id]["function"]["arguments"] = calls[call_id]["function"]["arguments"] or "{}"
        complete.update(call_ids)

    for act in conversation.acts:
        values = act.values
        call_id = values.get("tool_call_id", "")
        match act.what:
            case "append_text":
                said["content"] += values["text"]
            case "append_reasoning":
                said["reasoning"] += values["text"]
            case "add_tool_call":
                function = {"name": values["tool_name"], "arguments": ""}
                calls[call_id] = {"id": call_id, "type": "function", "function": function}
            case "tool.append_args_text":
                calls[call_id]["function"]["arguments"] += values["text"]
            case "tool.close" | "tool.set_response":
                finish_arguments({call_id})
                if act.what == "tool.set_response":
                    answered.add(call_id)
            case "add_step_finish":
                finish_arguments(set(calls))
                usage = [usage[0] + values["input_tokens"], usage[1] + values["output_tokens"]]
            case "add_message_finish":
                finish_arguments(set(calls))
                words = {"length": "length", "tool-calls": "tool_calls", "content-filter": "content_filter"}
                finish_reason = words.get(values["finish_reason"], "stop")
                if values["input_tokens"] or values["output_tokens"]:
                    usage = [values["input_tokens"], values["output_tokens"]]
            case "add_error" | "raise":
                said["error"] = values.get("message", values.get("text"))
        if said["error"] is not None:
            break
    if said["error"] is None or act.what == "raise":
        finish_arguments(set(calls))
    said["tool_calls"] = list(calls.values())
    if said["error"] is not None:
        return {**said, "finish_reason": None, "usage": None}
    said["finish_reason"] = finish_reason or ("tool_calls" if calls.keys() - answered else "stop")
    said["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return said


# --- JSON that breaks off -------------------------------------------------------------------------

_NOTHING = object()
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class _BrokeOff(Exception):
    """The text has ended; `value` is what stood there until then, or `_NOTHING`."""

    def __init__(self, value: Any) -> None:
        self.value = value


def parse_partial(text: str) -> Any:
    """Return the value of a JSON text that may break off anywhere, as the clients show it while it grows.

    A text is shown up to there, a number up to its last digit, a literal as soon as it has begun, a key
    with its value only. Return None if there is no value at all.
    """
    try:
        return _value(text, 0)[0]
    except _BrokeOff as end:
        return None if end.value is _NOTHING else end.value


def _value(text: str, at: int) -> tuple[Any, int]:
    at = _skip(text, at)
    match text[at]:
        case "{":
            return _object(text, at + 1)
        case "[":
            return _array(text, at + 1)
        case '"':
            return _string(text, at + 1)
        case "t" | "f" | "n":
            word, value = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}[text[at]]
            if len(text) - at < len(word):
                raise _BrokeOff(value)
            return value, at + len(word)
        case _:
            return _number(text, at)


def _object(text: str, at: int) -> tuple[Any, int]:
    items: dict[str, Any] = {}
    try:
        at = _skip(text, at)
        while text[at] != "}":
            at = _skip(text, at + 1) if text[at] == "," else at
            try:
                key, at = _string(text, at + 1)
            except _BrokeOff:
                raise _BrokeOff(_NOTHING) from None
            at = _skip(text, at) + 1
            try:
                items[joined(key)], at = _value(text, at)
            except _BrokeOff as end:
                if end.value is not _NOTHING:
                    items[joined(key)] = end.value
                raise
            at = _skip(text, at)
    except _BrokeOff:
        raise _BrokeOff(items) from None
    return items, at + 1


def _array(text: str, at: int) -> tuple[Any, int]:
    items: list[Any] = []
    try:
        at = _skip(text, at)
        while text[at] != "]":
            at = _skip(text, at + 1) if text[at] == "," else at
            try:
                item, at = _value(text, at)
            except _BrokeOff as end:
                if end.value is not _NOTHING:
                    items.append(end.value)
                raise
            items.append(item)
            at = _skip(text, at)
    except _BrokeOff:
        raise _BrokeOff(items) from None
    return items, at + 1


def _string(text: str, at: int) -> tuple[str, int]:
    value = ""
    while at < len(text):
        if text[at] == '"':
            return value, at + 1
        if text[at] != "\\":
            value, at = value + text[at], at + 1
        elif text[at + 1 : at + 2] == "u" and len(text) >= at + 6:
            value, at = value + chr(int(text[at + 2 : at + 6], 16)), at + 6
        elif text[at + 1 : at + 2] in _ESCAPES:
            value, at = value + _ESCAPES[text[at + 1]], at + 2
        else:
            break
    raise _BrokeOff(value)


def _number(text: str, at: int) -> tuple[Any, int]:
    found = _NUMBER.match(text, at)
    if found is None:
        raise _BrokeOff(_NOTHING)
    value = float(found[0])
    rest = text[found.end() :]
    # `1.` and `1e+` may still become a longer number.
    if re.fullmatch(r"(\.|[eE][-+]?)?", rest):
        raise _BrokeOff(value)
    return value, found.end()


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \n\r\t":
        at += 1
    if at == len(text):
        raise _BrokeOff(_NOTHING)
    return at


# --- Comparing ------------------------------------------------------------------------------------


def difference(wanted: Any, got: Any, path: str = "message") -> str | None:
    """Return where two JSON values differ, as JavaScript sees them; None where they do not.

    Numbers are doubles, `True` is no number, and two halves of a surrogate pair are one character.
    """
    if wanted is ANY_ID:
        return None if isinstance(got, str) and got else f"{path}: an id is wanted, not {got!r}"
    match wanted, got:
        case dict(), dict():
            wanted, got = ({joined(key): item for key, item in value.items()} for value in (wanted, got))
            for key in {**wanted, **got}:
                if key not in wanted or key not in got:
                    return f"{path}.{key} is only in {'the decoded' if key in got else 'the expected'} message"
                if found := difference(wanted[key], got[key], f"{path}.{key}"):
                    return found
            return None
        case list(), list():
            for index, (one, other) in enumerate(zip(wanted, got, strict=False)):
                if found := difference(one, other, f"{path}[{index}]"):
                    return found
            return None if len(wanted) == len(got) else f"{path}: {len(wanted)} items are wanted, not {len(got)}"
    return None if _scalar(wanted) == _scalar(got) else f"{path}: {wanted!r} is wanted, not {got!r}"


def _scalar(value: Any) -> tuple[type, Any]:
    match value:
        case str():
            return str, joined(value)
        case bool():
            return bool, value
        case int() | float():
            return float, float(value)
        case _:
            return type(value), value
