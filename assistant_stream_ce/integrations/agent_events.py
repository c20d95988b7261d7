"""Events of agent frameworks: several calls of a model with the results of the agent's own tools, as one turn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, NoReturn

import msgspec

from assistant_stream_ce.concurrency.waiters import in_event_loop
from assistant_stream_ce.errors import StreamUsageError
from assistant_stream_ce.integrations.events import AT_END, TurnReader, native
from assistant_stream_ce.integrations.turn import CallBuilder, Turn, TurnBuilder, TurnFinish
from assistant_stream_ce.jsonvalue import JSON, plain
from assistant_stream_ce.message import Usage


class AgentTurn(Turn, frozen=True, kw_only=True):
    """The output of one run of an agent: all its calls of a model.

    `usage` is their sum, `tool_calls` are those that the agent leaves to the application, `id` and `model` are of the
    last response.

    Attributes:
        result: the result object of the agent's SDK.
    """

    result: Any


class AgentReader(TurnReader):
    """Reads the events of an agent: each response of a model becomes a step, with its usage."""

    def __init__(self, out: TurnBuilder) -> None:
        super().__init__(out)
        # The calls of all steps by the provider's id, which a later step may use again.
        self._calls: dict[str, CallBuilder] = {}
        # The driver has begun the first step.
        self._is_step_open = True
        self._reason: TurnFinish = "stop"
        self._usage = Usage()

    @abstractmethod
    def end(self) -> AgentTurn:
        """Return the turn; see the base class."""

    def reject(self, error: Exception, event: Any) -> NoReturn:
        """Raise for an exception of `feed`; see the base class. Those of `end` are the SDK's, whose result it reads."""
        if event is AT_END:
            raise error
        super().reject(error, event)

    def begin_step(self) -> None:
        """Begin a step unless one is open."""
        if not self._is_step_open:
            self.out: TurnBuilder = self.out.next_step()
            self._is_step_open = True

    def finish_step(self, reason: TurnFinish, provider_reason: str | None) -> None:
        """Finish the open step, whose usage `out` has."""
        self._reason = self.out.end_step(reason)
        self.provider_reason: str | None = provider_reason
        self._usage += self.out.usage
        self._is_step_open = False

    def add_call(self, call: CallBuilder) -> None:
        """Add a call, whose result may follow."""
        if call.provider_id:
            self._calls[call.provider_id] = call

    def add_result(self, call_id: str, result: JSON, *, is_error: bool = False, denied: bool = False) -> None:
        """Send the result of a tool that the agent has run, or was not allowed to run."""
        call = self._calls.get(call_id)
        if call is None:
            # The call was in an earlier run, which waited for an approval.
            self.out.late_result(call_id, result, is_error=is_error, denied=denied)
        else:
            call.result(result, is_error=is_error, denied=denied)

    def has_call(self, call_id: str) -> bool:
        """Return whether a call with this id was shown in this run."""
        return call_id in self._calls

    def request_approvals(self, call_ids: Iterable[str]) -> None:
        """Ask for the approval of calls, by the provider's ids."""
        for call_id in call_ids:
            if (call := self._calls.get(call_id)) is not None:
                call.request_approval(call_id)

    def end_run(
        self, result: Any, messages: list[dict[str, JSON]], *, ours: Iterable[str], has_approvals: bool = False
    ) -> AgentTurn:
        """Return the turn.

        Args:
            result: the result object of the SDK.
            messages: the messages to send back in the next run.
            ours: the provider's ids of the calls that the application has to run.
            has_approvals: whether calls wait for an approval.
        """
        if self._is_step_open:
            self.finish_step("stop", None)
        reason = self._reason
        left = [call for call_id in ours if (call := self._calls.get(call_id)) is not None]
        if left or has_approvals:
            reason = "tool-calls"
        elif reason == "tool-calls":
            # The agent has run them, and ended with their results.
            reason = "stop"
        self.out.usage = self._usage
        turn = self.out.turn(reason, self.provider_reason, messages)
        fields = msgspec.structs.asdict(turn) | {"tool_calls": [call.tool_call() for call in left]}
        return AgentTurn(**fields, result=result)


def require_event_loop() -> None:
    """Raise unless an event loop is running: agents have no blocking streams of events.

    Raises:
        StreamUsageError: none is running.
    """
    if not in_event_loop():
        raise StreamUsageError(
            "an agent streams its events in an event loop only: make the callback `async def`, and "
            "`await forward(controller, ...)` in it"
        )


def result_value(value: Any, text: Any) -> JSON:
    """Return what a tool has returned as JSON; its text for the model where it is no JSON.

    Args:
        value: the value.
        text: the text.
    """
    try:
        return plain(native(value), "result")
    except TypeError:
        return text if isinstance(text, str) else str(text)
