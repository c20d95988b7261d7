"""What each client must show of a conversation, worked out from what the callback wrote and from nothing else.

The rules are those of the clients: which deltas extend a part, when arguments are complete, what ends a
message. No encoder is asked.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from tests.support.conversations import Act, Conversation, Holder, edit, joined, made_safe

#: Matches any id that the client made up.
ANY_ID = object()


@dataclass(frozen=True)
class AsJSON:
    """Matches any JSON text of a value that the client serialized again."""

    value: Any


# What ends the arguments of every open call.
_ENDS = ("add_step_finish", "add_message_finish")


def with_finish(conversation: Conversation) -> Conversation:
    """Return a conversation with the finish that its steps imply, if it has none."""
    steps = [act.values for act in conversation.acts if act.what == "add_step_finish"]
    ends = any(act.what in ("add_message_finish", "add_error", "raise") for act in conversation.acts)
    if ends or not steps or steps[-1]["finish_reason"] == "unknown":
        return conversation
    counts = {name: sum(step.get(name, 0) for step in steps) for name in ("input_tokens", "output_tokens")}
    finish = Act("add_message_finish", {"finish_reason": steps[-1]["finish_reason"], **counts})
    return replace(conversation, acts=(*conversation.acts, finish))


# --- assistant-ui ---------------------------------------------------------------------------------


def assistant_ui_message(conversation: Conversation, protocol: str) -> dict[str, Any]:
    """Return the message that assistant-ui's accumulator shows, from either of its two wires."""
    message = _AssistantUIMessage(conversation, protocol)
    for act in with_finish(conversation).acts:
        message.take(act)
    return message.finish()


class _AssistantUIMessage:
    def __init__(self, conversation: Conversation, protocol: str) -> None:
        # The two decoders finish a tool call's part at different times, which its status shows.
        self.protocol = protocol
        self.answered_status = "stop" if protocol == "assistant-transport" else "unknown"
        self.parts: list[dict[str, Any]] = []
        self.calls: dict[str, dict[str, Any]] = {}
        # The part that the next text may extend, and under which type and parent.
        self.growing: tuple[str, str | None] | None = None
        self.holder = Holder(copy.deepcopy(conversation.state))
        self.data: list[Any] = []
        self.annotations: list[Any] = []
        self.steps: list[dict[str, Any]] = []
        self.error: dict[str, Any] | None = None
        self.finish_reason: str | None = None

    def take(self, act: Act) -> None:
        values = act.values
        match act.what:
            case "append_text" | "append_refusal":
                self.grow("text", act.parent_id, values["text"])
            case "append_reasoning":
                self.grow("reasoning", act.parent_id, values["text"])
            case "add_reasoning_part":
                self.start_reasoning(values["summary"], act.parent_id)
            case "add_reasoning_signature":
                pass
            case "add_tool_call" if "args" in values:
                self.call(values["tool_call_id"], values["tool_name"], made_safe(values["args"]), act.parent_id)
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
            case "add_source_document":
                title = {"title": values["title"]} if values["title"] else {}
                self.add({"type": "source", "sourceType": "document", "id": values["id"], **title}, act)
            case "add_data_part" if values["transient"]:
                self.data.append(_data_part(act))
            case "add_data_part":
                self.add({"type": "data", "name": values["name"], "data": made_safe(values["data"])}, act)
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
                self.error = self.shown_error(values["message"], values["code"], values["severity"])
            case "raise":
                self.error = self.shown_error(values["text"], None, None)
            case _:
                raise AssertionError(act)

    def shown_error(self, message: str, code: str | None, severity: str | None) -> dict[str, Any]:
        if self.protocol != "assistant-transport":
            code = severity = None
        error = {"code": "unknown" if code is None else code, "message": message}
        return {**error, "severity": severity} if severity else error

    def start_reasoning(self, summary: str | None, parent_id: str | None) -> None:
        fields = {} if summary is None else {"unstable_summary": summary}
        self.parts.append(
            _under(parent_id, {"type": "reasoning", "text": "", "status": _complete("unknown"), **fields})
        )
        # An empty parent is one for the text, but none for the start of a part.
        self.growing = ("reasoning", parent_id or None if self.protocol == "data-stream" else parent_id)

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

    def call(self, call_id: str, name: str, args: dict[str, Any], parent_id: str | None) -> None:
        self.begin(call_id, name, parent_id)
        self.calls[call_id] |= {"state": "call", "argsText": AsJSON(args), "args": args}

    def extend_arguments(self, call: dict[str, Any], text: str) -> None:
        call["argsText"] += text
        arguments = parse_partial(call["argsText"])
        # What does not parse, or is no object, does not change the arguments.
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

    def answer(
        self, tool_call_id: str, result: Any, artifact: Any = None, is_error: bool = False, model_content: Any = None
    ) -> None:
        call = self.calls.get(tool_call_id) or self.begin(tool_call_id, "unknown", None)
        self.complete(call)
        if model_content is not None and self.protocol == "assistant-transport":
            call["modelContent"] = made_safe(model_content)
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
            return {"type": "incomplete", "reason": "error", "error": self.error}
        reason = self.finish_reason
        if reason is None:
            reason = "tool-calls" if any(call["state"] == "call" for call in self.calls.values()) else "unknown"
        kinds = {"tool-calls": "requires-action", "stop": "complete", "unknown": "complete"}
        return {"type": kinds.get(reason, "incomplete"), "reason": reason}


