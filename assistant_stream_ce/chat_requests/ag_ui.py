"""Requests of AG-UI clients: `RunAgentInput`, of the client versions before and after 1.0."""

from __future__ import annotations

from assistant_stream_ce.chat_requests.body import Body
from assistant_stream_ce.chat_requests.request import Approval, ChatRequest
from assistant_stream_ce.conversions.ag_ui_messages import read_ag_ui_messages
from assistant_stream_ce.conversions.history import text_or_none
from assistant_stream_ce.jsonvalue import JSON, object_or_empty


def read_ag_ui(body: Body) -> ChatRequest:
    """Return the request. The answers to interrupts, in `resume`, are approvals."""
    new_from = read_ag_ui_messages(body.history, body.messages(), "messages")
    results, _ = body.new_results(new_from)
    answers = body.history.objects(body.take("resume"), "resume")
    return body.request(
        tool_results=results,
        approvals=[approval for path, answer in answers for approval in _approvals(body, answer, path)],
        thread_id=body.take_thread("threadId"),
        run_id=body.take_text("runId"),
        parent_id=body.take_text("parentRunId"),
        tools=body.take_tools(),
        state=body.take("state"),
    )


def _approvals(body: Body, answer: dict[str, JSON], path: str) -> list[Approval]:
    approval_id = body.history.name(answer.get("interruptId"), f"{path}.interruptId")
    if approval_id is None:
        body.history.drop(path, "an answer without the id of its interrupt")
        return []
    body.history.check_fields(answer, path, ("interruptId", "status", "payload"))
    payload = answer.get("payload")
    if (status := answer.get("status")) not in ("resolved", "cancelled"):
        body.history.unknown_state(status, f"{path}.status")
    fields = object_or_empty(payload)
    approved = status == "resolved" and fields.get("approved") is True
    reason, signature = text_or_none(fields.get("reason")), text_or_none(fields.get("signature"))
    call_id = body.history.name(fields.get("toolCallId"), f"{path}.payload.toolCallId")
    return [Approval(approval_id, call_id, approved, reason, signature, payload)]
