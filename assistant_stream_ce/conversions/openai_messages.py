"""Conversion to and from the messages of OpenAI's chat completions, as the next request sends them."""

from __future__ import annotations

from assistant_stream_ce.conversions.reading import (
    Fields,
    content_text,
    fields,
    function_call,
    items,
    model_result,
    step_starts,
    text_parts,
)
from assistant_stream_ce.jsonvalue import JSON, plain
from assistant_stream_ce.message import AssistantMessage, RefusalPart, TextPart, ToolCallPart, message_from
from assistant_stream_ce.message.partial_json import parse_partial
from assistant_stream_ce.serialization.assistant_ui import without_none


def to_openai_messages(message: AssistantMessage) -> list[Fields]:
    """Return a message as OpenAI messages: one of the assistant for each turn, and one for each tool result.

    A turn ends where a step begins, and at text after all calls of the turn were answered. A call with incomplete
    arguments is dropped, because OpenAI rejects it; for one without a result, add a message of role `tool`. Parts other
    than text, refusals and tool calls are lost.

    Args:
        message: the message.

    Raises:
        TypeError: it is not a message of the assistant.
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
    """One answer of the model, up to its tool calls."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._calls: list[ToolCallPart] = []

    @property
    def is_answered(self) -> bool:
        """Whether there are calls and all have results."""
        return bool(self._calls) and all(call.state == "answered" for call in self._calls)

    def add(self, part: object) -> None:
        """Add a part, if OpenAI's messages support its type."""
        if isinstance(part, (TextPart, RefusalPart)) and not part.text:
            return
        if isinstance(part, TextPart):
            self._texts.append(part.text)
        elif isinstance(part, RefusalPart):
            self._refusals.append(part.text)
        elif isinstance(part, ToolCallPart) and part.state != "partial":
            self._calls.append(part)

    def messages(self) -> list[Fields]:
        """Return the assistant message and the messages with the results."""
        if not (self._texts or self._refusals or self._calls):
            return []
        answer: Fields = {"role": "assistant", "content": "".join(self._texts) or None}
        if self._refusals:
            answer["refusal"] = "".join(self._refusals)
        if self._calls:
            answer["tool_calls"] = [function_call(call) for call in self._calls]
        return [answer, *(_tool_result(call) for call in self._calls if call.state == "answered")]


def _tool_result(call: ToolCallPart) -> Fields:
    return {"role": "tool", "tool_call_id": call.id, "content": model_result(call)}


def from_openai_messages(messages: object) -> AssistantMessage:
    """Return the message that OpenAI messages of the assistant and of tools represent.

    Several assistant messages become steps. Reasoning in `reasoning_content` or `reasoning` is kept.

    Args:
        messages: the messages as a list of dicts, in order.

    Raises:
        TypeError: they are not JSON.
        ValueError: one has another role, or a field has a wrong type.
    """
    given = items(plain(messages, "messages"), "messages")
    parts: list[Fields] = []
    steps: list[Fields] = []
    # The latest call with each id.
    calls: dict[JSON, Fields] = {}
    for message in given:
        match message.get("role"):
            case "assistant":
                steps.append({"message_id": "", "first_part": len(parts)})
                added = _parts_from(message)
                parts += added
                calls |= {part["id"]: part for part in added if isinstance(part.get("id"), str)}
            case "tool":
                _answer(calls, message)
            case role:
                raise ValueError(f"messages must have the role 'assistant' or 'tool', not {role!r:.100}")
    waits = any(part["type"] == "tool-call" and part["state"] == "complete" for part in parts)
    status = {"type": "requires-action", "reason": "tool-calls"} if waits else {"type": "complete", "reason": "unknown"}
    return message_from({"parts": parts, "steps": steps if len(steps) > 1 else [], "status": status})


def _parts_from(message: Fields) -> list[Fields]:
    texts = [{"type": "reasoning", "text": message.get("reasoning_content") or message.get("reasoning")}]
    for item in items(text_parts(message.get("content")), "content"):
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
    """Set the result of a call; text parts are joined."""
    call_id, content = message.get("tool_call_id"), message.get("content")
    if not isinstance(call_id, str) or call_id not in calls:
        raise ValueError(
            f"a message of role 'tool' answers the call {call_id!r:.100}: no message before it has this call"
        )
    text = content_text(content)
    calls[call_id] |= {"state": "answered", "result": content if text is None else text}
