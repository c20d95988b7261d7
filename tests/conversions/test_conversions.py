"""What each conversion makes of what others send, and what it leaves out."""

from __future__ import annotations

import time
from typing import Any

import pytest

from assistant_stream_ce import AssistantMessage
from assistant_stream_ce.conversions import (
    from_assistant_ui,
    from_openai_messages,
    from_ui_message,
    to_assistant_ui,
    to_openai_messages,
    to_ui_message,
)
from assistant_stream_ce.message import (
    MessageError,
    ReasoningPart,
    RefusalPart,
    Step,
    TextPart,
    ToolCallPart,
    Usage,
)

ANSWERED = ToolCallPart("c1", "look", "{}", {}, "answered", {"n": 1})


def ui(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "m", "role": "assistant", "parts": list(parts), **fields}


@pytest.mark.parametrize("convert", [from_assistant_ui, from_ui_message])
@pytest.mark.parametrize(
    "message",
    [
        5,
        [],
        {},
        {"role": "user", "content": [], "parts": []},
        {"role": "assistant", "content": 5, "parts": 5},
        {"role": "assistant", "content": ["a"], "parts": ["a"]},
        {"role": "assistant", "content": [{"type": "text"}], "parts": [{"type": "text", "text": 5}]},
        {"role": "assistant", "content": [], "parts": [], "metadata": "a"},
        {"role": "assistant", "content": [], "parts": [], "id": 5},
    ],
)
def test_what_is_no_message_is_a_clear_error(convert: Any, message: Any) -> None:
    with pytest.raises(ValueError, match=r"must be a|is wanted|not a message"):
        convert(message)


@pytest.mark.parametrize(
    "messages",
    [
        {"role": "assistant"},
        ["a"],
        [{"role": "user", "content": "a"}],
        [{"role": "assistant", "content": 5}],
        [{"role": "assistant", "tool_calls": [{"id": "c"}]}],
        [{"role": "assistant", "tool_calls": [{"function": {"name": "t", "arguments": "{}"}}]}],
        [{"role": "tool", "tool_call_id": "c", "content": "a"}],
    ],
)
def test_what_are_no_messages_of_openai_is_a_clear_error(messages: Any) -> None:
    with pytest.raises(ValueError, match=r"must be a|are wanted|not a message|no message before it"):
        from_openai_messages(messages)


def test_a_thread_message_like_is_read() -> None:
    assert from_assistant_ui({"role": "assistant", "content": "Hi"}) == AssistantMessage([TextPart("Hi")])
    call = {"type": "tool-call", "toolCallId": "c", "toolName": "t", "args": {"a": 1}}
    error = {"type": "incomplete", "reason": "error", "error": "boom"}
    message = from_assistant_ui({"role": "assistant", "parts": [call, {"type": "audio"}], "status": error})
    assert message.parts == [ToolCallPart("c", "t", '{"a":1}', {"a": 1})]
    assert message.error == MessageError("boom")


def test_front_ends_join_what_is_kept_apart() -> None:
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


def test_steps_stand_where_they_began() -> None:
    message = AssistantMessage(
        [TextPart("a"), ANSWERED, TextPart("b")], steps=[Step("m1", 0), Step("m2", 2), Step(None, 3, "stop")]
    )
    assert [part["type"] for part in to_ui_message(message)["parts"]] == [
        "step-start",
        "text",
        "tool-look",
        "step-start",
        "text",
    ]


@pytest.mark.parametrize(
    ("part", "call"),
    [
        (
            {"type": "dynamic-tool", "toolName": "t", "state": "input-available", "input": {"a": 1}},
            ToolCallPart("c", "t", '{"a":1}', {"a": 1}),
        ),
        ({"type": "tool-t", "state": "input-streaming"}, ToolCallPart("c", "t", "", {}, "partial")),
        ({"type": "tool-t", "state": "approval-requested", "input": {}}, ToolCallPart("c", "t")),
        (
            {"type": "tool-t", "state": "output-denied", "input": {}, "approval": {"reason": "No."}},
            ToolCallPart("c", "t", "{}", {}, "answered", "No.", is_error=True),
        ),
        (
            {"type": "tool-t", "state": "output-denied", "input": {}},
            ToolCallPart("c", "t", "{}", {}, "answered", "Tool execution denied.", is_error=True),
        ),
        (
            {"type": "tool-t", "state": "output-error", "rawInput": "{", "errorText": "broken"},
            ToolCallPart("c", "t", "{", {}, "answered", "broken", is_error=True),
        ),
    ],
)
def test_tool_calls_of_all_versions_are_read(part: dict[str, Any], call: ToolCallPart) -> None:
    assert from_ui_message(ui({"toolCallId": "c", **part})).parts == [call]


def test_the_signatures_of_providers_are_read() -> None:
    part = {"type": "reasoning", "text": "a", "providerMetadata": {"anthropic": {"signature": "s"}}}
    assert from_ui_message(ui(part)).parts == [ReasoningPart("a", signature="s")]


def test_what_no_chunk_can_say_is_left_out() -> None:
    assert from_ui_message(ui({"type": "custom", "kind": "a.b"}, {"type": "reasoning-file"})).parts == []


