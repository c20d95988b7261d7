"""The message and its parts: their texts, tool calls, usage, and JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from assistant_stream_ce import RunController, StepFinishChunk, ToolResultChunk, create_run
from assistant_stream_ce.chunks import MessageFinishChunk
from assistant_stream_ce.message import AssistantMessage, FilePart, TextPart, ToolApproval, UsageTotal, UserMessage


def message_of_a_weather_answer() -> AssistantMessage:
    def callback(controller: RunController) -> None:
        controller.append_reasoning("The user wonders.")
        controller.append_text("It is ")
        controller.add_tool_call("weather", "c1", args={"city": "Oslo"})
        controller.add_tool_result("c1", {"celsius": 4})
        controller.append_text("cold.")

    stream = create_run(callback)
    for _ in stream:
        pass
    return stream.message


def test_text_and_calls_are_found() -> None:
    message = message_of_a_weather_answer()
    assert message.text == "It is cold."
    (call,) = message.tool_calls
    assert (call.name, call.args, call.result, call.state) == (
        "weather",
        {"city": "Oslo"},
        {"celsius": 4},
        "answered",
    )


def test_parts_are_in_the_order_of_the_callback() -> None:
    kinds = [part.type for part in message_of_a_weather_answer().parts]
    assert kinds == ["reasoning", "text", "tool-call", "text"]


def test_the_usage_of_a_message_replaces_that_of_its_steps() -> None:
    total = UsageTotal()
    total.add_step(StepFinishChunk("stop", 1, 2))
    total.add_step(StepFinishChunk("stop", 10, 20))
    assert (total.usage.input_tokens, total.usage.output_tokens) == (11, 22)
    total.set_message(MessageFinishChunk("stop", 5, 6))
    assert (total.usage.input_tokens, total.usage.output_tokens) == (5, 6)


def test_user_messages_are_stored_as_json() -> None:
    message = UserMessage([TextPart("Hello"), FilePart("AAAA", "image/png")], "u1", {"from": "page"})
    assert UserMessage.from_json(message.to_json()) == message
    assert UserMessage.from_json('{"role": "user", "unknown": 1}') == UserMessage()
    for data in ("no JSON", "[]", '{"role": "assistant"}', '{"role": "user", "parts": [{"type": "poem"}]}'):
        with pytest.raises(ValueError, match=r"message of a user|Expecting value"):
            UserMessage.from_json(data)


@pytest.mark.parametrize("kind", [AssistantMessage, UserMessage])
def test_json_is_bytes_or_text(kind: Any) -> None:
    stored = kind([TextPart("Hello")]).to_json()
    assert kind.from_json(memoryview(stored)) == kind.from_json(stored.decode()) == kind.from_json(stored)
    for data in (None, {}, 3):
        with pytest.raises(TypeError, match=f"data must be bytes or a str, not {type(data).__name__}"):
            kind.from_json(data)


def test_a_message_of_the_user_is_none_of_the_assistant() -> None:
    with pytest.raises(ValueError, match="not a message of the assistant: its role is 'user'"):
        AssistantMessage.from_json(UserMessage([TextPart("Hello")]).to_json())


def message_of(callback: Callable[[RunController], None]) -> AssistantMessage:
    stream = create_run(callback)
    list(stream)
    return stream.message


def test_a_continued_message_has_the_results_and_parts_of_the_later_run() -> None:
    def begin(controller: RunController) -> None:
        controller.add_step_start("s1")
        controller.append_text("Which city?")
        controller.add_tool_call("pick_city", "c1", args={"options": ["Oslo"]})
        controller.add_tool_call("get_time", "c2", args={})
        controller.add_step_finish("tool-calls", 1, 2)
        controller.add_data({"page": 1})

    def go_on(controller: RunController) -> None:
        controller.add_tool_result("c1", "Oslo", artifact={"map": "m"})
        controller.add_step_start("s2")
        controller.append_text("Oslo it is.")
        controller.add_tool_call("get_weather", "c3", args={}).set_response(4)
        controller.add_step_finish("stop", 10, 20)
        controller.add_data({"page": 2})
        controller.add_message_finish("stop")

    earlier = msgspec.structs.replace(message_of(begin), id="a1", metadata={"model": "m"})
    whole = earlier.continued_by(message_of(go_on))
    assert [part.type for part in whole.parts] == ["text", "tool-call", "tool-call", "text", "tool-call"]
    assert whole.text == "Which city?Oslo it is."
    picked, asked, called = whole.tool_calls
    assert (picked.name, picked.args, picked.result, picked.artifact, picked.state) == (
        "pick_city",
        {"options": ["Oslo"]},
        "Oslo",
        {"map": "m"},
        "answered",
    )
    assert (asked.state, called.result) == ("complete", 4)
    assert [(step.message_id, step.first_part) for step in whole.steps] == [("s1", 0), ("s2", 3)]
    assert (whole.id, whole.metadata, whole.data) == ("a1", {"model": "m"}, [{"page": 1}, {"page": 2}])
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (11, 22)
    assert whole.status.reason == "stop"


def test_a_denial_keeps_the_request_for_approval() -> None:
    def ask(controller: RunController) -> None:
        controller.add_tool_call("delete", "c1", args={})
        controller.add_tool_approval_request("c1", "approval-1", signature="signed")

    def deny(controller: RunController) -> None:
        controller.add_chunk(ToolResultChunk("c1", "not now", denied=True))

    (call,) = message_of(ask).continued_by(message_of(deny)).tool_calls
    assert call.approval == ToolApproval("approval-1", False, "not now", "signed")
    assert (call.result, call.is_error) == ("not now", True)
