"""What an AG-UI client must show of a conversation, worked out from what the callback wrote and from nothing else."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.conformance.expected import ANY_ID, AsJSON, summary_text
from tests.support.conversations import Act, Conversation, Holder, edit, made_safe


def ag_ui_run(conversation: Conversation) -> dict[str, Any]:
    """Return the messages, the state, and the events beside them."""
    run = _Run(conversation)
    for act in conversation.acts:
        run.take(act)
    return run.finish()


def shown_by_ag_ui(result: dict[str, Any]) -> dict[str, Any]:
    """Return the same of what a client has decoded; results of tools as an application parses them."""
    messages = [
        {**message, "content": json.loads(message["content"])} if message["role"] == "tool" else message
        for message in result["message"]["messages"]
    ]
    beside = [_without_type(event) for event in result["chunks"] if event["type"] in ("CUSTOM", *_STEPS)]
    last = result["chunks"][-1]
    return {
        "messages": messages,
        "state": result["message"]["state"],
        "beside": beside,
        "end": {key: last[key] for key in ("type", "message", "code", "usage", "metadata") if key in last},
        "errors": result["streamErrors"],
    }


_STEPS = {"STEP_STARTED": "started", "STEP_FINISHED": "finished"}


def _without_type(event: dict[str, Any]) -> dict[str, Any]:
    fields = {key: value for key, value in event.items() if key != "type"}
    return {"step": _STEPS[event["type"]], **fields} if event["type"] in _STEPS else fields


class _Run:
    def __init__(self, conversation: Conversation) -> None:
        self.messages: list[dict[str, Any]] = []
        self.calls: dict[str, dict[str, Any]] = {}
        self.complete_calls: set[str] = set()
        # The kind and parent of what the next text may extend; the message and parent that the next call belongs to.
        self.growing: tuple[str, str | None] | None = None
        self.current: tuple[dict[str, Any], str | None] | None = None
        self.holder = Holder(copy.deepcopy(conversation.state))
        self.beside: list[dict[str, Any]] = []
        self.step: str | None = None
        # The message, code and severity of the last error.
        self.error: tuple[str, str | None, str | None] | None = None
        self.reason: str | None = None
        self.step_reason: str | None = None
        self.step_usage = [0, 0]
        self.usage = [0, 0]

    def take(self, act: Act) -> None:
        values = act.values
        match act.what:
            case "append_text" | "append_refusal":
                self.grow("assistant", act.parent_id, values["text"])
            case "append_reasoning":
                self.grow("reasoning", act.parent_id, values["text"])
            case "add_reasoning_part":
                self.growing = self.current = None
                self.grow("reasoning", act.parent_id, summary_text(values["summary"]))
            case "add_reasoning_signature":
                if self.growing is None or self.growing[0] != "reasoning":
                    self.start("reasoning", None)
                self.open["encryptedValue"] = values["signature"]
                self.growing = self.current = None
            case "add_tool_call":
                self.begin(values["tool_call_id"], values["tool_name"], act.parent_id)
                if "args" in values:
                    arguments = AsJSON(made_safe(values["args"]))
                    self.calls[values["tool_call_id"]]["function"]["arguments"] = arguments
                    self.complete(values["tool_call_id"])
            case "tool.append_args_text":
                self.calls[values["tool_call_id"]]["function"]["arguments"] += values["text"]
            case "tool.close":
                self.complete(values["tool_call_id"])
            case "tool.set_response" | "add_tool_result":
                self.answer(**values)
            case "add_source":
                title = {} if values["title"] is None else {"title": values["title"]}
                source = {"sourceType": "url", "id": values["id"], "url": values["url"], **title}
                self.custom("source", _under(act.parent_id, source))
            case "add_file":
                file = {"data": values["data"], "mimeType": values["mime_type"], "filename": values["filename"]}
                self.custom("file", _under(act.parent_id, _known(file)))
            case "add_source_document":
                document = {"sourceType": "document", "id": values["id"], "mediaType": values["media_type"]}
                document = _known({**document, "title": values["title"], "filename": values["filename"]})
                self.custom("source-document", _under(act.parent_id, document))
            case "add_data_part":
                notes = {"id": values["id"], "transient": values["transient"] or None, "parentId": act.parent_id}
                self.custom(values["name"], values["data"], _known(notes))
            case "add_data":
                self.custom("data", values["data"])
            case "add_annotations":
                self.custom("annotations", values["annotations"])
            case "add_step_start":
                self.growing = self.current = None
                self.finish_step({})
                self.step = values["message_id"]
                self.beside.append({"step": "started", "stepName": self.step})
            case "add_step_finish":
                self.complete_all()
                self.finish_step({"metadata": _step(values)})
                self.step_reason = values["finish_reason"]
                self.step_usage[0] += values["input_tokens"]
                self.step_usage[1] += values["output_tokens"]
            case "add_message_finish":
                self.complete_all()
                self.reason = values["finish_reason"]
                self.usage = [values["input_tokens"], values["output_tokens"]]
            case "state":
                edit(self.holder, values["kind"], values["path"], copy.deepcopy(made_safe(values["value"])))
            case "append_state_text":
                edit(self.holder, "extend text", values["path"], values["text"])
            case "add_error":
                self.error = (values["message"], values["code"], values["severity"])
            case "raise":
                self.error = (values["text"], None, None)
            case _:
                raise AssertionError(act)

    def grow(self, role: str, parent_id: str | None, text: str) -> None:
        if not text:
            return
        if self.growing != (role, parent_id):
            self.start(role, parent_id)
        self.open["content"] += text

    def start(self, role: str, parent_id: str | None) -> None:
        self.messages.append(_noted(parent_id, {"id": ANY_ID, "role": role, "content": ""}))
        self.growing = (role, parent_id)
        self.current = (self.messages[-1], parent_id) if role == "assistant" else None
        self.open = self.messages[-1]

    def begin(self, call_id: str, name: str, parent_id: str | None) -> None:
        self.growing = None
        if self.current is None or self.current[1] != parent_id:
            self.messages.append({"id": ANY_ID, "role": "assistant"})
            self.current = (self.messages[-1], parent_id)
        call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
        self.calls[call_id] = _noted(parent_id, call)
        self.current[0].setdefault("toolCalls", []).append(self.calls[call_id])

    def complete(self, call_id: str) -> None:
        self.complete_calls.add(call_id)
        function = self.calls[call_id]["function"]
        function["arguments"] = function["arguments"] or "{}"

    def complete_all(self) -> None:
        self.growing = self.current = None
        for call_id in self.calls.keys() - self.complete_calls:
            self.complete(call_id)

    def answer(
        self, tool_call_id: str, result: Any, artifact: Any = None, is_error: bool = False, model_content: Any = None
    ) -> None:
        if self.growing is None:
            self.current = None
        notes: dict[str, Any] = {"isError": True} if is_error else {}
        if made_safe(artifact) is not None:
            notes["artifact"] = made_safe(artifact)
        if model_content is not None:
            notes["modelContent"] = made_safe(model_content)
        message = {"id": ANY_ID, "role": "tool", "toolCallId": tool_call_id, "content": made_safe(result)}
        place = len(self.messages)
        if tool_call_id in self.calls:
            self.complete(tool_call_id)
            place = 1 + next(
                number
                for number, message in enumerate(self.messages)
                if any(call["id"] == tool_call_id for call in message.get("toolCalls", ()))
            )
            # Behind the results that are there already.
            while place < len(self.messages) and self.messages[place]["role"] == "tool":
                place += 1
        self.messages.insert(place, {**message, "metadata": notes} if notes else message)

    def custom(self, name: str, value: Any, notes: dict[str, Any] | None = None) -> None:
        event = {"name": name, "value": made_safe(value)}
        self.beside.append({**event, "metadata": notes} if notes else event)

    def finish_step(self, notes: dict[str, Any]) -> None:
        if self.step is not None:
            self.beside.append({"step": "finished", "stepName": self.step, **notes})
            self.step = None

    def finish(self) -> dict[str, Any]:
        self.complete_all()
        self.finish_step({})
        end: dict[str, Any] = {"type": "RUN_FINISHED"}
        severity = None
        if self.error is not None:
            message, code, severity = self.error
            end = _known({"type": "RUN_ERROR", "message": message, "code": code})
        usage = self.usage if any(self.usage) else self.step_usage
        if any(usage):
            end["usage"] = [{"inputTokens": usage[0], "outputTokens": usage[1]}]
        reason = self.reason
        if reason is None and self.error is None and self.step_reason != "unknown":
            reason = self.step_reason
        if notes := _known({"finishReason": reason, "severity": severity}):
            end["metadata"] = notes
        return {
            "messages": self.messages,
            "state": self.holder.state,
            "beside": self.beside,
            "end": end,
            "errors": [] if self.error is None else [self.error[0]],
        }


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _step(values: dict[str, Any]) -> dict[str, Any]:
    return {
        "finishReason": values["finish_reason"],
        "usage": {"inputTokens": values["input_tokens"], "outputTokens": values["output_tokens"]},
        "isContinued": values["is_continued"],
    }


def _under(parent_id: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    return fields if parent_id is None else {**fields, "parentId": parent_id}


def _noted(parent_id: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    return fields if parent_id is None else {**fields, "metadata": {"parentId": parent_id}}
