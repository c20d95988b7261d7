"""Requests of AG-UI clients."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.chat_requests import (
    parse_ag_ui,
)
from assistant_stream_ce.message import AssistantMessage, FilePart
from tests.chat_requests.captured import body


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
