"""`UIMessage`s of AI SDK."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from assistant_stream_ce import AssistantMessage, RunController, create_run
from assistant_stream_ce.conversions import from_ui_message, to_ui_message
from assistant_stream_ce.message import ReasoningPart, Step, TextPart, ToolCallPart, Usage
from assistant_stream_ce.serialization import UIMessageStreamEncoder

ANSWERED = ToolCallPart("c1", "look", "{}", {}, "answered", {"n": 1})


def ui(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "m", "role": "assistant", "parts": list(parts), **fields}


def test_step_starts_precede_the_first_part_of_each_step() -> None:
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


def say(controller: RunController) -> None:
    controller.append_reasoning("hm")
    for number in range(2):
        with controller.add_tool_call("look", f"c{number}") as tool:
            tool.set_response(number)
        controller.append_text("Done.")


def say_in_steps(controller: RunController) -> None:
    for number in range(3):
        controller.add_step_start(f"s{number}")
        controller.append_text("a")
        controller.add_step_finish("stop")
    controller.add_step_start("empty")


def call_twice_at_once(controller: RunController) -> None:
    calls = [controller.add_tool_call("look", f"c{number}", args={}) for number in range(2)]
    for call in calls:
        call.set_response(1)
    controller.add_source("s", "https://example.org")
    controller.append_text("a")


@pytest.mark.parametrize("callback", [say, say_in_steps, call_twice_at_once])
def test_a_message_has_the_step_starts_of_its_stream(callback: Callable[[RunController], None]) -> None:
    stream = create_run(callback)
    frames = [
        json.loads(line.removeprefix(b"data: "))["type"]
        for line in b"".join(UIMessageStreamEncoder().encode_stream(stream)).splitlines()
        if line.startswith(b"data: {")
    ]
    shown = {"start-step": "step-start", "text-start": "text", "reasoning-start": "reasoning"}
    shown |= {"tool-input-start": "tool-look", "source-url": "source-url", "tool-input-available": "tool-look"}
    wanted = [
        shown[frame]
        for frame in frames
        if frame in shown and (frame != "tool-input-available" or callback is call_twice_at_once)
    ]
    message = to_ui_message(stream.message)
    assert [part["type"] for part in message["parts"]] == wanted
    assert message["id"] == stream.message_id


def test_a_message_without_an_id_gets_one_made_from_its_content() -> None:
    ids = [to_ui_message(AssistantMessage([TextPart(text)]))["id"] for text in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]
    assert all(ids)


@pytest.mark.parametrize(
    ("part", "call"),
    [
        (
            {"type": "dynamic-tool", "toolName": "t", "state": "input-available", "input": {"a": 1}},
            ToolCallPart("c", "t", '{"a":1}', {"a": 1}, dynamic=True),
        ),
        (
            {"type": "tool-t", "state": "input-available", "input": {}, "providerExecuted": True},
            ToolCallPart("c", "t", provider_executed=True),
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


def test_signatures_of_providers_are_read() -> None:
    part = {"type": "reasoning", "text": "a", "providerMetadata": {"anthropic": {"signature": "s"}}}
    assert from_ui_message(ui(part)).parts == [
        ReasoningPart("a", signature="s", provider_metadata={"anthropic": {"signature": "s"}})
    ]


def test_unsupported_parts_are_dropped() -> None:
    assert from_ui_message(ui({"type": "custom", "kind": "a.b"}, {"type": "reasoning-file"})).parts == []


def test_arguments_that_are_not_json_become_an_error() -> None:
    part = to_ui_message(AssistantMessage([ToolCallPart("c", "t", "{", {})]))["parts"][1]
    assert (part["state"], part["input"]) == ("output-error", "{")


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
def test_usage_fields_of_the_application_are_kept(usage: Any, read: Usage, kept: Any) -> None:
    message = from_ui_message(ui(metadata={"usage": usage}))
    assert (message.usage, message.metadata.get("usage")) == (read, kept)
    back = to_ui_message(message)["metadata"]["usage"]
    assert back == usage or {**back, **usage} == back


def test_a_preliminary_output_is_no_result() -> None:
    part = {"type": "tool-look", "toolCallId": "c1", "state": "output-available", "input": {}, "output": 5}
    assert from_ui_message(ui({**part, "preliminary": True})).parts == [ToolCallPart("c1", "look")]


def test_a_file_without_a_url_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="not a message"):
        from_ui_message(ui({"type": "file", "mediaType": "text/plain", "url": None}))
