"""Events of pydantic-ai's `agent.run_stream_events()`.

Format: https://pydantic.dev/docs/ai/core-concepts/agent/#streaming-all-events
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from assistant_stream_ce.integrations.agent_events import AgentReader, AgentTurn, result_value
from assistant_stream_ce.integrations.events import delta_of, field, integer, native, text_of
from assistant_stream_ce.integrations.turn import CallBuilder, TurnBuilder, TurnFinish
from assistant_stream_ce.jsonvalue import JSON, loads
from assistant_stream_ce.message import Usage

_REASONS: dict[str, TurnFinish] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content-filter",
    "tool_call": "tool-calls",
    "error": "error",
}

# Providers whose reasoning has a signature for the next request; others put encrypted content there.
_SIGNING = ("anthropic", "bedrock")

# The id of reasoning that is encrypted as a whole.
_REDACTED = "redacted_thinking"

# Snowflake sends no finish reason, and the others' own reasons are not in the response.
_NOT_EXACT = ("snowflake", "xai", "cohere")

# The default name of output tools, whose calls are the agent's result and not shown.
_OUTPUT_TOOL = "final_result"


class PydanticAIReader(AgentReader):
    """Reads events. The indexes of parts begin again with each response of the model."""

    def __init__(self, out: TurnBuilder) -> None:
        super().__init__(out)
        self._source: Any = None
        # The last response of the model that was counted.
        self._response: Any = None
        self._has_part_end = False
        self._parts: dict[int, CallBuilder] = {}
        # A tool call that is not shown yet: the next event shows whether its tool is an output tool.
        self._held: tuple[int, Any] | None = None
        self._output_tools: set[str] = set()
        self._server_calls: dict[str, CallBuilder] = {}
        self._run_result: Any = None

    def opened(self, stream: Any) -> None:
        """Receive the events' object, which has the messages of the run."""
        self._source = stream

    def feed(self, event: Any) -> None:
        """Process an event."""
        kind = text_of(event, "event_kind")
        if self._held is not None:
            self._show_held(event, kind)
        match kind:
            case "part_delta":
                self._delta(integer(event, "index"), field(event, "delta"))
            case "part_start":
                self._start(integer(event, "index"), field(event, "part"))
            case "part_end":
                self._part_end(integer(event, "index"), field(event, "part"))
            case "function_tool_call" | "output_tool_call" | "deferred_tool_requests":
                self._end_response()
            case "function_tool_result" | "output_tool_result":
                self._end_response()
                self._result(field(event, "part") or field(event, "result"))
            case "agent_run_result":
                self._run_result = field(event, "result")
                if not hasattr(self._run_result, "new_messages_json"):
                    raise TypeError("no result of an agent")
                self._end_response()

    def end(self) -> AgentTurn:
        """Return the turn; see the base class."""
        if self._run_result is None:
            self.cut()
        output = field(self._run_result, "output")
        approvals, ours = _deferred(output, "approvals"), _deferred(output, "calls")
        self.request_approvals(approvals)
        messages = loads(self._run_result.new_messages_json())
        return self.end_run(self._run_result, messages, ours=ours, has_approvals=bool(approvals))

    # --- parts of a response ---

    def _start(self, index: int, part: Any) -> None:
        if index == 0 and self._has_part_end:
            # The model was asked again without a tool in between, for example to correct its output.
            self._end_response()
        self.begin_step()
        match text_of(part, "part_kind"):
            case "text":
                self.out.text(text_of(part, "content"))
                self._cite(field(part, "citations"))
            case "thinking":
                self.out.reasoning_part()
                self.out.think(text_of(part, "content"))
            case "tool-call":
                self._parts.pop(index, None)
                self._held = (index, part)
            case "builtin-tool-call":
                self._show(index, part, is_ours=False)
            case "builtin-tool-return":
                self._server_result(part)
            case "file":
                self._file(field(part, "content"))

    def _delta(self, index: int, delta: Any) -> None:
        match text_of(delta, "part_delta_kind"):
            case "text":
                self.out.text(delta_of(delta, "content_delta"))
                self._cite(field(delta, "citations_delta"))
            case "thinking":
                self.out.think(delta_of(delta, "content_delta"))
            case "tool_call":
                if (call := self._parts.get(index)) is not None:
                    # Arguments that are dicts are merged by the SDK, and whole at the part's end.
                    call.append(text_of(delta, "args_delta"))

    def _part_end(self, index: int, part: Any) -> None:
        self._has_part_end = True
        if field(part, "provider_name") in _SIGNING and field(part, "id") != _REDACTED:
            self.out.reasoning_signature(text_of(part, "signature"))
        if (call := self._parts.get(index)) is not None:
            call.set(native(field(part, "args")))
            call.close()

    def _show_held(self, event: Any, kind: str) -> None:
        assert self._held is not None
        (index, part), self._held = self._held, None
        name = text_of(part, "tool_name")
        if kind == "final_result" and field(event, "tool_call_id") == field(part, "tool_call_id"):
            self._output_tools.add(name)
        if name not in self._output_tools and not name.startswith(_OUTPUT_TOOL):
            self._show(index, part, is_ours=True)

    def _show(self, index: int, part: Any, *, is_ours: bool) -> None:
        call = self.out.call(text_of(part, "tool_name"), text_of(part, "tool_call_id") or None, is_ours=is_ours)
        call.append(text_of(part, "args"))
        self._parts[index] = call
        if is_ours:
            self.add_call(call)
        elif call.provider_id:
            self._server_calls[call.provider_id] = call

    def _server_result(self, part: Any) -> None:
        call = self._server_calls.pop(text_of(part, "tool_call_id"), None)
        if call is not None:
            call.result(_content(part), is_error=_is_error(part))

    def _file(self, content: Any) -> None:
        if isinstance(data := field(content, "data"), bytes):
            self.out.file(base64.b64encode(data).decode(), text_of(content, "media_type") or "application/octet-stream")

    def _cite(self, citations: Any) -> None:
        for source in sources_of(citations):
            title = field(source, "title")
            if field(source, "url"):
                self.out.source(field(source, "url"), title)
            else:
                self.out.document(field(source, "document_id") or title, "text/plain", title)

    # --- the end of a response ---

    def _end_response(self) -> None:
        """Finish the step of a response that is complete."""
        if not self._is_step_open:
            return
        response = self._new_response()
        if response is None:
            return
        self._response = response
        details = field(response, "provider_details") or {}
        provider_reason = field(details, "finish_reason") or field(response, "finish_reason")
        self.out.id = text_of(response, "provider_response_id") or None
        self.out.model = text_of(response, "model_name") or None
        self.out.usage = _usage(field(response, "usage"))
        if _is_cut(response):
            self.cut()
        reason = _REASONS.get(text_of(response, "finish_reason"), "other" if provider_reason else "stop")
        if reason == "tool-calls" and not self.out.calls:
            # Of an output tool, which is not shown.
            reason = "stop"
        self.finish_step(reason, provider_reason)
        self._parts.clear()
        self._has_part_end = False

    def _new_response(self) -> Any:
        """Return the response of the open step; None while the model streams it."""
        source = self._run_result if self._run_result is not None else self._source
        read = getattr(source, "all_messages", None)
        for message in reversed(read()) if read is not None else ():
            if text_of(message, "kind") == "response":
                return None if message is self._response else message
        return None

    def _result(self, part: Any) -> None:
        call_id = text_of(part, "tool_call_id")
        if text_of(part, "tool_name") not in self._output_tools and call_id:
            denied = field(part, "outcome") == "denied"
            self.add_result(call_id, _content(part), is_error=_is_error(part), denied=denied)