def test_arguments_that_are_no_json_are_an_error() -> None:
    part = to_ui_message(AssistantMessage([ToolCallPart("c", "t", "{", {})]))["parts"][0]
    assert (part["state"], part["input"]) == ("output-error", "{")


def test_turns_for_the_next_request() -> None:
    message = AssistantMessage(
        [
            ReasoningPart("not sent"),
            TextPart("Let me "),
            TextPart("look.", "p"),
            ANSWERED,
            ToolCallPart("c2", "look", "{}", {}, "answered", "text", model_content=[{"type": "text", "text": "short"}]),
            TextPart("One more."),
            ToolCallPart("c3", "look", '{"q', {}, "partial"),
            ToolCallPart("c4", "look"),
        ]
    )
    function = {"name": "look", "arguments": "{}"}
    calls = [{"id": number, "type": "function", "function": function} for number in ("c1", "c2", "c4")]
    assert to_openai_messages(message) == [
        {"role": "assistant", "content": "Let me look.", "tool_calls": calls[:2]},
        {"role": "tool", "tool_call_id": "c1", "content": '{"n":1}'},
        {"role": "tool", "tool_call_id": "c2", "content": "short"},
        {"role": "assistant", "content": "One more.", "tool_calls": calls[2:]},
    ]


def test_content_in_parts_and_reasoning_are_read() -> None:
    content = [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}, {"type": "audio"}]
    message = from_openai_messages([{"role": "assistant", "content": content, "reasoning_content": "r"}])
    assert message.parts == [ReasoningPart("r"), TextPart("a"), RefusalPart("b")]


@pytest.mark.parametrize(
    ("usage", "read", "kept"),
    [
        ({"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, Usage(1, 2), None),
        ({"inputTokens": 1, "outputTokens": 2, "cachedInputTokens": 1}, Usage(1, 2), {"cachedInputTokens": 1}),
        # What JavaScript makes of NaN.
        ({"inputTokens": None, "outputTokens": 2.0}, Usage(0, 2), {"inputTokens": None}),
        ({"inputTokens": {"total": 1}}, Usage(), {"inputTokens": {"total": 1}}),
        ("much", Usage(), "much"),
    ],
)
def test_a_usage_of_the_application_is_kept(usage: Any, read: Usage, kept: Any) -> None:
    message = from_ui_message(ui(metadata={"usage": usage}))
    assert (message.usage, message.metadata.get("usage")) == (read, kept)
    back = to_ui_message(message)["metadata"]["usage"]
    assert back == usage or {**back, **usage} == back


def test_a_step_without_a_count_of_tokens_is_read() -> None:
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
def test_an_error_of_any_shape_is_read(error: Any, read: MessageError) -> None:
    status = {"type": "incomplete", "reason": "error", "error": error}
    assert from_assistant_ui({"role": "assistant", "content": [], "status": status}).error == read


@pytest.mark.parametrize(
    ("part", "call"),
    [
        ({"args": {}, "argsText": ""}, ToolCallPart("c1", "look")),
        ({"args": {"a": 1}, "argsText": ""}, ToolCallPart("c1", "look", '{"a":1}', {"a": 1})),
        ({"args": {}, "argsText": "", "state": "partial-call"}, ToolCallPart("c1", "look", "", state="partial")),
        ({"state": ["unheard of"]}, ToolCallPart("c1", "look")),
    ],
)
def test_tool_calls_of_assistant_ui_are_read(part: dict[str, Any], call: ToolCallPart) -> None:
    shown = {"type": "tool-call", "toolCallId": "c1", "toolName": "look", **part}
    assert from_assistant_ui({"role": "assistant", "content": [shown]}).parts == [call]


def test_a_result_that_may_change_is_none() -> None:
    part = {"type": "tool-look", "toolCallId": "c1", "state": "output-available", "input": {}, "output": 5}
    assert from_ui_message(ui({**part, "preliminary": True})).parts == [ToolCallPart("c1", "look")]


def test_a_file_without_its_url_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="not a message"):
        from_ui_message(ui({"type": "file", "mediaType": "text/plain", "url": None}))


@pytest.mark.parametrize(
    ("content", "result"),
    [
        ([{"type": "text", "text": "2"}, {"type": "text", "text": "1"}], "21"),
        ([{"type": "image_url"}], [{"type": "image_url"}]),
        (None, None),
    ],
)
def test_the_parts_of_a_result_are_one_text(content: Any, result: Any) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    told = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": content}]
    assert from_openai_messages(told).parts == [ToolCallPart("c1", "look", state="answered", result=result)]


def test_many_steps_and_answers_take_time_in_proportion() -> None:
    count = 20_000
    steps = [Step("", number) for number in range(count)]
    message = AssistantMessage([ToolCallPart(f"c{number}", "look", state="answered") for number in range(count)])
    start = time.process_time()
    told = to_openai_messages(message)
    # A search for each among all takes 20 s for the answers, and 3 s for the steps.
    assert len(from_openai_messages(told).parts) == count
    assert len(to_ui_message(AssistantMessage(message.parts, steps=steps))["parts"]) == 2 * count
    assert time.process_time() - start < 2
