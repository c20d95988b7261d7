"""Continue after a front end has answered: its results, and its decisions about calls that need approval."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.conversions.turns import NOT_COMPLETED
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.message import (
    AssistantMessage,
    Message,
    MessagePart,
    MessageStatus,
    ToolApproval,
    ToolCallPart,
)
from assistant_stream_ce.run.callbacks import is_callable_as
from assistant_stream_ce.run.logger import logger
from assistant_stream_ce.tools.approvals import ApprovalSigner, ApprovalStore
from assistant_stream_ce.tools.batch import Batch, Job
from assistant_stream_ce.tools.execution import ToolJob, send_failure
from assistant_stream_ce.tools.tool import Tool, ToolFailure

if TYPE_CHECKING:
    from assistant_stream_ce.chat_requests.request import Approval, ChatRequest
    from assistant_stream_ce.tools.toolset import Tools

_NOT_VALID = "The approval is not valid, so the tool was not run."


class ApprovalUse(Job):
    """Asks the signer's store whether an approval is used for the first time."""

    def __init__(self, store: ApprovalStore, approval: Approval, lifetime: float) -> None:
        self.name = "approval"
        self.is_async: bool = is_callable_as(inspect.iscoroutinefunction, store.add)
        self._add = partial(store.add, approval.approval_id, lifetime)
        #: Whether this is its first use.
        self.is_first: bool = False

    def call(self) -> object:
        """Ask the store."""
        return self._add()

    def show(self, value: object) -> None:
        """Ignore it."""

    def succeed(self, value: object) -> None:
        """Keep the store's answer."""
        self.is_first = value is True

    def fail(self, error: BaseException) -> None:
        """Log it: the tool is not run."""
        logger.error("the store of approvals raised", exc_info=error)

    def expire(self) -> None:
        """Ignore it: there is no timeout."""


class PendingCall:
    """A call of the history without a result."""

    def __init__(self, part: ToolCallPart, *, is_last: bool) -> None:
        self.part = part
        #: Whether it is in the message that is continued, so that the front end takes its result.
        self.is_last = is_last
        self.job: ToolJob | None = None
        self.use: ApprovalUse | None = None
        self.approval: Approval | None = None
        self.answered: ToolCallPart | None = None