def sources_of(citations: Any) -> Iterator[Any]:
    """Yield the sources of citations."""
    for citation in citations or ():
        yield from field(citation, "sources") or (citation,)


def _deferred(output: Any, name: str) -> list[str]:
    """Return the ids of the calls that a run leaves to the application."""
    if type(output).__name__ != "DeferredToolRequests":
        return []
    return [text_of(part, "tool_call_id") for part in field(output, name) or ()]


def _content(part: Any) -> JSON:
    write = getattr(part, "model_response_str", None) or getattr(part, "model_response", None)
    return result_value(field(part, "content"), "" if write is None else write())


def _is_error(part: Any) -> bool:
    return text_of(part, "part_kind") == "retry-prompt" or field(part, "outcome") not in (None, "success")


def _usage(usage: Any) -> Usage:
    return Usage(
        integer(usage, "input_tokens"),
        integer(usage, "output_tokens"),
        integer(usage, "cache_read_tokens"),
        integer(usage, "cache_write_tokens"),
        integer(usage, "output_reasoning_tokens") or integer(field(usage, "details"), "reasoning_tokens"),
    )


def _is_cut(response: Any) -> bool:
    """Return whether a provider has not finished a response: the SDK takes a cut stream for a whole one."""
    if field(response, "state") == "incomplete":
        return True
    details = field(response, "provider_details")
    if not field(response, "provider_url") or field(response, "provider_name") in _NOT_EXACT:
        # Models that run in this process have no URL, and often no finish reason.
        return False
    reason = field(response, "finish_reason")
    # Where OpenAI's chat completions end without a reason, the SDK makes it `stop`, without the provider's own one.
    return reason is None or (reason == "stop" and bool(details) and not field(details, "finish_reason"))
