"""The rules of each model provider for a history, written out by hand, and the types of its SDK.

Imports nothing of what it judges.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import TypeAdapter

from tests.support.require import require

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_openai_chat(messages: list[dict[str, Any]]) -> None:
    """Check the `messages` of a chat completion."""
    waiting: list[str] = []
    for number, message in enumerate(messages):
        role = message["role"]
        if role == "tool":
            assert message["tool_call_id"] in waiting
            assert isinstance(message["content"], str)
            waiting.remove(message["tool_call_id"])
            continue
        assert not waiting, "a call without its result"
        assert role in ("system", "user", "assistant")
        if role == "system":
            assert number == 0
        if role == "user":
            assert message["content"]
        if role == "assistant":
            calls = message.get("tool_calls", [])
            assert message["content"] or calls or message.get("refusal")
            for call in calls:
                assert _ID.fullmatch(call["id"])
                assert len(call["id"]) <= 40
                assert _ID.fullmatch(call["function"]["name"])
                assert isinstance(json.loads(call["function"]["arguments"]), dict)
            waiting = [call["id"] for call in calls]
            assert len(set(waiting)) == len(waiting)
    assert not waiting or messages[-1]["role"] in ("assistant", "tool")


def openai_chat_types(messages: list[dict[str, Any]]) -> None:
    """Check against the types of the openai package."""
    from openai.types.chat import ChatCompletionMessageParam

    TypeAdapter(list[ChatCompletionMessageParam]).validate_python(messages)


def check_openai_responses(items: list[dict[str, Any]]) -> None:
    """Check the `input` items of a response."""
    calls = [item["call_id"] for item in items if item.get("type") == "function_call"]
    outputs = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
    assert len(set(calls)) == len(calls)
    assert len(set(outputs)) == len(outputs)
    assert set(outputs) <= set(calls)
    for item in items:
        if item.get("type") == "function_call":
            assert _ID.fullmatch(item["call_id"])
            assert _ID.fullmatch(item["name"])
            assert isinstance(json.loads(item["arguments"]), dict)
        elif item.get("type") == "reasoning":
            assert item["id"]
            assert item["encrypted_content"]
        elif "role" in item:
            assert item["content"]


def openai_responses_types(items: list[dict[str, Any]]) -> None:
    """Check against the types of the openai package."""
    from openai.types.responses import ResponseInputItemParam

    TypeAdapter(list[ResponseInputItemParam]).validate_python(items)


def _check_turns(messages: list[dict[str, Any]], model: str, content: str) -> None:
    for number, message in enumerate(messages):
        assert message["role"] == ("user", model)[number % 2], "roles alternate, and the user begins"
        assert message[content]


def _check_results(results: list[str], calls: list[str], *, is_last: bool) -> None:
    """All results come next, in the order of the calls; only at the very end some may still be awaited."""
    if is_last and len(results) < len(calls):
        calls = [call for call in calls if call in results][: len(results)]
    assert results == calls


def check_anthropic(request: tuple[str, list[dict[str, Any]]]) -> None:
    """Check the `system` and `messages` of a request to Anthropic."""
    system, messages = request
    assert isinstance(system, str)
    _check_turns(messages, "assistant", "content")
    seen: set[str] = set()
    waiting: list[str] = []
    for number, message in enumerate(messages):
        results = [block["tool_use_id"] for block in message["content"] if block["type"] == "tool_result"]
        if message["role"] == "user":
            _check_results(results, waiting, is_last=number == len(messages) - 1)
            kinds = [block["type"] for block in message["content"]]
            assert kinds[: len(results)] == ["tool_result"] * len(results), "results come first"
            waiting = []
        else:
            assert not results
            waiting = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
            assert not seen & set(waiting), "ids are unique"
            assert len(set(waiting)) == len(waiting)
            seen |= set(waiting)
        for block in message["content"]:
            if block["type"] == "text":
                assert block["text"].strip()
            if block["type"] == "thinking":
                assert block["signature"]
            if block["type"] == "tool_use":
                assert isinstance(block["input"], dict)
                assert _ID.fullmatch(block["id"])
                assert _ID.fullmatch(block["name"])
    if messages and messages[-1]["role"] == "assistant" and messages[-1]["content"][-1]["type"] == "text":
        assert messages[-1]["content"][-1]["text"] == messages[-1]["content"][-1]["text"].rstrip()


def anthropic_types(request: tuple[str, list[dict[str, Any]]]) -> None:
    """Check against the types of the anthropic package."""
    from anthropic.types import MessageParam

    TypeAdapter(list[MessageParam]).validate_python(request[1])


def check_google(request: tuple[str | None, list[dict[str, Any]]]) -> None:
    """Check the `system_instruction` and `contents` of a request to Gemini."""
    _, contents = request
    _check_turns(contents, "model", "parts")
    waiting: list[str] = []
    for number, content in enumerate(contents):
        responses = [part["function_response"]["name"] for part in content["parts"] if "function_response" in part]
        if content["role"] == "user":
            _check_results(responses, waiting, is_last=number == len(contents) - 1)
            waiting = []
        else:
            assert not responses
            waiting = [part["function_call"]["name"] for part in content["parts"] if "function_call" in part]
        for part in content["parts"]:
            assert part.get("text") != "" or "thought_signature" in part


def google_types(request: tuple[str | None, list[dict[str, Any]]]) -> None:
    """Check against the types of the google-genai package."""
    from google.genai.types import Content

    TypeAdapter(list[Content]).validate_python(request[1])


def check_bedrock(request: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    """Check the `system` and `messages` of a request to Bedrock."""
    system, messages = request
    assert all(block["text"] for block in system)
    _check_turns(messages, "assistant", "content")
    waiting: list[str] = []
    for number, message in enumerate(messages):
        results = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        if message["role"] == "user":
            _check_results(results, waiting, is_last=number == len(messages) - 1)
            waiting = []
        else:
            assert not results
            waiting = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
        names = [block["document"]["name"] for block in message["content"] if "document" in block]
        assert len(set(names)) == len(names)
        for block in message["content"]:
            assert len(block) == 1
            if "text" in block:
                assert block["text"].strip()


def bedrock_types(request: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    """Check against the service model of the botocore package."""
    import botocore.session
    from botocore.validate import ParamValidator

    service = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = service.operation_model("ConverseStream").input_shape
    system, messages = request
    posted = {"modelId": "m", "messages": messages, **({"system": system} if system else {})}
    report = ParamValidator().validate(posted, shape)
    assert not report.has_errors(), report.generate_report()


def needs(package: str) -> None:
    """Skip the test where the package of an SDK is missing."""
    try:
        __import__(package)
    except ImportError:
        require(False, f"the package {package}")
