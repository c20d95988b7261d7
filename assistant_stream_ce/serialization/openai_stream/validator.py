"""Validation of OpenAI streams by the needs of the official clients, which assemble a completion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.serialization.decoder import checked
from assistant_stream_ce.serialization.framing import Frame, FrameError
from assistant_stream_ce.serialization.validation import Validator, json_object


class _Choice:
    """State of one choice; most streams have only one."""

    def __init__(self) -> None:
        self.has_role = False
        self.has_finished = False
        self.calls = 0


class OpenAIStreamValidator(Validator):
    """Checks that each choice has a role, a finish reason and tool calls numbered without gaps.

    The clients need neither an order of these nor `[DONE]`.
    """

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        # Whether [DONE] or an error was read: clients stop there.
        self._is_over = False
        self._is_done = False

    def check(self, frame: Frame) -> None:
        if self._is_done:
            raise FrameError("nothing is read after [DONE]")
        self._is_done = frame.data.strip() == b"[DONE]"
        if self._is_over:
            # A run may continue after an error.
            return
        if self._is_done:
            self._finish("no chunk before [DONE]")
            return
        value = json_object(frame.data)
        if value.get("error") not in (None, False, "") or frame.name == "error":
            self._is_over = True
            return
        for choice in checked(value.get("choices") or [], list, "choices"):
            self._check_choice(checked(choice, dict, "a choice"))

    def end(self) -> None:
        if not self._is_over:
            self._finish("no chunk before the end of the stream")

    def _finish(self, nowhere: str) -> None:
        self._is_over = True
        if not self._choices:
            raise FrameError(f"{nowhere} has a choice")
        for index, choice in self._choices.items():
            where = f" of choice {index}" if index else ""
            if not choice.has_finished:
                raise FrameError(f"{nowhere} has a finish_reason{where}")
            if not choice.has_role:
                raise FrameError(f"{nowhere} has the role assistant{where}")

    def _check_choice(self, fields: Mapping[str, Any]) -> None:
        index = fields.get("index")
        if type(index) is not int:
            raise FrameError("a choice must have an index")
        choice = self._choices.setdefault(index, _Choice())
        if fields.get("error"):
            self._is_over = True
            return
        # The decoder reads the first choice only.
        delta: dict[str, JSON] = checked(fields.get("delta") or {}, dict, "delta")
        role = delta.get("role")
        if role not in (None, "", "assistant"):
            raise FrameError(f"the role must be assistant, not {str(role)[:40]}")
        choice.has_role = choice.has_role or role == "assistant"
        for call in checked(delta.get("tool_calls") or [], list, "tool_calls"):
            _check_call(choice, checked(call, dict, "a tool call"))
        choice.has_finished = choice.has_finished or fields.get("finish_reason") is not None


def _check_call(choice: _Choice, call: Mapping[str, Any]) -> None:
    index = call.get("index")
    if type(index) is not int or index > choice.calls:
        raise FrameError(f"tool calls must be numbered without gaps: {choice.calls} is next, not {str(index)[:40]}")
    if index == choice.calls:
        function: dict[str, JSON] = checked(call.get("function") or {}, dict, "function")
        named = {"id": call.get("id"), "type": call.get("type"), "function.name": function.get("name")}
        for name, value in named.items():
            if value is None:
                raise FrameError(f"the first delta of a tool call must have a field {name}")
        choice.calls += 1
