"""A message as OpenAI's chat completions have it: the messages that a next request sends back."""

from __future__ import annotations

from assistant_stream_ce.conversions.reading import Fields, fields, items, result_text, step_starts
from assistant_stream_ce.jsonvalue import JSON, plain
from assistant_stream_ce.message import AssistantMessage, RefusalPart, TextPart, ToolCallPart, message_from
from assistant_stream_ce.message.partial_json import parse_partial
from assistant_stream_ce.serialization.assistant_ui import without_none

__all__ = ("from_openai_messages", "to_openai_messages")


def to_openai_messages(message: AssistantMessage) -> list[Fields]:
    """Return a message as a list of OpenAI's: one of the assistant for each turn, and one for each result of a tool.

    A turn ends where a step of the model begins, and where it speaks after its calls were answered. A call that was cut
    off is left out, because a request with half of its arguments is refused; one without a result waits for a
    message of role `tool` from you. The format has no word for anything else but text, refusals and tool calls.
    """
    messages: list[Fields] = []
    turn = _Turn()
    starts = step_starts(message)
    for number, part in enumerate(message.parts):
        if number in starts or (isinstance(part, (TextPart, RefusalPart)) and turn.is_answered):
            messages += turn.messages()
            turn = _Turn()
        turn.add(part)
    return messages + turn.messages()


class _Turn:
    """What the model says until it waits for results."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._calls: list[ToolCallPart] = []

    @property
    def is_answered(self) -> bool:
        """Whether there are calls, each with its result."""
        return bool(self._calls) and all(call.state == "answered" for call in self._calls)

    def add(self, part: object) -> None:
        """Take a part, if the format has a word for it."""
        if isinstance(part, (TextPart, RefusalPart)) and not part.text:
            return
        if isinstance(part, TextPart):
            self._texts.append(part.text)
        elif isinstance(part, RefusalPart):
            self._refusals.append(part.text)
        elif isinstance(part, ToolCallPart) and part.state != "partial":
            self._calls.append(part)

    def messages(self) -> list[Fields]:
        """Return the message of the assistant, and those with the results."""
        if not (self._texts or self._refusals or self._calls):
            return []
        said: Fields = {"role": "assistant", "content": "".join(self._texts) or None}
        if self._refusals:
            said["refusal"] = "".join(self._refusals)
        if self._calls:
            said["tool_calls"] = [_tool_call(call) for call in self._calls]
        return [said, *(_tool_result(call) for call in self._calls if call.state == "answered")]


def _tool_call(call: ToolCallPart) -> Fields:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.args_text}}


def _tool_result(call: ToolCallPart) -> Fields:
    texts = [_text_of(item) for item in call.model_content or ()]
    content = "".join(filter(None, texts)) if texts and None not in texts else result_text(call.result)
    return {"role": "tool", "tool_call_id": call.id, "content": content}


def _text_of(item: JSON) -> str | None:
    is_text = isinstance(item, dict) and item.get("type") == "text" and isinstance(item.get("text"), str)
    return str(item["text"]) if is_text else None


def from_openai_messages(messages: object) -> AssistantMessage:
    """Return the message that a list of OpenAI's tells: those of the assistant and of tools, in order.

    Several of the assistant become steps. Reasoning in `reasoning_content`, or in `reasoning`, is kept.

    Raises:
        TypeError: they are not JSON.
        ValueError: there is one of another role, or something has a wrong type.
    """
    given = items(plain(messages, "messages"), "messages")
    parts: list[Fields] = []
    steps: list[Fields] = []
    # The newest call of each id.
    calls: dict[JSON, Fields] = {}
    for message in given:
        match message.get("role"):
            case "assistant":
                steps.append({"message_id": "", "first_part": len(parts)})
                said = _parts_from(message)
                parts += said
                calls |= {part["id"]: part for part in said if isinstance(part.get("id"), str)}
            case "tool":
                _answer(calls, message)
            case role:
                raise ValueError(f"messages of the assistant and of tools are wanted, not one with the role {role!r}")
    waits = any(part["type"] == "tool-call" and part["state"] == "complete" for part in parts)
    status = {"type": "requires-action", "reason": "tool-calls"} if waits else {"type": "complete", "reason": "unknown"}
    return message_from({"parts": parts, "steps": steps if len(steps) > 1 else [], "status": status})


def _parts_from(message: Fields) -> list[Fields]:
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    texts = [{"type": "reasoning", "text": message.get("reasoning_content") or message.get("reasoning")}]
    for item in items(content, "content"):
        kind = item.get("type")
        if kind in ("text", "refusal"):
            texts.append({"type": kind, "text": item.get(kind)})
    texts.append({"type": "refusal", "text": message.get("refusal")})
    calls = [_call_from(call) for call in items(message.get("tool_calls"), "tool_calls")]
    return [text for text in texts if text["text"]] + calls


def _call_from(call: Fields) -> Fields:
    function = fields(call.get("function"), "function")
    text = function.get("arguments")
    args = parse_partial(text) if isinstance(text, str) else None
    values = {"id": call.get("id"), "name": function.get("name"), "args_text": text or None, "args": args}
    return {"type": "tool-call", "state": "complete", **without_none(values)}


def _answer(calls: dict[JSON, Fields], message: Fields) -> None:
    """Give a call its result: the text of its parts where it has parts."""
    call_id, content = message.get("tool_call_id"), message.get("content")
    if not isinstance(call_id, str) or call_id not in calls:
        raise ValueError(f"a message of role tool answers the call {call_id!r}, which no message before it has made")
    texts = [_text_of(item) for item in content] if isinstance(content, list) else [None]
    calls[call_id] |= {"state": "answered", "result": content if None in texts else "".join(filter(None, texts))}