def _complete(reason: str) -> dict[str, Any]:
    return {"type": "complete", "reason": reason}


def _data_part(act: Act) -> dict[str, Any]:
    """Return a data part as data beside the message."""
    part = {"name": act.values["name"], "data": made_safe(act.values["data"])}
    optional = {"id": act.values["id"], "parentId": act.parent_id}
    return part | {key: value for key, value in optional.items() if value is not None}


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


# --- The UI message stream: assistant-ui ----------------------------------------------------------


def assistant_ui_message_of_ui_stream(conversation: Conversation) -> dict[str, Any]:
    """Return the message that assistant-ui's accumulator shows of a UI message stream.

    Its reader shows a tool call when its whole input is sent, knows no parents, takes the first result of a call, and
    has all data in one list. There the state is left out here, see `last_state`.
    """
    message = _AssistantUIMessageOfUIStream(conversation)
    for act in with_finish(conversation).acts:
        message.take(Act(act.what, act.values))
    return message.finish()


class _OwnSteps:
    """Where a UI message stream begins a step by itself: at the first part, and at the first after results."""

    def __init__(self) -> None:
        self.is_due = True
        self.is_in_step = False

    def take(self, act: Act) -> None:
        match act.what:
            case "add_step_start":
                self.is_due, self.is_in_step = False, True
            case "add_step_finish":
                self.is_in_step = False

    def begins(self, inputs: dict[str, str]) -> bool:
        """Return whether one begins here; not before a call's input is sent."""
        begins = self.is_due and not self.is_in_step and not inputs
        self.is_due = self.is_due and not begins
        return begins


