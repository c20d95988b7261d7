"""Histories of Google."""

from __future__ import annotations

from assistant_stream_ce.conversions import from_google, to_google
from tests.conversions.histories import HISTORIES


def test_a_conversation_with_a_tool() -> None:
    system, contents = to_google(HISTORIES["a tool"], system="Be brief.")
    assert system == "Be brief."
    assert [content["role"] for content in contents] == ["user", "model", "user", "model", "user"]
    assert contents[2]["parts"] == [{"function_response": {"name": "weather", "response": {"output": 21}}}]


def test_calls_without_ids_are_answered_in_order() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    answers = [{"functionResponse": {"name": "f", "response": {"output": number}}} for number in (1, 2)]
    contents = [{"role": "model", "parts": [call, call]}, {"role": "user", "parts": answers}]
    [message], dropped = from_google(contents)
    assert ([call.result for call in message.tool_calls], dropped) == ([1, 2], [])


def test_a_signature_that_is_no_base64_is_left_out() -> None:
    signed = {"text": "a", "thought_signature": "@"}
    [message], _ = from_google([{"role": "model", "parts": [signed]}])
    assert to_google([message])[1][1]["parts"] == [{"text": "a"}]
