"""The loop of a model and its tools: ask, run the tools that are ours, and ask again."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from assistant_stream_ce.concurrency.waiters import in_event_loop
from assistant_stream_ce.controller import validation
from assistant_stream_ce.controller.run_controller import RunController
from assistant_stream_ce.errors import StreamUsageError
from assistant_stream_ce.integrations.turn import ToolCall, Turn
from assistant_stream_ce.jsonvalue import JSON, dumps
from assistant_stream_ce.message import Usage
from assistant_stream_ce.run.callbacks import is_callable_as
from assistant_stream_ce.tools.arguments import normalized
from assistant_stream_ce.tools.batch import Batch
from assistant_stream_ce.tools.execution import ToolJob, send_failure
from assistant_stream_ce.tools.tool import FrontendTool, Tool, ToolFailure
from assistant_stream_ce.tools.toolset import Tools

#: Why an answer has ended.
AnswerReason: TypeAlias = Literal["finished", "waiting", "max_turns"]

# The same call so many times in a row is not run.
_REPETITIONS = 3

_NEEDS_COROUTINE = "an async ask needs a coroutine: make the callback an `async def`, and await answer(...)"
_CUT = "The arguments were cut off, because the answer was too long."
_REPEATED = (
    "This is the same call for the third time in a row, so it was not run. Use the result that you have, or call "
    "another tool."
)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a model that used tools.

    Attributes:
        turns: the turns of the model, in order.
        usage: the tokens of all turns.
        results: the results of the tools of the last turn that are not the front end's, by the id of the call:
            a value, or a `ToolFailure`.
        reason: `finished`; `waiting` for the front end's tools or the user's approval; or `max_turns`.
    """

    turns: list[Turn]
    usage: Usage
    results: dict[str, Any]
    reason: AnswerReason

    @property
    def text(self) -> str:
        """The text of all turns."""
        return "".join(turn.text for turn in self.turns)


class AnswerFunction(Protocol):
    """The type of `answer`."""

    def __call__(
        self,
        controller: RunController,
        ask: Callable[[list[Any]], Any],
        messages: list[Any],
        *,
        tools: Tools | None = None,
        max_turns: int = 10,
        thread: str | None = None,
    ) -> Any:
        """Answer with the help of tools."""


def answer_with(
    forward: Callable[[RunController, Any], Any],
    tool_results: Callable[[Turn, Mapping[str, Any]], list[dict[str, JSON]]],
) -> AnswerFunction:
    """Return the `answer` of an SDK.

    Args:
        forward: its `forward`.
        tool_results: its `tool_results`.
    """

    def answer(
        controller: RunController,
        ask: Callable[[list[Any]], Any],
        messages: list[Any],
        *,
        tools: Tools | None = None,
        max_turns: int = 10,
        thread: str | None = None,
    ) -> Any:
        """Answer with the help of tools: ask the model, run the tools that it calls, and ask again.

        Ends with one finish of the message, with the usage of all turns. When the reader leaves, nothing is asked
        again. Tools run at most eight at a time: a `def` in a thread of its own, an `async def` on an event loop.

        Args:
            controller: the controller of the run.
            ask: receives `messages` and returns a stream, as `forward` takes it. It may be an `async def`.
            messages: the messages of the request. The turns of the model and the results of the tools are appended.
            tools: the tools that the model was given.
            max_turns: the most times that the model is asked; the tools of the last turn are run.
            thread: the id of the conversation, to which approvals are bound.

        Returns:
            The `Answer`; an awaitable of it for asynchronous streams.

        Raises:
            ModelStreamError: a stream has ended before its finish, or with an error event or a malformed one.
            RunCancelled: the reader of the run has left.
            StreamUsageError: a blocking stream is read inside a running event loop, or an async one outside.
            TypeError: an argument has a wrong type.
            ValueError: `max_turns` is not positive.
        """
        _check(ask, messages, tools, max_turns, thread)
        loop = AnswerLoop(controller, messages, Tools() if tools is None else tools, max_turns, thread, tool_results)
        turn_of = partial(forward, controller, partial(ask, messages))
        controller.raise_if_cancelled()
        first = turn_of()
        if inspect.iscoroutine(first) and not in_event_loop():
            # Nobody would await it: the answer would be empty.
            first.close()
            raise StreamUsageError(_NEEDS_COROUTINE)
        return _answer_async(loop, first, turn_of) if inspect.isawaitable(first) else _answer(loop, first, turn_of)

    return answer


def _check(ask: object, messages: object, tools: object, max_turns: object, thread: object) -> None:
    if not callable(ask):
        raise TypeError("ask must be a function that receives the messages and returns a stream, called for each turn")
    if not isinstance(messages, list):
        raise TypeError(f"messages must be a list, to which the answer is appended, not {type(messages).__name__}")
    if tools is not None and not isinstance(tools, Tools):
        raise TypeError(f"tools must be Tools([...]), not {type(tools).__name__}")
    validation.positive(max_turns, "max_turns")
    if thread is not None and not isinstance(thread, str):
        raise TypeError(f"thread must be a str or None, not {type(thread).__name__}")
    if is_callable_as(inspect.iscoroutinefunction, ask) and not in_event_loop():
        raise StreamUsageError(_NEEDS_COROUTINE)


