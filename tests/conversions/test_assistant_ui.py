"""Messages of assistant-ui."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce import AssistantMessage
from assistant_stream_ce.conversions import from_assistant_ui, to_assistant_ui
from assistant_stream_ce.message import (
    MessageError,
    ReasoningPart,
    RefusalPart,
    Step,
    TextPart,
    ToolApproval,
    ToolCallPart,
    Usage,
)


def test_a_thread_message_like_is_read() -> None:
    assert from_assistant_ui({"role": "assistant", "content": "Hi"}) == AssistantMessage([TextPart("Hi")])
    call = {"type": "tool-call", "toolCallId": "c", "toolName": "t", "args": {"a": 1}}
    error = {"type": "incomplete", "reason": "error", "error": "boom"}
    message = from_assistant_ui({"role": "assistant", "parts": [call, {"type": "audio"}], "status": error})
    assert message.parts == [ToolCallPart("c", "t", '{"a":1}', {"a": 1})]
    assert message.error == MessageError("boom")


def test_adjacent_texts_are_joined() -> None:
    message = AssistantMessage(
        [
            TextPart("a"),
            RefusalPart("b"),
            TextPart("c", "p"),
            ReasoningPart("d", signature="s"),
            ReasoningPart("e"),
            ReasoningPart("f"),
            ReasoningPart("g"),
        ],
        steps=[Step("m", 6)],
    )
    shown = [(part["type"], part["text"]) for part in to_assistant_ui(message)["content"]]
    assert shown == [("text", "ab"), ("text", "c"), ("reasoning", "de"), ("reasoning", "fg")]


def test_invalid_token_counts_of_a_step_are_zero() -> None:
    steps = [{"state": "finished", "usage": {"inputTokens": None, "outputTokens": 2}}, {"usage": "much"}]
    assert from_assistant_ui({"role": "assistant", "content": [], "metadata": {"steps": steps}}).usage == Usage(0, 2)


@pytest.mark.parametrize(
    ("error", "read"),
    [
        (5, MessageError("5")),
        ({"name": "Error"}, MessageError('{"name":"Error"}')),
        ({"message": "a", "code": 5, "severity": "huge"}, MessageError("a")),
        ({"message": "a", "code": "b", "severity": "info"}, MessageError("a", "b", "info")),
    ],
)
def test_an_error_of_any_type_is_read(error: Any, read: MessageError) -> None:
    status = {"type": "incomplete", "reason": "error", "error": error}
    assert from_assistant_ui({"role": "assistant", "content": [], "status": status}).error == read


@pytest.mark.parametrize(
    ("part", "call"),
    [
        ({"args": {}, "argsText": ""}, ToolCallPart("c1", "look")),
        ({"args": {"a": 1}, "argsText": ""}, ToolCallPart("c1", "look", '{"a":1}', {"a": 1})),
        ({"args": {}, "argsText": "", "state": "partial-call"}, ToolCallPart("c1", "look", "", state="partial")),
        ({"state": ["unheard of"]}, ToolCallPart("c1", "look")),
        ({"approval": {"id": "a1"}}, ToolCallPart("c1", "look", approval=ToolApproval("a1"))),
        (
            {"approval": {"id": "a1", "approved": 1, "reason": 2}},
            ToolCallPart("c1", "look", approval=ToolApproval("a1")),
        ),
        ({"approval": {"approved": True}}, ToolCallPart("c1", "look")),
    ],
)
def test_tool_calls_are_read(part: dict[str, Any], call: ToolCallPart) -> None:
    shown = {"type": "tool-call", "toolCallId": "c1", "toolName": "look", **part}
    assert from_assistant_ui({"role": "assistant", "content": [shown]}).parts == [call]


@pytest.mark.parametrize("approval", [ToolApproval("a1"), ToolApproval("a1", True), ToolApproval("a1", False, "no")])
def test_an_approval_is_kept(approval: ToolApproval) -> None:
    message = AssistantMessage([ToolCallPart("c1", "look", approval=approval)])
    assert from_assistant_ui(to_assistant_ui(message)).tool_calls == message.tool_calls