class _AssistantUIMessageOfUIStream(_AssistantUIMessage):
    def __init__(self, conversation: Conversation) -> None:
        super().__init__(conversation, "ui-message-stream")
        # The start of the message is a step too.
        self.steps.append({"state": "started", "messageId": ANY_ID})
        self.own_steps = _OwnSteps()
        self.open_text: tuple[str, str | None] | None = None
        self.data_ids: set[tuple[str, str | None]] = set()
        # The calls whose input was not sent yet, and their text.
        self.inputs: dict[str, str] = {}

    def begin_step(self, open_text: tuple[str, str | None] | None = None) -> None:
        self.open_text = open_text
        if self.own_steps.begins(self.inputs):
            self.steps.append({"state": "started", "messageId": ANY_ID})

    def grow(self, kind: str, parent_id: str | None, text: str) -> None:
        if text and self.open_text != (kind, parent_id):
            self.begin_step((kind, parent_id))
        super().grow(kind, parent_id, text)

    def add(self, part: dict[str, Any], act: Act) -> None:
        self.begin_step()
        super().add(part, act)

    def take(self, act: Act) -> None:
        self.own_steps.take(act)
        match act.what:
            case "add_annotations":
                self.data.append({"name": "annotations", "data": made_safe(act.values["annotations"])})
                return
            case "add_data":
                self.data.append({"name": "data", "data": made_safe(act.values["data"])})
                return
            case "add_data_part":
                if not act.values["transient"]:
                    self.add_data_part(act.values["name"], act.values["data"], act.values["id"])
                return
            case "add_source_document":
                # Its reader ignores it.
                self.begin_step()
                return
            case "add_reasoning_signature":
                if self.open_text is None or self.open_text[0] == "text":
                    self.begin_step()
                self.open_text = None
            case "add_error" | "raise":
                self.complete_all()
            case "add_file":
                act = Act(act.what, {**act.values, "data": file_url(**act.values)})
        super().take(act)

    def add_data_part(self, name: str, data: Any, part_id: str | None) -> None:
        if part_id is None or (name, part_id) not in self.data_ids:
            self.begin_step()
        self.data_ids.add((name, part_id))
        self.data.append({"name": name, "data": made_safe(data)})

    def start_reasoning(self, summary: str | None, parent_id: str | None) -> None:
        self.open_text = None
        self.grow("reasoning", None, summary_text(summary))

    def call(self, call_id: str, name: str, args: dict[str, Any], parent_id: str | None) -> None:
        call = self.begin(call_id, name, None)
        call["state"] = "call"
        self.send(call, args)

    def begin(self, call_id: str, name: str, parent_id: str | None) -> dict[str, Any]:
        growing = self.growing
        call = super().begin(call_id, name, None)
        self.begin_step()
        # Not shown, so that it breaks no text yet.
        self.growing = growing
        self.parts.pop()
        self.inputs[call_id] = ""
        return call

    def extend_arguments(self, call: dict[str, Any], text: str) -> None:
        if call["toolCallId"] in self.inputs and call["state"] == "partial-call":
            self.inputs[call["toolCallId"]] += text

    def complete(self, call: dict[str, Any]) -> None:
        if call["state"] != "partial-call":
            return
        call["state"] = "call"
        try:
            self.send(call, parse(self.inputs[call["toolCallId"]] or "{}"))
        except ValueError:
            return

    def complete_all(self) -> None:
        self.open_text = None
        super().complete_all()
        for call_id in list(self.inputs):
            self.own_steps.is_due = True
            self.tell_text(self.calls[call_id], "The arguments of this call are not valid JSON.")

    def send(self, call: dict[str, Any], value: Any) -> None:
        del self.inputs[call["toolCallId"]]
        call["argsText"] = AsJSON(value)
        call["args"] = value if isinstance(value, (dict, list)) else {}
        self.growing = None
        self.parts.append(call)

    def tell_text(self, call: dict[str, Any], error: str) -> None:
        """Show text that is no JSON, and the error that came instead."""
        text = self.inputs[call["toolCallId"]]
        self.send(call, None)
        call["argsText"] = ""
        super().extend_arguments(call, text)
        super().answer(call["toolCallId"], error, is_error=True)

    def answer(
        self, tool_call_id: str, result: Any, artifact: Any = None, is_error: bool = False, model_content: Any = None
    ) -> None:
        call = self.calls.get(tool_call_id) or self.begin(tool_call_id, "unknown", None)
        self.own_steps.is_due = True
        if not self.own_steps.is_in_step:
            self.open_text = None
        self.complete(call)
        result = error_text(result) if is_error else result
        if tool_call_id in self.inputs:
            if is_error:
                self.tell_text(call, result)
                return
            self.send(call, self.inputs[tool_call_id])
        if call["state"] != "result":
            super().answer(tool_call_id, result, is_error=is_error)

    def finish(self) -> dict[str, Any]:
        message = super().finish()
        # It arrives as data.
        message["metadata"]["unstable_state"] = None
        return message

    def status(self) -> dict[str, Any]:
        self.finish_reason = ui_finish_reason(self.finish_reason, self.calls)
        return super().status()


