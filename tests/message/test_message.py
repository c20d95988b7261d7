"""The message and its parts: their texts, tool calls, usage, and JSON."""

from __future__ import annotations

from assistant_stream_ce import RunController, StepFinishChunk, create_run
from assistant_stream_ce.chunks import MessageFinishChunk
from assistant_stream_ce.message import AssistantMessage, UsageTotal


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
