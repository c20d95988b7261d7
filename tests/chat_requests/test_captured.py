"""Every captured body is parsed, with every field as the user meant it."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.chat_requests import (
    ChatRequest,
    RequestError,
    parse,
    parse_ag_ui,
    parse_ai_sdk,
    parse_assistant_transport,
    parse_data_stream,
    parse_openai_chat,
)
from assistant_stream_ce.message import AssistantMessage, FilePart, TextPart, ToolApproval, UserMessage
from tests.chat_requests.captured import NAMES, body, body_bytes

PARSERS = {
    "ai5": parse_ai_sdk,
    "ai6": parse_ai_sdk,
    "ai7": parse_ai_sdk,
    "aui-ai": parse_ai_sdk,
    "aui-ds": parse_data_stream,
    "aui-tr": parse_assistant_transport,
    "agui-": parse_ag_ui,
    "agui": parse_ag_ui,
    "openai": parse_openai_chat,
}

WITH_A_BODY = [name for name in NAMES if body(name) is not None]


def own_parser(name: str) -> Any:
    return next(parser for prefix, parser in PARSERS.items() if name.startswith(prefix))


def roles(request: ChatRequest) -> str:
    return "".join(type(message).__name__[0] for message in request.messages)


@pytest.mark.parametrize("name", WITH_A_BODY)
def test_the_kind_of_a_request_is_recognised(name: str) -> None:
    assert parse(body_bytes(name)) == own_parser(name)(body(name))


@pytest.mark.parametrize("name", WITH_A_BODY)
def test_bytes_text_and_parsed_bodies_are_the_same(name: str) -> None:
    parser = own_parser(name)
    assert parser(body(name)) == parser(body_bytes(name)) == parser(body_bytes(name).decode())


def test_a_reload_without_a_body_is_no_request() -> None:
    with pytest.raises(RequestError, match="JSON object") as caught:
        parse_ai_sdk(body("ai7-resume"))
    assert caught.value.status == 400


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


def test_parts_that_nothing_here_can_hold_are_reported() -> None:
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


def test_data_stream_of_a_thread_that_exists_only_in_the_page() -> None:
    request = parse_data_stream(body("aui-ds-text"))
    assert request.thread_id is None
    assert request.parent_id == "K5xLW7i"
    assert request.message_id is None
    assert [tool.name for tool in request.tools] == ["clock", "confirm"]
    assert request.extra == {"unstable_assistantMessageId": "CimGfhu", "runConfig": {}, "extra": 1}


def test_data_stream_files() -> None:
    user = parse_data_stream(body("aui-ds-image-file")).user
    assert user is not None
    assert user.files == [
        FilePart("iVBORw0KGgo=", "image/png"),
        FilePart("JVBERi0=", "application/pdf", "a.pdf"),
    ]


def test_data_stream_result_of_a_front_end_tool() -> None:
    request = parse_data_stream(body("aui-ds-tool-result"))
    [result] = request.tool_results
    assert (result.tool_call_id, result.tool_name, result.result) == ("k1", "confirm", {"ok": True})
    assert request.message_id == "u8cnrWA"


def test_data_stream_entries_of_one_message_are_joined() -> None:
    request = parse_data_stream(body("aui-ds-after-backend-tool"))
    answers = [message for message in request.messages if isinstance(message, AssistantMessage)]
    joined = next(message for message in answers if message.id == "u8cnrWA")
    assert [part.type for part in joined.parts] == ["tool-call", "text"]
    assert len(joined.steps) == 2
    error = next(message for message in answers if message.id == "2pkvINk").tool_calls[0]
    assert (error.is_error, error.result) == (True, {"error": "Tool call was not completed"})
    assert request.state == {"n": 1}
    # A file of the assistant comes back as a tool call without any field: a fault of the client.
    assert [one.path for one in request.dropped] == ["messages.22.content.0"]


def test_transport_commands() -> None:
    image = parse_assistant_transport(body("aui-transport-image"))
    assert image.messages == [UserMessage([TextPart("what?"), FilePart("iVBORw0KGgo=", "image/png")], "tgCJMcz")]
    assert (image.parent_id, image.is_edit, image.thread_id) == ("a1", False, None)
    assert image.state["messages"][0]["id"] == "u1"
    assert image.extra == {"tenant": 7}
    edit = parse_assistant_transport(body("aui-transport-edit"))
    assert (edit.is_edit, edit.text, edit.parent_id) == (True, "edited", None)
    result = parse_assistant_transport(body("aui-transport-tool-result"))
    [found] = result.tool_results
    assert (found.tool_call_id, found.tool_name, found.result, found.is_error) == ("k1", "confirm", {"ok": True}, False)
    assert [command["type"] for command in result.commands] == ["add-tool-result"]


def test_transport_without_commands_follows_a_running_answer() -> None:
    request = parse_assistant_transport({"commands": [], "threadId": "t-1"})
    assert (request.is_resume, request.thread_id, request.messages) == (True, "t-1", [])


def test_ag_ui_of_both_client_lines() -> None:
    new = parse_ag_ui(body("agui-image-source"))
    assert new.user is not None
    assert new.user.files == [
        FilePart("iVBORw0KGgo=", "image/png"),
        FilePart("https://example.org/a.pdf", "application/pdf"),
    ]
    assert (new.thread_id, new.run_id) == ("th-2", "r")
    old = parse_ag_ui(body("agui-0.0.59-image"))
    assert old.user is not None
    assert old.user.files == [FilePart("AA==", "image/png")]


def test_ag_ui_result_reasoning_and_state() -> None:
    request = parse_ag_ui(body("agui-tool-result-reasoning-state"))
    assert [one.path for one in request.dropped] == ["messages.0"]
    assert request.state == {"count": 2}
    answer = request.messages[1]
    assert isinstance(answer, AssistantMessage)
    assert (answer.id, [part.type for part in answer.parts]) == ("m1", ["reasoning", "text", "tool-call"])
    assert answer.parts[0].signature == "enc"
    [result] = request.tool_results
    assert (result.tool_call_id, result.tool_name, result.result) == ("k1", "confirm", {"ok": True})
    assert request.message_id is None


def test_ag_ui_answered_interrupt() -> None:
    [approval] = parse_ag_ui(body("agui-resume-approve")).approvals
    assert (approval.approval_id, approval.approved, approval.payload) == ("int-1", True, {"approved": True})


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "cancelled", "payload": {"approved": True}},
        {"status": "resolved", "payload": {"approved": "true"}},
        {"status": "resolved", "payload": {"approved": 1}},
        {"status": "resolved"},
        {"payload": {"approved": True}},
    ],
)
def test_ag_ui_interrupt_that_is_not_approved(answer: dict[str, Any]) -> None:
    posted = body("agui-resume-approve") | {"resume": [{"interruptId": "int-1", **answer}]}
    [approval] = parse_ag_ui(posted).approvals
    assert not approval.approved


def test_openai_chat() -> None:
    request = parse_openai_chat(body("openai-chat-request"))
    assert roles(request) == "UAU"
    first = request.messages[0]
    assert isinstance(first, UserMessage)
    assert [part.mime_type for part in first.files] == ["image/png", "application/pdf", "audio/wav"]
    answer = request.messages[1]
    assert isinstance(answer, AssistantMessage)
    assert (answer.tool_calls[0].args, answer.tool_calls[0].result) == ({"a": 1}, "r")
    assert [one.reason for one in request.dropped] == ["a system message of the client"] * 2
    assert request.settings["max_completion_tokens"] == 9
    assert request.extra == {"model": "m", "stream": True, "stream_options": {"include_usage": True}}
    assert [tool.name for tool in request.tools] == ["f"]
    trusted = parse_openai_chat(body("openai-chat-request"), trust_system=True)
    assert roles(trusted) == "SSUAU"