def _answer(loop: AnswerLoop, turn: Turn, turn_of: Callable[[], Turn]) -> Answer:
    while True:
        loop.begin(turn).run()
        if (answer := loop.end()) is not None:
            return answer
        turn = turn_of()


async def _answer_async(loop: AnswerLoop, turn: Awaitable[Turn], turn_of: Callable[[], Awaitable[Turn]]) -> Answer:
    while True:
        await loop.begin(await turn).arun()
        await loop.controller.drain()
        if (answer := loop.end()) is not None:
            return answer
        turn = turn_of()


class AnswerLoop:
    """The state of an answer, without I/O: `begin` takes a turn, `end` its results. Not thread-safe.

    Args:
        controller: the controller of the run.
        messages: the messages of the request, to be extended.
        tools: the tools.
        max_turns: the most turns.
        thread: the id of the conversation.
        tool_results: makes the messages of results.
    """

    def __init__(
        self,
        controller: RunController,
        messages: list[Any],
        tools: Tools,
        max_turns: int,
        thread: str | None,
        tool_results: Callable[[Turn, Mapping[str, Any]], list[dict[str, JSON]]],
    ) -> None:
        self.controller = controller
        self._messages = messages
        self._tools = tools
        self._max_turns = max_turns
        self._thread = thread
        self._tool_results = tool_results
        self._turns: list[Turn] = []
        self._failures: dict[str, ToolFailure] = {}
        self._jobs: list[ToolJob] = []
        self._waits = False
        self._last_call = b""
        self._repetitions = 0

    def begin(self, turn: Turn) -> Batch:
        """Take a turn; return the calls of its tools to run."""
        self._turns.append(turn)
        self._failures, self._jobs = {}, []
        # The provider asks for an approval of a tool that it runs.
        self._waits = any(
            part.approval is not None and part.approval.approved is None for part in turn.message.tool_calls
        )
        for call in turn.tool_calls:
            try:
                tool, args = self._checked(call)
                if isinstance(tool, Tool):
                    self._add(tool, call, args)
                else:
                    self._waits = True
            except ToolFailure as failure:
                self._failures[call.id] = failure
                send_failure(self.controller, call.id, failure)
        return Batch(self.controller, self._jobs)

    def _checked(self, call: ToolCall) -> tuple[Tool | FrontendTool, dict[str, JSON]]:
        """Return the tool of a call and its arguments.

        Raises:
            ToolFailure: the call is not to be run.
        """
        key = dumps([call.name, call.args_text if call.args is None else normalized(call.args)])
        self._repetitions = self._repetitions + 1 if key == self._last_call else 1
        self._last_call = key
        if self._repetitions >= _REPETITIONS:
            raise ToolFailure(_REPEATED)
        tool = self._tools.find(call.name)
        turn = self._turns[-1]
        # Without any argument text the arguments are `{}`, even where the text was only about to come.
        if turn.finish_reason == "length" and call is turn.tool_calls[-1] and not call.args:
            raise ToolFailure(_CUT)
        if call.args is None:
            raise ToolFailure(f"The arguments are invalid: {call.error}.")
        return tool, call.args

    def _add(self, tool: Tool, call: ToolCall, args: dict[str, JSON]) -> None:
        job = ToolJob(self.controller, tool, call.id, args, self._tools.timeout)
        if tool.needs_approval:
            signer = self._tools.approvals
            # `Tools` refuses a tool that needs approval without a signer.
            assert signer is not None
            approval_id = f"approval-{uuid.uuid4().hex}"
            signature = signer.sign(approval_id, call.id, tool.name, args, self._thread)
            self.controller.add_tool_approval_request(call.id, approval_id, signature=signature)
            self._waits = True
        else:
            self._jobs.append(job)

    def end(self) -> Answer | None:
        """Take the results; return the answer, or None to ask again."""
        turn = self._turns[-1]
        found = self._failures | {job.call_id: job.result for job in self._jobs}
        results = {call.id: found[call.id] for call in turn.tool_calls if call.id in found}
        self._messages.extend(turn.messages)
        if self._waits:
            return self._finished("waiting", "tool-calls", results)
        if turn.tool_calls:
            self._messages.extend(self._tool_results(turn, results))
        elif turn.provider_finish_reason != "pause_turn":
            return self._finished("finished", turn.finish_reason, results)
        if len(self._turns) >= self._max_turns:
            return self._finished("max_turns", turn.finish_reason, results)
        self.controller.raise_if_cancelled()
        return None

    def _finished(self, reason: AnswerReason, finish_reason: str, results: dict[str, Any]) -> Answer:
        usage = sum((turn.usage for turn in self._turns), Usage())
        self.controller.add_message_finish(finish_reason, **msgspec.structs.asdict(usage))
        return Answer(turns=self._turns, usage=usage, results=results, reason=reason)
