"""What the official OpenAI clients need to assemble a completion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assistant_stream_ce.serialization.framing import Frame, FrameError
from assistant_stream_ce.serialization.validation import Validator, json_object


class OpenAIStreamValidator(Validator):
    """What the official clients need to put a completion together."""

    def __init__(self) -> None:
        self._has_role = False
        self._has_finished = False
        self._has_failed = False
        self._is_done = False
        self._calls = 0

    def check(self, frame: Frame) -> None:
        """Check that the role comes first and the finish reason last, and the numbers of tool calls."""
        if self._is_done:
            raise FrameError("nothing is read after [DONE]")
        if self._has_failed:
            # Clients read no further, and a run may go on after an error.
            return
        if frame.data.strip() == b"[DONE]":
            self._is_done = True
            if not self._has_finished:
                raise FrameError("no chunk before [DONE] has a finish_reason")
            return
        value = json_object(frame.data)
        if value.get("error") is not None or frame.name == "error":
            self._has_failed = True
            return
        for choice in value.get("choices") or ():
            self._check_choice(choice)

    def _check_choice(self, choice: Mapping[str, Any]) -> None:
        if self._has_finished:
            raise FrameError("the chunk with the finish_reason must be the last one with a choice")
        if type(choice.get("index")) is not int:
            raise FrameError("a choice must have an index")
        delta = choice.get("delta") or {}
        role = delta.get("role")
        if role not in (None, "assistant"):
            raise FrameError(f"the role must be assistant, not {role}")
        self._has_role = self._has_role or role is not None
        if not self._has_role:
            raise FrameError("the first delta must have the role assistant")
        for call in delta.get("tool_calls") or ():
            self._check_call(call)
        self._has_finished = choice.get("finish_reason") is not None

    def _check_call(self, call: Mapping[str, Any]) -> None:
        index = call.get("index")
        if type(index) is not int or index > self._calls:
            raise FrameError(f"tool calls must be numbered without gaps: {self._calls} is next, not {index}")
        if index == self._calls:
            function = call.get("function") or {}
            named = {"id": call.get("id"), "type": call.get("type"), "function.name": function.get("name")}
            for name, value in named.items():
                if value is None:
                    raise FrameError(f"the begin of a tool call must have a field {name}")
            self._calls += 1

    def end(self) -> None:
        """Check that the terminator was read, or an error."""
        if not self._is_done and not self._has_failed:
            raise FrameError("the stream ended without [DONE]")
