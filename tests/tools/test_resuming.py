"""The request after an answer that waits: results of front-end tools, and decisions about calls."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from assistant_stream_ce import RunController, create_run
from assistant_stream_ce.chat_requests import Approval, ChatRequest, ToolResult, parse, parse_ag_ui, parse_ai_sdk
from assistant_stream_ce.conversions import to_openai_chat, to_ui_message
from assistant_stream_ce.integrations import openai
from assistant_stream_ce.message import (
    AssistantMessage,
    MessageStatus,
    TextPart,
    ToolApproval,
    ToolCallPart,
    UserMessage,
)
from assistant_stream_ce.serialization import AGUIEncoder
from assistant_stream_ce.tools import ApprovalSigner, FrontendTool, MemoryApprovalStore, Tool, Tools
from assistant_stream_ce.tools import approvals as approvals_module
from tests.chat_requests.captured import body
from tests.tools.models import KINDS, Model, Played, calls, play, read, says

each_kind = pytest.mark.parametrize("kind", KINDS)

SIGNER = ApprovalSigner("secret")
NOT_VALID = "The approval is not valid, so the tool was not run."
NOT_COMPLETED = "The tool call was not completed."


class Files:
    """Deletes files."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    def delete(self, path: str) -> str:
        self.deleted.append(path)
        return f"deleted {path}"

    async def adelete(self, path: str) -> str:
        await asyncio.sleep(0)
        return self.delete(path)

    def tools(self, signer: ApprovalSigner = SIGNER, *, is_async: bool = False) -> Tools:
        function = self.adelete if is_async else self.delete
        tool = Tool(function, name="delete", needs_approval=True)
        return Tools([tool, FrontendTool("pick"), weather], approvals=signer)


def weather(city: str) -> str:
    return city


def pending(
    name: str = "delete", args: Any = None, call_id: str = "c1", approval: ToolApproval | None = None
) -> ToolCallPart:
    args = {"path": "x"} if args is None else args
    return ToolCallPart(call_id, name, json.dumps(args), args, approval=approval)


def request_of(
    *parts: Any, approvals: Any = (), results: Any = (), thread_id: str | None = "t1", after: Any = ()
) -> ChatRequest:
    message = AssistantMessage(parts=list(parts), status=MessageStatus("requires-action", "tool-calls"), id="m1")
    return ChatRequest(
        messages=[UserMessage([TextPart("hi")]), message, *after],
        approvals=list(approvals),
        tool_results=list(results),
        thread_id=thread_id,
    )


def decided(
    signer: ApprovalSigner = SIGNER, *, approved: Any = True, thread: str | None = "t1", **changed: Any
) -> ChatRequest:
    """Return the request of a front end whose user has decided about the call `c1`."""
    signature = signer.sign("a1", "c1", "delete", {"path": "x"}, thread)
    fields = {"approval_id": "a1", "tool_call_id": "c1", "approved": approved, "signature": signature}
    approval = Approval(**{**fields, **changed})
    return request_of(pending(approval=ToolApproval("a1", approved is True)), approvals=[approval])


def resume(kind: str, tools: Tools, request: ChatRequest, **options: Any) -> tuple[Played, list[Any]]:
    """Resume in a run of a kind; return what was shown, and the messages."""
    played, messages = Played(), []

    def run(controller: RunController) -> None:
        messages.extend(tools.resume(controller, request, **options))

    async def arun(controller: RunController) -> None:
        messages.extend(await tools.aresume(controller, request, **options))

    read(kind, run if kind.startswith("def") else arun, played.chunks)
    return played, messages


def part_of(messages: list[Any], number: int = 0) -> ToolCallPart:
    part = messages[1].parts[number]
    assert isinstance(part, ToolCallPart)
    return part


@each_kind
@pytest.mark.parametrize("is_async", [False, True])
def test_an_approved_tool_is_run(kind: str, is_async: bool) -> None:
    files = Files()
    request = decided()
    played, messages = resume(kind, files.tools(is_async=is_async), request)
    assert files.deleted == ["x"]
    assert played.results == {"c1": "deleted x"}
    assert not played.errors
    part = part_of(messages)
    assert (part.state, part.result, part.is_error) == ("answered", "deleted x", False)
    assert part.approval is not None
    assert part.approval.approved is True
    assert part_of(request.messages).state == "complete"
    assert to_openai_chat(messages)[-1] == {"role": "tool", "tool_call_id": "c1", "content": "deleted x"}


