"""Events of the OpenAI Agents SDK, `Runner.run_streamed(...)`.

Format: https://openai.github.io/openai-agents-python/streaming/
"""

from __future__ import annotations

from typing import Any

from assistant_stream_ce.integrations.agent_events import AgentReader, AgentTurn, result_value
from assistant_stream_ce.integrations.events import field, native, text_of
from assistant_stream_ce.integrations.openai_responses_events import ResponsesReader
from assistant_stream_ce.integrations.turn import TurnBuilder
from assistant_stream_ce.jsonvalue import JSON

_RESULTS = ("tool_call_output_item", "handoff_output_item")


class OpenAIAgentsReader(AgentReader):
    """Reads events. Those of the models are events of the Responses API, also with models of other APIs."""

    def __init__(self, out: TurnBuilder) -> None:
        super().__init__(out)
        self._run: Any = None
        self._reader: ResponsesReader | None = None

    def opened(self, stream: Any) -> None:
        """Receive the events' object, which has the run."""
        self._run = stream.run

    def feed(self, event: Any) -> None:
        """Process an event."""
        match text_of(event, "type"):
            case "raw_response_event":
                self._model_event(field(event, "data"))
            case "run_item_stream_event":
                item = field(event, "item")
                if text_of(item, "type") in _RESULTS:
                    self._result(item)

    def end(self) -> AgentTurn:
        """Return the turn; see the base class."""
        if self._reader is not None:
            self.cut()
        waiting = [self._approval(item) for item in getattr(self._run, "interruptions", None) or ()]
        self.request_approvals(waiting)
        return self.end_run(self._run, self._messages(), ours=(), has_approvals=bool(waiting))

    def _model_event(self, event: Any) -> None:
        if self._reader is None:
            self.begin_step()
            self._reader = ResponsesReader(self.out)
        known = len(self.out.calls)
        self._reader.feed(event)
        for call in self.out.calls[known:]:
            self.add_call(call)
        if self._reader.has_ended:
            self.finish_step(self._reader.reason, self._reader.provider_reason)
            self._reader = None

    def _result(self, item: Any) -> None:
        raw = field(item, "raw_item")
        text = field(raw, "output")
        value = field(item, "output")
        self.add_result(
            text_of(raw, "call_id") or text_of(raw, "id"), result_value(text if value is None else value, text)
        )

    def _approval(self, item: Any) -> str:
        """Return the provider's id of a call that waits for an approval."""
        raw = field(item, "raw_item")
        call_id = text_of(raw, "call_id") or text_of(raw, "id")
        if not self.has_call(call_id):
            # Of a tool that the provider runs: its request is no call yet.
            call = self.out.call(item.name or "tool", call_id, is_ours=False)
            call.set(item.arguments)
            self.add_call(call)
        return call_id

    def _messages(self) -> list[dict[str, JSON]]:
        """Return the items that the run has added to its input."""
        before = self._run.input
        items = self._run.to_input_list()
        return [native(item) for item in items[1 if isinstance(before, str) else len(before) :]]