def ui_finish_reason(reason: str | None, calls: dict[str, dict[str, Any]]) -> str | None:
    """Return the reason of a message, in the words that AI SDK knows; an unknown one is left out."""
    if reason == "unknown":
        return reason
    if reason is None:
        return "tool-calls" if any("result" not in call for call in calls.values()) else None
    known = ("stop", "length", "content-filter", "tool-calls", "error", "other", "unknown")
    return reason if reason in known else "other"


def summary_text(summary: str | None) -> str:
    """Return a summary of reasoning as text of it, where a format does not support summaries."""
    return f"{summary}\n\n" if summary else ""


def file_url(data: str, mime_type: str, filename: str | None) -> str:
    """Return the URL of a file: its own, or one that holds its base64 text. No client shows its name."""
    return data if re.match(r"[a-zA-Z][a-zA-Z0-9.+-]*:", data) else f"data:{mime_type};base64,{data}"


def error_text(result: Any) -> Any:
    """Return the text of a result that is an error."""
    return result if isinstance(result, str) else AsJSON(made_safe(result))


def parse(text: str) -> Any:
    """Return what may be sent of a JSON text; raise ValueError where JavaScript would."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    return made_safe(json.loads(text, parse_constant=refuse))


def last_state(conversation: Conversation) -> Any:
    """Return the state at the end."""
    message = _AssistantUIMessage(conversation, "data-stream")
    for act in conversation.acts:
        if act.what in ("state", "append_state_text"):
            message.take(act)
    return message.holder.state


# --- The UI message stream: AI SDK 5, 6 and 7 -----------------------------------------------------


def ai_sdk_message(conversation: Conversation, version: int, message_id: object) -> dict[str, Any]:
    """Return the message that AI SDK shows of a UI message stream, without the state: see `last_state`."""
    message = _AISDKMessage(version)
    for act in with_finish(conversation).acts:
        message.take(act)
    return message.as_json(message_id)


class _AISDKMessage:
    def __init__(self, version: int) -> None:
        # Input that is no JSON has a field of its own before version 7.
        self.raw_input = "input" if version >= 7 else "rawInput"
        self.parts: list[dict[str, Any]] = []
        self.growing: tuple[str, str | None] | None = None
        self.calls: dict[str, dict[str, Any]] = {}
        self.open: set[str] = set()
        # The calls whose input was not sent yet, and their text; the steps that wait for them.
        self.inputs: dict[str, str] = {}
        self.waiting_steps = 0
        self.own_steps = _OwnSteps()
        self.steps_usage = [0, 0]
        self.usage = [0, 0]

    def take(self, act: Act) -> None:
        self.own_steps.take(act)
        values = act.values
        match act.what:
            case "append_text" | "append_refusal":
                self.grow("text", act.parent_id, values["text"])
            case "append_reasoning":
                self.grow("reasoning", act.parent_id, values["text"])
            case "add_reasoning_part":
                self.growing = None
                self.grow("reasoning", act.parent_id, summary_text(values["summary"]))
            case "add_reasoning_signature":
                self.sign(values["signature"])
            case "add_tool_call" if "args" in values:
                name, state = f"tool-{values['tool_name']}", "input-available"
                call_id, value = values["tool_call_id"], made_safe(values["args"])
                self.calls[call_id] = {"type": name, "toolCallId": call_id, "state": state, "input": value}
                self.add(self.calls[call_id])
            case "add_tool_call":
                self.begin(values["tool_call_id"], values["tool_name"])
            case "tool.append_args_text":
                if values["tool_call_id"] in self.open:
                    self.inputs[values["tool_call_id"]] += values["text"]
            case "tool.close":
                self.complete(values["tool_call_id"])
            case "tool.set_response" | "add_tool_result":
                self.answer(**values)
            case "add_source":
                title = {} if values["title"] is None else {"title": values["title"]}
                self.add({"type": "source-url", "sourceId": values["id"], "url": values["url"], **title})
            case "add_file":
                self.add({"type": "file", "mediaType": values["mime_type"], "url": file_url(**values)})
            case "add_source_document":
                filename = {} if values["filename"] is None else {"filename": values["filename"]}
                source = {"sourceId": values["id"], "mediaType": values["media_type"], "title": values["title"]}
                self.add({"type": "source-document", **source, **filename})
            case "add_data_part":
                self.add_data_part(**values)
            case "add_data":
                self.parts.append({"type": "data-data", "data": made_safe(values["data"])})
            case "add_annotations":
                self.parts.append({"type": "data-annotations", "data": made_safe(values["annotations"])})
            case "add_step_start":
                self.waiting_steps += 1
                self.start_steps()
            case "add_step_finish":
                self.end_parts()
                self.steps_usage[0] += values["input_tokens"]
                self.steps_usage[1] += values["output_tokens"]
            case "add_message_finish":
                self.end_parts()
                self.usage = [values["input_tokens"], values["output_tokens"]]
            case "add_error" | "raise":
                self.end_parts()
            case "state" | "append_state_text":
                pass
            case _:
                raise AssertionError(act)

    def grow(self, kind: str, parent_id: str | None, text: str) -> None:
        if not text:
            return
        if self.growing != (kind, parent_id):
            part = {"type": kind, "text": "", "state": "done"}
            self.texts = part if kind == "text" else {**part, "id": ANY_ID}
            self.add(self.texts)
            self.growing = (kind, parent_id)
        self.texts["text"] += text

    def sign(self, signature: str) -> None:
        """Sign the reasoning that is open, which ends it; a part without text where none is."""
        if self.growing is None or self.growing[0] == "text":
            self.texts = {"type": "reasoning", "text": "", "state": "done", "id": ANY_ID}
            self.add(self.texts)
        self.texts["providerMetadata"] = {"assistant-stream": {"signature": signature}}
        self.growing = None

    def add_data_part(self, name: str, data: Any, id: str | None, transient: bool) -> None:
        part = {"type": f"data-{name}", "data": made_safe(data)}
        if transient:
            return
        if id is not None:
            part["id"] = id
            for other in self.parts:
                if other["type"] == part["type"] and other.get("id") == id:
                    other["data"] = part["data"]
                    return
        self.add(part)

    def add(self, part: dict[str, Any]) -> None:
        self.growing = None
        if self.own_steps.begins(self.inputs):
            self.parts.append({"type": "step-start"})
        self.parts.append(part)

    def start_steps(self) -> None:
        if self.waiting_steps and not self.inputs:
            self.growing = None
            self.parts += [{"type": "step-start"}] * self.waiting_steps
            self.waiting_steps = 0

    def begin(self, call_id: str, name: str) -> None:
        self.calls[call_id] = {"type": f"tool-{name}", "toolCallId": call_id, "state": "input-streaming"}
        self.add(self.calls[call_id])
        self.inputs[call_id] = ""
        self.open.add(call_id)

    def complete(self, call_id: str) -> None:
        if call_id not in self.open:
            return
        self.open.remove(call_id)
        try:
            self.send(call_id, parse(self.inputs[call_id] or "{}"))
        except ValueError:
            return

    def send(self, call_id: str, value: Any) -> None:
        del self.inputs[call_id]
        self.calls[call_id] |= {"state": "input-available", "input": value}
        self.start_steps()

    def fail(self, call_id: str, error: Any) -> None:
        """Show text that is no JSON, and the error that came instead."""
        text = self.inputs[call_id]
        self.send(call_id, text)
        del self.calls[call_id]["input"]
        self.calls[call_id] |= {"state": "output-error", self.raw_input: text, "errorText": error}

    def end_parts(self) -> None:
        self.growing = None
        for call_id in list(self.inputs):
            self.complete(call_id)
        for call_id in list(self.inputs):
            self.own_steps.is_due = True
            self.fail(call_id, "The arguments of this call are not valid JSON.")

    def answer(
        self, tool_call_id: str, result: Any, artifact: Any = None, is_error: bool = False, model_content: Any = None
    ) -> None:
        if tool_call_id not in self.calls:
            self.begin(tool_call_id, "unknown")
        self.own_steps.is_due = True
        if not self.own_steps.is_in_step:
            self.growing = None
        self.complete(tool_call_id)
        call = self.calls[tool_call_id]
        if is_error:
            if tool_call_id in self.inputs:
                self.fail(tool_call_id, error_text(result))
            else:
                call |= {"state": "output-error", "errorText": error_text(result)}
            return
        if tool_call_id in self.inputs:
            self.send(tool_call_id, self.inputs[tool_call_id])
        for field in ("rawInput", "errorText"):
            call.pop(field, None)
        call |= {"state": "output-available", "output": made_safe(result)}

    def as_json(self, message_id: object) -> dict[str, Any]:
        self.end_parts()
        # The client shows the start of a step together with what follows it.
        while self.parts and self.parts[-1]["type"] == "step-start":
            self.parts.pop()
        read, written = self.usage if any(self.usage) else self.steps_usage
        usage = {"inputTokens": read, "outputTokens": written, "totalTokens": read + written}
        metadata = {"metadata": {"usage": usage}} if read or written else {}
        return {"id": message_id, "role": "assistant", "parts": self.parts, **metadata}


# --- AI SDK 4 -------------------------------------------------------------------------------------


def ai_sdk_v4_message(conversation: Conversation) -> dict[str, Any]:
    """Return the message that `useChat` of AI SDK 4 shows; an error ends it there."""
    message = _AISDKv4Message()
    for act in with_finish(conversation).acts:
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
            case "append_text" | "append_refusal":
                self.grow("text", values["text"])
            case "append_reasoning":
                self.grow("reasoning", values["text"])
            case "add_reasoning_signature":
                if "reasoning" in self.growing:
                    self.growing["reasoning"]["details"][0]["signature"] = values["signature"]
            case "add_tool_call" if "args" in values:
                self.begin(values["tool_call_id"], values["tool_name"])
                self.calls[values["tool_call_id"]] |= {"state": "call", "args": made_safe(values["args"])}
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
            case "add_source_document":
                filename = {} if values["filename"] is None else {"filename": values["filename"]}
                source = {"sourceType": "document", "id": values["id"], "mediaType": values["media_type"]}
                self.parts.append({"type": "source", "source": {**source, "title": values["title"], **filename}})
            case "add_data_part":
                self.data.append(_data_part(act))
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
            details = self.growing[kind].setdefault("details", [{"type": "text"}])
            details[0]["text"] = self.growing[kind][kind]

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

    def answer(
        self, tool_call_id: str, result: Any, artifact: Any = None, is_error: bool = False, model_content: Any = None
    ) -> None:
        call = self.calls[tool_call_id]
        if model_content is not None:
            call["modelContent"] = made_safe(model_content)
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

    The reasoning is the joined deltas: the JavaScript client keeps only the last one.
    """
    said: dict[str, Any] = {"content": "", "refusal": "", "reasoning": "", "tool_calls": [], "error": None}
    calls: dict[str, dict[str, Any]] = {}
    complete: set[str] = set()
    answered: set[str] = set()
    finish_reason = None
    usage = [0, 0]

    def finish_arguments(call_ids: set[str]) -> None:
        for call_id in call_ids - complete:
            calls[call_id]["function"]["arguments"] = calls[call_id]["function"]["arguments"] or "{}"
        complete.update(call_ids)

    for act in with_finish(conversation).acts:
        values = act.values
        call_id = values.get("tool_call_id", "")
        match act.what:
            case "append_text":
                said["content"] += values["text"]
            case "append_refusal":
                said["refusal"] += values["text"]
            case "append_reasoning":
                said["reasoning"] += values["text"]
            case "add_reasoning_part":
                said["reasoning"] += ("\n\n" if said["reasoning"] else "") + summary_text(values["summary"])
            case "add_tool_call":
                function = {"name": values["tool_name"], "arguments": ""}
                if "args" in values:
                    function["arguments"] = AsJSON(made_safe(values["args"]))
                    complete.add(call_id)
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
    if isinstance(wanted, AsJSON):
        return difference(wanted.value, json.loads(got), path)
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
