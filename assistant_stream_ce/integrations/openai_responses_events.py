"""Events of OpenAI's Responses API, and of everything compatible.

Format: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from typing import Any

from assistant_stream_ce.integrations.events import (
    TurnReader,
    delta_of,
    field,
    fields_of,
    integer,
    native_object,
    text_of,
)
from assistant_stream_ce.integrations.turn import CallBuilder, Turn, TurnBuilder, TurnFinish
from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.message import Usage

_INCOMPLETE: dict[str, TurnFinish] = {"max_output_tokens": "length", "content_filter": "content-filter"}

_FUNCTIONS = ("function_call", "custom_tool_call")
# Tools that the application runs, with the whole item as arguments.
_OURS = ("computer_call", "local_shell_call", "shell_call", "apply_patch_call")
# Tools that the provider runs.
_THEIRS = (
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_call",
    "tool_search_call",
)
_NOT_ARGUMENTS = frozenset({"id", "type", "status", "call_id", "result", "results", "output", "outputs", "error"})


class ResponsesReader(TurnReader):
    """Reads events. Items are identified by `output_index`, because some gateways change an item's id in each event."""

    def __init__(self, out: TurnBuilder) -> None:
        super().__init__(out)
        # The items in the provider's format, from their last event.
        self._items: dict[int, dict[str, JSON]] = {}
        self._calls: dict[int, CallBuilder] = {}
        # The (item, part) pairs whose text has arrived in deltas.
        self._with_deltas: set[tuple[int, int, str]] = set()
        self._newest_text: Any = None
        # The items whose arguments have arrived without a call.
        self._without_call: set[int] = set()
        self._outcome = ""

    def feed(self, event: Any) -> None:
        """Process an event."""
        fields = fields_of(event)
        if fields.get("type") == "response.output_text.delta" and type(text := fields.get("delta")) is str:
            # Most events are texts: they are read without a call for each field.
            key = fields.get("output_index"), fields.get("content_index")
            if key != self._newest_text:
                self._newest_text = key
                self._with_deltas.add((integer(event, "output_index"), integer(event, "content_index"), "text"))
            self.out.text(text)
            return
        kind = text_of(event, "type")
        index, part = integer(event, "output_index"), integer(event, "content_index")
        match kind:
            case "response.output_text.delta":
                # One without its text.
                delta_of(event, "delta")
            case "response.function_call_arguments.delta":
                if (call := self._calls.get(index)) is not None:
                    call.append(delta_of(event, "delta"))
                else:
                    self._without_call.add(index)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self._with_deltas.add((index, 0, "reasoning"))
                self.out.think(delta_of(event, "delta"))
            case "response.reasoning_summary_part.added":
                self.out.reasoning_part()
                self.out.metadata("reasoning", "openai", itemId=text_of(event, "item_id"))
            case "response.output_item.added":
                self._added(index, field(event, "item"))
            case "response.output_item.done":
                self._done(index, field(event, "item"))
            case "response.refusal.delta":
                self._with_deltas.add((index, part, "refusal"))
                self.out.refusal(delta_of(event, "delta"))
            case "response.output_text.annotation.added":
                self._annotation(field(event, "annotation"))
            case "response.function_call_arguments.done":
                if (call := self._calls.get(index)) is not None:
                    call.set(text_of(event, "arguments"))
                    call.close()
            case "response.mcp_call_arguments.done":
                if (call := self._calls.get(index)) is not None:
                    call.set(text_of(event, "arguments"))
            case "response.created" | "response.queued" | "response.in_progress":
                self._identify(field(event, "response"))
            case "response.completed" | "response.incomplete" | "response.failed":
                self._terminal(kind.removeprefix("response."), field(event, "response"))
            case "error":
                error = field(event, "error") or event
                self.fail(text_of(error, "message") or "the model reported an error", text_of(error, "code") or None)

    def end(self) -> Turn:
        """Return the turn; see the base class."""
        if not self.has_ended:
            self.cut()
        if lost := self._without_call - self._items.keys():
            raise ValueError(f"arguments without a tool call at output_index {min(lost)}")
        items = [self._items[index] for index in sorted(self._items)]
        return self.out.finish(self.reason, self.provider_reason, items)

    @property
    def has_ended(self) -> bool:
        """Whether the terminal event has arrived."""
        return bool(self._outcome)

    @property
    def reason(self) -> TurnFinish:
        """The finish reason."""
        return _INCOMPLETE.get(self.provider_reason or "", "other") if self._outcome == "incomplete" else "stop"

    def _identify(self, response: Any) -> None:
        self.out.id = text_of(response, "id") or self.out.id
        self.out.model = text_of(response, "model") or self.out.model

    def _terminal(self, outcome: str, response: Any) -> None:
        self._identify(response)
        for index, item in enumerate(field(response, "output") or ()):
            if index not in self._items:
                # Background mode and some gateways send whole items only here.
                self._done(index, item)
        usage = field(response, "usage")
        self.out.usage = Usage(
            integer(usage, "input_tokens"),
            integer(usage, "output_tokens"),
            integer(field(usage, "input_tokens_details"), "cached_tokens"),
            reasoning_tokens=integer(field(usage, "output_tokens_details"), "reasoning_tokens"),
        )
        self._outcome = outcome
        self.provider_reason: str | None = text_of(field(response, "incomplete_details"), "reason") or outcome
        if outcome == "failed":
            error = field(response, "error")
            self.fail(text_of(error, "message") or "the response failed", text_of(error, "code") or None)

    def _added(self, index: int, item: Any) -> None:
        kind = text_of(item, "type")
        if kind in _FUNCTIONS:
            self._call(index, item, text_of(item, "name"), is_ours=True)
        elif kind in _OURS:
            self._call(index, item, kind.removesuffix("_call"), is_ours=True)
        elif kind in _THEIRS:
            self._call(index, item, text_of(item, "name") or kind.removesuffix("_call"), is_ours=False)

    def _call(self, index: int, item: Any, name: str, *, is_ours: bool) -> CallBuilder:
        call_id = text_of(item, "call_id") or text_of(item, "id") or None
        call = self._calls[index] = self.out.call(name, call_id, is_ours=is_ours, known=self._calls.get(index))
        return call

    def _done(self, index: int, item: Any) -> None:
        kind = text_of(item, "type")
        made = self._items[index] = native_object(item)
        if kind == "message":
            self._missed_texts(index, item)
        elif kind == "reasoning":
            self._reasoning(index, item)
        elif kind == "mcp_approval_request":
            # The provider runs the tool once the next request has an `mcp_approval_response` with this id.
            call = self._call(index, item, text_of(item, "name"), is_ours=False)
            call.set(made.get("arguments"))
            call.request_approval(text_of(item, "id") or call.id)
        elif kind in _FUNCTIONS or kind in _OURS or kind in _THEIRS:
            if index not in self._calls:
                self._added(index, item)
            self._finish_call(self._calls[index], kind, made)

    def _reasoning(self, index: int, item: Any) -> None:
        """Send the texts of reasoning that had no deltas, and its encrypted content, which may be all there is."""
        encrypted = text_of(item, "encrypted_content")
        if (index, 0, "reasoning") not in self._with_deltas:
            if encrypted:
                self.out.reasoning_part()
            for part in (*(field(item, "summary") or ()), *(field(item, "content") or ())):
                self.out.think(text_of(part, "text"))
        if encrypted:
            item_id = text_of(item, "id")
            self.out.metadata("reasoning", "openai", itemId=item_id, reasoningEncryptedContent=encrypted)

    def _missed_texts(self, index: int, item: Any) -> None:
        """Send the texts of a message that had no deltas, and the citations that had no events."""
        for number, part in enumerate(field(item, "content") or ()):
            if text_of(part, "type") == "refusal":
                if (index, number, "refusal") not in self._with_deltas:
                    self.out.refusal(text_of(part, "refusal"))
                continue
            if (index, number, "text") not in self._with_deltas:
                self.out.text(text_of(part, "text"))
            for annotation in field(part, "annotations") or ():
                self._annotation(annotation)

    def _finish_call(self, call: CallBuilder, kind: str, item: dict[str, JSON]) -> None:
        if kind == "function_call":
            call.set(item.get("arguments"))
        elif kind == "custom_tool_call":
            call.set({"input": item.get("input")})
        elif kind == "mcp_call":
            call.set(item.get("arguments"))
        else:
            call.set({name: value for name, value in item.items() if name not in _NOT_ARGUMENTS})
        call.close()
        if kind not in _THEIRS:
            return
        if kind == "image_generation_call":
            if isinstance(image := item.get("result"), str):
                self.out.file(image, f"image/{item.get('output_format') or 'png'}")
            call.result({"status": item.get("status")})
            return
        names = ("output", "outputs", "results", "tools", "status")
        result = {name: item[name] for name in names if item.get(name) is not None}
        error = item.get("error")
        call.result(error if error is not None else result, is_error=error is not None)

    def _annotation(self, annotation: Any) -> None:
        match text_of(annotation, "type"):
            case "url_citation":
                place = field(annotation, "start_index"), field(annotation, "end_index")
                self.out.source(field(annotation, "url"), field(annotation, "title"), *place)
            case "file_citation" | "container_file_citation" | "file_path":
                name = field(annotation, "filename")
                self.out.document(
                    field(annotation, "file_id"), "text/plain", name or field(annotation, "file_id"), name
                )