@each_kind
def test_a_refused_tool_is_not_run(kind: str) -> None:
    files = Files()
    played, messages = resume(kind, files.tools(), decided(approved=False, reason="too risky"))
    assert files.deleted == []
    assert played.errors == {"c1": "The user did not approve this call. The reason: too risky"}
    assert played.final[0].denied
    part = part_of(messages)
    assert part.is_error
    assert part.approval is not None
    assert (part.approval.approved, part.approval.reason) == (False, "too risky")


@each_kind
@pytest.mark.parametrize(
    "changed",
    [
        {"signature": None},
        {"signature": "v1.1.0"},
        {"approval_id": "a2"},
        {"signature": ApprovalSigner("other").sign("a1", "c1", "delete", {"path": "x"}, "t1")},
        {"signature": SIGNER.sign("a1", "c1", "delete", {"path": "y"}, "t1")},
        {"signature": SIGNER.sign("a1", "c2", "delete", {"path": "x"}, "t1")},
        {"signature": SIGNER.sign("a1", "c1", "weather", {"path": "x"}, "t1")},
        {"signature": SIGNER.sign("a1", "c1", "delete", {"path": "x"}, "t2")},
    ],
)
def test_a_forged_approval_runs_nothing(kind: str, changed: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    files = Files()
    played, messages = resume(kind, files.tools(), decided(**changed))
    assert files.deleted == []
    assert played.errors == {"c1": NOT_VALID}
    assert part_of(messages).is_error
    assert "the tool delete was not run" in caplog.text


@pytest.mark.parametrize("approved", ["true", 1, "yes", {"approved": True}, [True]])
def test_only_a_literal_true_approves(approved: Any) -> None:
    files = Files()
    played, _ = resume("def, for", files.tools(), decided(approved=approved))
    assert files.deleted == []
    assert "did not approve" in played.errors["c1"]


@each_kind
def test_arguments_that_were_changed_are_not_run(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    files = Files()
    request = decided()
    [changed] = [msgspec.structs.replace(part_of(request.messages), args={"path": "/"})]
    played, _ = resume(kind, files.tools(), request_of(changed, approvals=request.approvals))
    assert files.deleted == []
    assert played.errors == {"c1": NOT_VALID}


@each_kind
def test_the_thread_is_bound(kind: str) -> None:
    files = Files()
    resume(kind, files.tools(), decided(thread="t2"), thread="t2")
    assert files.deleted == ["x"]
    resume(kind, files.tools(), decided(thread="t1"), thread="t2")
    resume(kind, files.tools(), msgspec.structs.replace(decided(thread="t1"), thread_id=None))
    assert files.deleted == ["x"]


@each_kind
def test_an_answer_without_a_thread_binds_none(kind: str) -> None:
    files = Files()
    resume(kind, files.tools(), decided(thread=None))
    assert files.deleted == ["x"]


def test_an_approval_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files()
    now = 1_000_000.0
    monkeypatch.setattr(approvals_module.time, "time", lambda: now)
    signer = ApprovalSigner("secret", lifetime=60)
    request = decided(signer)
    now += 60
    played, _ = resume("def, for", files.tools(signer), request)
    assert files.deleted == []
    assert played.errors == {"c1": NOT_VALID}


@each_kind
def test_two_calls_with_one_approval_run_once(kind: str) -> None:
    """A forged history may repeat the call."""
    files = Files()
    request = decided()
    user, answer = request.messages
    assert isinstance(answer, AssistantMessage)
    again = msgspec.structs.replace(answer, parts=[msgspec.structs.replace(part_of(request.messages))])
    messages = [user, answer, again]
    resume(kind, files.tools(), msgspec.structs.replace(request, messages=messages))
    assert files.deleted == ["x"]


@each_kind
def test_a_tool_whose_name_the_provider_does_not_take(kind: str) -> None:
    files = Files()
    tools = Tools([Tool(files.delete, name="files.delete", needs_approval=True)], approvals=SIGNER)
    name: Any = openai.tool_schemas(tools)[0]["function"]
    model = Model(calls((name["name"], {"path": "x"})))
    [request] = play(kind, model, tools).of("tool-approval-request")
    approval = Approval(request.approval_id, "c1", True, None, request.signature)
    resume(kind, tools, request_of(pending(name["name"]), approvals=[approval]))
    assert files.deleted == ["x"]


class AsyncStore:
    """A store whose method is a coroutine."""

    def __init__(self) -> None:
        self.store = MemoryApprovalStore()

    async def add(self, key: str, lifetime: float, /) -> bool:
        await asyncio.sleep(0)
        return self.store.add(key, lifetime)


class ThreadStore(MemoryApprovalStore):
    """A store that blocks, so that it must not be called on an event loop."""

    def add(self, key: str, lifetime: float, /) -> bool:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return super().add(key, lifetime)


@each_kind
@pytest.mark.parametrize("make", [ThreadStore, AsyncStore])
def test_with_a_store_an_approval_is_used_once(kind: str, make: Any, caplog: pytest.LogCaptureFixture) -> None:
    files = Files()
    signer = ApprovalSigner("secret", store=make())
    request = decided(signer)
    played, _ = resume(kind, files.tools(signer), request)
    assert played.results == {"c1": "deleted x"}
    played, _ = resume(kind, files.tools(signer), request)
    assert played.errors == {"c1": NOT_VALID}
    assert files.deleted == ["x"]
    assert "was used before" in caplog.text


@each_kind
def test_a_store_that_fails_runs_nothing(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def add(self, key: str, lifetime: float, /) -> bool:
            raise OSError("no connection")

    files = Files()
    signer = ApprovalSigner("secret", store=Broken())
    played, _ = resume(kind, files.tools(signer), decided(signer))
    assert files.deleted == []
    assert played.errors == {"c1": NOT_VALID}
    assert "the store of approvals raised" in caplog.text


@each_kind
def test_the_schema_and_the_policy_are_checked_again(kind: str) -> None:
    ran: list[int] = []

    def delete(path: int) -> None:
        ran.append(path)

    played, _ = resume(kind, Tools([Tool(delete, needs_approval=True)], approvals=SIGNER), decided())
    assert "Expected `int`" in played.errors["c1"]
    for tools in (Tools([], approvals=SIGNER), Tools([FrontendTool("delete")], approvals=SIGNER), Tools([delete])):
        played, _ = resume(kind, tools, decided())
        assert played.errors == {"c1": NOT_COMPLETED}
    assert ran == []


@each_kind
def test_results_of_the_front_end_are_taken(kind: str) -> None:
    result = ToolResult("c1", "pick", {"city": "Paris"}, artifact=[1], model_content=[{"type": "text", "text": "P"}])
    played, messages = resume(kind, Files().tools(), request_of(pending("pick", {}), results=[result]))
    assert played.chunks == []
    part = part_of(messages)
    assert (part.state, part.result, part.artifact) == ("answered", {"city": "Paris"}, [1])
    assert to_openai_chat(messages)[-1] == {"role": "tool", "tool_call_id": "c1", "content": "P"}


@each_kind
def test_the_front_end_cannot_answer_for_a_tool_of_the_server(kind: str) -> None:
    request = request_of(pending("weather", {"city": "x"}), results=[ToolResult("c1", "weather", "forged")])
    played, _ = resume(kind, Files().tools(), request)
    assert played.errors == {"c1": NOT_COMPLETED}


@each_kind
def test_every_pending_call_is_answered(kind: str) -> None:
    parts = [
        pending(approval=ToolApproval("a1")),
        pending("pick", {}, "c2"),
        pending("weather", {"city": "x"}, "c3"),
        msgspec.structs.replace(pending("search", {}, "c4"), provider_executed=True),
        msgspec.structs.replace(pending("weather", {}, "c5"), state="answered", result=1),
    ]
    played, messages = resume(kind, Files().tools(), request_of(*parts))
    assert played.errors == dict.fromkeys(("c1", "c2", "c3"), NOT_COMPLETED)
    assert [part.state for part in messages[1].parts] == ["answered", "answered", "answered", "complete", "answered"]
    assert messages[1].parts[3:] == parts[3:]
    assert messages[1].status.type == "complete"
    assert sum(message["role"] == "tool" for message in to_openai_chat(messages)) == 4


@each_kind
def test_results_of_an_earlier_message_are_not_shown(kind: str) -> None:
    """A front end fails for the result of a call that is not in the message that it continues."""
    request = request_of(pending(), after=[UserMessage([TextPart("never mind")])])
    played, messages = resume(kind, Files().tools(), request)
    assert played.chunks == []
    assert part_of(messages).result == NOT_COMPLETED


def test_a_request_without_calls_is_unchanged() -> None:
    request = request_of(TextPart("hello"))
    _, messages = resume("def, for", Files().tools(), request)
    assert messages == request.messages
    assert messages[1] is request.messages[1]


@each_kind
def test_an_approval_without_the_id_of_its_call_is_found_by_its_signature(kind: str) -> None:
    files = Files()
    request = decided(tool_call_id=None)
    part = msgspec.structs.replace(part_of(request.messages), approval=None)
    other = pending(args={"path": "y"}, call_id="c0")
    played, _ = resume(kind, files.tools(), request_of(other, part, approvals=request.approvals))
    assert files.deleted == ["x"]
    assert played.errors == {"c0": NOT_COMPLETED}


@each_kind
def test_the_signature_may_be_in_the_stored_history(kind: str) -> None:
    files = Files()
    request = decided()
    asked = ToolApproval("a1", signature=request.approvals[0].signature)
    approval = Approval("a1", None, True)
    resume(kind, files.tools(), request_of(pending(approval=asked), approvals=[approval]))
    assert files.deleted == ["x"]


@each_kind
def test_approved_tools_run_in_parallel_and_show_their_steps(kind: str) -> None:
    both = threading.Barrier(2)

    def delete(path: str) -> Iterator[str]:
        both.wait(20)
        yield "half"
        yield path

    parts, approvals = [], []
    for number in "12":
        signature = SIGNER.sign(f"a{number}", f"c{number}", "delete", {"path": "x"}, "t1")
        parts.append(pending(call_id=f"c{number}"))
        approvals.append(Approval(f"a{number}", f"c{number}", True, None, signature))
    tools = Tools([Tool(delete, needs_approval=True)], approvals=SIGNER)
    played, _ = resume(kind, tools, request_of(*parts, approvals=approvals))
    assert played.results == {"c1": "x", "c2": "x"}
    assert sum(chunk.preliminary for chunk in played.of("tool-result")) == 4


@each_kind
def test_a_failure_of_an_approved_tool(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    def delete(path: str) -> None:
        raise OSError("/secret/path")

    played, messages = resume(kind, Tools([Tool(delete, needs_approval=True)], approvals=SIGNER), decided())
    assert played.errors == {"c1": "The tool failed."}
    assert part_of(messages).result == "The tool failed."


@each_kind
def test_nothing_is_run_after_the_reader_has_left(kind: str) -> None:
    """The first tool ends when the reader leaves; the others would come after it."""
    ran: list[str] = []
    begun = threading.Event()

    def delete(path: str, controller: RunController) -> None:
        controller.append_text("begun")
        begun.set()
        controller.cancelled_event.wait_sync(20)

    model = Model(says("never"))
    tools = Tools([Tool(delete, needs_approval=True)], approvals=SIGNER)
    done = threading.Event()

    def run(controller: RunController) -> None:
        messages = to_openai_chat(tools.resume(controller, decided()))
        openai.answer(controller, model.ask, messages, tools=tools)

    async def arun(controller: RunController) -> None:
        messages = to_openai_chat(await tools.aresume(controller, decided()))
        await openai.answer(controller, model.aask, messages, tools=tools)

    callback = run if kind.startswith("def") else arun
    if kind.endswith("async for"):

        async def use() -> None:
            async with create_run(callback, on_finish=lambda result: done.set()) as stream:
                await anext(stream)
            await asyncio.to_thread(done.wait, 20)

        asyncio.run(use())
    else:
        with create_run(callback, on_finish=lambda result: done.set()) as stream:
            next(stream)
    assert done.wait(20)
    assert model.requests == ran == []


@each_kind
@pytest.mark.parametrize("approved", [True, False, "true"])
def test_a_whole_conversation_with_ai_sdk(kind: str, approved: Any) -> None:
    """What its `useChat` posts after `addToolApprovalResponse`."""
    files = Files()
    model = Model(calls(("delete", {"path": "x"}), text="Sure. "), says("Done."))
    tools = files.tools()

    def post(parts: list[Any]) -> str:
        user = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "delete x"}]}
        messages = [user, *([{"id": "m1", "role": "assistant", "parts": parts}] if parts else [])]
        return json.dumps({"id": "t1", "messages": messages, "trigger": "submit-message"})

    def first(controller: RunController) -> None:
        request = parse_ai_sdk(post([]))
        answer = openai.answer(controller, model.ask, to_openai_chat(request.messages), tools=tools, thread="t1")
        assert answer.reason == "waiting"

    stream = create_run(first)
    list(stream)
    parts: list[Any] = to_ui_message(stream.message)["parts"]  # type: ignore[assignment]
    [asked] = [part for part in parts if part["type"].startswith("tool-")]
    assert asked["state"] == "approval-requested"
    asked.update(state="approval-responded", approval={**asked["approval"], "approved": approved})

    request = parse_ai_sdk(post(parts))

    def before(controller: RunController) -> list[Any]:
        return to_openai_chat(tools.resume(controller, request))

    async def abefore(controller: RunController) -> list[Any]:
        return to_openai_chat(await tools.aresume(controller, request))

    played = play(kind, model, tools, before=before, abefore=abefore, thread="t1")
    assert files.deleted == (["x"] if approved is True else [])
    assert played.answer.text == "Done."
    result = "deleted x" if approved is True else "The user did not approve this call."
    [*_, call, answered] = model.requests[1]
    assert call["tool_calls"][0]["id"] == answered["tool_call_id"] == "c1"
    assert answered["content"] == result
    assert [chunk.type for chunk in played.chunks][:2] == ["tool-result", "step-start"]


@each_kind
@pytest.mark.parametrize("approved", [True, False])
def test_a_whole_conversation_with_ag_ui(kind: str, approved: bool) -> None:
    """The payload has the call and the signature of the interrupt."""
    files = Files()
    model = Model(calls(("delete", {"path": "x"})), says("Done."))
    tools = files.tools()

    def first(controller: RunController) -> None:
        openai.answer(controller, model.ask, [{"role": "user", "content": "delete"}], tools=tools, thread="t1")

    frames = b"".join(AGUIEncoder().encode_stream(create_run(first))).decode().splitlines()
    events = [json.loads(line[6:]) for line in frames if line.startswith("data: {")]
    [interrupt] = events[-1]["outcome"]["interrupts"]
    payload = {"approved": approved, "toolCallId": interrupt["toolCallId"], **interrupt["metadata"]}
    function = {"name": "delete", "arguments": '{"path": "x"}'}
    posted = {
        "threadId": "t1",
        "runId": "r2",
        "messages": [
            {"id": "u1", "role": "user", "content": "delete"},
            {"id": "m1", "role": "assistant", "toolCalls": [{"id": "c1", "type": "function", "function": function}]},
        ],
        "resume": [{"interruptId": interrupt["id"], "status": "resolved", "payload": payload}],
    }
    played, messages = resume(kind, tools, parse_ag_ui(posted))
    assert files.deleted == (["x"] if approved else [])
    assert played.results == {"c1": "deleted x" if approved else "The user did not approve this call."}
    assert to_openai_chat(messages)[-1]["content"] == played.results["c1"]


@each_kind
@pytest.mark.parametrize(
    "name", ["ai7-tool-output", "ai7-tool-output-error", "aui-ds-tool-result", "agui-tool-result-reasoning-state"]
)
def test_results_that_front_ends_post_are_in_the_messages(kind: str, name: str) -> None:
    request = parse(body(name))
    played, messages = resume(kind, Files().tools(), request)
    assert played.chunks == []
    assert messages == request.messages
    assert any(message["role"] == "tool" for message in to_openai_chat(messages))


@each_kind
@pytest.mark.parametrize("name", ["ai7-approval-yes", "ai6-approval-yes-dynamic", "ai7-approval-no"])
def test_approvals_that_front_ends_post(kind: str, name: str) -> None:
    """They were captured without a signature, so that nothing is run."""
    files = Files()
    tools = Tools([Tool(files.delete, name="delete_file", needs_approval=True)], approvals=SIGNER)
    played, _ = resume(kind, tools, parse(body(name)))
    assert files.deleted == []
    [text] = played.errors.values()
    assert text == NOT_VALID if "yes" in name else "did not approve" in text


@each_kind
def test_an_approval_that_ag_ui_clients_post_is_found_in_the_stored_history(kind: str) -> None:
    files = Files()
    request = parse(body("agui-resume-approve"))
    signature = SIGNER.sign("int-1", "c1", "delete", {"path": "x"}, "th-3")
    stored = request_of(pending(approval=ToolApproval("int-1", signature=signature))).messages
    played, _ = resume(kind, files.tools(), msgspec.structs.replace(request, messages=stored))
    assert played.results == {"c1": "deleted x"}


@pytest.mark.parametrize(
    ("request_", "options", "what"),
    [
        (None, {}, "request must be a ChatRequest, as parse"),
        (body("ai7-approval-yes"), {}, "not dict"),
        (parse(body("ai7-approval-yes")), {"thread": 3}, "thread must be a str or None"),
    ],
)
def test_arguments_are_checked(request_: Any, options: dict[str, Any], what: str) -> None:
    stream = create_run(lambda controller: Tools([weather]).resume(controller, request_, **options))
    with pytest.raises(TypeError, match=what):
        list(stream)
