"""Requests of `useChat` 5, 6 and 7, and of `AssistantChatTransport`."""

from __future__ import annotations

import pytest

from assistant_stream_ce.chat_requests import (
    ChatRequest,
    parse_ai_sdk,
)
from assistant_stream_ce.message import AssistantMessage, FilePart, TextPart, ToolApproval, UserMessage
from tests.chat_requests.captured import body


def roles(request: ChatRequest) -> str:
    return "".join(type(message).__name__[0] for message in request.messages)


@pytest.mark.parametrize("name", ["ai5-text", "ai7-text"])
def test_first_message_of_use_chat(name: str) -> None:
    request = parse_ai_sdk(body(name))
    assert roles(request) == "U"
    assert request.thread_id == "chat-1"
    assert request.user is request.messages[0]
    assert request.user.id == "id-1"
    assert request.message_id is None
    assert (request.is_edit, request.is_regenerate, request.is_resume) == (False, False, False)
    assert request.extra == {}
    assert request.dropped == []


def test_files_metadata_and_additional_fields_of_use_chat() -> None:
    request = parse_ai_sdk(body("ai7-files-metadata-body"))
    assert request.messages == [
        UserMessage(
            [
                FilePart("iVBORw0KGgo=", "image/png", "a.png"),
                FilePart("https://example.org/a.pdf", "application/pdf"),
                TextPart("What is this?"),
            ],
            "id-1",
            {"createdAt": 1},
        )
    ]
    assert request.text == "What is this?"
    assert request.extra == {"model": "gpt-x", "webSearch": True, "extra": 1}


@pytest.mark.parametrize("name", ["ai5-history-all-parts", "ai7-history-all-parts"])
def test_history_with_every_kind_of_part(name: str) -> None:
    request = parse_ai_sdk(body(name))
    assert roles(request) == "UAU"
    answer = request.messages[1]
    assert isinstance(answer, AssistantMessage)
    assert answer.id == "srv-a"
    assert answer.metadata == {}
    assert answer.usage.input_tokens == 1
    reasoning, weather, dynamic, search, bad, url, document, file, data, text = answer.parts
    assert (reasoning.text, reasoning.provider_metadata) == ("hm", {"anthropic": {"signature": "sig"}})
    assert (weather.id, weather.name, weather.args, weather.result) == ("c1", "weather", {"city": "Paris"}, {"t": 21})
    assert weather.provider_metadata == {"google": {"thoughtSignature": "ts"}}
    assert (dynamic.name, dynamic.dynamic, dynamic.args, dynamic.result) == ("mcp_x", True, [1], "nope")
    assert dynamic.is_error
    assert (search.provider_executed, search.result) == (True, [{"url": "https://e"}])
    assert (bad.args_text, bad.args, bad.is_error) == ("{oops", {}, True)
    assert (url.id, url.url, url.title) == ("s1", "https://e", "E")
    assert (document.id, document.media_type, document.title) == ("s2", "application/pdf", "D")
    assert (file.data, file.mime_type) == ("AA==", "image/png")
    assert (data.name, data.id, data.data) == ("weather", "d1", {"x": 1})
    assert text.text == "Done."
    assert request.dropped == []
    # They belong to an earlier answer.
    assert request.tool_results == []


def test_unsupported_parts_are_reported() -> None:
    request = parse_ai_sdk(body("ai7-custom-parts"))
    assert [one.path for one in request.dropped] == ["messages.1.parts.1", "messages.1.parts.2"]
    assert [part.type for part in request.messages[1].parts] == ["text"]


def test_edit_and_regenerate() -> None:
    edit = parse_ai_sdk(body("ai7-edit"))
    assert (edit.is_edit, edit.text, edit.message_id) == (True, "one, edited", None)
    again = parse_ai_sdk(body("ai7-regenerate"))
    assert (again.is_regenerate, again.is_edit, again.text, roles(again)) == (True, False, "two", "UAU")


@pytest.mark.parametrize(
    ("name", "result", "is_error"),
    [("ai7-tool-output", {"ok": True}, False), ("ai7-tool-output-error", "user closed it", True)],
)
def test_result_of_a_front_end_tool(name: str, result: object, is_error: bool) -> None:
    request = parse_ai_sdk(body(name))
    [found] = request.tool_results
    assert (found.tool_call_id, found.tool_name, found.result, found.is_error) == ("k1", "confirm", result, is_error)
    assert request.message_id == "srv-t"
    assert not request.is_edit


@pytest.mark.parametrize(
    ("name", "approved", "reason"),
    [
        ("ai7-approval-yes", True, None),
        ("ai6-approval-yes-dynamic", True, None),
        ("ai7-approval-no", False, "too risky"),
    ],
)
def test_answered_approval(name: str, approved: bool, reason: str | None) -> None:
    request = parse_ai_sdk(body(name))
    [approval] = request.approvals
    assert (approval.approval_id, approval.tool_call_id) == ("ap-1", "p1")
    assert (approval.approved, approval.reason) == (approved, reason)
    assert request.message_id == "srv-ap"
    assert request.tool_results == []
    [call] = request.messages[1].parts
    assert call.approval == ToolApproval("ap-1", approved, reason)


@pytest.mark.parametrize("name", ["ai7-approval-after-run", "ai6-approval-denied-after", "ai7-approval-unanswered"])
def test_approvals_of_an_earlier_answer_are_history(name: str) -> None:
    request = parse_ai_sdk(body(name))
    assert request.approvals == []
    assert request.message_id is None


def test_interrupted_answer() -> None:
    answer = parse_ai_sdk(body("ai7-after-interruption")).messages[1]
    assert isinstance(answer, AssistantMessage)
    assert (answer.status.type, answer.status.reason) == ("incomplete", "cancelled")
    [call] = answer.tool_calls
    assert (call.state, call.args_text) == ("partial", '{"ci')


def test_call_that_was_never_answered() -> None:
    answer = parse_ai_sdk(body("ai7-dangling-tool-call")).messages[1]
    assert isinstance(answer, AssistantMessage)
    assert answer.tool_calls[0].state == "complete"


def test_assistant_chat_transport() -> None:
    request = parse_ai_sdk(body("aui-ai-sdk-text"))
    assert request.settings == {"temperature": 0.2, "modelName": "gpt"}
    assert request.system == "Be kind."
    assert [(tool.name, tool.description) for tool in request.tools] == [("confirm", "Ask")]
    assert request.thread_id == "remote-1"
    assert request.extra == {"e": 1, "metadata": {"m": 1}}