class Resumption:
    """The state of `Tools.resume`, without I/O. Not thread-safe.

    Args:
        tools: the tools.
        controller: the controller of the run.
        request: the request.
        thread: the id of the conversation; that of the request if None.

    Raises:
        TypeError: `request` was not parsed, or `thread` is not a str.
    """

    def __init__(self, tools: Tools, controller: RunController, request: ChatRequest, thread: str | None) -> None:
        if not hasattr(request, "approvals"):
            raise TypeError(f"request must be a ChatRequest, as parse(body) returns, not {type(request).__name__}")
        if not isinstance(thread, str | None):
            raise TypeError(f"thread must be a str or None, not {type(thread).__name__}")
        self._tools = tools
        self._controller = controller
        self._request = request
        self._thread = request.thread_id if thread is None else thread
        # The approvals that a tool is run for.
        self._taken: set[str] = set()
        last = len(request.messages) - 1
        self._pending = {
            id(part): PendingCall(part, is_last=number == last)
            for number, message in enumerate(request.messages)
            if isinstance(message, AssistantMessage)
            for part in message.tool_calls
            if part.state != "answered" and not part.provider_executed
        }

    def uses(self) -> Batch:
        """Take the results and decisions; return the uses of approvals, to run first."""
        for pending in self._pending.values():
            try:
                self._take(pending)
            except ToolFailure as failure:
                self._fail(pending, failure)
        return self._batch(pending.use for pending in self._pending.values())

    def calls(self) -> Batch:
        """Return the calls of approved tools, to run next."""
        for pending in self._pending.values():
            if pending.use is not None and not pending.use.is_first:
                pending.job = None
                logger.warning("an approval of the tool %s was used before; it was not run", pending.part.name)
                self._fail(pending, ToolFailure(_NOT_VALID))
        return self._batch(pending.job for pending in self._pending.values())

    def _batch(self, jobs: Iterable[Job | None]) -> Batch:
        return Batch(self._controller, [job for job in jobs if job is not None])

    def messages(self) -> list[Message]:
        """Return the messages with the results."""
        return [
            self._answered(message) if isinstance(message, AssistantMessage) else message
            for message in self._request.messages
        ]

    def _answered(self, message: AssistantMessage) -> AssistantMessage:
        parts: list[MessagePart] = []
        for part in message.parts:
            pending = self._pending.get(id(part))
            parts.append(part if pending is None else self._result(pending))
        if parts == message.parts:
            return message
        return msgspec.structs.replace(message, parts=parts, status=MessageStatus("complete", "unknown"))

    def _result(self, pending: PendingCall) -> ToolCallPart:
        if pending.answered is not None:
            return pending.answered
        assert pending.job is not None
        return _with_result(pending, pending.job.result)

    # --- decisions ---

    def _take(self, pending: PendingCall) -> None:
        """Take the result or the decision about a call.

        Raises:
            ToolFailure: it is not run; the model reads why.
        """
        part = pending.part
        tool = self._tools.get(part.name)
        result = next((one for one in self._request.tool_results if one.tool_call_id == part.id), None)
        if result is not None and not isinstance(tool, Tool):
            fields = {name: getattr(result, name) for name in ("result", "is_error", "artifact", "model_content")}
            pending.answered = msgspec.structs.replace(part, state="answered", **fields)
            return
        signer = self._tools.approvals
        if signer is None or not isinstance(tool, Tool) or not tool.needs_approval:
            raise ToolFailure(NOT_COMPLETED)
        approval = pending.approval = self._decision(signer, tool, part)
        if approval is None:
            raise ToolFailure(NOT_COMPLETED)
        if approval.approved is not True:
            reason = f" The reason: {approval.reason}" if approval.reason else ""
            raise ToolFailure(f"The user did not approve this call.{reason}")
        problem = self._problem(signer, approval, tool, part)
        if problem is None and approval.approval_id in self._taken:
            problem = "the request has two calls with one approval"
        if problem is not None:
            logger.warning("the tool %s was not run: %s", part.name, problem)
            raise ToolFailure(_NOT_VALID)
        self._taken.add(approval.approval_id)
        args = part.args if isinstance(part.args, dict) else {}
        pending.job = ToolJob(self._controller, tool, part.id, args, self._tools.timeout, is_shown=pending.is_last)
        if signer.store is not None:
            pending.use = ApprovalUse(signer.store, approval, signer.lifetime)

    def _decision(self, signer: ApprovalSigner, tool: Tool, part: ToolCallPart) -> Approval | None:
        """Return the decision about a call; one without the id of its call is found by its signature."""
        asked = None if part.approval is None else part.approval.id
        for approval in self._request.approvals:
            if approval.tool_call_id == part.id or (asked is not None and approval.approval_id == asked):
                return approval
        unnamed = [approval for approval in self._request.approvals if approval.tool_call_id is None]
        return next((one for one in unnamed if self._problem(signer, one, tool, part) is None), None)

    def _problem(self, signer: ApprovalSigner, approval: Approval, tool: Tool, part: ToolCallPart) -> str | None:
        asked = part.approval
        signature = approval.signature or (None if asked is None else asked.signature)
        args: dict[str, JSON] = part.args if isinstance(part.args, dict) else {}
        bound = signature, approval.approval_id, part.id, tool.name, args
        problem = signer.check(*bound, self._thread)
        # An `answer` without a thread binds none.
        return problem if problem is None or self._thread is None else signer.check(*bound, None)

    def _fail(self, pending: PendingCall, failure: ToolFailure) -> None:
        if pending.is_last:
            is_denied = pending.approval is not None and pending.approval.approved is not True
            send_failure(self._controller, pending.part.id, failure, is_denied=is_denied)
        pending.answered = _with_result(pending, failure)


def _with_result(pending: PendingCall, result: Any) -> ToolCallPart:
    approval, asked = pending.approval, pending.part.approval
    if approval is not None:
        signature = None if asked is None else asked.signature
        asked = ToolApproval(approval.approval_id, approval.approved, approval.reason, signature)
    is_error = isinstance(result, ToolFailure)
    value = str(result) if is_error else result
    return msgspec.structs.replace(pending.part, state="answered", result=value, is_error=is_error, approval=asked)
