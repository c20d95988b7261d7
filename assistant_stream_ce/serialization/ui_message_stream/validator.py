"""Validation of UI message streams by the rules of AI SDK 5 and 6; the strict decoder checks those of version 7."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assistant_stream_ce.serialization.framing import Frame, FrameError
from assistant_stream_ce.serialization.ui_message_stream.values import FINISH_REASONS
from assistant_stream_ce.serialization.validation import Validator, json_object

# The frame types of AI SDK 5, which fails at any other, except for data parts; and those of version 6 for approvals,
# which only callbacks that ask for approvals cause.
_TYPES = frozenset(
    {
        "start",
        *(f"{part}-{place}" for part in ("text", "reasoning") for place in ("start", "delta", "end")),
        *(f"tool-input-{step}" for step in ("start", "delta", "available", "error")),
        *("tool-output-available", "tool-output-error", "tool-output-denied", "tool-approval-request"),
        *("source-url", "source-document", "file", "start-step", "finish-step"),
        *("message-metadata", "error", "abort", "finish"),
    }
)


class UIMessageStreamValidator(Validator):
    """Checks what AI SDK 5 and 6 reject, and that everything that starts also ends."""

    def __init__(self) -> None:
        self._is_done = False
        self._has_begun = False
        # Texts, reasoning and inputs of tool calls that were started, by type and id.
        self._open: dict[tuple[str, str], None] = {}

    def check(self, frame: Frame) -> None:
        """Check the type and the order of a frame."""
        if self._is_done:
            raise FrameError("nothing is read after [DONE]")
        if frame.data.strip() == b"[DONE]":
            self._is_done = True
            return
        value = json_object(frame.data)
        kind = str(value.get("type"))
        if kind not in _TYPES and not kind.startswith("data-"):
            raise FrameError(f"AI SDK 5 fails at a frame of type {kind[:40]}")
        if kind == "start" and self._has_begun:
            raise FrameError("`start` must be the first frame: clients discard anything before it")
        self._has_begun = True
        self._check_open(kind, value)
        if kind == "finish-step":
            self._refuse_open()
        if kind == "start-step":
            # AI SDK searches for a tool call in the current step.
            self._refuse_open("tool-input")
        if kind == "finish" and value.get("finishReason") not in (None, *FINISH_REASONS):
            raise FrameError(f"AI SDK 5 or 6 fails at the finish reason {str(value['finishReason'])[:40]}")

    def _check_open(self, kind: str, value: Mapping[str, Any]) -> None:
        """Follow what a frame starts, extends or ends."""
        match kind.rsplit("-", 1):
            case [("text" | "reasoning") as part, "start"]:
                if (part, str(value.get("id"))) in self._open:
                    raise FrameError(f"{part} {value.get('id')!r:.100} was started again before it ended")
                self._open[part, str(value.get("id"))] = None
            case [("text" | "reasoning") as part, "end"]:
                self._open.pop((part, str(value.get("id"))), None)
            case ["tool-input", "delta"]:
                if ("tool-input", str(value.get("toolCallId"))) not in self._open:
                    raise FrameError("the input of this tool call is complete")
            case ["tool-input", "start"]:
                self._open["tool-input", str(value.get("toolCallId"))] = None
            case ["tool-input" | "tool-output", "available" | "error"]:
                self._open.pop(("tool-input", str(value.get("toolCallId"))), None)

    def end(self) -> None:
        """Check that nothing is left open."""
        self._refuse_open()

    def _refuse_open(self, *kinds: str) -> None:
        for kind, id in self._open:
            if kinds and kind not in kinds:
                continue
            raise FrameError(f"{kind} {id!r:.100} was started but not ended")
