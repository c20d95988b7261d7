"""Each history, converted to each provider, obeys the provider's rules and fits the types of its SDK."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from assistant_stream_ce import conversions
from assistant_stream_ce.chat_requests import parse
from assistant_stream_ce.message import AssistantMessage, Message, ToolCallPart, UserMessage
from tests.chat_requests.captured import NAMES, body
from tests.conversions import providers
from tests.conversions.histories import HISTORIES, histories

PROVIDERS: dict[str, tuple[Callable[..., Any], Callable[..., None], Callable[..., None], str]] = {
    "openai_chat": (conversions.to_openai_chat, providers.check_openai_chat, providers.openai_chat_types, "openai"),
    "openai_responses": (
        conversions.to_openai_responses,
        providers.check_openai_responses,
        providers.openai_responses_types,
        "openai",
    ),
    "anthropic": (conversions.to_anthropic, providers.check_anthropic, providers.anthropic_types, "anthropic"),
    "google": (conversions.to_google, providers.check_google, providers.google_types, "google.genai"),
    "bedrock": (conversions.to_bedrock, providers.check_bedrock, providers.bedrock_types, "botocore"),
}

each_provider = pytest.mark.parametrize("provider", PROVIDERS)


@each_provider
@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_obeys_the_rules(provider: str, name: str) -> None:
    convert, check, _, _ = PROVIDERS[provider]
    check(convert(HISTORIES[name], system="Be brief."))
    check(convert(HISTORIES[name]))


@each_provider
@given(history=histories)
def test_any_history_obeys_the_rules(provider: str, history: list[Message]) -> None:
    convert, check, _, _ = PROVIDERS[provider]
    check(convert(history))


@each_provider
def test_the_sdk_accepts_every_history(provider: str) -> None:
    convert, _, check_types, package = PROVIDERS[provider]
    providers.needs(package)
    for history in HISTORIES.values():
        check_types(convert(history, system="Be brief."))


@each_provider
def test_the_sdk_accepts_every_captured_request(provider: str) -> None:
    convert, check, check_types, package = PROVIDERS[provider]
    providers.needs(package)
    for name in NAMES:
        if body(name) is not None:
            converted = convert(parse(body(name)).messages)
            check(converted)
            check_types(converted)


@each_provider
@pytest.mark.parametrize("name", ["a conversation", "a tool", "two tools at once, one fails", "system first"])
def test_there_and_back(provider: str, name: str) -> None:
    """A native history that is read and written again is the same."""
    to, back = getattr(conversions, f"to_{provider}"), getattr(conversions, f"from_{provider}")
    native = to(HISTORIES[name], system="Be brief.")
    system, messages = native if isinstance(native, tuple) else (None, native)
    read, dropped = back(messages, system=system)
    assert dropped == []
    assert to(read) == native


@each_provider
def test_a_mapped_id_and_name_is_the_same_every_time(provider: str) -> None:
    to = getattr(conversions, f"to_{provider}")
    assert to(HISTORIES["ids and names that no provider takes"]) == to(
        HISTORIES["ids and names that no provider takes"]
    )


@pytest.mark.parametrize("format_", ["ui_messages", "assistant_ui_messages", "ag_ui_messages"])
@pytest.mark.parametrize(
    "name", ["a conversation", "a tool", "steps", "files", "system first", "two tools at once, one fails"]
)
def test_front_ends_there_and_back(format_: str, name: str) -> None:
    to, back = getattr(conversions, f"to_{format_}"), getattr(conversions, f"from_{format_}")
    shown = to(HISTORIES[name])
    assert json.loads(json.dumps(shown)) == shown
    assert len({message["id"] for message in shown}) == len(shown), "React needs a key for each message"
    read, dropped = back(shown, trust_system=True)
    assert dropped == []
    assert [type(message) for message in read] == [type(message) for message in HISTORIES[name]]
    assert to(read) == shown


@given(history=histories)
@pytest.mark.parametrize("format_", ["ui_messages", "assistant_ui_messages", "ag_ui_messages"])
def test_any_history_can_be_shown_and_read(format_: str, history: list[Message]) -> None:
    to, back = getattr(conversions, f"to_{format_}"), getattr(conversions, f"from_{format_}")
    read, _ = back(to(history), trust_system=True)
    assert text_of(read) == text_of(history)


def text_of(history: list[Message]) -> str:
    return "".join(message.text for message in history if isinstance(message, (UserMessage, AssistantMessage))).replace(
        "\n", ""
    )


def signed_parts(provider: str) -> Any:
    native = getattr(conversions, f"to_{provider}")(HISTORIES["reasoning of every provider"])
    return native if isinstance(native, list) else native[1]


def test_signed_reasoning_is_sent_back_only_to_its_provider() -> None:
    assert signed_parts("anthropic")[1]["content"][:2] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "red"},
    ]
    assert signed_parts("google")[1]["parts"][0] == {"text": "hm", "thought": True, "thought_signature": "AA=="}
    assert signed_parts("openai_responses")[1] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "enc",
    }
    assert signed_parts("bedrock")[1]["content"][0] == {
        "reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}
    }
    for provider, count in {"anthropic": 2, "google": 1, "openai_responses": 1, "bedrock": 1}.items():
        assert str(signed_parts(provider)).count("'hm'") + str(signed_parts(provider)).count("'red'") == count
    assert signed_parts("openai_chat")[1]["reasoning_content"] == "unsigned"


def test_a_thought_signature_stays_on_its_call() -> None:
    call = ToolCallPart("c1", "f", state="answered", provider_metadata={"google": {"thoughtSignature": "AA=="}})
    _, contents = conversions.to_google([AssistantMessage([call])])
    assert contents[1]["parts"] == [{"function_call": {"name": "f", "args": {}}, "thought_signature": "AA=="}]


@each_provider
def test_an_unanswered_call_gets_an_error_before_the_next_question(provider: str) -> None:
    to = getattr(conversions, f"to_{provider}")
    assert "The tool call was not completed." in str(to(HISTORIES["a call without a result, then the user"]))
    assert "The tool call was not completed." in str(to(HISTORIES["an open approval, then the user"]))
    assert "The tool call was not completed." not in str(to(parse(body("ai7-approval-yes")).messages))
